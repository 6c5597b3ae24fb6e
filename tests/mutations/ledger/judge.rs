//! The ledger's verdict on one extrinsic, from all of its entrances, and what it may have changed.

use allod_primitives::hash::twox_128;
use allod_primitives::header::extrinsic_hash;
use allod_runtime::executive::{self, BlockError, Executed};
use allod_runtime::frame::{Direct, DispatchError, TransactionError};
use allod_runtime::{RuntimeEvent, did, grant, revocation};
use parity_scale_codec::{Decode, Encode};

use super::world::World;
use crate::tally::{Verdict, variant};

/// What the ledger said.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It may not be in a block.
    Refused(TransactionError),
    /// It is in a block, of which this came.
    Included(Box<Executed>),
}

impl World {
    /// Returns the bytes of the time's inherent.
    fn time(&self) -> Vec<u8> {
        self.build(vec![]).extrinsics.remove(0)
    }

    /// Judges an extrinsic by the mempool's check and by executing a block that holds it; both
    /// must agree, and neither may touch the state.
    pub(crate) fn judge(&self, time: &[u8], body: &[u8]) -> Judged {
        let judged =
            executive::validate_transaction(&self.state, &self.parent, self.now(), body, &Direct);
        let block = [time.to_vec(), body.to_vec()];
        let executed = executive::execute_block(&self.state, &self.parent, &block, &Direct);
        match (judged, executed) {
            (
                Err(error),
                Err(BlockError::Extrinsic {
                    index: 1,
                    error: found,
                }),
            ) => {
                assert_eq!(error, found, "the mempool and a block differ");
                Judged::Refused(error)
            }
            (Ok(valid), Err(BlockError::Extrinsic { index: 1, error })) => {
                assert!(
                    !valid.requires.is_empty(),
                    "{error}, but for the mempool it is its turn"
                );
                assert_eq!(error, TransactionError::Future);
                Judged::Refused(error)
            }
            (Ok(valid), Ok(executed)) => {
                assert_eq!(valid.requires, Vec::<Vec<u8>>::new());
                Judged::Included(Box::new(executed))
            }
            (judged, executed) => panic!("mempool: {judged:?}, block: {executed:?}"),
        }
    }

    /// Checks that a proposer who is offered `refused` builds the block that it builds without:
    /// nothing of them is left in the state, the events, or the digest.
    pub(crate) fn assert_without_trace(&self, refused: &[Vec<u8>]) {
        let (without, with) = (self.build(vec![]), self.build(refused.to_vec()));
        assert_eq!(with.extrinsics, without.extrinsics);
        assert_eq!(
            with.executed, without.executed,
            "a refused extrinsic left a trace"
        );
        for (hash, _) in &with.rejected {
            assert!(refused.iter().any(|body| extrinsic_hash(body) == *hash));
        }
    }
}

/// A world, and what is the same for every extrinsic of its next block.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) time: Vec<u8>,
    refused: Vec<Vec<u8>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of(World::new())
    }

    pub(crate) fn of(world: World) -> Self {
        let time = world.time();
        let refused = Vec::new();
        Self {
            world,
            time,
            refused,
        }
    }

    pub(crate) fn judge(&mut self, body: &[u8]) -> Judged {
        let judged = self.world.judge(&self.time, body);
        if let Judged::Refused(_) = judged {
            self.refused.push(body.to_vec());
        }
        if self.refused.len() >= 256 {
            self.settle();
        }
        judged
    }

    /// Checks that all that were refused left no trace.
    pub(crate) fn settle(&mut self) {
        self.world
            .assert_without_trace(&std::mem::take(&mut self.refused));
    }

    /// Judges an extrinsic that must be refused with `expected`.
    pub(crate) fn expect(
        &mut self,
        name: &str,
        body: &[u8],
        expected: TransactionError,
    ) -> Verdict {
        match self.judge(body) {
            Judged::Refused(error) => {
                assert_eq!(error, expected, "{name}");
                Verdict::refused("TransactionError", &error)
            }
            Judged::Included(executed) => panic!("{name}: included: {:?}", executed.results[1]),
        }
    }

    /// Judges an extrinsic that must be taken and fail with the error of this name.
    pub(crate) fn expect_failure(&mut self, name: &str, body: &[u8], expected: &str) -> Verdict {
        match self.judge(body) {
            Judged::Refused(error) => panic!("{name}: refused: {error}"),
            Judged::Included(executed) => {
                let outcome = executed.results[1].outcome;
                let found = dispatch_error(&outcome.expect_err(name));
                assert_eq!(found, expected, "{name}");
                Verdict::Refused(found)
            }
        }
    }

    /// Judges a batch all of whose items must be refused with errors of these names; nothing but
    /// the registrar's nonce and budget may change.
    pub(crate) fn expect_items(&mut self, name: &str, body: &[u8], expected: &[String]) {
        let Judged::Included(executed) = self.judge(body) else {
            panic!("{name}: the batch itself is refused")
        };
        assert_eq!(executed.results[1].outcome, Ok(()));
        assert_eq!(item_errors(&executed), expected, "{name}");
        let identity = ["Did", "Revocation", "Grant"].map(|pallet| twox_128(pallet.as_bytes()));
        for key in executed.changes.keys() {
            assert!(
                !identity.iter().any(|it| key.starts_with(it)),
                "{name} left a trace"
            );
        }
        assert_eq!(executed.digest.changes_count, 0, "{name}");
    }
}

/// Returns the errors of a batch's items, named by pallet and variant.
pub(crate) fn item_errors(executed: &Executed) -> Vec<String> {
    let error = |event: &RuntimeEvent| match event {
        RuntimeEvent::Did(did::Event::ItemFailed { error, .. }) => {
            Some(format!("did::Error::{}", variant(error)))
        }
        RuntimeEvent::Revocation(revocation::Event::ItemFailed { error, .. }) => {
            Some(format!("revocation::Error::{}", variant(error)))
        }
        RuntimeEvent::Grant(grant::Event::ItemFailed { error, .. }) => {
            Some(format!("grant::Error::{}", variant(error)))
        }
        _ => None,
    };
    executed
        .events
        .iter()
        .filter_map(|record| error(&record.event))
        .collect()
}

/// Names a dispatch error by pallet and variant.
pub(crate) fn dispatch_error(error: &DispatchError) -> String {
    let DispatchError::Module(module) = error else {
        return format!("DispatchError::{}", variant(error));
    };
    // The outer enum's encoding is the pallet's index and the error's.
    let bytes = (module.index, module.error).encode();
    let error = allod_runtime::RuntimeError::decode(&mut bytes.as_slice());
    let text = format!("{:?}", error.expect("every module error decodes"));
    let (pallet, error) = text.trim_end_matches(')').split_once('(').expect("nested");
    format!("{}::Error::{error}", pallet.to_lowercase())
}
