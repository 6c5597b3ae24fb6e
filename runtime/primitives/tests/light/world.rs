//! A chain of eleven blocks whose validators obey the test: sets A (blocks 0 to 3), B (4 to 7) and
//! C (from 8), changes in blocks 2, 5, 6 and 9, and a naive prover of its state.

use std::collections::BTreeMap;

use allod_primitives::certificate::{VoteType, vote_preimage};
use allod_primitives::header::{LedgerDigest, changes_root, next_changes_accumulator};
use allod_primitives::light::{CertifiedHeader, PageValue, ReadProof, Transition};
use allod_primitives::tree::{Path, Proof, Step, empty_root, inner_hash, leaf_hash, value_hash};
use allod_primitives::{
    Certificate, ChainId, CommitSignature, DidId, ForkId, H256, Header, Height, PublicKey,
    Signature, TimeMs, Validator, ValidatorSet, keys,
};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;

pub(crate) const GENESIS_TIME: u64 = 1_790_000_000_000;
pub(crate) const BLOCK_MS: u64 = 1_000;

/// Storage, by key.
pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;
/// What a block changes.
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Validators and their secrets.
#[derive(Clone)]
pub(crate) struct Set {
    secrets: Vec<SigningKey>,
    pub(crate) set: ValidatorSet,
}

impl Set {
    pub(crate) fn new(seeds: impl Iterator<Item = u8>) -> Self {
        let public = |key: &SigningKey| PublicKey(key.verifying_key().to_bytes());
        let mut secrets: Vec<_> = seeds.map(|it| SigningKey::from_bytes(&[it; 32])).collect();
        secrets.sort_by_key(public);
        let validators = secrets.iter().map(|key| Validator {
            public_key: public(key),
            power: 1,
        });
        let set = ValidatorSet::new(validators.collect()).unwrap();
        Self { secrets, set }
    }

    /// Certifies `header` by these signers; beyond the set, the first signs.
    pub(crate) fn certify(&self, chain: &ChainId, header: &Header, signers: &[u16]) -> Certificate {
        self.certify_as(chain, header.number, header.hash(), signers)
    }

    pub(crate) fn certify_as(
        &self,
        chain: &ChainId,
        height: Height,
        block_hash: H256,
        signers: &[u16],
    ) -> Certificate {
        let message = vote_preimage(chain, VoteType::Precommit, height, 0, Some(&block_hash));
        let sign = |signer: &u16| {
            let secret = self.secrets.get(usize::from(*signer));
            let secret = secret.unwrap_or(&self.secrets[0]);
            CommitSignature {
                signer: *signer,
                signature: Signature(secret.sign(&message).to_bytes()),
            }
        };
        Certificate {
            version: 1,
            height,
            round: 0,
            block_hash,
            signatures: signers.iter().map(sign).collect(),
        }
    }
}

/// A block with the state after it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) header: Header,
    pub(crate) changes: Changes,
    pub(crate) state: State,
}

/// The chain.
pub(crate) struct World {
    pub(crate) id: ChainId,
    pub(crate) sets: [Set; 3],
    pub(crate) blocks: Vec<Made>,
}

pub(crate) fn did(n: u8) -> Vec<u8> {
    keys::did_record(&DidId([n; 32]))
}

pub(crate) fn tag(n: u8) -> Vec<u8> {
    keys::revocation(&H256([n; 32]))
}

/// The set that certifies a height, and where it began.
fn set_at(height: u64) -> (usize, u64) {
    match height {
        0..=3 => (0, 0),
        4..=7 => (1, 4),
        _ => (2, 8),
    }
}

fn changes_at(height: u64) -> Changes {
    let mut changes = match height {
        2 => vec![(did(1), Some(vec![1; 40])), (tag(2), Some(vec![2; 9]))],
        5 => vec![(did(3), Some(vec![3; 50]))],
        6 => vec![(did(1), Some(vec![4; 44])), (did(5), Some(vec![5; 40]))],
        9 => vec![(tag(2), None), (tag(6), Some(vec![6; 9]))],
        _ => Vec::new(),
    };
    changes.sort();
    changes
}

