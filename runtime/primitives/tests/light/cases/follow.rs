//! Lies in streams of changes, and in pages of the whole state.

use allod_primitives::header::next_changes_accumulator;
use allod_primitives::light::{BlockChanges, PageValue, StatePage};
use allod_primitives::{H256, Header, keys};
use parity_scale_codec::Encode;

use super::{Lie, Question};
use crate::world::{Changes, World, did, root_of, whole};

const FOLLOW: &str = "light/follow.rs";
const TRUST: &str = "light/trust.rs";
const PAGES: &str = "light/pages.rs";

/// What a block changes, as an honest node streams it.
pub(super) fn changes(world: &World, height: usize) -> BlockChanges {
    let header = world.header(height);
    let digest = &header.digest;
    let ends = digest.next_validator_set != digest.validator_set;
    BlockChanges {
        transition: ends.then(|| world.set(height as u64 + 1).set.clone()),
        changes: whole(&world.blocks[height].changes),
        head: world.honest(height),
    }
}

/// A follower at the block `at`, whose trust knows only genesis and the sets A and B.
pub(super) fn steps(world: &World, at: usize, blocks: &[BlockChanges]) -> Question {
    steps_with(world, &[0, 1], at, blocks)
}

/// As [`steps`], with a trust in these sets.
pub(super) fn steps_with(
    world: &World,
    sets: &[usize],
    at: usize,
    blocks: &[BlockChanges],
) -> Question {
    let header = world.header(at);
    let accumulator = header.digest.changes_accumulator;
    Question::Steps {
        trust: world.trust(sets, &[0]),
        follower: (1u8, header.number, header.hash(), accumulator).encode(),
        blocks: blocks.iter().map(BlockChanges::to_bytes).collect(),
    }
}

/// Block `height` with another header, of which the changes are true unless `change` alters that.
fn certified(
    world: &World,
    height: usize,
    list: &Changes,
    change: impl FnOnce(&mut Header),
) -> BlockChanges {
    let mut header = world.header(height);
    let before = world.header(height - 1).digest.changes_accumulator;
    let digest = &mut header.digest;
    (digest.changes_root, digest.changes_count) = root_of(list);
    change(&mut header);
    let digest = &mut header.digest;
    let (root, count) = (digest.changes_root, digest.changes_count);
    digest.changes_accumulator = next_changes_accumulator(before, header.number, &root, count);
    BlockChanges {
        transition: None,
        head: world.certified(header),
        changes: whole(list),
    }
}

pub(super) fn cases(world: &World) -> Vec<Lie> {
    let step = |name, description, slug, checks, at, blocks: &[BlockChanges]| Lie {
        name,
        description,
        question: steps(world, at, blocks),
        slug,
        checks,
    };
    let of = |height| changes(world, height);
    let mut lies = vec![
        step(
            "step-omitted",
            "a block with changes is left out",
            "changes_gap",
            &[(FOLLOW, "accumulator == digest.changes_accumulator")],
            4,
            &[of(6)],
        ),
        step(
            "step-reordered",
            "two blocks with changes in the wrong order",
            "changes_gap",
            &[
                (FOLLOW, "accumulator == digest.changes_accumulator"),
                (FOLLOW, "height > at"),
            ],
            4,
            &[of(6), of(5)],
        ),
        step(
            "step-replayed",
            "a block with changes comes twice",
            "step_back",
            &[
                (FOLLOW, "height > at"),
                (FOLLOW, "accumulator == digest.changes_accumulator"),
            ],
            4,
            &[of(5), of(5)],
        ),
        step(
            "step-replayed-without-changes",
            "a block without changes comes twice",
            "step_back",
            &[(FOLLOW, "height > at")],
            3,
            &[of(4), of(4)],
        ),
    ];
    let mut orphan = world.header(5);
    orphan.parent_hash = H256([9; 32]);
    let mut block = of(5);
    block.head = world.certified(orphan);
    lies.push(step(
        "step-parent",
        "the next block is no child of the follower's",
        "step_parent",
        &[(FOLLOW, "header.parent_hash == self.hash")],
        4,
        &[block],
    ));
    lies.extend(change_cases(world));
    lies.extend(set_cases(world));
    lies
}

fn change_cases(world: &World) -> Vec<Lie> {
    let step = |name, description, slug, checks, block: BlockChanges| Lie {
        name,
        description,
        question: steps(world, 5, &[block]),
        slug,
        checks,
    };
    let good = &world.blocks[6].changes;
    let mut backwards = good.clone();
    backwards.reverse();
    let mut foreign = good.clone();
    foreign.push((keys::item("System", "Number"), Some(vec![1; 8])));
    foreign.sort();
    let mut altered = changes(world, 6);
    altered.changes[0].1 = PageValue::whole(vec![9; 44]);
    let mut deleted = changes(world, 6);
    deleted.changes[0].1 = None;
    let mut invented = changes(world, 6);
    invented.changes.push((did(9), PageValue::whole(vec![9])));
    invented.changes.sort_by(|a, b| a.0.cmp(&b.0));
    let mut withheld = changes(world, 2);
    let values = withheld.changes.iter_mut();
    withhold(values.filter_map(|(key, value)| Some((&*key, value.as_mut()?))));
    vec![
        step(
            "changes-order",
            "changes that descend, certified as they are",
            "changes_order",
            &[(FOLLOW, "changes.is_sorted_by")],
            certified(world, 6, &backwards, |_| {}),
        ),
        step(
            "changes-count",
            "a certified header that counts one change more than its root has",
            "changes_count",
            &[(FOLLOW, "u32::try_from(actual) == Ok(expected)")],
            certified(world, 6, good, |it| it.digest.changes_count += 1),
        ),
        step(
            "changes-value",
            "a change with another value",
            "changes_root",
            &[(FOLLOW, "actual == digest.changes_root")],
            altered,
        ),
        step(
            "changes-deleted",
            "a change shown as a deletion",
            "changes_root",
            &[(FOLLOW, "actual == digest.changes_root")],
            deleted,
        ),
        step(
            "changes-invented",
            "a key that did not change",
            "changes_count",
            &[
                (FOLLOW, "u32::try_from(actual) == Ok(expected)"),
                (FOLLOW, "actual == digest.changes_root"),
            ],
            invented,
        ),
        step(
            "changes-foreign",
            "a certified change of a key that headers do not commit to",
            "changes_foreign",
            &[(FOLLOW, "key.starts_with(prefix)")],
            certified(world, 6, &foreign, |_| {}),
        ),
        Lie {
            name: "changes-value-withheld",
            description: "a revocation of which the hash alone is shown",
            question: steps(world, 1, &[withheld]),
            slug: "value_withheld",
            checks: &[(FOLLOW, "whole.accepts(key, it)")],
        },
    ]
}

