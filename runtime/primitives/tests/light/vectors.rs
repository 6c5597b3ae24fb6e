//! The cases as files in `spec/vectors/{valid,invalid}/light-*.json`, and the library's verdict on
//! each. `ALLOD_BLESS=1` rewrites the files.
#![expect(clippy::disallowed_methods, reason = "reads and writes the vectors")]

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cases::{Place, Question, honest, lies};
use crate::library::ask::ask;
use crate::world::World;

/// Longer questions are asked, but not written down.
const VECTOR_BYTES_MAX: usize = 64 * 1024;

#[test]
fn honest_answers_are_believed() {
    let world = World::new();
    for case in honest(&world) {
        assert_eq!(ask(&case.question), Ok(()), "{}", case.name);
        let vector = vector(&case.question, case.description, None);
        settle("valid", case.name, &vector);
    }
}

#[test]
fn every_lie_meets_the_error_it_is_named_after() {
    let world = World::new();
    let lies = lies(&world);
    for lie in &lies {
        let error = ask(&lie.question).expect_err(lie.name);
        assert_eq!(error.slug(), lie.slug, "{}: {error}", lie.name);
        let vector = vector(&lie.question, lie.description, Some(lie.slug));
        settle("invalid", lie.name, &vector);
    }
    assert!(lies.len() >= 45, "{} lies", lies.len());
}

fn settle(kind: &str, name: &str, vector: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(kind)
        .join(format!("light-{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
    if text.len() > VECTOR_BYTES_MAX {
        return;
    }
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(file, text, "{} differs", path.display());
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn all(list: &[Vec<u8>]) -> Vec<String> {
    list.iter().map(hex).collect()
}

fn vector(question: &Question, description: &str, expect: Option<&str>) -> Value {
    let mut vector = match question {
        Question::Genesis {
            network,
            header,
            validators,
        } => json!({ "kind": "light_genesis", "network": network, "header": hex(header),
            "validators": hex(validators) }),
        Question::Checkpoint {
            text,
            genesis,
            header,
            validators,
        } => json!({ "kind": "light_checkpoint", "checkpoint": text, "genesis": hex(genesis),
            "header": hex(header), "validators": hex(validators) }),
        Question::Headers { trust, list } => {
            json!({ "kind": "light_headers", "trust": hex(trust), "headers": all(list) })
        }
        Question::Transition { trust, transition } => json!({ "kind": "light_transition",
            "trust": hex(trust), "transition": hex(transition) }),
        Question::Read {
            trust,
            proof,
            reads,
        } => json!({ "kind": "light_read", "trust": hex(trust), "proof": hex(proof),
            "reads": all(reads) }),
        Question::Steps {
            trust,
            follower,
            blocks,
        } => json!({ "kind": "light_steps", "trust": hex(trust), "follower": hex(follower),
            "blocks": all(blocks) }),
        Question::Pages {
            trust,
            header,
            pages,
        } => json!({ "kind": "light_pages", "trust": hex(trust), "header": hex(header),
            "pages": all(pages) }),
        Question::Place {
            trust,
            header,
            place,
        } => json!({ "kind": "light_place", "trust": hex(trust), "header": hex(header),
            "place": of_place(place) }),
    };
    vector["description"] = json!(description);
    if let Some(slug) = expect {
        vector["expect"] = json!(slug);
    }
    vector
}

fn of_place(place: &Place) -> Value {
    let pair = |pair: Option<(allod_primitives::TimeMs, u64)>, name: &str| {
        pair.map(|(now, ms)| json!({ "now": now.0, name: ms }))
    };
    json!({
        "trusting_period": pair(place.trusting_period, "period_ms"),
        "ahead": place.now.map(|now| json!({ "now": now.0 })),
        "staleness": pair(place.staleness, "staleness_ms_max"),
        "at_least": place.at_least,
        "at": place.at,
        "answered": place.answered,
    })
}