pub(crate) fn root_of(changes: &Changes) -> (H256, u32) {
    let slices = changes.iter();
    changes_root(slices.map(|(key, value)| (key.as_slice(), value.as_deref())))
}

impl World {
    pub(crate) fn new() -> Self {
        let sets = [Set::new(1..=4), Set::new(3..=6), Set::new(5..=8)];
        let mut blocks: Vec<Made> = Vec::new();
        for height in 0..=10u64 {
            blocks.push(block(&sets, blocks.last(), height));
        }
        let id = ChainId {
            genesis: blocks[0].header.hash(),
            fork_id: ForkId(0),
        };
        Self { id, sets, blocks }
    }

    pub(crate) fn header(&self, height: usize) -> Header {
        self.blocks[height].header.clone()
    }

    /// The set of a height.
    pub(crate) fn set(&self, height: u64) -> &Set {
        &self.sets[set_at(height).0]
    }

    /// Certifies any header by three of the four validators of its height.
    pub(crate) fn certified(&self, header: Header) -> CertifiedHeader {
        let set = self.set(header.number.0);
        self.certified_by(set, header)
    }

    pub(crate) fn certified_by(&self, set: &Set, header: Header) -> CertifiedHeader {
        let certificate = set.certify(&self.id, &header, &[0, 1, 2]);
        CertifiedHeader {
            header,
            certificate,
        }
    }

    pub(crate) fn honest(&self, height: usize) -> CertifiedHeader {
        self.certified(self.header(height))
    }

    /// The change of set behind the block `last` (3 or 7).
    pub(crate) fn transition(&self, last: usize) -> Transition {
        Transition {
            last: self.honest(last),
            validators: self.set(last as u64 + 1).set.clone(),
        }
    }

    /// What a client keeps: some of the three sets, some headers.
    pub(crate) fn trust(&self, sets: &[usize], known: &[usize]) -> Vec<u8> {
        let sets = sets.iter().map(|set| {
            let last_before = (set * 4).saturating_sub(1);
            (self.known(last_before), self.sets[*set].set.clone())
        });
        let known = known.iter().map(|height| self.known(*height));
        let (sets, known): (Vec<_>, Vec<_>) = (sets.collect(), known.collect());
        (1u8, self.id, sets, known).encode()
    }

    /// What a client keeps that began at a checkpoint.
    pub(crate) fn trust_since(&self, checkpoint: usize) -> Vec<u8> {
        let known = (self.header(checkpoint), None::<Certificate>);
        let set = self.set(checkpoint as u64).set.clone();
        (1u8, self.id, vec![(known.clone(), set)], vec![known]).encode()
    }

    fn known(&self, height: usize) -> (Header, Option<Certificate>) {
        match height {
            0 => (self.header(0), None),
            height => {
                let certified = self.honest(height);
                (certified.header, Some(certified.certificate))
            }
        }
    }

    /// A bundle about `keys` as of a block.
    pub(crate) fn read(&self, height: usize, keys: &[Vec<u8>]) -> ReadProof {
        let mut keys = keys.to_vec();
        keys.sort();
        ReadProof {
            transitions: Vec::new(),
            head: self.honest(height),
            state: prove(&self.blocks[height].state, &keys).encode(),
            keys,
        }
    }
}