/// Shows hashes in place of the values of revocations.
fn withhold<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, &'a mut PageValue)>) {
    let tags = keys::item("Revocation", "Tags");
    let entries = entries.filter(|(key, _)| key.starts_with(&tags));
    entries.for_each(|(_, value)| *value = PageValue::Hash(value.hash()));
}

fn set_cases(world: &World) -> Vec<Lie> {
    let step = |name, description, slug, checks, at, block: BlockChanges| Lie {
        name,
        description,
        question: steps(world, at, &[block]),
        slug,
        checks,
    };
    let mut none = changes(world, 7);
    none.transition = None;
    let mut other = changes(world, 7);
    other.transition = Some(world.sets[0].set.clone());
    let mut same = changes(world, 5);
    same.transition = Some(world.sets[1].set.clone());
    vec![
        step(
            "step-set-withheld",
            "the next block is of another set, which is not given",
            "transition_none",
            &[(FOLLOW, "next_validator_set == header.digest.validator_set")],
            6,
            none,
        ),
        step(
            "step-set-another",
            "another set than the block names",
            "transition_set",
            &[(
                TRUST,
                "validators.hash() == header.digest.next_validator_set",
            )],
            6,
            other,
        ),
        step(
            "step-set-same",
            "a transition where the set stays",
            "transition_none",
            &[(TRUST, "ends_set(header)")],
            4,
            same,
        ),
    ]
}

/// The whole state after block 6, two entries a page; values of records as hashes.
pub(super) fn whole_state(world: &World) -> Vec<StatePage> {
    let record = keys::item("Did", "Records");
    let entries = world.blocks[6].state.iter().map(|(key, value)| {
        let value = PageValue::whole(value.clone()).unwrap();
        let hash = PageValue::Hash(value.hash());
        let is_record = key.starts_with(&record);
        (key.clone(), if is_record { hash } else { value })
    });
    let entries: Vec<_> = entries.collect();
    let count = entries.len().div_ceil(2);
    let pages = (1..).zip(entries.chunks(2)).map(|(n, entries)| StatePage {
        entries: entries.to_vec(),
        more: n < count,
    });
    pages.collect()
}

pub(super) fn all_pages(world: &World, pages: &[StatePage]) -> Question {
    Question::Pages {
        trust: world.trust(&[0, 1], &[0]),
        header: world.honest(6).encode(),
        pages: pages.iter().map(StatePage::to_bytes).collect(),
    }
}

pub(super) fn pages(world: &World) -> Vec<Lie> {
    let mut order = whole_state(world);
    order.swap(0, 1);
    let mut missing = whole_state(world);
    missing[1].entries.pop();
    let mut invented = whole_state(world);
    let last = invented.last_mut().unwrap();
    last.entries
        .push((vec![0xff], PageValue::whole(vec![1]).unwrap()));
    let mut altered = whole_state(world);
    altered[0].entries[0].1 = PageValue::whole(vec![9]).unwrap();
    let mut withheld = whole_state(world);
    let entries = withheld.iter_mut().flat_map(|it| &mut it.entries);
    withhold(entries.map(|(key, value)| (&*key, value)));
    let mut endless = whole_state(world);
    let nothing = StatePage {
        entries: Vec::new(),
        more: true,
    };
    endless.insert(1, nothing);
    let root = |name, description, pages: &[StatePage]| Lie {
        name,
        description,
        question: all_pages(world, pages),
        slug: "state_root",
        checks: &[(PAGES, "root == Some(*header.state_root())")],
    };
    vec![
        Lie {
            name: "page-order",
            description: "the whole state, its pages in the wrong order",
            question: all_pages(world, &order),
            slug: "page_order",
            checks: &[(PAGES, "last < key.as_slice()")],
        },
        Lie {
            name: "page-empty",
            description: "a page that brings nothing, and says that more follows",
            question: all_pages(world, &endless),
            slug: "page_empty",
            checks: &[(PAGES, "!page.more || !page.entries.is_empty()")],
        },
        Lie {
            name: "page-value-withheld",
            description: "a revocation of which the hash alone is shown",
            question: all_pages(world, &withheld),
            slug: "value_withheld",
            checks: &[(PAGES, "whole.accepts(&key, &value)")],
        },
        root("page-entry-missing", "an entry left out", &missing),
        root(
            "page-entry-invented",
            "an entry that is not there",
            &invented,
        ),
        root(
            "page-entry-altered",
            "an entry with another value",
            &altered,
        ),
    ]
}
