//! The runtime: one chain whose blocks hold one operation each.

use std::cell::RefCell;
use std::collections::BTreeMap;

use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::log::{LogEntry, Stated};
use allod_primitives::operation::{
    Body, INCEPTION_VERSION, Inception, Lane, Operation, Payer, SignatureProof, SignedOperation,
    operation_preimage,
};
use allod_primitives::policy::ControlKey;
use allod_primitives::{
    BoundedVec, ChainId, DidId, ForkId, H256, Header, PublicKey, Signature, Text, TimeMs,
};
use allod_runtime::authority::{ControlParameters, Parameters, ValidatorInfo};
use allod_runtime::executive::{self, BuildLimits, Executed};
use allod_runtime::frame::{Direct, DispatchError, SignatureCheck, SignatureOracle};
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use allod_runtime::{RuntimeCall, RuntimeEvent, did as identities, system};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::{Decode, Encode};

/// Time of the first block.
pub(crate) const START: u64 = 20_000 * 86_400_000;
/// Bounds of delays, in milliseconds: an hour and a week.
pub(crate) const DELAYS: (u64, u64) = (3_600_000, 7 * 86_400_000);

/// What became of an operation; errors by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not taken.
    Refused(String),
    /// Not in a block yet: passed over.
    Waits,
    /// Taken: its lane advanced. With the reason if it did nothing else.
    Taken(Result<(), String>),
}

/// A chain without nodes.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) chain: ChainId,
    parent: Header,
    registrar: SigningKey,
    nonce: u32,
    oracle: Remembering,
}

/// Verifies a signature once, as nodes do.
#[derive(Clone, Default)]
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

/// An entry of a log and what is stated with it.
pub(crate) type Logged = (LogEntry, Option<Stated>);

