//! The vectors of spec/signer.md: requests, answers and what is signed, byte for byte.

use std::path::PathBuf;

use allod_primitives::BoundedVec;
use serde_json::{Map, Value, json};

use super::super::protocol::{Record, SIGNER_VERSION};
use super::*;

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn settle(name: &str, vector: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors");
    let path = folder.join(format!("{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(vector).unwrap());
    if std::env::var_os("ALLOD_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(file, text, "{} differs from the code", path.display());
    }
}

fn asks() -> [(&'static str, Ask); 8] {
    let block_hash = H256([0x11; 32]);
    let (height, round) = (Height(70_000), 1);
    let proposal = |pol_round| Ask::Proposal {
        height,
        round,
        pol_round,
        block_hash,
    };
    let vote = |kind, block_hash| Ask::Vote {
        kind,
        height,
        round,
        block_hash,
    };
    [
        ("hello", Ask::Hello),
        ("prevote", vote(1, Some(block_hash))),
        ("prevote_nil", vote(1, None)),
        ("precommit", vote(2, Some(block_hash))),
        ("proposal", proposal(None)),
        ("proposal_pol_0", proposal(Some(0))),
        (
            "parts",
            Ask::Parts {
                height,
                round,
                pol_round: None,
                block_hash,
                block_bytes: 1234,
            },
        ),
        (
            "peer",
            Ask::Peer {
                peer_id: BoundedVec::try_from(vec![0x22; 38]).unwrap(),
            },
        ),
    ]
}

fn answers() -> [(&'static str, Said); 11] {
    let record = Record {
        kind: 2,
        height: Height(70_000),
        round: 1,
        pol_round: None,
        block_hash: Some(H256([0x11; 32])),
    };
    [
        ("key", Said::Key(PublicKey([0x33; 32]))),
        ("signature", Said::Signature(Signature([0x44; 64]))),
        ("conflict", Said::Conflict(record.clone())),
        ("stale", Said::Stale(record)),
        ("below", Said::Below { floor: Height(9) }),
        ("lost", Said::Lost { since: TimeMs(9) }),
        (
            "outdated",
            Said::Outdated {
                signed: Height(9),
                known: Height(8),
            },
        ),
        ("other_chain", Said::OtherChain),
        ("malformed", Said::Malformed),
        ("failed", Said::Failed),
        ("busy", Said::Busy),
    ]
}

#[test]
fn requests_and_answers_are_as_the_vectors_have_them() {
    let public = PublicKey(key().verifying_key().to_bytes());
    let seen = Seen {
        tip: Height(69_999),
        tip_time: TimeMs(1_790_000_000_000),
        signed: Height(69_998),
    };
    let mut requests = Map::new();
    for (name, ask) in asks() {
        let body = Request::new(&chain(), &seen, ask.clone()).encode();
        assert!(body.len() <= SIGNER_FRAME_BYTES_MAX);
        let back = Request::decode(&body).unwrap();
        assert_eq!((back.seen(), &back.ask), (seen, &ask));
        let message = ask.clone().message();
        if let Some(message) = &message {
            assert_eq!(Ask::of(message), Some(ask));
        }
        let preimage = message.map(|message| hex(message.preimage(&chain(), &public)));
        requests.insert(
            name.into(),
            json!({ "body": hex(&body), "signed": preimage }),
        );
    }
    let mut said = Map::new();
    for (name, answer) in answers() {
        let body = Answer::from(answer.clone()).encode();
        assert!(body.len() <= SIGNER_FRAME_BYTES_MAX);
        assert_eq!(Answer::decode(&body).unwrap(), answer);
        said.insert(name.into(), hex(&body).into());
    }
    let vector = json!({
        "answers": said,
        "description": "bodies of frames between node and signer; genesis 0xaa…, fork 0; `signed`: what the key signs",
        "public_key": hex(public.0),
        "requests": requests,
    });
    settle("valid/signer", &vector);
}

/// Goal: numbers stay what they were, for a node and its signer are upgraded one after the other.
/// Method: each answer's byte behind the version; 4 was `Full`, and decodes as nothing.
#[test]
fn the_numbers_of_answers_never_change() {
    let numbers = answers().map(|(_, said)| Answer::from(said).encode()[1]);
    assert_eq!(numbers, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
    let numbers = asks().map(|(_, ask)| ask.encode()[0]);
    assert_eq!(numbers, [0, 1, 1, 1, 2, 2, 3, 4]);
    assert!(Answer::decode(&[SIGNER_VERSION, 4]).is_err());
}

/// One defect each.
#[test]
fn requests_that_break_one_rule_are_malformed() {
    let hello = request(Ask::Hello).encode();
    let nil = request(vote(1, 5, 0, None)).encode();
    let kind = hello.len();
    let mut cases = Vec::new();
    let mut case = |name, description, bytes: Vec<u8>| cases.push((name, description, bytes));
    let mut changed = hello.clone();
    changed[0] = 2;
    case("unknown-version", "version 2", changed);
    let mut changed = hello.clone();
    changed[kind - 1] = 5;
    case("unknown-ask", "no sixth thing is signed", changed);
    case(
        "bytes-after",
        "a byte too many",
        [nil.clone(), vec![0]].concat(),
    );
    case("cut", "a byte too few", nil[..nil.len() - 1].to_vec());
    let mut changed = nil.clone();
    changed[kind] = 3;
    case("unknown-vote", "neither prevote nor precommit", changed);
    let peer = |bytes: usize| {
        let id = vec![9u8; bytes].encode();
        [&hello[..kind - 1], &[4], &id[..]].concat()
    };
    case("peer-id-empty", "an identity of no bytes", peer(0));
    case("peer-id-too-long", "an identity of 65 bytes", peer(65));
    for (name, description, bytes) in cases {
        assert!(Request::decode(&bytes).is_err(), "{name}");
        let vector = json!({
            "bytes": hex(&bytes),
            "description": description,
            "expect": "malformed",
            "kind": "signer-request",
        });
        settle(&format!("invalid/signer-{name}"), &vector);
    }
}
