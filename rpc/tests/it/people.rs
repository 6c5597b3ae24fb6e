//! Somebody's keys, operations, tokens and grants.

use allod_primitives::document::{
    DocumentPatch, InitialDocument, Method, MethodKey, Relationships, RetireReason, Retirement,
};
use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::grant::{
    Actions, Assignee, GrantAction, GrantBody, GrantMessage, SignedGrant, SignedGrantMessage,
    grant_preimage,
};
use allod_primitives::operation::{
    Admission, Body, Inception, KeySignature, Lane, Operation, Payer, ProposedChange,
    SignatureProof, SignedOperation, Voucher, operation_preimage, voucher_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, PolicyChange, Rank, RankChange, WeightedKey,
};
use allod_primitives::token::{SignedTokenOperation, TokenId, TokenOperation};
use allod_primitives::{
    BoundedVec, ChainId, Did, ForkId, H256, NetworkId, PublicKey, Signature, Text, TimeMs,
};
use allod_rpc_api::submit::SubmitItem;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::Encode;
use serde_json::json;

use crate::node::START;

pub(crate) const AUDIENCE: &str = "https://app.example";
const DAY_S: u64 = 86_400;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn registrar() -> SigningKey {
    key(150)
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

fn one<T: std::fmt::Debug, const MAX: u32>(element: T) -> BoundedVec<T, MAX> {
    vec![element].try_into().unwrap()
}

/// When everything here is void.
fn valid_until() -> TimeMs {
    START.plus_ms(86_400_000)
}

/// Somebody of one control key, and of a method `k<n>` for everything.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) chain: ChainId,
    pub(crate) seed: u8,
    control: SigningKey,
}

impl Person {
    pub(crate) fn new(genesis: H256, seed: u8) -> Self {
        Self {
            chain: ChainId {
                genesis,
                fork_id: ForkId(0),
            },
            seed,
            control: key(seed),
        }
    }

    /// The key of the method `k<n>`.
    fn method_key(&self, n: u8) -> SigningKey {
        SigningKey::from_bytes(&[[self.seed; 16], [n; 16]].concat().try_into().unwrap())
    }

    fn method(&self, n: u8) -> Method {
        Method {
            fragment: Text::new(format!("k{n}")).unwrap(),
            key: MethodKey::Ed25519(public(&self.method_key(n))),
            relationships: Relationships(1 | 2 | 8 | 16),
            expires: None,
        }
    }

    fn body(&self) -> Inception {
        let rank = Rank {
            keys: one(WeightedKey {
                key: ControlKey::Ed25519(public(&self.control)),
                weight: 1,
            }),
            threshold: 1,
            capabilities: Capabilities::ALL,
            next: None,
        };
        Inception {
            version: 1,
            policy: ControlPolicy {
                ranks: one(rank),
                guardians: None,
                delay_ms: allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT,
            },
            document: InitialDocument {
                methods: one(self.method(1)),
                ..InitialDocument::default()
            },
            salt: [self.seed; 16],
        }
    }

    pub(crate) fn did(&self) -> Did {
        let network = NetworkId::from_genesis(&self.chain.genesis);
        Did::new(network, self.body().did_id())
    }

    fn signature(&self, hash: &H256) -> KeySignature {
        KeySignature {
            key: ControlKey::Ed25519(public(&self.control)),
            proof: SignatureProof::Ed25519(sign(
                &self.control,
                &operation_preimage(&self.chain, hash),
            )),
            leaf: None,
        }
    }

    pub(crate) fn operation(
        &self,
        lane: Lane,
        lane_seq: u64,
        lane_prev: H256,
        body: Body,
    ) -> SignedOperation {
        let operation = Operation {
            version: 1,
            genesis: self.chain.genesis,
            fork_id: self.chain.fork_id,
            did: self.did().id(),
            lane,
            lane_seq,
            lane_prev,
            payer: Payer::Any,
            valid_until: valid_until(),
            controller: None,
            reveal: None,
            body,
        };
        let signature = self.signature(&operation.hash());
        SignedOperation {
            operation,
            signatures: one(signature),
        }
    }

    /// Proposes, as the exposed keys of rank 0, that `seed`'s key takes their place.
    pub(crate) fn propose(&self, seed: u8, lane_seq: u64, lane_prev: H256) -> SignedOperation {
        let mut rank = self.body().policy.ranks[0].clone();
        rank.keys.as_mut_slice()[0].key = ControlKey::Ed25519(public(&key(seed)));
        let change = PolicyChange {
            ranks: one(RankChange {
                index: 0,
                rank: Some(rank),
            }),
            ..PolicyChange::default()
        };
        let body = Body::Propose(ProposedChange::Control(change));
        self.operation(Lane::Rank(0), lane_seq, lane_prev, body)
    }

