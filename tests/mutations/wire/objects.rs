//! Signed messages and stored records by themselves: canonical bytes, and signatures that cover
//! every one of them.

use allod_primitives::document::Document;
use allod_primitives::grant::{
    Actions, Assignee, GRANT_BODY_VERSION, GrantAction, GrantBody, GrantEntry, GrantMessage,
    GrantStatus, SignedGrant, SignedGrantMessage, grant_preimage,
};
use allod_primitives::log::LogHead;
use allod_primitives::merkle::{Domain, ListProof, prove, root};
use allod_primitives::operation::{
    Body, KeySignature, Lane, Operation, Payer, SignedOperation, operation_preimage,
};
use allod_primitives::record::{DID_RECORD_VERSION, DidRecord, Lanes, Status};
use allod_primitives::token::{RevocationEntry, SignedTokenOperation, TokenId, TokenOperation};
use allod_primitives::{
    BoundedVec, ChainId, Did, ForkId, H256, Height, NetworkId, TimeMs, decode_strict,
};
use parity_scale_codec::{Decode, Encode};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::author::{
    bounded, inception, key, public, sign, sign_message, sign_operation, sign_token, text,
};
use crate::bytes;
use crate::tally::{Half, Tally, Verdict};

const CHAIN: ChainId = ChainId {
    genesis: H256([7; 32]),
    fork_id: ForkId(0),
};

/// Judges byte mutants of everything signed, by its signatures alone.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let operations: Vec<Vec<u8>> = (0..8).map(|n| operation(n).encode()).collect();
    run_signed(
        rng,
        tally,
        rounds,
        "operation",
        &operations,
        |it: &SignedOperation| {
            let preimage = operation_preimage(&it.operation.chain(), &it.operation.hash());
            verify_all(&preimage, &it.signatures)
        },
    );
    let tokens: Vec<Vec<u8>> = (0..8).map(|n| token(n).encode()).collect();
    run_signed(
        rng,
        tally,
        rounds,
        "token operation",
        &tokens,
        |it: &SignedTokenOperation| {
            let preimage = operation_preimage(&it.operation.chain(), &it.operation.hash());
            verify_all(&preimage, &it.signatures)
        },
    );
    let messages: Vec<Vec<u8>> = (0..8).map(|n| anchor(n).encode()).collect();
    run_signed(
        rng,
        tally,
        rounds,
        "grant message",
        &messages,
        |it: &SignedGrantMessage| {
            let preimage = operation_preimage(&it.message.chain(), &it.message.hash());
            match it.message.action {
                GrantAction::Anchor { grant_key, .. } => {
                    grant_key.verify(&preimage, &it.signature).is_ok()
                }
                GrantAction::Revoke => public(&key("grant", 0))
                    .verify(&preimage, &it.signature)
                    .is_ok(),
            }
        },
    );
    let grants: Vec<Vec<u8>> = (0..8).map(|n| grant(n).encode()).collect();
    run_signed(
        rng,
        tally,
        rounds,
        "signed grant",
        &grants,
        |it: &SignedGrant| {
            let preimage = grant_preimage(&CHAIN, &it.gid(&CHAIN.genesis));
            // The method's fragment is not signed: it only says where to look for the key.
            let is_owner = |n| {
                public(&key("login", n))
                    .verify(&preimage, &it.signature)
                    .is_ok()
            };
            it.method == text("login") && (0..8).any(is_owner)
        },
    );
    let record = record().encode();
    canonical::<DidRecord>(rng, tally, rounds, "identity record", &[record]);
    let entries = [0u64, 1 << 40].map(|exp| revocation(exp).encode());
    canonical::<RevocationEntry>(rng, tally, rounds / 4, "revocation entry", &entries);
    let entries = [GrantStatus::Active, GrantStatus::Revoked { at: TimeMs(9) }];
    let entries = entries.map(|status| grant_entry(status).encode());
    canonical::<GrantEntry>(rng, tally, rounds / 4, "grant entry", &entries);
}

/// Judges mutants of a signed type: `verifies` says whether its signatures still hold.
fn run_signed<T: Decode + Encode>(
    rng: &mut ChaCha8Rng,
    tally: &mut Tally,
    rounds: usize,
    name: &'static str,
    samples: &[Vec<u8>],
    verifies: impl Fn(&T) -> bool,
) {
    for sample in samples {
        assert!(
            verifies(&decode_strict(sample).expect("samples are valid")),
            "{name}"
        );
    }
    bytes::run(name, samples, rounds, rng, tally, |_, mutant| {
        let value: T = match decode_strict(mutant) {
            Err(error) => return Verdict::codec(&error),
            Ok(value) => value,
        };
        assert_eq!(value.encode(), mutant, "one value, one encoding");
        assert!(!verifies(&value), "a mutant {name} is signed");
        Verdict::Refused("BadSignature".into())
    });
}