impl Ledger {
    pub(crate) fn new() -> Self {
        let registrar = SigningKey::from_bytes(&[1; 32]);
        let authority = PublicKey(registrar.verifying_key().to_bytes());
        let config = GenesisConfig {
            spec_version: SPEC_VERSION,
            time: TimeMs(START),
            origin: None,
            fork_id: ForkId(0),
            trustees: vec![authority],
            trustee_threshold: 1,
            registrars: vec![(authority, u32::MAX)],
            validators: vec![ValidatorInfo {
                public_key: authority,
                power: 1,
                peer_id: BoundedVec::try_from(vec![1]).expect("one byte fits"),
                address: Text::new("/memory/1").expect("short"),
            }],
            observers: Vec::new(),
            admission_vouchers: true,
            admission_work_bits: None,
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
        let chain = ChainId {
            genesis: parent.hash(),
            fork_id: ForkId(0),
        };
        let mut ledger = Self {
            state: BTreeMap::new(),
            chain,
            parent,
            registrar,
            nonce: 0,
            oracle: Remembering::default(),
        };
        ledger.store(executed.changes);
        ledger
    }

    /// Returns the registrar's account.
    pub(crate) fn registrar(&self) -> PublicKey {
        PublicKey(self.registrar.verifying_key().to_bytes())
    }

    /// Returns the time of the last block.
    pub(crate) fn now(&self) -> u64 {
        self.parent.digest.time.0
    }

    /// Builds a block that offers `signed`, bare or in the registrar's batch, and returns what
    /// became of it and the entries that the log of `did` got. `again`: execute it a second time.
    pub(crate) fn offer(
        &mut self,
        now: u64,
        did: &DidId,
        signed: &SignedOperation,
        in_batch: bool,
        again: bool,
    ) -> (Verdict, Vec<Logged>) {
        let operation = signed.clone();
        let body = if in_batch {
            let items = vec![operation].try_into().expect("one fits");
            self.by_registrar(RuntimeCall::Did(identities::Call::batch { items }))
        } else {
            let call = RuntimeCall::Did(identities::Call::submit { operation }).encode();
            RawExtrinsic { signed: None, call }.encode_body()
        };
        let built = executive::build_block(
            &self.state,
            &self.parent,
            TimeMs(now),
            [body],
            &BuildLimits::default(),
            &self.oracle,
        );
        let built = built.expect("a block can follow");
        if again {
            let (state, parent) = (&self.state, &self.parent);
            let again = executive::execute_block(state, parent, &built.extrinsics, &self.oracle);
            assert_eq!(again.as_ref(), Ok(&built.executed), "built and executed");
        }
        let verdict = match (built.rejected.first(), built.extrinsics.len()) {
            (Some((_, error)), _) => Verdict::Refused(format!("{error:?}")),
            (None, 1) => Verdict::Waits,
            (None, _) => verdict(&built.executed, in_batch),
        };
        if in_batch {
            self.nonce += 1;
        }
        let entries = entries(&built.executed, did);
        let proposer = PublicKey([1; 32]);
        self.parent = executive::header(&self.parent, &built.executed, H256::ZERO, proposer);
        self.store(built.executed.changes);
        (verdict, entries)
    }

    fn by_registrar(&self, call: RuntimeCall) -> Vec<u8> {
        let call = call.encode();
        let context = SigningContext {
            spec_version: SPEC_VERSION,
            transaction_version: TRANSACTION_VERSION,
            genesis_hash: self.chain.genesis,
        };
        let payload = context.payload(&call, &Era::Immortal, self.nonce, &self.chain.genesis);
        let part = SignedPart {
            account: self.registrar(),
            signature: Signature(self.registrar.sign(&payload).to_bytes()),
            era: Era::Immortal,
            nonce: self.nonce,
        };
        RawExtrinsic {
            signed: Some(part),
            call,
        }
        .encode_body()
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

/// Returns the operation that creates an identity.
pub(crate) fn inception(ledger: &Ledger, mut body: Inception) -> Operation {
    body.version = INCEPTION_VERSION;
    Operation {
        version: 1,
        genesis: ledger.chain.genesis,
        fork_id: ledger.chain.fork_id,
        did: body.did_id(),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: TimeMs(ledger.now() + 1_000),
        controller: None,
        reveal: None,
        body: Body::Incept(body),
    }
}

/// Reads what became of the only extrinsic after the time's.
fn verdict(executed: &Executed, in_batch: bool) -> Verdict {
    let mut outcome = None;
    for record in &executed.events {
        match &record.event {
            RuntimeEvent::Did(identities::Event::ItemFailed { error, .. }) => {
                outcome = Some(Err(format!("{error:?}")));
            }
            RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
                outcome = Some(Err(name(dispatch_error)));
            }
            _ => {}
        }
    }
    let outcome = outcome.unwrap_or(Ok(()));
    // In a batch, what is refused is an event like what fails; only the latter has an entry.
    let logged = executed.events.iter().any(|it| match &it.event {
        RuntimeEvent::Did(identities::Event::Logged { entry, .. }) => {
            entry.kind == allod_primitives::log::LogKind::Operation
        }
        _ => false,
    });
    match outcome {
        Err(name) if in_batch && !logged => Verdict::Refused(name),
        outcome => Verdict::Taken(outcome),
    }
}

fn entries(executed: &Executed, of: &DidId) -> Vec<Logged> {
    let entry = |event: &RuntimeEvent| match event {
        RuntimeEvent::Did(identities::Event::Logged { did, entry, stated }) if did == of => {
            Some((*entry, stated.clone()))
        }
        _ => None,
    };
    let events = executed.events.iter();
    events.filter_map(|it| entry(&it.event)).collect()
}

fn name(error: &DispatchError) -> String {
    match error {
        DispatchError::Module(error) if error.index == identities::PALLET_INDEX => {
            let error = identities::Error::decode(&mut error.error.as_slice());
            format!("{:?}", error.expect("an error of the pallet"))
        }
        other => format!("{other:?}"),
    }
}