    pub(crate) fn inception(&self) -> SignedOperation {
        self.operation(Lane::Rank(0), 0, H256::ZERO, Body::Incept(self.body()))
    }

    pub(crate) fn voucher(&self) -> Admission {
        let expires = valid_until();
        let message = voucher_preimage(&self.chain, &self.did().id(), expires);
        Admission::Voucher(Voucher {
            registrar: public(&registrar()),
            expires,
            signature: sign(&registrar(), &message),
        })
    }

    pub(crate) fn incept_item(&self) -> SubmitItem {
        SubmitItem::inception(&self.inception(), &self.voucher())
    }

    /// Replaces the method `k<n>` by `k<n+1>`, as the documents lane's operation `n - 1`.
    pub(crate) fn replace_method(&self, n: u8, lane_prev: H256) -> SignedOperation {
        let patch = DocumentPatch {
            retire: one(Retirement {
                fragment: self.method(n).fragment,
                reason: RetireReason::Routine,
            }),
            add: one(self.method(n + 1)),
            ..DocumentPatch::default()
        };
        let body = Body::UpdateDocument(patch);
        self.operation(Lane::Documents, u64::from(n) - 1, lane_prev, body)
    }

    /// A JWS by the method `k<n>`, issued at `iat` (seconds).
    pub(crate) fn jws(&self, n: u8, iat: u64, nonce: &str) -> String {
        let did = self.did().to_string();
        let header = json!({"alg": "EdDSA", "kid": format!("{did}#k{n}")});
        let claims = json!({
            "iss": did, "sub": did, "aud": AUDIENCE, "nonce": nonce, "jti": "j-1",
            "iat": iat, "exp": iat + 60,
        });
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = sign(&self.method_key(n), input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.0))
    }

    /// Revokes the token that [`Self::jws`] made at `iat`.
    pub(crate) fn revoke_token(&self, iat: u64) -> SignedTokenOperation {
        let operation = TokenOperation {
            version: 1,
            genesis: self.chain.genesis,
            fork_id: self.chain.fork_id,
            did: self.did().id(),
            payer: Payer::Own,
            valid_until: valid_until(),
            token: TokenId::from_jti("j-1"),
            exp: iat + 60,
        };
        SignedTokenOperation {
            signatures: one(self.signature(&operation.hash())),
            operation,
        }
    }

    /// Grants `assignee` to read below `resource`.
    pub(crate) fn grant(&self, assignee: Did, resource: &str) -> SignedGrant {
        let now = START.seconds();
        let body = GrantBody {
            version: 1,
            owner: self.did(),
            assignee: Assignee::Did(assignee),
            resources: one(Text::new(resource).unwrap()),
            actions: Actions::READ,
            constraints: BoundedVec::new(),
            parent: None,
            delegation_depth: 0,
            epoch: 0,
            not_before: now,
            expires: now + 10 * DAY_S,
        };
        let mut grant = SignedGrant {
            body,
            grant_key: public(&grant_key()),
            expiry_day: START.day() + 10,
            salt: [4; 32],
            method: Text::new("k1").unwrap(),
            signature: Signature([0; 64]),
        };
        let gid = grant.gid(&self.chain.genesis);
        grant.signature = sign(&self.method_key(1), &grant_preimage(&self.chain, &gid));
        grant
    }
}

fn grant_key() -> SigningKey {
    key(77)
}

/// What the grant's key says.
pub(crate) fn grant_message(
    chain: &ChainId,
    grant: &SignedGrant,
    action: GrantAction,
) -> SignedGrantMessage {
    let message = GrantMessage {
        version: 1,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        gid: grant.gid(&chain.genesis),
        action,
        valid_until: valid_until(),
    };
    let preimage = operation_preimage(chain, &message.hash());
    SignedGrantMessage {
        message,
        signature: sign(&grant_key(), &preimage),
    }
}

/// An extrinsic body signed by `key`, immortal.
pub(crate) fn signed(
    key: &SigningKey,
    genesis_hash: H256,
    nonce: u32,
    call: [u8; 2],
    arguments: &impl Encode,
) -> Vec<u8> {
    let call = [call.as_slice(), &arguments.encode()].concat();
    let context = SigningContext {
        spec_version: SPEC_VERSION,
        transaction_version: TRANSACTION_VERSION,
        genesis_hash,
    };
    let payload = context.payload(&call, &Era::Immortal, nonce, &genesis_hash);
    let part = SignedPart {
        account: public(key),
        signature: sign(key, &payload),
        era: Era::Immortal,
        nonce,
    };
    RawExtrinsic {
        signed: Some(part),
        call,
    }
    .encode_body()
}
