//! What the node's tests share: a small chain, its keys, and people who register.

use std::sync::Arc;
use std::time::Duration;

use allod_consensus::Progress;
use allod_primitives::certificate::{CERTIFICATE_VERSION, VoteType, vote_preimage};
use allod_primitives::document::{InitialDocument, Method, MethodKey, Relationships};
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof,
    SignedOperation, Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey};
use allod_primitives::{
    Certificate, ChainId, CommitSignature, DidId, ForkId, H256, Height, PublicKey, Signature, Text,
    TimeMs,
};
use allod_runtime::authority::types::{Parameters, ValidatorInfo};
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use allod_runtime::{RuntimeCall, did};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;
use tokio::sync::mpsc;

use crate::keyfile::peer_id_bytes;
use crate::ledger::{Chain, Genesis, Halt, Ledger, LedgerConfig, LedgerParts, OpenChainError};
use crate::mempool::{Admission as AdmissionTask, Limits, Mempool};
use crate::seams::{SeededEntropy, TokioClock};
use crate::storage::{MemoryStore, StoreOptions};

/// Time of the tests' genesis.
pub(crate) const START: TimeMs = TimeMs(20_000 * 86_400_000);

/// A key from a small number.
pub(crate) fn key(seed: u32) -> SigningKey {
    let mut bytes = [3; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    SigningKey::from_bytes(&bytes)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// Key of validator `index`.
pub(crate) fn validator(index: u32) -> SigningKey {
    key(1_000_000 + index)
}

/// Network key of node `index`.
pub(crate) fn network(index: u32) -> SigningKey {
    key(2_000_000 + index)
}

/// The registrar's key.
pub(crate) fn registrar() -> SigningKey {
    key(3_000_000)
}

/// A chain of `validators` that takes in whom the registrar vouches for.
pub(crate) fn genesis_config(validators: u32) -> GenesisConfig {
    let info = |index: u32| ValidatorInfo {
        public_key: public(&validator(index)),
        power: 1,
        peer_id: peer_id_bytes(&network(index)).try_into().unwrap(),
        address: Text::new(format!("/ip4/127.0.0.1/tcp/{}", 40_000 + 2 * index)).unwrap(),
    };
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: vec![public(&trustee())],
        trustee_threshold: 1,
        registrars: vec![(public(&registrar()), 1_000_000)],
        validators: (0..validators).map(info).collect(),
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: None,
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

/// Returns an extrinsic that creates the identity with control key `seed`, and its name.
pub(crate) fn inception(chain: &ChainId, seed: u32, now: TimeMs) -> (DidId, Vec<u8>) {
    inception_with(chain, seed, now, None)
}

/// As [`inception`], with a commitment to the next keys of rank 0.
pub(crate) fn inception_with(
    chain: &ChainId,
    seed: u32,
    now: TimeMs,
    next: Option<H256>,
) -> (DidId, Vec<u8>) {
    let control = key(seed);
    let weighted = WeightedKey {
        key: ControlKey::Ed25519(public(&control)),
        weight: 1,
    };
    let rank = Rank {
        keys: vec![weighted].try_into().unwrap(),
        threshold: 1,
        capabilities: Capabilities::ALL,
        next,
    };
    let method = Method {
        fragment: Text::new("key-1").unwrap(),
        key: MethodKey::Ed25519(public(&key(seed + 500_000))),
        relationships: Relationships::AUTHENTICATION,
        expires: None,
    };
    let inception = Inception {
        version: 1,
        policy: ControlPolicy {
            ranks: vec![rank].try_into().unwrap(),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        },
        document: InitialDocument {
            methods: vec![method].try_into().unwrap(),
            ..InitialDocument::default()
        },
        salt: [5; 16],
    };
    let did = inception.did_id();
    let expires = now.plus_ms(3_600_000);
    let operation = Operation {
        version: 1,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        did,
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Own,
        valid_until: expires,
        controller: None,
        reveal: None,
        body: Body::Incept(inception),
    };
    let preimage = operation_preimage(chain, &operation.hash());
    let signature = KeySignature {
        key: ControlKey::Ed25519(public(&control)),
        proof: SignatureProof::Ed25519(sign(&control, &preimage)),
        leaf: None,
    };
    let admission = Admission::Voucher(Voucher {
        registrar: public(&registrar()),
        expires,
        signature: sign(&registrar(), &voucher_preimage(chain, &did, expires)),
    });
    let operation = SignedOperation {
        operation,
        signatures: vec![signature].try_into().unwrap(),
    };
    let call = RuntimeCall::Did(did::Call::incept {
        operation,
        admission,
    });
    let raw = RawExtrinsic {
        signed: None,
        call: call.encode(),
    };
    (did, raw.encode_body())
}

/// The trustee's key.
pub(crate) fn trustee() -> SigningKey {
    key(4_000_000)
}

/// Returns an immortal extrinsic that `key` signs.
pub(crate) fn signed(
    key: &SigningKey,
    nonce: u32,
    genesis_hash: H256,
    call: RuntimeCall,
) -> Vec<u8> {
    let context = SigningContext {
        spec_version: SPEC_VERSION,
        transaction_version: TRANSACTION_VERSION,
        genesis_hash,
    };
    let (call, era) = (call.encode(), Era::Immortal);
    let payload = context.payload(&call, &era, nonce, &genesis_hash);
    let part = SignedPart {
        account: public(key),
        signature: sign(key, &payload),
        era,
        nonce,
    };
    let raw = RawExtrinsic {
        signed: Some(part),
        call,
    };
    raw.encode_body()
}

/// A certificate by validators 0 to `signers`, of a set of as many.
pub(crate) fn certificate(
    chain: &ChainId,
    genesis: &Genesis,
    height: Height,
    block_hash: H256,
    signers: u32,
) -> Certificate {
    let message = vote_preimage(chain, VoteType::Precommit, height, 0, Some(&block_hash));
    let set = &genesis.state.sets[0];
    let mut signatures: Vec<CommitSignature> = (0..signers)
        .map(|index| CommitSignature {
            signer: u16::try_from(set.position(&public(&validator(index))).unwrap()).unwrap(),
            signature: sign(&validator(index), &message),
        })
        .collect();
    signatures.sort_by_key(|commit| commit.signer);
    Certificate {
        version: CERTIFICATE_VERSION,
        height,
        round: 0,
        block_hash,
        signatures,
    }
}

/// A ledger over a database in memory. Must be made within a paused runtime.
pub(crate) struct TestLedger {
    pub(crate) ledger: Ledger,
    pub(crate) chain: Arc<Chain>,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) mempool: Mempool,
    pub(crate) halts: mpsc::UnboundedReceiver<Halt>,
}

impl TestLedger {
    /// Opens the chain of `genesis` as validator `index`.
    pub(crate) fn open(
        backend: &MemoryStore,
        genesis: &Genesis,
        index: u32,
    ) -> Result<Self, OpenChainError> {
        let clock = Arc::new(TokioClock::new(START.plus_ms(1000)));
        let entropy = Arc::new(SeededEntropy::new(u64::from(index)));
        let options = StoreOptions::default();
        let backend = Arc::new(backend.clone());
        let chain = Chain::open(
            backend,
            genesis,
            options,
            clock.clone(),
            entropy,
            Progress::default(),
        )?;
        let chain = Arc::new(chain);
        let (mempool, task): (Mempool, AdmissionTask) = Mempool::new(
            Limits::default(),
            chain.store().tip().height(),
            chain.clone(),
            Duration::from_millis(5),
            Arc::new(|_| {}),
            Arc::new(|_| {}),
        );
        tokio::spawn(task.run());
        let (sender, halts) = mpsc::unbounded_channel();
        let parts = LedgerParts {
            chain: chain.clone(),
            mempool: mempool.clone(),
            on_commit: Box::new(|_| {}),
            on_evidence: Box::new(|_| {}),
            halts: sender,
        };
        let config = LedgerConfig::new(public(&validator(index)));
        let ledger = Ledger::new(config, parts).expect("genesis has validators");
        Ok(Self {
            ledger,
            chain,
            clock,
            mempool,
            halts,
        })
    }
}
