//! A ledger of three pallets over a plain map, and people with real keys.

use std::collections::BTreeMap;

use allod_primitives::document::{
    DocumentPatch, InitialDocument, Method, MethodKey, Relationships, RetireReason, Retirement,
    Service,
};
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof,
    SignedOperation, Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, PolicyChange, Rank, RankChange, WeightedKey,
};
use allod_primitives::record::DidRecord;
use allod_primitives::{
    BoundedVec, ChainId, DidId, ForkId, H256, Height, PublicKey, Signature, Text, TimeMs,
};
use ed25519_dalek::{Signer, SigningKey};

use crate::RuntimeEvent;
use crate::authority::storage::{ADMISSION, REGISTRARS};
use crate::authority::types::{AdmissionPolicy, Registrar, STORED_VERSION};
use crate::did;
use crate::frame::{
    BlockEnv, Context, Direct, DispatchError, DispatchResult, Origin, Overlay, PalletCall,
    StateRead, TransactionError, Validity,
};
use crate::{grant, revocation};

/// A day and an hour, so that days can be left behind in both directions.
pub(crate) const START: TimeMs = TimeMs(20_000 * 86_400_000 + 3_600_000);
/// The network of the tests.
pub(crate) const CHAIN: ChainId = ChainId {
    genesis: H256([7; 32]),
    fork_id: ForkId(0),
};
/// A day in milliseconds.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// State and present block.
pub(crate) struct Ledger {
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) block: BlockEnv,
}

/// What became of a call that may be in a block.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) validity: Validity,
    pub(crate) result: DispatchResult,
    pub(crate) events: Vec<RuntimeEvent>,
}

impl Ledger {
    /// Starts with a registrar of 1,000 items a day; vouchers and 8 bits of work admit.
    pub(crate) fn new() -> Self {
        let mut ledger = Self {
            state: BTreeMap::new(),
            block: BlockEnv {
                height: Height(1),
                time: START,
                parent_hash: H256::ZERO,
                chain: CHAIN,
                genesis_hash: CHAIN.genesis,
            },
        };
        ledger.set_registrar(&public(&registrar()), 1000);
        ledger.set_admission(true, Some(8));
        ledger
    }

    pub(crate) fn set_registrar(&mut self, account: &PublicKey, items_per_day: u32) {
        let registrar = Registrar {
            version: STORED_VERSION,
            items_per_day,
            day: 0,
            used: 0,
        };
        self.write(|context| REGISTRARS.put(&mut context.state, account, &registrar));
    }

    pub(crate) fn set_admission(&mut self, vouchers: bool, work_bits: Option<u8>) {
        let policy = AdmissionPolicy {
            version: STORED_VERSION,
            vouchers,
            work_bits,
        };
        self.write(|context| ADMISSION.put(&mut context.state, &policy));
    }

    /// Moves to a block `ms` later and runs what blocks begin with.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.block.height = self.block.height.next();
        self.block.time = self.block.time.plus_ms(ms);
        self.write(|context| {
            did::on_initialize(context);
            revocation::on_initialize(context);
            grant::on_initialize(context);
        });
        self.check_invariants();
    }

    /// Runs a call as the executive does. Refused calls must not have come near the state.
    pub(crate) fn apply(
        &mut self,
        origin: Origin,
        call: &impl PalletCall,
    ) -> Result<Applied, TransactionError> {
        let validity = call.validate(origin, &self.state, &self.block, &Direct)?;
        assert!(validity.requires.is_empty(), "ahead of its turn");
        let (result, events) = self.write(|context| {
            call.consume(origin, context);
            let result = context.transactional(|context| call.dispatch(origin, context));
            (result, std::mem::take(&mut context.events))
        });
        self.check_invariants();
        Ok(Applied {
            validity,
            result,
            events,
        })
    }

    pub(crate) fn validate(&self, call: &impl PalletCall) -> Result<Validity, TransactionError> {
        call.validate(Origin::Bare, &self.state, &self.block, &Direct)
    }

    /// Submits bare; a failure of dispatch comes back as the pallet's error.
    pub(crate) fn submit(&mut self, operation: &SignedOperation) -> Result<(), Refusal> {
        let call = did::Call::submit {
            operation: operation.clone(),
        };
        let applied = self.apply(Origin::Bare, &call).map_err(Refusal::Invalid)?;
        applied
            .result
            .map_err(|error| Refusal::Failed(did_error(error)))
    }

    /// Runs a registrar's batch and returns which items failed.
    pub(crate) fn batch(
        &mut self,
        items: &[SignedOperation],
    ) -> Result<Vec<(u32, did::Error)>, TransactionError> {
        let call = did::Call::batch {
            items: items.to_vec().try_into().unwrap(),
        };
        let applied = self.apply(Origin::Signed(public(&registrar())), &call)?;
        assert_eq!(applied.result, Ok(()));
        let failed = applied.events.iter().filter_map(|event| match event {
            RuntimeEvent::Did(did::Event::ItemFailed { index, error }) => Some((*index, *error)),
            _ => None,
        });
        Ok(failed.collect())
    }

    /// Creates `person`, sponsored.
    pub(crate) fn create(&mut self, person: &mut Person) {
        let operation = person.inception_operation(self.block.time);
        let failed = self.batch(&[person.signed(&operation)]).unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        person.took(&operation);
    }

    pub(crate) fn record(&self, did: &DidId) -> DidRecord {
        did::record(&self.state, did).unwrap()
    }

    pub(crate) fn check_invariants(&self) {
        did::invariants::check(&self.state).unwrap();
        revocation::invariants::check(&self.state).unwrap();
        grant::invariants::check(&self.state).unwrap();
    }

    pub(crate) fn write<T>(&mut self, f: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let mut context = Context::new(Overlay::new(&self.state), self.block, &Direct);
        let result = f(&mut context);
        for (key, value) in context.state.into_changes() {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        result
    }
}

