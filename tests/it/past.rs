//! Goal: the past is checked by whoever asks, who believes no node: what was signed with a key that
//! is retired since counts by evidence alone, and an export shows how it ends.

use std::time::Duration;

use allod_identity_client::anchors::Anchor;
use allod_identity_client::history::{
    Expectations, Export, claimed_end, fetch_proven, proven_end, replay, trust_genesis,
};
use allod_identity_client::jwt::{TokenRequest, issue_token};
use allod_identity_client::light::LightClient;
use allod_identity_client::rpc::chain_id;
use allod_primitives::log::LogHead;
use allod_primitives::{Height, TimeMs};
use allod_rpc_api::login::{Evidence, VerifyJwsRequest};
use allod_rpc_api::submit::{SubmitItem, SubmitOutcome};
use allod_rpc_api::verify::{ReasonCode, SignatureVerdict, Standing};
use allod_tests::devnet::Devnet;
use allod_tests::people::{Account, Person};
use allod_tests::verified::light_client;

use crate::governance::replace_last_validator;
use crate::support::{submit_all, until};

const AUDIENCE: &str = "https://store.example";

/// Asks what `jws` was worth at one time.
struct Question<'a> {
    client: &'a LightClient,
    jws: String,
    as_of: TimeMs,
}

impl Question<'_> {
    fn request(&self, as_of: Option<TimeMs>, evidence: Option<Evidence>) -> VerifyJwsRequest {
        VerifyJwsRequest {
            jws: self.jws.clone(),
            audience: AUDIENCE.into(),
            nonce: None,
            relationship: None,
            max_age_s: None,
            time: None,
            max_staleness_ms: None,
            as_of: as_of.map(|it| it.0),
            evidence,
        }
    }

    async fn ask(&self, evidence: Option<Evidence>, at_least: Height) -> SignatureVerdict {
        let request = self.request(Some(self.as_of), evidence);
        let asked = self.client.verify_jws_as_of(&request, Some(at_least));
        asked.await.unwrap().answer
    }

    async fn reason(&self, evidence: Option<Evidence>, at_least: Height) -> ReasonCode {
        self.ask(evidence, at_least).await.reason
    }

    async fn now(&self, at_least: Height) -> ReasonCode {
        let request = self.request(None, None);
        let asked = self.client.verify_jws(&request, Some(at_least));
        asked.await.unwrap().answer.reason
    }
}

fn height(outcomes: &[SubmitOutcome]) -> Height {
    Height(outcomes[0].height.unwrap())
}

