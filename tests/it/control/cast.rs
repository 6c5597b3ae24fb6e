//! Who appears in the stories: owners, guardians, thieves and sponsors on one network.

use std::time::Duration;

use allod_identity_client::jwt::{Challenge, login_answer};
use allod_identity_client::keys::{MethodSecret, SecretKey};
use allod_identity_client::operation::{
    Act, Author, DocumentChange, LOGIN_RELATIONSHIPS, Terms, incept, login_method,
};
use allod_identity_client::rpc::{Client, chain_id};
use allod_primitives::document::{Fragment, InitialDocument, Method, MethodKey};
use allod_primitives::guardian::{Guardian, Invitation, make_set};
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{
    Body, INCEPTION_VERSION, Inception, KeySignature, Lane, Operation, Payer, ProposedChange,
    Reveal, SignatureProof, SignedOperation, operation_preimage,
};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, GuardianSet, PolicyChange, Rank, RankChange,
    WeightedKey, next_keys_commitment,
};
use allod_primitives::record::DidRecord;
use allod_primitives::{BoundedVec, Did, DidId, H256, NetworkId, TimeMs, domain_hash};
use allod_rpc_api::login::VerifyLoginRequest;
use allod_rpc_api::submit::{SubmitItem, SubmitOutcome, SubmitStatus, Wait};
use allod_tests::devnet::Devnet;
use allod_tests::people::Account;

use crate::support::submit_all;

/// Three days: the delay of every identity here.
pub(super) const DELAY: Duration = Duration::from_millis(CONTROL_DELAY_MS_DEFAULT);
const AUDIENCE: &str = "https://gateway.example";
/// What a device may do: no proposals, no cancelling.
pub(super) const DEVICE: Capabilities =
    Capabilities::DOCUMENT.union(Capabilities::TOKENS_AND_GRANTS);

/// A network, a registrar, and keys made from names.
pub(super) struct Stage {
    pub(super) net: Devnet,
    pub(super) client: Client,
    pub(super) registrar: Account,
}

/// An identity and the secrets its owner has.
pub(super) struct Owner {
    pub(super) did: Did,
    pub(super) rank0: SecretKey,
    pub(super) phone: SecretKey,
    pub(super) next: Option<SecretKey>,
    pub(super) login: MethodSecret,
    pub(super) guardians: Vec<(SecretKey, Invitation)>,
}

/// What an identity begins with.
#[derive(Clone, Copy, Default)]
pub(super) struct Setup {
    pub(super) pre_rotated: bool,
    pub(super) guarded: bool,
    /// Capabilities of rank 1, the phone.
    pub(super) phone: Option<Capabilities>,
}

/// The key of this name.
pub(super) fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(domain_hash("allod/test-story", &[name.as_bytes()]).0)
}

pub(super) fn control(key: &SecretKey) -> ControlKey {
    ControlKey::Ed25519(key.public())
}

pub(super) fn rank(key: &SecretKey, capabilities: Capabilities, next: Option<H256>) -> Rank {
    Rank {
        keys: weighted(key),
        threshold: 1,
        capabilities,
        next,
    }
}

fn weighted(key: &SecretKey) -> BoundedVec<WeightedKey, 16> {
    let listed = WeightedKey {
        key: control(key),
        weight: 1,
    };
    vec![listed].try_into().unwrap()
}

pub(super) fn commitment(key: &SecretKey) -> H256 {
    next_keys_commitment(&weighted(key), 1, &[7; 16])
}

/// Opens the commitment to `key` and commits to `next`.
pub(super) fn reveal(key: &SecretKey, next: Option<&SecretKey>) -> Reveal {
    Reveal {
        keys: weighted(key),
        threshold: 1,
        salt: [7; 16],
        next: next.map(commitment),
    }
}

pub(super) fn set_rank(index: u8, rank: Option<Rank>) -> PolicyChange {
    PolicyChange {
        ranks: vec![RankChange { index, rank }].try_into().unwrap(),
        ..PolicyChange::default()
    }
}

pub(super) fn rotate(change: PolicyChange) -> Body {
    Body::Rotate {
        change,
        document: None,
    }
}

pub(super) fn propose(change: PolicyChange) -> Body {
    Body::Propose(ProposedChange::Control(change))
}

