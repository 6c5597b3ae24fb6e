//! An identity with all there is to control: next keys, guardians, a device, a controller, and a
//! change that waits.

use allod_primitives::document::InitialDocument;
use allod_primitives::guardian::{Guardian, make_set};
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{GuardianLeaf, INCEPTION_VERSION, Inception, Reveal};
use allod_primitives::policy::{ControlKey, ControlPolicy, GuardianSet};
use allod_primitives::{Did, DidId, H256, NetworkId};
use ed25519_dalek::SigningKey;

use super::world::Author;
use crate::author::{bounded, key, method, public, rank};

/// The identity and everybody's keys.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    /// Rank 0: two keys, both of which are needed.
    pub(crate) author: Author,
    /// The keys that rank 0 is committed to, both of which are needed.
    pub(crate) next: Vec<SigningKey>,
    /// Rank 1: two keys, both of which are needed.
    pub(crate) device: Vec<SigningKey>,
    /// Three, of which two are needed.
    pub(crate) guardians: Vec<SigningKey>,
    set: GuardianSet,
    leaves: Vec<(ControlKey, GuardianLeaf)>,
    controllers: Vec<DidId>,
    /// What rank 1 has proposed.
    pub(crate) pending: H256,
}

fn pair(label: &str) -> Vec<SigningKey> {
    vec![key(label, 0), key(label, 1)]
}

impl Guarded {
    pub(crate) fn new(controllers: Vec<DidId>, genesis: &H256) -> Self {
        let guardians: Vec<SigningKey> = (0..3).map(|n| key("guardian", n)).collect();
        let listed: Vec<Guardian> = guardians
            .iter()
            .zip(0..)
            .map(|(key, n)| Guardian {
                key: ControlKey::Ed25519(public(key)),
                weight: 1,
                salt: [n; 16],
            })
            .collect();
        let nobody = DidId([0; 32]);
        let made = make_set(&nobody, &listed, 2, CONTROL_DELAY_MS_DEFAULT);
        let (set, invitations) = made.expect("a valid set");
        let leaves = invitations.into_iter().map(|it| (it.key, it.leaf));
        let control = pair("guarded");
        let mut guarded = Self {
            author: Author {
                did: nobody,
                old: control[0].clone(),
                control,
                login: key("login", 102),
            },
            next: pair("next"),
            device: pair("device"),
            guardians,
            set,
            leaves: leaves.collect(),
            controllers,
            pending: H256::ZERO,
        };
        guarded.author.did = guarded.inception(genesis).did_id();
        guarded
    }

    /// Returns the body it begins with.
    pub(crate) fn inception(&self, genesis: &H256) -> Inception {
        let control = &self.author.control;
        let mut first = rank(&[&control[0], &control[1]], 2);
        first.next = Some(self.reveal().commitment());
        let second = rank(&[&self.device[0], &self.device[1]], 2);
        let network = NetworkId::from_genesis(genesis);
        let controllers = self.controllers.iter().map(|it| Did::new(network, *it));
        let mut controllers: Vec<Did> = controllers.collect();
        controllers.sort();
        Inception {
            version: INCEPTION_VERSION,
            policy: ControlPolicy {
                ranks: bounded([first, second]),
                guardians: Some(self.set.clone()),
                delay_ms: CONTROL_DELAY_MS_DEFAULT,
            },
            document: InitialDocument {
                methods: bounded([method("login", &self.author.login)]),
                controllers: bounded(controllers),
                ..InitialDocument::default()
            },
            salt: [102; 16],
        }
    }

    /// Returns what opens the commitment.
    pub(crate) fn reveal(&self) -> Reveal {
        let keys = rank(&[&self.next[0], &self.next[1]], 2);
        Reveal {
            keys: keys.keys,
            threshold: 2,
            salt: [5; 16],
            next: Some(H256([6; 32])),
        }
    }

    /// Returns the leaf of a guardian.
    pub(crate) fn leaf(&self, key: &ControlKey) -> GuardianLeaf {
        let leaf = self.leaves.iter().find(|(guardian, _)| guardian == key);
        leaf.expect("a guardian's key").1.clone()
    }
}