/// The two ways a submission can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not in a block.
    Invalid(TransactionError),
    /// In a block, failed.
    Failed(did::Error),
}

/// Reads the pallet's error back from a dispatch error.
pub(crate) fn did_error(error: DispatchError) -> did::Error {
    let DispatchError::Module(error) = error else {
        panic!("not a module's error: {error:?}");
    };
    assert_eq!(error.index, did::PALLET_INDEX);
    parity_scale_codec::Decode::decode(&mut error.error.as_slice()).unwrap()
}

/// A key from a small number.
pub(crate) fn key(seed: u16) -> SigningKey {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    SigningKey::from_bytes(&bytes)
}

/// The registrar's key.
pub(crate) fn registrar() -> SigningKey {
    key(60_000)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// Signs an operation with these keys, in the order of the rules.
pub(crate) fn signed(operation: &Operation, keys: &[&SigningKey]) -> SignedOperation {
    SignedOperation {
        operation: operation.clone(),
        signatures: signatures(&operation.hash(), keys),
    }
}

/// Signs a hash as the identity's keys do.
pub(crate) fn signatures(
    hash: &H256,
    keys: &[&SigningKey],
) -> BoundedVec<KeySignature, { allod_primitives::limits::OPERATION_SIGNATURES_MAX }> {
    let preimage = operation_preimage(&CHAIN, hash);
    let mut list: Vec<KeySignature> = keys
        .iter()
        .map(|key| KeySignature {
            key: ControlKey::Ed25519(public(key)),
            proof: SignatureProof::Ed25519(sign(key, &preimage)),
            leaf: None,
        })
        .collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    list.try_into().unwrap()
}

/// A rank of keys of weight 1.
pub(crate) fn rank(keys: &[&SigningKey], threshold: u32) -> Rank {
    let mut keys: Vec<WeightedKey> = keys
        .iter()
        .map(|key| WeightedKey {
            key: ControlKey::Ed25519(public(key)),
            weight: 1,
        })
        .collect();
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    Rank {
        keys: keys.try_into().unwrap(),
        threshold,
        capabilities: Capabilities::ALL,
        next: None,
    }
}

pub(crate) fn text<const MAX: u32>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

/// A method for logging in, with the key of this seed.
pub(crate) fn method(fragment: &str, seed: u16) -> Method {
    Method {
        fragment: text(fragment),
        key: MethodKey::Ed25519(public(&key(seed))),
        relationships: Relationships::AUTHENTICATION,
        expires: None,
    }
}

pub(crate) fn service(fragment: &str) -> Service {
    Service {
        fragment: text(fragment),
        kind: text("PersonalDataStore"),
        endpoints: vec![text("https://store.example/")].try_into().unwrap(),
    }
}

/// A patch that adds methods.
pub(crate) fn adding(methods: &[Method]) -> DocumentPatch {
    DocumentPatch {
        add: methods.to_vec().try_into().unwrap(),
        ..DocumentPatch::default()
    }
}

/// A patch that retires methods as routine.
pub(crate) fn retiring(fragments: &[&str]) -> DocumentPatch {
    let list: Vec<Retirement> = fragments
        .iter()
        .map(|fragment| Retirement {
            fragment: text(fragment),
            reason: RetireReason::Routine,
        })
        .collect();
    DocumentPatch {
        retire: list.try_into().unwrap(),
        ..DocumentPatch::default()
    }
}

/// A rotation of rank 0.
pub(crate) fn rotation(rank: Option<Rank>) -> Body {
    rotating(setting(vec![(0, rank)]))
}

/// A rotation with this change, without a document.
pub(crate) fn rotating(change: PolicyChange) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

/// A change of these ranks.
pub(crate) fn setting(ranks: Vec<(u8, Option<Rank>)>) -> PolicyChange {
    let ranks = ranks.into_iter();
    let ranks: Vec<RankChange> = ranks
        .map(|(index, rank)| RankChange { index, rank })
        .collect();
    PolicyChange {
        ranks: ranks.try_into().unwrap(),
        ..PolicyChange::default()
    }
}

/// A registrar's voucher.
pub(crate) fn voucher(key: &SigningKey, did: &DidId, expires: TimeMs) -> Admission {
    Admission::Voucher(Voucher {
        registrar: public(key),
        expires,
        signature: sign(key, &voucher_preimage(&CHAIN, did, expires)),
    })
}

/// Someone who signs with one key and remembers the heads of the own lanes.
pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) inception: Inception,
    pub(crate) did: DidId,
    pub(crate) heads: BTreeMap<Lane, (u64, H256)>,
}

