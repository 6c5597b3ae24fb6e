//! A chain over a plain map, for tests: every block built is executed again and must agree.

mod blocks;
mod budgets;
mod conformance;
mod extrinsics;
mod freeze;
mod genesis;
mod governance;
mod rules;
mod turnover;
mod upgrade;
mod vectors;

use std::collections::BTreeMap;

use allod_primitives::document::InitialDocument;
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof,
    SignedOperation, Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey};
use allod_primitives::{
    BoundedVec, ChainId, ForkId, H256, Header, Height, PublicKey, Signature, Text, TimeMs,
    blake2_256,
};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;

use super::{
    BlockError, BuildLimits, Built, Executed, build_block, execute_block, genesis_header, header,
    validate_transaction,
};
use crate::authority::types::{Action, Parameters, ValidatorInfo};
use crate::frame::{Direct, TransactionError};
use crate::genesis::GenesisConfig;
use crate::version::{SPEC_VERSION, TRANSACTION_VERSION};
use crate::{RuntimeCall, authority, did};

const START: TimeMs = TimeMs(20_000 * DAY_MS);
const DAY_MS: u64 = 86_400_000;
const STEP_MS: u64 = 1_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

fn trustee(index: u8) -> SigningKey {
    key(100 + index)
}

fn registrar() -> SigningKey {
    key(150)
}

fn validator(seed: u8) -> ValidatorInfo {
    ValidatorInfo {
        public_key: public(&key(seed)),
        power: 1,
        peer_id: vec![seed; 38].try_into().unwrap(),
        address: Text::new(format!("/ip4/127.0.0.1/tcp/{}", 3_000 + u16::from(seed))).unwrap(),
    }
}