/// Method: a token is signed and anchored, and again later; its key is rotated as a routine, then
/// declared compromised since just after the first anchor, then since the anchor itself. A client
/// of four nodes judges from proofs after each step, with and without evidence.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_keys_signature_counts_by_its_anchor_until_the_key_is_known_stolen_before_it() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let node = net.client(0).unwrap();
    let context = node.context().await.unwrap();
    let chain = chain_id(&context);
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&node, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 13, 0).unwrap();
    let outcomes = submit_all(&node, vec![registrar.batch(&[operation])]).await;
    let client = light_client(&net, None).await.unwrap();
    let born = client.resolve(&alice.did, Some(height(&outcomes))).await;
    let as_of = born.unwrap().answer.record.created;

    let request = TokenRequest {
        audience: Some(AUDIENCE.into()),
        lifetime_s: 3600,
        ..TokenRequest::default()
    };
    let now = net.now().unwrap();
    let token = issue_token(&alice.did, &alice.login_method(), &request, now.seconds()).unwrap();
    let jws = token.jwt;
    let mut anchor = async |jws: &str| {
        let anchor = Anchor::new(chain.genesis, jws, now.day() + 3650).unwrap();
        let message = anchor.message(&chain, jws, now.plus_ms(3_600_000)).unwrap();
        let outcomes = submit_all(&node, vec![registrar.anchor(&[message])]).await;
        (Some(anchor.evidence()), height(&outcomes))
    };
    let (evidence, anchored) = anchor(&jws).await;
    let (elsewhere, _) = anchor(&format!("{jws}A")).await;
    let question = Question {
        client: &client,
        jws: jws.clone(),
        as_of,
    };
    assert_eq!(question.reason(None, anchored).await, ReasonCode::Ok);

    let rotation = alice.rotate().unwrap();
    let rotated = height(&submit_all(&node, vec![SubmitItem::operation(&rotation)]).await);
    let told = question.ask(None, rotated).await;
    assert_eq!(told.verdict, Standing::Indeterminate);
    assert_eq!(told.reason, ReasonCode::EvidenceMissing);
    let told = question.ask(evidence, rotated).await;
    assert_eq!(
        (told.verdict, told.reason),
        (Standing::Valid, ReasonCode::Ok)
    );
    let at = TimeMs(told.anchored.unwrap());
    assert!(as_of < at, "{as_of:?} {at:?}");
    assert_eq!(question.now(rotated).await, ReasonCode::KeyRetired);
    let (late, later) = anchor(&jws).await;
    assert_eq!(
        question.reason(late, later).await,
        ReasonCode::EvidenceOutOfTime
    );
    let found = question.reason(elsewhere, later).await;
    assert_eq!(found, ReasonCode::EvidenceNotFound);

    // Who had the key only after the anchor cannot have made what was anchored.
    let declared = alice.declare("key-1", at.plus_ms(1)).unwrap();
    let declared = height(&submit_all(&node, vec![SubmitItem::operation(&declared)]).await);
    assert_eq!(question.reason(evidence, declared).await, ReasonCode::Ok);
    let declared = alice.declare("key-1", at).unwrap();
    let declared = height(&submit_all(&node, vec![SubmitItem::operation(&declared)]).await);
    let told = question.ask(evidence, declared).await;
    assert_eq!(told.verdict, Standing::Indeterminate);
    assert_eq!(told.reason, ReasonCode::EvidenceOutOfTime);
    assert_eq!(question.now(declared).await, ReasonCode::KeyRetired);
    net.stop().await.unwrap();
}

/// Method: an identity is rotated while a validator is replaced; its history is exported, with a
/// proof of its end, and checked from genesis on with every node gone. Without its last entry, with
/// the head of that in its place, it contradicts its own proof.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_without_a_node_and_not_when_it_is_cut_off() {
    let net = Devnet::start(4, &[]).await.unwrap();
    let node = net.client(0).unwrap();
    let context = node.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&node, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 13, 1).unwrap();
    submit_all(&node, vec![registrar.batch(&[operation])]).await;
    replace_last_validator(&net).await;
    let rotation = alice.rotate().unwrap();
    submit_all(&node, vec![SubmitItem::operation(&rotation)]).await;
    let client = light_client(&net, None).await.unwrap();
    until("the set changes", Duration::from_secs(60), || async {
        client.head().await.unwrap();
        (client.status().set.0 == 1).then_some(())
    })
    .await;
    let export = fetch_proven(&node, &client, &alice.did).await.unwrap();
    net.stop().await.unwrap();

    let export = Export::from_json(&export.to_json()).unwrap();
    assert_eq!(export.trail.as_ref().unwrap().transitions.len(), 1);
    let end = proven_end(&export, trust_genesis(&export).unwrap()).unwrap();
    assert_eq!((end.head, end.head.count), (export.head, 2));
    let expectations = Expectations {
        did: alice.did,
        chain: export.chain,
        head: Some(end.head),
        controller: &|_, _| None,
    };
    assert_eq!(replay(&export, &expectations).unwrap().record.log, end.head);
    let mut cut = export.clone();
    cut.entries.pop();
    let entries = cut.entries.iter();
    cut.head = entries.fold(LogHead::default(), |head, it| head.append(&it.entry));
    assert_ne!(claimed_end(&cut).unwrap().head, cut.head);
    let refused = replay(&cut, &expectations).unwrap_err();
    assert_eq!(refused.name(), "other_head");
    let alone = Expectations {
        head: None,
        ..expectations
    };
    assert!(replay(&cut, &alone).is_ok(), "nothing else would show it");
}
