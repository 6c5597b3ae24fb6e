//! One history never freezes, two do: whoever is shown what, in which order.
//!
//! Method: chains of one-validator sets that change often and come back, made at random; a second
//! history leaves the first at a random block. Seeded.

use allod_primitives::did::NetworkId;
use allod_primitives::light::{
    CertifiedHeader, Checkpoint, ConflictKind, LightError, Transition, Trust,
};
use allod_primitives::limits::{HEADERS_KEPT_MAX, SETS_KEPT_MAX};
use allod_primitives::{ChainId, H256, Header, Height, TimeMs};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::world::{Set, World};

/// A history: headers, each with the set that certifies it, an index into `sets`.
#[derive(Clone)]
struct History {
    chain: ChainId,
    sets: Vec<Set>,
    blocks: Vec<(Header, usize)>,
}

impl History {
    fn new(sets: u8) -> Self {
        let sets: Vec<Set> = (1..=sets).map(|n| Set::new(n..=n)).collect();
        let mut world = World::new();
        let mut genesis = world.header(0);
        genesis.digest.validator_set = sets[0].set.hash();
        genesis.digest.next_validator_set = sets[0].set.hash();
        world.id.genesis = genesis.hash();
        Self {
            chain: world.id,
            sets,
            blocks: vec![(genesis, 0)],
        }
    }

    /// Adds a block, by which the set becomes `next`. `mark`: tells histories apart.
    fn grow(&mut self, next: usize, mark: u8) {
        let (parent, set) = self.blocks.last().unwrap();
        let ended = parent.digest.next_validator_set != parent.digest.validator_set;
        let named = |it: &Set| it.set.hash() == parent.digest.next_validator_set;
        let set = match ended {
            true => self.sets.iter().position(named).unwrap(),
            false => *set,
        };
        let mut header = parent.clone();
        header.parent_hash = parent.hash();
        header.number = parent.number.next();
        header.extrinsics_root = H256([mark; 32]);
        header.digest.time = TimeMs(parent.digest.time.0 + 1);
        header.digest.validator_set = self.sets[set].set.hash();
        header.digest.next_validator_set = self.sets[next].set.hash();
        header.digest.set_id += u64::from(ended);
        if ended {
            header.digest.set_since = header.number;
        }
        self.blocks.push((header, set));
    }

    /// Goes on at random up to this height; about one block in `rarity` changes the set.
    fn go_on(&mut self, random: &mut ChaCha8Rng, height: usize, rarity: u32, mark: u8) {
        while self.blocks.len() <= height {
            let last = &self.blocks.last().unwrap().0.digest.next_validator_set;
            let kept = self.sets.iter().position(|it| it.set.hash() == *last);
            let next = match random.gen_ratio(1, rarity) {
                true => random.gen_range(0..self.sets.len()),
                false => kept.unwrap(),
            };
            self.grow(next, mark);
        }
    }

    fn certified(&self, height: usize) -> CertifiedHeader {
        let (header, set) = &self.blocks[height];
        CertifiedHeader {
            header: header.clone(),
            certificate: self.sets[*set].certify(&self.chain, header, &[0]),
        }
    }

    fn ends(&self, height: usize) -> bool {
        let digest = &self.blocks[height].0.digest;
        digest.validator_set != digest.next_validator_set
    }

    fn transition(&self, height: usize) -> Transition {
        let next = self.blocks[height].0.digest.next_validator_set;
        let next = self.sets.iter().find(|it| it.set.hash() == next);
        Transition {
            last: self.certified(height),
            validators: next.unwrap().set.clone(),
        }
    }

    /// A client that begins here, by somebody's word.
    fn trust(&self, height: usize) -> Trust {
        let (header, set) = &self.blocks[height];
        let network = NetworkId::from_genesis(&self.chain.genesis);
        let checkpoint = Checkpoint {
            network,
            fork_id: self.chain.fork_id,
            height: header.number,
            hash: header.hash(),
        };
        let set = &self.sets[*set].set;
        Trust::from_checkpoint(&checkpoint, self.chain.genesis, header, set).unwrap()
    }

    /// Shows a client the block: as a transition if it is one and `both`, else its header.
    fn show(&self, trust: &mut Trust, height: usize, both: bool) -> Result<(), LightError> {
        match both && self.ends(height) {
            true => trust.advance(&self.transition(height)).map(drop),
            false => trust.verify_header(&self.certified(height)).map(drop),
        }
    }
}

/// Goal: honest data freezes nobody. Method: clients that begin anywhere are shown blocks of the
/// one history there is in any order, again and again, until they forget the oldest sets.
#[test]
fn blocks_of_one_history_never_conflict() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let (mut believed, mut refused) = (0u32, 0u32);
    for sets in [2, 3, 5] {
        let mut history = History::new(sets);
        history.go_on(&mut random, 100, 4, 0);
        for _ in 0..3 {
            let begin = random.gen_range(0..history.blocks.len());
            let mut trust = history.trust(begin);
            let all: Vec<usize> = (1..history.blocks.len()).collect();
            // Each part often enough for the client to get on.
            let mut order: Vec<usize> = Vec::new();
            for part in all.chunks(6) {
                for _ in 0..3 {
                    order.extend(part.choose_multiple(&mut random, part.len()));
                }
            }
            for height in order.iter().chain(order.iter().rev()) {
                match history.show(&mut trust, *height, random.r#gen()) {
                    Ok(()) => believed += 1,
                    Err(error) => {
                        let expected = ["set_unknown", "set_forgotten", "set_mismatch"];
                        assert!(expected.contains(&error.slug()), "{height}: {error}");
                        refused += 1;
                    }
                }
            }
            assert!(trust.sets().len() <= SETS_KEPT_MAX as usize);
            assert_eq!(Trust::from_bytes(&trust.to_bytes()), Ok(trust));
        }
    }
    assert!(believed > 1000 && refused > 100, "{believed} {refused}");
}