fn block(sets: &[Set; 3], parent: Option<&Made>, height: u64) -> Made {
    let changes = changes_at(height);
    let mut state = match parent {
        Some(parent) => parent.state.clone(),
        None => State::from([(keys::item("System", "Number"), vec![0; 8])]),
    };
    for (key, value) in &changes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
    let (set, since) = set_at(height);
    let (changes_root, changes_count) = root_of(&changes);
    let number = Height(height);
    let before = parent.map_or(H256::ZERO, |it| it.header.digest.changes_accumulator);
    let accumulator = next_changes_accumulator(before, number, &changes_root, changes_count);
    let header = Header {
        parent_hash: parent.map_or(H256::ZERO, |it| it.header.hash()),
        number,
        state_root: tree_root(&entries(&state)),
        extrinsics_root: H256([3; 32]),
        proposer: PublicKey([0; 32]),
        digest: LedgerDigest {
            version: 1,
            spec_version: 1,
            time: TimeMs(GENESIS_TIME + height * BLOCK_MS),
            validator_set: sets[set].set.hash(),
            next_validator_set: sets[set_at(height + 1).0].set.hash(),
            set_id: set as u64,
            set_since: Height(since),
            changes_root,
            changes_count,
            changes_accumulator: accumulator,
        },
    };
    Made {
        header,
        changes,
        state,
    }
}

/// Values as changes carry them.
pub(crate) fn whole(changes: &Changes) -> Vec<(Vec<u8>, Option<PageValue>)> {
    let changes = changes.iter().cloned();
    changes
        .map(|(key, value)| (key, value.map(|it| PageValue::whole(it).unwrap())))
        .collect()
}

type Entry<'a> = (Path, &'a [u8], &'a [u8]);

fn entries(state: &State) -> Vec<Entry<'_>> {
    let entries = state.iter();
    let mut entries: Vec<Entry<'_>> = entries
        .map(|(key, value)| (Path::of(key), key.as_slice(), value.as_slice()))
        .collect();
    entries.sort_unstable();
    entries
}

pub(crate) fn state_root(state: &State) -> H256 {
    tree_root(&entries(state))
}

fn parted<'e, 'a>(entries: &'e [Entry<'a>]) -> (u8, &'e [Entry<'a>], &'e [Entry<'a>]) {
    let (first, last) = (&entries[0].0, &entries[entries.len() - 1].0);
    let bit = first.first_difference(last).unwrap();
    let (left, right) = entries.split_at(entries.partition_point(|it| !it.0.bit(bit)));
    (bit, left, right)
}

fn tree_root(entries: &[Entry<'_>]) -> H256 {
    match entries {
        [] => empty_root(),
        [(_, key, value)] => leaf_hash(key, &value_hash(value)),
        _ => {
            let (bit, left, right) = parted(entries);
            inner_hash(bit, &tree_root(left), &tree_root(right))
        }
    }
}

/// Proves what `state` holds under `keys`.
pub(crate) fn prove(state: &State, keys: &[Vec<u8>]) -> Proof {
    let mut paths: Vec<Path> = keys.iter().map(|key| Path::of(key)).collect();
    paths.sort_unstable();
    paths.dedup();
    let targets: Vec<(u16, Path)> = (0..).zip(paths).collect();
    let mut proof = Proof {
        steps: Vec::new(),
        siblings: Vec::new(),
    };
    let entries = entries(state);
    if !entries.is_empty() {
        visit(&entries, &targets, &mut proof);
    }
    proof
}

fn visit(entries: &[Entry<'_>], targets: &[(u16, Path)], proof: &mut Proof) {
    if targets.is_empty() {
        proof.siblings.push(tree_root(entries));
        return;
    }
    if let [(path, key, value)] = entries {
        let target = targets.iter().find(|(_, target)| target == path);
        proof.steps.push(match target {
            Some((key_index, _)) => Step::Present {
                key_index: *key_index,
                value: value.to_vec(),
            },
            None => Step::Other {
                key: key.to_vec(),
                value_hash: value_hash(value),
            },
        });
        return;
    }
    let (bit, left, right) = parted(entries);
    proof.steps.push(Step::Inner { bit });
    let (ones, zeros): (Vec<_>, Vec<_>) =
        targets.iter().copied().partition(|(_, path)| path.bit(bit));
    visit(left, &zeros, proof);
    visit(right, &ones, proof);
}