fn verify_all<const MAX: u32>(preimage: &[u8], signatures: &BoundedVec<KeySignature, MAX>) -> bool {
    let verifies = |it: &KeySignature| it.key.verify(preimage, &H256::ZERO, &it.proof).is_ok();
    !signatures.is_empty() && signatures.iter().all(verifies)
}

/// Judges mutants of a stored type: what decodes is another value, which its proof refuses.
fn canonical<T: Decode + Encode>(
    rng: &mut ChaCha8Rng,
    tally: &mut Tally,
    rounds: usize,
    name: &'static str,
    samples: &[Vec<u8>],
) {
    bytes::run(
        name,
        samples,
        rounds,
        rng,
        tally,
        |_, mutant| match decode_strict::<T>(mutant) {
            Err(error) => Verdict::codec(&error),
            Ok(value) => {
                assert_eq!(value.encode(), mutant, "one value, one encoding");
                Verdict::Refused("ProofError: not the proven value".into())
            }
        },
    );
}

type Forge = fn(&mut SignedGrant, &mut ChaCha8Rng);

/// Every field of a grant that its parties hold. All of them are under the owner's signature.
const FORGERIES: &[Forge] = &[
    |it, rng| it.body.version = rng.gen_range(2..=255),
    |it, rng| it.body.owner.0.id.0 = rng.r#gen(),
    |it, rng| it.body.owner.0.network.0 = rng.r#gen(),
    |it, rng| it.body.assignee = Assignee::Uri(text(&format!("did:key:{}", rng.r#gen::<u64>()))),
    |it, rng| it.body.resources = bounded([text(&format!("https://x/{}", rng.r#gen::<u64>()))]),
    |it, rng| it.body.actions = Actions(it.body.actions.0 ^ rng.gen_range(1..=255)),
    |it, rng| it.body.parent = Some(H256(rng.r#gen())),
    |it, rng| it.body.delegation_depth ^= rng.gen_range(1..=255),
    |it, rng| it.body.epoch += rng.gen_range(1..9),
    |it, rng| it.body.not_before += rng.gen_range(1..9),
    |it, rng| it.body.expires += rng.gen_range(1..9),
    |it, rng| it.grant_key = public(&key("grant", rng.r#gen())),
    |it, rng| it.expiry_day += rng.gen_range(1..9),
    |it, rng| it.salt = rng.r#gen(),
    |it, rng| {
        // Signed again, by somebody who is not the owner.
        let stranger = key("stranger", rng.r#gen());
        it.signature = sign(&stranger, &grant_preimage(&CHAIN, &it.gid(&CHAIN.genesis)));
    },
    |it, rng| {
        // Signed again by the owner, for another network.
        let chain = ChainId {
            genesis: H256(rng.r#gen()),
            ..CHAIN
        };
        it.signature = sign(
            &key("login", 0),
            &grant_preimage(&chain, &it.gid(&CHAIN.genesis)),
        );
    },
];

/// Judges grants, and inclusion proofs in lists, with one field changed.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    for round in 0..rounds {
        let mut forged = grant(0);
        let genuine = forged.gid(&CHAIN.genesis);
        FORGERIES[round % FORGERIES.len()](&mut forged, rng);
        let gid = forged.gid(&CHAIN.genesis);
        let preimage = grant_preimage(&CHAIN, &gid);
        let owner = public(&key("login", 0));
        assert!(owner.verify(&preimage, &forged.signature).is_err());
        // Whoever changes the body changes the gid, which the ledger does not list.
        let only_signature = round % FORGERIES.len() >= 14;
        assert_eq!(gid == genuine, only_signature);
        tally.count(
            "signed grant",
            Half::Fields,
            Verdict::Refused("BadSignature".into()),
        );
        judge_list_proof(round, rng, tally);
    }
}

fn judge_list_proof(round: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let leaves: Vec<[u8; 32]> = (0..rng.gen_range(2u32..40)).map(|_| rng.r#gen()).collect();
    let list = || leaves.iter().map(<[u8; 32]>::as_slice);
    let commitment = root(Domain::Extrinsics, list());
    let index = rng.gen_range(0..leaves.len() as u32);
    let mut proof: ListProof = prove(Domain::Extrinsics, list(), index).expect("within the list");
    let (mut domain, mut leaf) = (Domain::Extrinsics, leaves[index as usize].to_vec());
    match round % 7 {
        0 => proof.index = proof.count + rng.gen_range(0..9),
        1 => proof.siblings.push(H256(rng.r#gen())),
        2 => drop(proof.siblings.pop()),
        3 => {
            let at = rng.gen_range(0..proof.siblings.len());
            proof.siblings[at] = H256(rng.r#gen());
        }
        4 => domain = Domain::Changes,
        5 => leaf = rng.r#gen::<[u8; 32]>().to_vec(),
        _ => proof.count += rng.gen_range(1..9),
    }
    let error = proof
        .verify(&commitment, domain, &leaf)
        .expect_err("one thing is wrong");
    tally.count(
        "list proof",
        Half::Fields,
        Verdict::refused("ListProofError", &error),
    );
}

fn did(n: u64) -> Did {
    let inception = inception(&key("control", n), &key("login", n), [n as u8; 16]);
    Did::new(NetworkId::from_genesis(&CHAIN.genesis), inception.did_id())
}

fn operation(n: u64) -> SignedOperation {
    let control = key("control", n);
    let inception = inception(&control, &key("login", n), [n as u8; 16]);
    let operation = Operation {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        did: inception.did_id(),
        lane: Lane::Rank(0),
        lane_seq: 0,
        lane_prev: H256::ZERO,
        payer: Payer::Any,
        valid_until: TimeMs(1_800_000_000_000),
        controller: None,
        reveal: None,
        body: match n % 2 {
            0 => Body::Incept(inception),
            _ => Body::Deactivate,
        },
    };
    sign_operation(operation, &[&control])
}

fn token(n: u64) -> SignedTokenOperation {
    let operation = TokenOperation {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        did: did(n).id(),
        payer: Payer::Own,
        valid_until: TimeMs(1_800_000_000_000),
        token: TokenId::from_jti(&format!("token {n}")),
        exp: 1_800_000_000,
    };
    sign_token(operation, &[&key("control", n)])
}

fn anchor(n: u64) -> SignedGrantMessage {
    let grant_key = key("grant", n);
    let message = GrantMessage {
        version: 1,
        genesis: CHAIN.genesis,
        fork_id: CHAIN.fork_id,
        gid: grant(n).gid(&CHAIN.genesis),
        action: GrantAction::Anchor {
            grant_key: public(&grant_key),
            expiry_day: 20_900,
        },
        valid_until: TimeMs(1_800_000_000_000),
    };
    sign_message(message, &grant_key)
}

fn grant(n: u64) -> SignedGrant {
    let body = GrantBody {
        version: GRANT_BODY_VERSION,
        owner: did(n),
        assignee: Assignee::Did(did(n + 1)),
        resources: bounded([text("https://store.example/alice/photos/")]),
        actions: Actions::READ,
        constraints: bounded([]),
        parent: None,
        delegation_depth: 0,
        epoch: 0,
        not_before: 1_700_000_000,
        expires: 1_800_000_000,
    };
    let mut grant = SignedGrant {
        body,
        grant_key: public(&key("grant", n)),
        expiry_day: 20_900,
        salt: [n as u8; 32],
        method: text("login"),
        signature: sign(&key("login", n), b""),
    };
    let preimage = grant_preimage(&CHAIN, &grant.gid(&CHAIN.genesis));
    grant.signature = sign(&key("login", n), &preimage);
    grant
}

fn record() -> DidRecord {
    let inception = inception(&key("control", 0), &key("login", 0), [0; 16]);
    DidRecord {
        version: DID_RECORD_VERSION,
        status: Status::Active,
        created_height: Height(1),
        created: TimeMs(1_790_000_000_000),
        updated: TimeMs(1_790_000_000_000),
        policy: inception.policy,
        document: Document::default(),
        retired_count: 0,
        method_allowance: allod_primitives::limits::METHOD_ALLOWANCE,
        lanes: Lanes::default(),
        not_before: TimeMs(0),
        grant_epoch: 0,
        pending: bounded([]),
        cool_downs: bounded([]),
        frozen: None,
        log: LogHead::default(),
    }
}

fn revocation(exp: u64) -> RevocationEntry {
    RevocationEntry {
        version: 1,
        exp,
        revoked_at: TimeMs(1_790_000_000_000),
    }
}

fn grant_entry(status: GrantStatus) -> GrantEntry {
    GrantEntry {
        version: 1,
        grant_key: public(&key("grant", 0)),
        expiry_day: 20_900,
        anchored: TimeMs(1_790_000_000_000),
        status,
    }
}