/// Adds a login method of this name.
pub(super) fn add_method(fragment: &str, key: &SecretKey) -> DocumentChange {
    DocumentChange {
        add: vec![Method {
            fragment: Fragment::new(fragment).unwrap(),
            key: MethodKey::Ed25519(key.public()),
            relationships: LOGIN_RELATIONSHIPS,
            expires: None,
        }],
        ..DocumentChange::default()
    }
}

pub(super) fn method(fragment: &str, key: &SecretKey) -> MethodSecret {
    MethodSecret {
        fragment: fragment.into(),
        key: key.clone(),
        retired: false,
    }
}

/// Signs with plain keys.
pub(super) fn signed(operation: Operation, keys: &[&SecretKey]) -> SignedOperation {
    sign(operation, keys.iter().map(|key| (*key, None)).collect())
}

/// Signs with guardians' keys and leaves.
pub(super) fn approved(
    operation: Operation,
    guardians: &[&(SecretKey, Invitation)],
) -> SignedOperation {
    let by = guardians.iter().map(|it| (&it.0, Some(&it.1))).collect();
    sign(operation, by)
}

fn sign(operation: Operation, by: Vec<(&SecretKey, Option<&Invitation>)>) -> SignedOperation {
    let preimage = operation_preimage(&operation.chain(), &operation.hash());
    let mut signatures: Vec<KeySignature> = by
        .into_iter()
        .map(|(key, invitation)| KeySignature {
            key: control(key),
            proof: SignatureProof::Ed25519(key.sign(&preimage)),
            leaf: invitation.map(|it| it.leaf.clone()),
        })
        .collect();
    signatures.sort_by(|a, b| a.key.cmp(&b.key));
    SignedOperation {
        operation,
        signatures: signatures.try_into().unwrap(),
    }
}

/// What became of an operation: its height, or the slug of its refusal.
pub(super) fn fate(outcome: &SubmitOutcome) -> Result<u64, String> {
    match (outcome.status, &outcome.error) {
        (SubmitStatus::Finalized, _) => Ok(outcome.height.unwrap()),
        (_, Some(error)) => Err(error.slug.clone()),
        other => panic!("neither final nor refused: {other:?}"),
    }
}

impl Stage {
    pub(super) async fn new() -> Self {
        let net = Devnet::start(4, &[]).await.unwrap();
        let client = net.client(0).unwrap();
        let registrar = net.secret("/keys/registrar").unwrap();
        let registrar = Account::new(&client, registrar).await.unwrap();
        Self {
            net,
            client,
            registrar,
        }
    }

    pub(super) async fn terms(&self, payer: Payer) -> Terms {
        let context = self.client.context().await.unwrap();
        Terms {
            chain: chain_id(&context),
            payer,
            valid_until: TimeMs(context.time.max(context.node_time) + 3_600_000),
        }
    }

    /// Brings an identity onto the ledger.
    pub(super) async fn incept(&mut self, name: &str, setup: Setup) -> Owner {
        let named = |what: &str| key(&format!("{name} {what}"));
        let (rank0, phone, next) = (named("rank 0"), named("phone"), named("next"));
        let login = named("login");
        let guardians: Vec<SecretKey> = (0..3).map(|n| named(&format!("guardian {n}"))).collect();
        let first = setup.pre_rotated.then(|| commitment(&next));
        let mut ranks = vec![rank(&rank0, Capabilities::ALL, first)];
        ranks.extend(setup.phone.map(|it| rank(&phone, it, None)));
        let delay = CONTROL_DELAY_MS_DEFAULT;
        // Leaves do not name the identity, so the set can be in the inception.
        let (set, _) = circle(&DidId([0; 32]), &guardians);
        let body = Inception {
            version: INCEPTION_VERSION,
            policy: ControlPolicy {
                ranks: ranks.try_into().unwrap(),
                guardians: setup.guarded.then_some(set),
                delay_ms: delay,
            },
            document: InitialDocument {
                methods: vec![login_method("key-1", &login.public()).unwrap()]
                    .try_into()
                    .unwrap(),
                ..InitialDocument::default()
            },
            salt: [1; 16],
        };
        let terms = self.terms(Payer::Any).await;
        let id = body.did_id();
        let operation = signed(incept(&terms, body), &[&rank0]);
        submit_all(&self.client, vec![self.registrar.batch(&[operation])]).await;
        let (_, invitations) = circle(&id, &guardians);
        Owner {
            did: Did::new(NetworkId::from_genesis(&terms.chain.genesis), id),
            rank0,
            phone,
            next: setup.pre_rotated.then_some(next),
            login: method("key-1", &login),
            guardians: guardians.into_iter().zip(invitations).collect(),
        }
    }

