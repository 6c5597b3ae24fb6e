//! The state machine under test: blocks built by the executive, and executed a second time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::header::extrinsic_hash;
use allod_primitives::operation::{SignatureProof, operation_preimage};
use allod_primitives::policy::ControlKey;
use allod_primitives::{
    BoundedVec, ChainId, ForkId, H256, Header, PublicKey, Signature, Text, TimeMs,
};
use allod_runtime::authority::{ControlParameters, Parameters, ValidatorInfo};
use allod_runtime::executive::{self, BuildLimits, Executed};
use allod_runtime::frame::wire::Phase;
use allod_runtime::frame::{Direct, DispatchError, SignatureCheck, SignatureOracle};
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use allod_runtime::{RuntimeCall, RuntimeEvent, did, grant, revocation, system};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::{Decode, Encode};

use super::control::DELAYS;
use super::ledger::{Action, Done};

/// What the state machine says of a transaction; errors by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Refused(String),
    Waits,
    Done {
        failure: Option<String>,
        items: Vec<(u32, String)>,
        logged: Vec<(allod_primitives::DidId, allod_primitives::log::LogEntry)>,
    },
}

impl From<Done> for Verdict {
    fn from(done: Done) -> Self {
        let name = |it: &'static str| it.to_owned();
        Self::Done {
            failure: done.failure.map(name),
            items: done
                .items
                .into_iter()
                .map(|it| (it.0, name(it.1)))
                .collect(),
            logged: done.logged,
        }
    }
}

/// A chain without nodes.
pub(crate) struct Chain {
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) parent: Header,
    pub(crate) id: ChainId,
    oracle: Remembering,
}

/// Verifies a signature once, as nodes do.
#[derive(Default)]
struct Remembering(RefCell<BTreeMap<SignatureCheck, bool>>);

impl SignatureOracle for Remembering {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let check = (*key, message.to_vec(), *signature);
        let mut known = self.0.borrow_mut();
        *known
            .entry(check)
            .or_insert_with(|| Direct.verify(key, message, signature))
    }

    fn verify_operation(
        &self,
        key: &ControlKey,
        chain: &ChainId,
        hash: &H256,
        proof: &SignatureProof,
    ) -> bool {
        match (key, proof) {
            (ControlKey::Ed25519(key), SignatureProof::Ed25519(proof)) => {
                self.verify(key, &operation_preimage(chain, hash), proof)
            }
            _ => Direct.verify_operation(key, chain, hash, proof),
        }
    }
}

impl Chain {
    /// Starts a chain with these registrars.
    pub(crate) fn new(time: u64, registrars: &[(PublicKey, u32)], work_bits: Option<u8>) -> Self {
        let authority = PublicKey(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes());
        let config = GenesisConfig {
            spec_version: 1,
            time: TimeMs(time),
            origin: None,
            fork_id: ForkId(0),
            trustees: vec![authority],
            trustee_threshold: 1,
            registrars: registrars.to_vec(),
            validators: vec![ValidatorInfo {
                public_key: authority,
                power: 1,
                peer_id: BoundedVec::try_from(vec![1]).expect("one byte fits"),
                address: Text::new("/memory/1").expect("short"),
            }],
            observers: Vec::new(),
            admission_vouchers: true,
            admission_work_bits: work_bits,
            parameters: Parameters {
                control: ControlParameters {
                    delay_ms_min: DELAYS.0,
                    delay_ms_max: DELAYS.1,
                },
                ..Parameters::default()
            },
            rules: Vec::new(),
        };
        let executed = executive::genesis(&config).expect("a good configuration");
        let parent = executive::genesis_header(&executed, H256::ZERO);
        let id = ChainId {
            genesis: parent.hash(),
            fork_id: ForkId(0),
        };
        let mut chain = Self {
            state: BTreeMap::new(),
            parent,
            id,
            oracle: Remembering::default(),
        };
        chain.store(executed.changes);
        chain
    }

    /// Returns a transaction's bytes. `sender`: key and nonce if it is signed.
    pub(crate) fn bytes(&self, sender: Option<(&SigningKey, u32)>, action: &Action) -> Vec<u8> {
        let call = call(action).encode();
        let signed = sender.map(|(key, nonce)| {
            let context = SigningContext {
                spec_version: SPEC_VERSION,
                transaction_version: TRANSACTION_VERSION,
                genesis_hash: self.id.genesis,
            };
            let payload = context.payload(&call, &Era::Immortal, nonce, &self.id.genesis);
            SignedPart {
                account: PublicKey(key.verifying_key().to_bytes()),
                signature: Signature(key.sign(&payload).to_bytes()),
                era: Era::Immortal,
                nonce,
            }
        });
        RawExtrinsic { signed, call }.encode_body()
    }

    /// Says what the mempool would say of a transaction before the next block.
    pub(crate) fn judge(&self, time: u64, body: &[u8]) -> Verdict {
        let judged = executive::validate_transaction(
            &self.state,
            &self.parent,
            TimeMs(time),
            body,
            &self.oracle,
        );
        match judged {
            Err(error) => Verdict::Refused(name(&error)),
            Ok(valid) if valid.requires.is_empty() => Done::default().into(),
            Ok(_) => Verdict::Waits,
        }
    }