/// Four validators (1 to 4), two of three trustees, a registrar of 1,000 items a day.
fn config() -> GenesisConfig {
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: (0..3).map(|index| public(&trustee(index))).collect(),
        trustee_threshold: 2,
        registrars: vec![(public(&registrar()), 1_000)],
        validators: (1..=4).map(validator).collect(),
        observers: vec![(vec![9; 38].try_into().unwrap(), Text::default())],
        admission_vouchers: true,
        admission_work_bits: None,
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

struct Chain {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    head: Header,
    genesis_hash: H256,
}

impl Chain {
    fn new() -> Self {
        Self::with(&config())
    }

    fn with(config: &GenesisConfig) -> Self {
        let executed = super::genesis(config).expect("the configuration works");
        let mut chain = Self {
            state: BTreeMap::new(),
            head: genesis_header(&executed, H256::ZERO),
            genesis_hash: H256::ZERO,
        };
        chain.write(&executed);
        chain.head.state_root = chain.root();
        chain.genesis_hash = chain.head.hash();
        chain
    }

    fn write(&mut self, executed: &Executed) {
        for (key, value) in &executed.changes {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
    }

    /// Stands in for the tree's root.
    fn root(&self) -> H256 {
        blake2_256(&self.state.encode())
    }

    fn id(&self) -> ChainId {
        authority::chain_id(&self.state, &self.genesis_hash)
    }

    fn next_time(&self) -> TimeMs {
        self.head.digest.time.plus_ms(STEP_MS)
    }

    /// Builds on the head, executes what was built again, and moves the head.
    fn build(&mut self, candidates: Vec<Vec<u8>>) -> Built {
        self.build_at(self.next_time(), candidates, &BuildLimits::default())
    }

    fn build_at(&mut self, time: TimeMs, candidates: Vec<Vec<u8>>, limits: &BuildLimits) -> Built {
        let built = build_block(&self.state, &self.head, time, candidates, limits, &Direct);
        let built = built.expect("a block can follow");
        let again = self
            .execute(&built.extrinsics)
            .expect("what was built is valid");
        assert_eq!(again, built.executed);
        self.accept(&built.executed);
        built
    }

    fn execute(&self, extrinsics: &[Vec<u8>]) -> Result<Executed, BlockError> {
        execute_block(&self.state, &self.head, extrinsics, &Direct)
    }

    fn accept(&mut self, executed: &Executed) {
        self.write(executed);
        self.head = header(&self.head, executed, self.root(), PublicKey([0; 32]));
        authority::invariants::check(&self.state).expect("the invariants hold");
    }

    fn empty_blocks(&mut self, count: u32) {
        for _ in 0..count {
            self.build(Vec::new());
        }
    }

    fn validate(&self, body: &[u8]) -> Result<super::ValidTransaction, TransactionError> {
        validate_transaction(&self.state, &self.head, self.next_time(), body, &Direct)
    }

    fn signed(&self, key: &SigningKey, nonce: u32, call: &RuntimeCall) -> Vec<u8> {
        self.signed_in(key, nonce, call, Era::Immortal, &self.genesis_hash)
    }

    fn signed_in(
        &self,
        key: &SigningKey,
        nonce: u32,
        call: &RuntimeCall,
        era: Era,
        birth: &H256,
    ) -> Vec<u8> {
        let call = call.encode();
        let context = SigningContext {
            spec_version: SPEC_VERSION,
            transaction_version: TRANSACTION_VERSION,
            genesis_hash: self.genesis_hash,
        };
        let payload = context.payload(&call, &era, nonce, birth);
        let signed = SignedPart {
            account: public(key),
            signature: sign(key, &payload),
            era,
            nonce,
        };
        RawExtrinsic {
            signed: Some(signed),
            call,
        }
        .encode_body()
    }

    /// A vote for what an open proposal says.
    fn vote(&self, proposal: u32) -> RuntimeCall {
        let found = authority::proposal(&self.state, proposal);
        vote_for(proposal, found.map_or(H256::ZERO, |found| found.hash))
    }

    /// The inception of an identity controlled by the key of `seed`.
    fn inception(&self, seed: u8) -> SignedOperation {
        let key = key(seed);
        let control = ControlKey::Ed25519(public(&key));
        let rank = Rank {
            keys: one(WeightedKey {
                key: control.clone(),
                weight: 1,
            }),
            threshold: 1,
            capabilities: Capabilities::ALL,
            next: None,
        };
        let inception = Inception {
            version: 1,
            policy: ControlPolicy {
                ranks: one(rank),
                guardians: None,
                delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
            },
            document: InitialDocument {
                methods: BoundedVec::new(),
                services: BoundedVec::new(),
                also_known_as: BoundedVec::new(),
                controllers: BoundedVec::new(),
            },
            salt: [seed; 16],
        };
        let operation = Operation {
            version: 1,
            genesis: self.id().genesis,
            fork_id: self.id().fork_id,
            did: inception.did_id(),
            lane: Lane::Rank(0),
            lane_seq: 0,
            lane_prev: H256::ZERO,
            payer: Payer::Any,
            valid_until: self.next_time().plus_ms(DAY_MS),
            controller: None,
            reveal: None,
            body: Body::Incept(inception),
        };
        let preimage = operation_preimage(&self.id(), &operation.hash());
        let signature = KeySignature {
            key: control,
            proof: SignatureProof::Ed25519(sign(&key, &preimage)),
            leaf: None,
        };
        SignedOperation {
            operation,
            signatures: one(signature),
        }
    }

    /// A bare extrinsic that incepts the identity of `seed` by the registrar's voucher.
    fn incept(&self, seed: u8) -> Vec<u8> {
        let operation = self.inception(seed);
        let expires = self.next_time().plus_ms(DAY_MS);
        let message = voucher_preimage(&self.id(), &operation.operation.did, expires);
        let voucher = Voucher {
            registrar: public(&registrar()),
            expires,
            signature: sign(&registrar(), &message),
        };
        bare(&RuntimeCall::Did(did::Call::incept {
            operation,
            admission: Admission::Voucher(voucher),
        }))
    }
}

fn one<T: std::fmt::Debug, const MAX: u32>(element: T) -> BoundedVec<T, MAX> {
    vec![element].try_into().unwrap()
}

fn bare(call: &RuntimeCall) -> Vec<u8> {
    RawExtrinsic {
        signed: None,
        call: call.encode(),
    }
    .encode_body()
}

fn propose(actions: Vec<Action>, expires: TimeMs) -> RuntimeCall {
    RuntimeCall::Authority(authority::Call::propose {
        actions: actions.try_into().unwrap(),
        expires,
    })
}

/// A vote for nothing that was ever proposed.
fn vote(proposal: u32) -> RuntimeCall {
    vote_for(proposal, H256::ZERO)
}

fn vote_for(proposal: u32, hash: H256) -> RuntimeCall {
    RuntimeCall::Authority(authority::Call::vote { proposal, hash })
}

/// An action that does nothing of note.
fn harmless() -> Action {
    Action::SetAdmission {
        vouchers: true,
        work_bits: Some(4),
    }
}