    pub(super) async fn record(&self, did: &Did) -> DidRecord {
        self.client.resolve(did, None).await.unwrap().record
    }

    /// Returns the next operation of a lane.
    pub(super) async fn operation(
        &self,
        did: &Did,
        lane: Lane,
        reveal: Option<Reveal>,
        body: Body,
    ) -> Operation {
        let terms = self.terms(Payer::Any).await;
        let lanes = self.record(did).await.lanes;
        let mut author = Author::new(terms, did.id(), lanes);
        let act = Act {
            lane,
            controller: None,
            reveal,
            body,
        };
        author.act(act).unwrap()
    }

    /// Makes, signs and submits an operation, and waits for its fate.
    pub(super) async fn act(
        &self,
        did: &Did,
        lane: Lane,
        body: Body,
        keys: &[&SecretKey],
    ) -> Result<u64, String> {
        let operation = self.operation(did, lane, None, body).await;
        self.submit(signed(operation, keys)).await
    }

    /// As [`act`](Self::act), by next keys.
    pub(super) async fn act_next(
        &self,
        did: &Did,
        reveal: Reveal,
        body: Body,
        key: &SecretKey,
    ) -> Result<u64, String> {
        let lane = Lane::Next(0);
        let operation = self.operation(did, lane, Some(reveal), body).await;
        self.submit(signed(operation, &[key])).await
    }

    /// As [`act`](Self::act), by guardians.
    pub(super) async fn act_guardians(
        &self,
        did: &Did,
        body: Body,
        guardians: &[&(SecretKey, Invitation)],
    ) -> Result<u64, String> {
        let operation = self.operation(did, Lane::Guardians, None, body).await;
        self.submit(approved(operation, guardians)).await
    }

    pub(super) async fn submit(&self, operation: SignedOperation) -> Result<u64, String> {
        fate(&self.submit_each(&[operation]).await[0])
    }

    /// Submits operations together, and waits for each one's fate.
    pub(super) async fn submit_each(&self, operations: &[SignedOperation]) -> Vec<SubmitOutcome> {
        let items = operations.iter().map(SubmitItem::operation).collect();
        let wait = Wait::Finalized;
        self.client.submit(items, wait, Some(30_000)).await.unwrap()
    }

    /// Returns the verdict of every node on a login: "allow", or the reason of its denial.
    pub(super) async fn login(&self, did: &Did, secret: &MethodSecret) -> String {
        let now = self.client.context().await.unwrap().node_time / 1000;
        let challenge = Challenge::new(AUDIENCE, now, 120).unwrap();
        let jws = login_answer(did, secret, &challenge, now).unwrap();
        let request = VerifyLoginRequest {
            jws,
            audience: AUDIENCE.into(),
            nonce: challenge.nonce.clone(),
            time: None,
            max_staleness_ms: None,
        };
        let decision = self.client.verify_login(&request).await.unwrap();
        let decision = serde_json::to_value(&decision).unwrap();
        match decision["decision"].as_str() {
            Some("allow") => "allow".into(),
            _ => decision["reason"].as_str().unwrap().into(),
        }
    }

    /// Lets the delay pass, and a little.
    pub(super) async fn wait_out(&self) {
        self.net.advance(DELAY + Duration::from_secs(60)).await;
    }
}

/// The ids of what waits.
pub(super) fn pending(record: &DidRecord) -> Vec<H256> {
    record.pending.iter().map(|it| it.id).collect()
}

/// Two of three.
pub(super) fn circle(did: &DidId, keys: &[SecretKey]) -> (GuardianSet, Vec<Invitation>) {
    let guardians: Vec<Guardian> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| Guardian {
            key: control(key),
            weight: 1,
            salt: [u8::try_from(n).unwrap() + 1; 16],
        })
        .collect();
    make_set(did, &guardians, 2, CONTROL_DELAY_MS_DEFAULT).unwrap()
}