/// Goal: a second history that leaves the first in the time of a set that the client keeps
/// freezes it, whichever it followed. Method: it is shown the other one's transitions and headers
/// behind the fork.
#[test]
fn a_fork_with_changes_of_set_freezes_whichever_side_came_first() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let mut kinds = Vec::new();
    for _ in 0..60 {
        let mut first = History::new(4);
        first.go_on(&mut random, 5, 3, 0);
        let mut second = first.clone();
        first.go_on(&mut random, 16, 3, 1);
        second.go_on(&mut random, 16, 3, 2);
        let ends = |it: &History| (6..=16).any(|height| it.ends(height));
        if !ends(&first) && !ends(&second) {
            continue;
        }
        for (followed, other) in [(&first, &second), (&second, &first)] {
            let mut trust = followed.trust(0);
            for height in (1..=16).filter(|it| followed.ends(*it)) {
                followed.show(&mut trust, height, true).unwrap();
            }
            followed.show(&mut trust, 16, true).unwrap();
            // As a client asks: first for the transitions, by which it learns the other's sets.
            let order = (1..=15).filter(|it| other.ends(*it)).chain(6..=15);
            let shown = order.map(|height| other.show(&mut trust, height, true));
            let mut found = shown
                .filter_map(Result::err)
                .filter(|it| it.conflict().is_some());
            let found = found.next().expect("two histories were shown");
            kinds.push(found.conflict().unwrap().kind());
            assert!(trust.conflict().is_some());
        }
    }
    let count = |kind| kinds.iter().filter(|it| **it == kind).count();
    assert!(count(ConflictKind::SetHistory) > 20, "{kinds:?}");
}

/// A history whose set 0 is replaced by set 1 behind block 3, and forks of it.
fn short(change_at: usize, next: usize, height: usize, mark: u8) -> History {
    let mut history = History::new(3);
    for at in 1..=height {
        let kept = usize::from(at > change_at) * next;
        history.grow(if at == change_at { next } else { kept }, mark);
    }
    history
}

/// The fork's evidence survives any number of headers that come after.
#[test]
fn the_header_that_shows_a_set_is_evidence_when_it_is_no_longer_among_the_newest() {
    let newest = 10 + HEADERS_KEPT_MAX as usize;
    let honest = short(3, 1, newest, 0);
    let mut trust = honest.trust(0);
    honest.show(&mut trust, 3, true).unwrap();
    for height in 4..=newest {
        honest.show(&mut trust, height, false).unwrap();
    }
    assert!(trust.known_headers().all(|it| it.header.number > Height(3)));
    let mut trust = Trust::from_bytes(&trust.to_bytes()).unwrap();
    let forks = [
        (short(1, 2, 9, 1), vec![1]),
        (short(5, 1, 9, 1), vec![5, 8]),
        (short(9, 1, 9, 1), vec![8, 9]),
    ];
    for (fork, heights) in forks {
        for height in heights {
            let mut trust = trust.clone();
            let refused = fork.show(&mut trust, height, true).unwrap_err();
            let conflict = refused.conflict().unwrap();
            assert_eq!(conflict.kind(), ConflictKind::SetHistory);
            assert_eq!(conflict.first().header, honest.blocks[3].0);
            assert_eq!(
                conflict.first().certificate.as_ref(),
                Some(&honest.certified(3).certificate)
            );
            assert_eq!(conflict.second(), &fork.certified(height));
        }
    }
    // The last of the old set, again by another certificate: it is known, and adds nothing.
    let before = trust.clone();
    let mut again = honest.transition(3);
    again.last.certificate.signatures.clear();
    trust.advance(&again).unwrap();
    assert_eq!(trust, before);
}

/// Goal: a set that comes back freezes nobody who slept, and what it signs under its first number
/// behind its end does.
#[test]
fn a_set_that_comes_back_is_unknown_until_it_is_shown() {
    let mut history = History::new(2);
    for next in [0, 0, 1, 1, 1, 0, 0, 0] {
        history.grow(next, 0);
    }
    let mut trust = history.trust(0);
    history.show(&mut trust, 3, true).unwrap();
    let early = history.show(&mut trust, 8, false).unwrap_err();
    assert_eq!(early.slug(), "set_unknown");
    history.show(&mut trust, 6, true).unwrap();
    for height in [8, 1, 5, 7, 2, 4] {
        history.show(&mut trust, height, false).unwrap();
    }
    // From a checkpoint in its second time, its first is forgotten.
    let mut late = history.trust(7);
    let old = history.show(&mut late, 2, false).unwrap_err();
    assert_eq!(old.slug(), "set_forgotten");
    history.show(&mut late, 8, false).unwrap();
}
