//! Histories with one lie each, and the error that it meets.

use allod_primitives::log::{LogHead, LogKind, Stated};
use allod_primitives::{Did, DidId, H256, Height, TimeMs};
use serde_json::{Value, json};

use super::super::Export;
use super::super::tests::export;
use super::Vector;
use super::lies::{by_ledgers, by_signers};
use super::scribe::*;
use super::valid::{deactivation, frozen, guarded, plain, recovery, simple, with_stub};
use crate::testing::{DAY, World, chain};

/// A vector, the error it meets, and in which entry.
pub(super) type Case = (Vector, &'static str, Option<u64>);

pub(super) fn all() -> Vec<Case> {
    let mut cases = files();
    cases.extend(names_and_ends());
    cases.extend(entries());
    cases.extend(statements());
    cases.extend(stubs());
    cases.extend(by_signers());
    cases.extend(by_ledgers());
    cases
}

/// An export without a known head, and where it fails.
pub(super) fn refused(
    name: &'static str,
    description: &'static str,
    export: &Export,
    error: &'static str,
    n: u64,
) -> Case {
    let vector = Vector::new(name, description, export, None);
    (vector, error, Some(n))
}

/// A world whose last entry is the lie.
pub(super) fn last(
    name: &'static str,
    description: &'static str,
    world: &World,
    error: &'static str,
) -> Case {
    let n = world.record.log.count - 1;
    refused(name, description, &export(world), error, n)
}

fn files() -> Vec<Case> {
    let changed = |name, description, change: &dyn Fn(&mut Value)| {
        let mut vector = Vector::new(name, description, &export(&plain()), None);
        change(&mut vector.file);
        (vector, "form", None)
    };
    vec![
        changed("unknown-version", "version 2", &|it| {
            it["version"] = json!(2)
        }),
        changed("unknown-member", "a member that nobody knows", &|it| {
            it["comment"] = json!("")
        }),
        changed("short-hash", "a head of 31 bytes", &|it| {
            let text = it["logHead"].as_str().unwrap().to_owned();
            it["logHead"] = json!(text[..64]);
        }),
        changed("trailing-byte", "a byte after an operation", &|it| {
            let text = it["entries"][1]["operation"].as_str().unwrap().to_owned();
            it["entries"][1]["operation"] = json!(format!("{text}00"));
        }),
        changed("two-statements", "a decision and a time at once", &|it| {
            it["entries"][1]["effectiveAt"] = json!(1);
            it["entries"][1]["decision"] = json!({ "kind": "unfreeze" });
        }),
        changed(
            "network-upper-case",
            "the network of the DID in upper case",
            &|it| {
                let did = it["did"].as_str().unwrap().to_owned();
                let (network, id) = did[10..].split_once(':').unwrap();
                it["did"] = json!(format!("did:allod:{}:{id}", network.to_uppercase()));
            },
        ),
    ]
}

fn names_and_ends() -> Vec<Case> {
    let honest = export(&plain());
    let known = Some(honest.head);
    let whole = |name, description, export: &Export, error| {
        (Vector::new(name, description, export, known), error, None)
    };
    let mut other_did = whole(
        "other-identity",
        "another identity is asked for",
        &honest,
        "other_identity",
    );
    other_did.0.did = Did::new(honest.did.network(), DidId([3; 32])).to_string();
    let mut other_network = honest.clone();
    other_network.chain.genesis = H256([7; 32]);
    let empty = Export {
        entries: Vec::new(),
        head: LogHead::default(),
        ..honest.clone()
    };
    let mut cut = honest.clone();
    cut.entries.pop();
    rehash(&mut cut);
    let mut own_head = honest.clone();
    own_head.head.head = H256([1; 32]);
    let unsaid = Vector::new(
        "another-own-head",
        "the file says another head than its entries have",
        &own_head,
        None,
    );
    let mut own_count = honest.clone();
    own_count.head.count += 1;
    let miscounted = Vector::new(
        "another-own-count",
        "the file says that there is an entry more",
        &own_count,
        None,
    );
    vec![
        other_did,
        whole(
            "other-network",
            "the log of another network",
            &other_network,
            "other_identity",
        ),
        whole("empty", "no entry", &empty, "empty"),
        whole("cut-off", "the last entry is left out", &cut, "other_head"),
        (unsaid, "other_head", None),
        (miscounted, "other_head", None),
    ]
}

fn entries() -> Vec<Case> {
    let plain = plain();
    let recovered = recovery();
    let automatic = position(&recovered, LogKind::Automatic);
    let n = automatic as u64;
    let at = |name, description, error, change: &dyn Fn(&mut super::super::ExportedEntry)| {
        refused(name, description, &changed(&plain, 2, change), error, 2)
    };
    let effect = |name, description, error, change: &dyn Fn(&mut super::super::ExportedEntry)| {
        refused(
            name,
            description,
            &changed(&recovered, automatic, change),
            error,
            n,
        )
    };
    let second = export(&plain).entries[1].clone();
    let mut swapped = export(&plain);
    swapped.entries.swap(1, 2);
    rehash(&mut swapped);
    let mut without_first = export(&plain);
    without_first.entries.remove(0);
    without_first.entries[0].entry.n = 0;
    without_first.entries[1].entry.n = 1;
    rehash(&mut without_first);
    vec![
        refused(
            "swapped",
            "two entries have changed places",
            &swapped,
            "position",
            1,
        ),
        at(
            "number",
            "a number that is not the entry's place",
            "position",
            &|it| it.entry.n = 3,
        ),
        at(
            "height-back",
            "a height before that of the entry before",
            "order",
            &|it| {
                it.entry.height = Height(it.entry.height.0 - 5);
            },
        ),
        at(
            "time-back",
            "a time before that of the entry before",
            "order",
            &|it| {
                it.entry.time = TimeMs(it.entry.time.0 - 5000);
            },
        ),
        at(
            "height-stands",
            "the time has moved and the height has not",
            "order",
            &|it| {
                it.entry.height = Height(it.entry.height.0 - 1);
            },
        ),
        at(
            "operation-missing",
            "an operation is left out",
            "operation_missing",
            &|it| it.operation = None,
        ),
        at(
            "operation-hash",
            "another operation hash",
            "operation_hash",
            &|it| {
                it.entry.operation_hash = H256([1; 32]);
            },
        ),
        at(
            "another-operation",
            "the operation of another entry",
            "operation_hash",
            &|it| {
                it.operation = second.operation.clone();
            },
        ),
        at(
            "signatures-hash",
            "another hash of the signatures",
            "signatures_hash",
            &|it| {
                it.entry.signatures_hash = H256([1; 32]);
            },
        ),
        at("record-hash", "another record hash", "record_hash", &|it| {
            it.entry.record_hash = H256([1; 32])
        }),
        at(
            "height-of-record",
            "nothing but the chain of hashes covers heights: a time moved alone",
            "record_hash",
            &|it| {
                it.entry.time = TimeMs(it.entry.time.0 + 1);
            },
        ),
        effect(
            "automatic-signed",
            "an effect of time with signatures",
            "signatures_hash",
            &|it| {
                it.entry.signatures_hash = H256([1; 32]);
            },
        ),
        effect(
            "automatic-operation",
            "an effect of time with an operation",
            "operation_misplaced",
            &|it| {
                it.operation = second.operation.clone();
            },
        ),
        effect(
            "no-such-effect",
            "an effect of something that does not wait",
            "no_such_effect",
            &|it| {
                it.entry.operation_hash = H256([1; 32]);
            },
        ),
        refused(
            "no-inception",
            "the first entry is left out",
            &without_first,
            "inception",
            0,
        ),
        ended(),
        effect_missing(),
        effect_too_early(),
    ]
}

/// The place of the first entry of a kind.
pub(super) fn position(world: &World, kind: LogKind) -> usize {
    world
        .log
        .iter()
        .position(|(entry, _)| entry.kind == kind)
        .unwrap()
}

fn ended() -> Case {
    let mut world = deactivation();
    let key = generation(0, 0).key;
    let operation = next(&world, Lane::Documents, 0, super::valid::add("key-7", 107));
    force(&mut world, sign(operation, &[&key]));
    last(
        "ended",
        "an operation after the deactivation",
        &world,
        "ended",
    )
}

fn effect_missing() -> Case {
    let mut world = guarded();
    act(
        &mut world,
        Lane::Guardians,
        super::valid::recover(),
        &[20, 22],
    );
    // A ledger that goes on as if time had not passed.
    world.now = world.now.plus_ms(10 * DAY);
    world.height = Height(world.height.0 + 1);
    let body = super::valid::cut_off(&world);
    let operation = next(&world, Lane::Documents, 0, body);
    force_now(&mut world, sign(operation, &[&crate::testing::secret(1)]));
    last(
        "effect-missing",
        "a recovery whose time has come is passed over",
        &world,
        "effect_missing",
    )
}

fn effect_too_early() -> Case {
    let mut world = guarded();
    let id = act(
        &mut world,
        Lane::Guardians,
        super::valid::recover(),
        &[20, 22],
    );
    let due = world.record.pending[0].effective_at;
    let effect = allod_primitives::control::next_effect(&world.record, due).unwrap();
    world.record = effect.record;
    world.now = TimeMs(due.0 - 1);
    world.height = world.height.next();
    world.append(LogKind::Automatic, id, None);
    last(
        "effect-too-early",
        "a recovery takes effect a millisecond before its time",
        &world,
        "no_such_effect",
    )
}

fn statements() -> Vec<Case> {
    let frozen = frozen();
    let first = position(&frozen, LogKind::Governance);
    let decided = |name, description, n: usize, stated: Option<Stated>| {
        let export = changed(&frozen, n, |it| it.stated = stated);
        refused(name, description, &export, "stated", n as u64)
    };
    let waits = |name, description, at: Option<u64>| {
        let stated = at.map(|ms| Stated::EffectiveAt(frozen.log[1].0.time.plus_ms(ms)));
        decided(name, description, 1, stated)
    };
    let mut too_long = simple();
    too_long.pass(1000);
    let decision = freeze(&too_long, "for good", 32 * DAY);
    decide(&mut too_long, decision);
    let mut unfrozen = simple();
    unfrozen.pass(1000);
    decide(&mut unfrozen, Stated::Unfrozen);
    let mut silent = simple();
    silent.pass(1000);
    let decision = freeze(&silent, "", DAY);
    decide(&mut silent, decision);
    vec![
        decided(
            "decision-missing",
            "what was decided is left out",
            first,
            None,
        ),
        decided(
            "decision-of-an-operation",
            "an operation that decides a freeze",
            1,
            Some(Stated::Unfrozen),
        ),
        waits(
            "waits-unsaid",
            "until when a change waits is left out",
            None,
        ),
        waits(
            "waits-too-short",
            "a change waits for less than any network asks",
            Some(DAY),
        ),
        waits(
            "waits-too-long",
            "a change waits for longer than any network asks",
            Some(8 * DAY),
        ),
        last(
            "freeze-too-long",
            "a freeze of 32 days",
            &too_long,
            "stated",
        ),
        last(
            "freeze-without-reason",
            "a freeze without a reason",
            &silent,
            "stated",
        ),
        last(
            "unfreeze-of-nothing",
            "the end of a freeze that there was not",
            &unfrozen,
            "stated",
        ),
        refused(
            "another-freeze",
            "a freeze of another reason than the record's",
            &changed(&frozen, first, |it| {
                it.stated = Some(freeze(&frozen, "no order", DAY / 2))
            }),
            "record_hash",
            first as u64,
        ),
    ]
}

fn stubs() -> Vec<Case> {
    let (world, honest) = with_stub();
    let stub = |name, description, error, change: &dyn Fn(&mut super::super::ExportedEntry)| {
        let mut export = honest.clone();
        change(&mut export.entries[1]);
        if let Some(record) = &export.entries[1].record {
            export.entries[1].entry.record_hash = record.content_hash();
        }
        rehash(&mut export);
        let vector = Vector::new(name, description, &export, Some(export.head));
        (vector, error, Some(1))
    };
    let known = Some(world.record.log);
    let mut other = honest.clone();
    other.entries[1].record.as_mut().unwrap().grant_epoch = 9;
    let mut both = honest.clone();
    both.entries[1].operation = export(&world).entries[1].operation.clone();
    let mut bare = honest.clone();
    bare.entries[1].record = None;
    vec![
        (
            Vector::new(
                "erased-unproven",
                "an operation is erased, and the head is not known",
                &honest,
                None,
            ),
            "operation_missing",
            Some(1),
        ),
        (
            Vector::new(
                "erased-without-record",
                "an operation is erased, and no record shown",
                &bare,
                known,
            ),
            "operation_missing",
            Some(1),
        ),
        (
            Vector::new(
                "erased-and-there",
                "an operation and a record",
                &both,
                known,
            ),
            "operation_misplaced",
            Some(1),
        ),
        (
            Vector::new(
                "erased-another-record",
                "the record of an erased operation is not the entry's",
                &other,
                known,
            ),
            "record_hash",
            Some(1),
        ),
        stub("erased-two-lanes", "two lanes have moved", "stub", &|it| {
            it.record.as_mut().unwrap().lanes.guardians.next_seq = 1;
        }),
        stub(
            "erased-another-lane-head",
            "the lane has another head than the operation",
            "stub",
            &|it| {
                it.record.as_mut().unwrap().lanes.documents.last = H256([1; 32]);
            },
        ),
        stub(
            "erased-created",
            "the identity is younger than it was",
            "stub",
            &|it| {
                it.record.as_mut().unwrap().created.0 += 1;
            },
        ),
        stub(
            "erased-updated",
            "the record was changed at another time",
            "stub",
            &|it| {
                it.record.as_mut().unwrap().updated.0 -= 1;
            },
        ),
        stub(
            "erased-retired-count",
            "a method is gone, and none was retired",
            "stub",
            &|it| {
                it.record.as_mut().unwrap().retired_count = 0;
            },
        ),
        governance_record(),
    ]
}

fn governance_record() -> Case {
    let frozen = frozen();
    let n = position(&frozen, LogKind::Governance);
    let record = frozen.record.clone();
    let export = changed(&frozen, n, |it| it.record = Some(Box::new(record)));
    assert_eq!(export.chain, chain());
    refused(
        "governance-record",
        "a record beside a decision",
        &export,
        "operation_misplaced",
        n as u64,
    )
}

use allod_primitives::operation::Lane;
