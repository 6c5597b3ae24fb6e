//! Measures execution: `cargo run --release -p allod-runtime --example execute_bench -- [COUNT]`.
//!
//! Inceptions paid by vouchers, each identity with its own key, on a state in memory. Signatures
//! are answered by an oracle that says yes, as a node's cache does; one ZIP-215 check is timed
//! beside it for scale. CPU time of this thread by the scheduler's own count: Linux only.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a measurement reads the machine and prints"
)]

use std::collections::BTreeMap;
use std::fs;

use allod_primitives::document::{InitialDocument, Method, MethodKey, Relationships};
use allod_primitives::extrinsic::RawExtrinsic;
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, SignatureProof,
    SignedOperation, Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{Capabilities, ControlKey, ControlPolicy, Rank, WeightedKey};
use allod_primitives::{BoundedVec, ChainId, ForkId, H256, PublicKey, Signature, Text, TimeMs};
use allod_runtime::authority::{Parameters, ValidatorInfo};
use allod_runtime::executive::{self, BuildLimits, Executed};
use allod_runtime::frame::SignatureOracle;
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::{RuntimeCall, did};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;

const BLOCK: usize = 1000;
const START: TimeMs = TimeMs(20_000 * 86_400_000);

/// Says yes: the node has verified everything in batches.
struct Verified;

impl SignatureOracle for Verified {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> bool {
        true
    }

    fn verify_operation(&self, _: &ControlKey, _: &ChainId, _: &H256, _: &SignatureProof) -> bool {
        true
    }
}

fn main() {
    let argument = std::env::args().nth(1);
    let count: usize = argument.map_or(20_000, |it| it.parse().expect("a number"));
    let executed = executive::genesis(&config()).expect("the configuration works");
    let mut state = BTreeMap::new();
    apply(&mut state, &executed);
    let mut head = executive::genesis_header(&executed, H256::ZERO);
    let chain = ChainId {
        genesis: head.hash(),
        fork_id: ForkId(0),
    };
    let all: Vec<Vec<u8>> = (0..count).map(|index| incept(&chain, index)).collect();
    let bytes: usize = all.iter().map(Vec::len).sum();
    println!(
        "{count} inceptions of {} bytes, {BLOCK} a block",
        bytes / count.max(1)
    );
    let (mut judging, mut building, mut executing) = (0, 0, 0);
    let mut time = START;
    for block in all.chunks(BLOCK) {
        time = time.plus_ms(200);
        let start = cpu_ns();
        let view = executive::View::new(&state, &head, time);
        let valid = block
            .iter()
            .all(|body| view.validate(body, &Verified).is_ok());
        assert!(valid, "each is valid on its own");
        judging += cpu_ns() - start;
        let limits = BuildLimits::default();
        let start = cpu_ns();
        let candidates = block.to_vec();
        let built = executive::build_block(&state, &head, time, candidates, &limits, &Verified);
        building += cpu_ns() - start;
        let built = built.expect("a block follows");
        assert_eq!(built.extrinsics.len(), block.len() + 1);
        let start = cpu_ns();
        let executed = executive::execute_block(&state, &head, &built.extrinsics, &Verified);
        executing += cpu_ns() - start;
        let executed = executed.expect("what was built is valid");
        apply(&mut state, &executed);
        head = executive::header(&head, &executed, H256::ZERO, PublicKey([0; 32]));
    }
    let per = |ns: u64| format!("{:.2} µs", ns as f64 / 1000.0 / count as f64);
    println!("judge, per registration    {}", per(judging));
    println!("build, per registration    {}", per(building));
    println!("execute, per registration  {}", per(executing));
    println!("one signature check        {}", check_ns());
}

fn check_ns() -> String {
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = Signature(key.sign(b"message").to_bytes());
    let public = PublicKey(key.verifying_key().to_bytes());
    let start = cpu_ns();
    for _ in 0..2000 {
        assert!(public.verify(b"message", &signature).is_ok());
    }
    format!("{:.2} µs", (cpu_ns() - start) as f64 / 2_000_000.0)
}

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has schedstat");
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().expect("schedstat begins with a number")
}

fn apply(state: &mut BTreeMap<Vec<u8>, Vec<u8>>, executed: &Executed) {
    for (key, value) in &executed.changes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

fn key(tag: u8, index: usize) -> SigningKey {
    let seed = allod_primitives::blake2_256(&(tag, index as u64).encode());
    SigningKey::from_bytes(&seed.0)
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn one<T: std::fmt::Debug, const MAX: u32>(element: T) -> BoundedVec<T, MAX> {
    BoundedVec::try_from(vec![element]).expect("one fits")
}

fn config() -> GenesisConfig {
    let validator = |index: u8| ValidatorInfo {
        public_key: public(&key(1, usize::from(index))),
        power: 1,
        peer_id: one(index),
        address: Text::default(),
    };
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: vec![public(&key(2, 0))],
        trustee_threshold: 1,
        registrars: vec![(public(&key(3, 0)), u32::MAX)],
        validators: (0..4).map(validator).collect(),
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: None,
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

fn incept(chain: &ChainId, index: usize) -> Vec<u8> {
    let control = key(4, index);
    let rank = Rank {
        keys: one(WeightedKey {
            key: ControlKey::Ed25519(public(&control)),
            weight: 1,
        }),
        threshold: 1,
        capabilities: Capabilities::ALL,
        next: None,
    };
    let method = Method {
        fragment: Text::new("login").expect("short"),
        key: MethodKey::Ed25519(public(&key(5, index))),
        relationships: Relationships::AUTHENTICATION,
        expires: None,
    };
    let inception = Inception {
        version: 1,
        policy: ControlPolicy {
            ranks: one(rank),
            guardians: None,
            delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
        },
        document: InitialDocument {
            methods: one(method),
            services: BoundedVec::new(),
            also_known_as: BoundedVec::new(),
            controllers: BoundedVec::new(),
        },
        salt: [1; 16],
    };
    let operation = Operation {
        version: 1,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        did: inception.did_id(),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: START.plus_ms(86_400_000),
        controller: None,
        reveal: None,
        body: Body::Incept(inception),
    };
    let did = operation.did;
    let preimage = operation_preimage(chain, &operation.hash());
    let signature = KeySignature {
        key: ControlKey::Ed25519(public(&control)),
        proof: SignatureProof::Ed25519(Signature(control.sign(&preimage).to_bytes())),
        leaf: None,
    };
    let expires = START.plus_ms(86_400_000);
    let registrar = key(3, 0);
    let word = voucher_preimage(chain, &did, expires);
    let call = RuntimeCall::Did(did::Call::incept {
        operation: SignedOperation {
            operation,
            signatures: one(signature),
        },
        admission: Admission::Voucher(Voucher {
            registrar: public(&registrar),
            expires,
            signature: Signature(registrar.sign(&word).to_bytes()),
        }),
    });
    RawExtrinsic {
        signed: None,
        call: call.encode(),
    }
    .encode_body()
}
