//! People with keys of their own, made from a seed, and the registrar that pays for them.

use allod_identity_client::keys::{MethodSecret, SecretKey};
use allod_identity_client::operation::extrinsic::Envelope;
use allod_identity_client::operation::{
    Author, Rotation, Terms, call, incept, inception, login_method, retirement, rotation,
    sign_operation,
};
use allod_identity_client::rpc::{Client, chain_id};
use allod_primitives::document::{Declaration, DocumentPatch, Fragment, RetireReason};
use allod_primitives::extrinsic::{Era, SigningContext};
use allod_primitives::grant::SignedGrantMessage;
use allod_primitives::operation::{Body, Payer, SignedOperation};
use allod_primitives::policy::Rank;
use allod_primitives::record::Lanes;
use allod_primitives::{ChainId, Did, DidId, H256, NetworkId, PublicKey, TimeMs, domain_hash};
use allod_rpc_api::context::ContextResponse;
use allod_rpc_api::hex_bytes::HexBytes;
use allod_rpc_api::submit::{ItemKind, SubmitItem};

/// How long test operations are valid.
const VALID_MS: u64 = 3_600_000;

/// Somebody with an identity.
#[derive(Clone, Debug)]
pub struct Person {
    /// Key of rank 0.
    pub control: SecretKey,
    /// Key of the login method `key-1`, later `key-2`…
    pub login: SecretKey,
    /// Number of the login method.
    pub method: u32,
    /// The identity.
    pub did: Did,
    author: Author,
    rank: Rank,
    generation: u32,
    seed: [u8; 32],
}

fn key(seed: &[u8; 32], name: &str, generation: u32) -> SecretKey {
    let number = generation.to_le_bytes();
    SecretKey::from_seed(domain_hash("allod/test-key", &[seed, &number, name.as_bytes()]).0)
}

impl Person {
    /// Makes person `number` of `seed`, and the signed operation that creates its identity.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn new(
        context: &ContextResponse,
        seed: u64,
        number: u64,
    ) -> anyhow::Result<(Self, SignedOperation)> {
        let chain = chain_id(context);
        let bytes = [seed.to_le_bytes(), number.to_le_bytes()].concat();
        let seed = domain_hash("allod/test-person", &[&bytes]).0;
        let (control, login) = (key(&seed, "control", 0), key(&seed, "login", 0));
        let mut salt = [0; 16];
        salt.copy_from_slice(&domain_hash("allod/test-salt", &[&seed]).0[..16]);
        let body = inception(&control.public(), &login.public(), salt)?;
        let terms = terms(&chain, context);
        let id = body.did_id();
        let rank = body.policy.ranks[0].clone();
        let operation = sign_operation(incept(&terms, body), &[&control])?;
        let mut lanes = Lanes::default();
        lanes.ranks[0].next_seq = 1;
        lanes.ranks[0].last = operation.operation.hash();
        let did = Did::new(NetworkId::from_genesis(&chain.genesis), id);
        let author = Author::new(terms, id, lanes);
        let method = 1;
        Ok((
            Self {
                control,
                login,
                method,
                did,
                author,
                rank,
                generation: 0,
                seed,
            },
            operation,
        ))
    }

    /// Returns the signed operation that replaces control and login keys, and takes them on.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn rotate(&mut self) -> anyhow::Result<SignedOperation> {
        let generation = self.generation + 1;
        let control = key(&self.seed, "control", generation);
        let login = key(&self.seed, "login", generation);
        let retire = retirement(&format!("key-{}", self.method), RetireReason::Routine)?;
        let add = login_method(&format!("key-{}", self.method + 1), &login.public())?;
        let body = rotation(Rotation {
            rank: 0,
            current: &self.rank,
            control: &control.public(),
            retire: vec![retire],
            add: vec![add],
        })?;
        let operation = sign_operation(self.author.next(0, body)?, &[&self.control])?;
        self.control = control;
        self.login = login;
        self.method += 1;
        self.generation = generation;
        Ok(operation)
    }

    /// Returns the signed operation that declares a retired method compromised since a time.
    ///
    /// # Errors
    /// None that a test could cause.
    pub fn declare(&mut self, fragment: &str, since: TimeMs) -> anyhow::Result<SignedOperation> {
        let fragment = Fragment::new(fragment)?;
        let patch = DocumentPatch {
            declare: vec![Declaration { fragment, since }].try_into()?,
            ..DocumentPatch::default()
        };
        let operation = self.author.next(0, Body::UpdateDocument(patch))?;
        Ok(sign_operation(operation, &[&self.control])?)
    }

    /// Makes further operations valid from `context` on: those of [`new`](Self::new) and
    /// [`rotate`](Self::rotate) are void an hour after the last time that this was told.
    pub fn renew(&mut self, context: &ContextResponse) {
        let terms = terms(&chain_id(context), context);
        self.author = Author::new(terms, self.id(), *self.author.lanes());
    }

    /// Returns the login method in force, with its secret.
    pub fn login_method(&self) -> MethodSecret {
        MethodSecret {
            fragment: format!("key-{}", self.method),
            key: self.login.clone(),
            retired: false,
        }
    }

    /// Returns the identity's own part.
    pub const fn id(&self) -> DidId {
        self.did.id()
    }
}

/// Returns terms under which anybody may pay.
pub fn terms(chain: &ChainId, context: &ContextResponse) -> Terms {
    let valid_until = TimeMs(context.node_time.max(context.time) + VALID_MS);
    Terms {
        chain: *chain,
        payer: Payer::Any,
        valid_until,
    }
}

/// An account that pays for batches, and knows its own nonce.
#[derive(Debug)]
pub struct Account {
    key: SecretKey,
    context: SigningContext,
    nonce: u32,
}

impl Account {
    /// Asks a node where `key`'s account stands.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn new(client: &Client, key: SecretKey) -> anyhow::Result<Self> {
        let context = client.context().await?;
        let nonce = client.account_nonce(&key.public()).await?;
        let context = SigningContext {
            spec_version: context.spec_version,
            transaction_version: context.transaction_version,
            genesis_hash: H256(context.genesis_hash.0.0),
        };
        Ok(Self {
            key,
            context,
            nonce,
        })
    }

    /// Returns the account.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Returns the next extrinsic of this account that makes `call`.
    pub fn sign(&mut self, call: Vec<u8>) -> SubmitItem {
        let envelope = Envelope {
            context: self.context,
            era: Era::Immortal,
            birth_hash: self.context.genesis_hash,
            nonce: self.nonce,
        };
        self.nonce += 1;
        let bytes = envelope.sign(&self.key, call);
        SubmitItem {
            kind: ItemKind::Extrinsic,
            data: HexBytes(bytes),
            admission: None,
        }
    }

    /// Returns a batch of operations.
    pub fn batch(&mut self, items: &[SignedOperation]) -> SubmitItem {
        self.sign(call::did_batch(items))
    }

    /// Returns a batch of anchorings.
    pub fn anchor(&mut self, items: &[SignedGrantMessage]) -> SubmitItem {
        self.sign(call::grant_anchor(items))
    }
}