    /// Builds a block of what fits, executes it again, keeps it, and says what became of each.
    pub(crate) fn block(&mut self, time: u64, candidates: &[Vec<u8>]) -> Vec<Verdict> {
        let limits = BuildLimits::default();
        let built = executive::build_block(
            &self.state,
            &self.parent,
            TimeMs(time),
            candidates.iter().cloned(),
            &limits,
            &self.oracle,
        );
        let built = built.expect("a block can follow");
        let again =
            executive::execute_block(&self.state, &self.parent, &built.extrinsics, &self.oracle);
        assert_eq!(
            again.as_ref(),
            Ok(&built.executed),
            "model and runtime disagree"
        );
        self.refuse_replay(&built.extrinsics);
        let verdicts = verdicts(candidates, &built);
        let executed = built.executed;
        let proposer = PublicKey([1; 32]);
        self.parent = executive::header(&self.parent, &executed, H256::ZERO, proposer);
        self.store(executed.changes);
        verdicts
    }

    /// Asserts that a block which holds its last extrinsic twice is invalid.
    fn refuse_replay(&self, extrinsics: &[Vec<u8>]) {
        let mut twice = extrinsics.to_vec();
        twice.extend(extrinsics.last().cloned());
        let executed = executive::execute_block(&self.state, &self.parent, &twice, &self.oracle);
        assert!(
            executed.is_err(),
            "model and runtime disagree: replay in a block"
        );
    }

    /// Asserts what must hold of the pallets' state.
    pub(crate) fn check_invariants(&self) {
        did::invariants::check(&self.state).expect("an invariant of identities");
        revocation::invariants::check(&self.state).expect("an invariant of revocations");
        grant::invariants::check(&self.state).expect("an invariant of grants");
    }

    fn store(&mut self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
    }
}

/// Follows the candidates through what was included, rejected and passed over, all in order.
fn verdicts(candidates: &[Vec<u8>], built: &executive::Built) -> Vec<Verdict> {
    let mut included = (1u32..).zip(built.extrinsics.iter().skip(1)).peekable();
    let mut rejected = built.rejected.iter().peekable();
    let mut verdict = |body: &Vec<u8>| {
        if let Some((_, error)) = rejected.next_if(|it| it.0 == extrinsic_hash(body)) {
            return Verdict::Refused(name(error));
        }
        match included.next_if(|it| it.1 == body) {
            Some((index, _)) => outcome(index, &built.executed),
            None => Verdict::Waits,
        }
    };
    candidates.iter().map(&mut verdict).collect()
}

fn outcome(index: u32, executed: &Executed) -> Verdict {
    let mut items = Vec::new();
    let mut logged = Vec::new();
    let mut last = None;
    let of_this = executed
        .events
        .iter()
        .filter(|it| it.phase == Phase::ApplyExtrinsic(index));
    for record in of_this {
        last = Some(&record.event);
        match &record.event {
            RuntimeEvent::Did(did::Event::Logged { did, entry, .. }) => logged.push((*did, *entry)),
            RuntimeEvent::Did(did::Event::ItemFailed { index, error }) => {
                items.push((*index, name(error)));
            }
            RuntimeEvent::Revocation(revocation::Event::ItemFailed { index, error }) => {
                items.push((*index, name(error)));
            }
            RuntimeEvent::Grant(grant::Event::ItemFailed { index, error }) => {
                items.push((*index, name(error)));
            }
            _ => {}
        }
    }
    let failure = match last {
        Some(RuntimeEvent::System(system::Event::ExtrinsicSuccess { .. })) => None,
        Some(RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. })) => {
            Some(failure(dispatch_error))
        }
        other => panic!("last event of an extrinsic: {other:?}"),
    };
    let result = executed.results[index as usize].outcome;
    assert_eq!(result.is_err(), failure.is_some());
    Verdict::Done {
        failure,
        items,
        logged,
    }
}

fn failure(error: &DispatchError) -> String {
    match error {
        DispatchError::Module(error) if error.index == did::PALLET_INDEX => {
            let error = did::Error::decode(&mut error.error.as_slice());
            name(&error.expect("an error of the pallet"))
        }
        other => name(other),
    }
}

/// Errors of the model have the names of the state machine's.
fn name(error: &impl Debug) -> String {
    format!("{error:?}")
}

fn call(action: &Action) -> RuntimeCall {
    const FITS: &str = "the world makes batches that fit";
    match action.clone() {
        Action::Submit(operation) => RuntimeCall::Did(did::Call::submit { operation }),
        Action::Incept(operation, admission) => RuntimeCall::Did(did::Call::incept {
            operation,
            admission,
        }),
        Action::Batch(items) => RuntimeCall::Did(did::Call::batch {
            items: items.try_into().expect(FITS),
        }),
        Action::RevokeToken(operation) => {
            RuntimeCall::Revocation(revocation::Call::revoke { operation })
        }
        Action::RevokeTokens(items) => RuntimeCall::Revocation(revocation::Call::batch {
            items: items.try_into().expect(FITS),
        }),
        Action::RevokeGrant(message) => RuntimeCall::Grant(grant::Call::revoke { message }),
        Action::Anchor(items) => RuntimeCall::Grant(grant::Call::anchor {
            items: items.try_into().expect(FITS),
        }),
    }
}