impl Person {
    /// Someone with control key `seed` and a method `login` with key `seed + 1`.
    pub(crate) fn new(seed: u16) -> Self {
        let policy = ControlPolicy {
            ranks: vec![rank(&[&key(seed)], 1)].try_into().unwrap(),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        };
        Self::with_policy(seed, policy)
    }

    pub(crate) fn with_policy(seed: u16, policy: ControlPolicy) -> Self {
        let document = InitialDocument {
            methods: vec![method("login", seed + 1)].try_into().unwrap(),
            services: vec![service("store")].try_into().unwrap(),
            ..InitialDocument::default()
        };
        Self::with_inception(seed, policy, document)
    }

    pub(crate) fn with_inception(
        seed: u16,
        policy: ControlPolicy,
        document: InitialDocument,
    ) -> Self {
        let inception = Inception {
            version: 1,
            policy,
            document,
            salt: [5; 16],
        };
        Self {
            key: key(seed),
            did: inception.did_id(),
            inception,
            heads: BTreeMap::new(),
        }
    }

    pub(crate) fn inception_operation(&self, now: TimeMs) -> Operation {
        self.operation(now, Lane::Rank(0), Body::Incept(self.inception.clone()))
    }

    /// The next operation of a lane, for any payer, valid for an hour.
    pub(crate) fn operation(&self, now: TimeMs, lane: Lane, body: Body) -> Operation {
        let (lane_seq, lane_prev) = self.heads.get(&lane).copied().unwrap_or_default();
        Operation {
            version: 1,
            genesis: CHAIN.genesis,
            fork_id: CHAIN.fork_id,
            did: self.did,
            lane,
            lane_seq,
            lane_prev,
            payer: Payer::Any,
            valid_until: now.plus_ms(3_600_000),
            controller: None,
            reveal: None,
            body,
        }
    }

    pub(crate) fn documents(&self, ledger: &Ledger, patch: DocumentPatch) -> Operation {
        let body = Body::UpdateDocument(patch);
        self.operation(ledger.block.time, Lane::Documents, body)
    }

    pub(crate) fn control(&self, ledger: &Ledger, body: Body) -> Operation {
        self.operation(ledger.block.time, Lane::Rank(0), body)
    }

    pub(crate) fn signed(&self, operation: &Operation) -> SignedOperation {
        signed(operation, &[&self.key])
    }

    /// Remembers that the ledger took this operation.
    pub(crate) fn took(&mut self, operation: &Operation) {
        let head = (operation.lane_seq + 1, operation.hash());
        self.heads.insert(operation.lane, head);
    }

    /// Submits the next operation of its lane and remembers it if it was taken.
    pub(crate) fn submit(
        &mut self,
        ledger: &mut Ledger,
        operation: &Operation,
    ) -> Result<(), Refusal> {
        let result = ledger.submit(&self.signed(operation));
        if !matches!(result, Err(Refusal::Invalid(_))) {
            self.took(operation);
        }
        result
    }
}

/// A state that counts the searches for a next key.
pub(crate) struct Counting<'a> {
    pub(crate) state: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) searches: std::cell::Cell<usize>,
}

impl StateRead for Counting<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        StateRead::get(self.state, key)
    }

    fn next_key(&self, after: &[u8]) -> Option<Vec<u8>> {
        self.searches.set(self.searches.get() + 1);
        self.state.next_key(after)
    }
}

/// Returns how many searches for a next key `f` makes on the ledger's state `ms` later.
pub(crate) fn searches_of(ledger: &Ledger, ms: u64, f: impl FnOnce(&mut Context<'_>)) -> usize {
    let state = Counting {
        state: &ledger.state,
        searches: std::cell::Cell::default(),
    };
    let mut block = ledger.block;
    block.time = block.time.plus_ms(ms);
    f(&mut Context::new(Overlay::new(&state), block, &Direct));
    state.searches.get()
}

/// Reads a value for a comparison.
pub(crate) fn snapshot(ledger: &Ledger) -> BTreeMap<Vec<u8>, Vec<u8>> {
    assert!(ledger.state.next_key(&[]).is_some());
    ledger.state.clone()
}
