//! One request of every method, its answer held against the document, and kept as its example.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use allod_primitives::grant::GrantAction;
use allod_primitives::{Height, keys};
use allod_rpc::{NodeView, ServerConfig};
use allod_rpc_api::hex_bytes::to_hex;
use allod_rpc_api::submit::{CALL_DID_BATCH, CALL_GRANT_ANCHOR, SubmitItem};
use jsonrpsee::core::client::{
    ClientT, Error, Subscription, SubscriptionClientT, SubscriptionKind,
};
use jsonrpsee::core::params::{ArrayParams, ObjectParams};
use jsonrpsee::types::SubscriptionId;
use jsonrpsee::ws_client::WsClient;
use parity_scale_codec::Encode;
use serde_json::{Value, json};

use super::judge::Judge;
use super::{EXAMPLES, is_blessed};
use crate::node::START;
use crate::people::{AUDIENCE, Person, grant_message, public, registrar, signed};
use crate::subscriptions::next;
use crate::wire::Harness;

const NONCE: &str = "n-0123456789abcdef";
/// Characters of a text of an example; of bytes, whole ones.
const TEXT_MAX: usize = 130;

/// Calls a method over a connection that is kept; the error is the JSON-RPC error object.
pub(crate) async fn raw(client: &WsClient, method: &str, params: &Value) -> Result<Value, Value> {
    let answered: Result<Value, Error> = match params {
        Value::Object(members) => {
            let mut params = ObjectParams::new();
            for (name, value) in members {
                params.insert(name, value).unwrap();
            }
            client.request(method, params).await
        }
        list => {
            let mut params = ArrayParams::new();
            for value in list.as_array().unwrap() {
                params.insert(value).unwrap();
            }
            client.request(method, params).await
        }
    };
    answered.map_err(|error| match error {
        Error::Call(object) => serde_json::to_value(object).unwrap(),
        other => panic!("{method}: {other}"),
    })
}

/// Returns parameters that fit their schemas, of a method by position; `None` if it takes none.
pub(crate) fn well_formed(judge: &Judge, document: &Value, method: &Value) -> Option<Vec<Value>> {
    let params = method["params"].as_array().unwrap();
    let zero = to_hex(&[0; 32]);
    let candidates = [
        json!(7),
        json!(true),
        json!(zero),
        json!([zero]),
        json!([{ "key": "0x00", "type": "value" }]),
        json!([{ "key": "0x00", "returnType": "value" }]),
    ];
    let name = method["name"].as_str().unwrap();
    let index = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .position(|it| it["name"] == name);
    index.unwrap();
    let list: Vec<Value> = (0..params.len())
        .map(|at| {
            let fits = |it: &&Value| judge.allows(name, at, it);
            candidates
                .iter()
                .find(fits)
                .cloned()
                .unwrap_or_else(|| panic!("{name}[{at}]"))
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

/// What is asked, what is answered, and what is told.
struct Asker {
    harness: Harness,
    client: WsClient,
    examples: BTreeMap<String, Value>,
    told: BTreeSet<&'static str>,
    /// Ids of subscriptions and the like.
    ids: BTreeSet<String>,
}

impl Asker {
    async fn start() -> Self {
        let config = ServerConfig {
            is_archive: true,
            ..ServerConfig::default()
        };
        let harness = Harness::with(config).await;
        let client = harness.websocket().await;
        Self {
            harness,
            client,
            examples: BTreeMap::new(),
            told: BTreeSet::new(),
            ids: BTreeSet::new(),
        }
    }

    /// Asks; the answer must fit.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = raw(&self.client, method, &params).await;
        let fault = Judge::new().fault_of_call(method, &params, &answer);
        assert_eq!(fault, None);
        let result = answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"));
        if method == "transaction_v1_broadcast" {
            self.ids.insert(result.as_str().unwrap().to_owned());
        }
        self.keep(method, &params, &result);
        result
    }

    /// Asks what is refused; the error must fit.
    async fn refused(&self, method: &str, params: Value) {
        let answer = raw(&self.client, method, &params).await;
        assert!(answer.is_err(), "{method} {params}");
        let fault = Judge::new().fault_of_call(method, &params, &answer);
        assert_eq!(fault, None);
    }

    /// Subscribes, and returns the subscription with its id.
    async fn subscribe(
        &mut self,
        method: &'static str,
        params: Value,
        end: &'static str,
    ) -> (Subscription<Value>, String) {
        let list = params
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![params.clone()]);
        let mut given = ArrayParams::new();
        for value in list {
            given.insert(value).unwrap();
        }
        let events: Subscription<Value> = self.client.subscribe(method, given, end).await.unwrap();
        let SubscriptionKind::Subscription(id) = events.kind() else {
            panic!("{method}");
        };
        let id = match id {
            SubscriptionId::Str(id) => json!(id),
            SubscriptionId::Num(id) => json!(id),
        };
        let answer = Ok(id.clone());
        assert_eq!(Judge::new().fault_of_call(method, &params, &answer), None);
        let id = id.as_str().unwrap_or_default().to_owned();
        self.ids.insert(id.clone());
        self.keep(method, &params, &json!(id));
        (events, id)
    }

    /// Keeps the first request of a method as its example. Ids are chosen at random, and so named.
    fn keep(&mut self, method: &str, params: &Value, result: &Value) {
        let params = match params {
            Value::Array(list) => list.iter().map(|it| self.shown(it)).collect(),
            other => self.shown(other),
        };
        let example = json!({ "params": params, "result": self.shown(result) });
        self.examples.entry(method.to_owned()).or_insert(example);
    }

    /// Returns an example's value, its long texts cut.
    fn shown(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if self.ids.contains(text) => "tDrZE4WJZ5EmBBNJ".into(),
            Value::String(text) if text.len() > TEXT_MAX => text[..TEXT_MAX].into(),
            Value::Array(list) => list.iter().take(4).map(|it| self.shown(it)).collect(),
            Value::Object(object) => {
                let members = object.iter();
                Value::Object(members.map(|(k, v)| (k.clone(), self.shown(v))).collect())
            }
            other => other.clone(),
        }
    }

    /// Waits for a notification, which must fit.
    async fn told(&mut self, method: &'static str, events: &mut Subscription<Value>) -> Value {
        let told = next(events).await;
        let fault = Judge::new().fault_of_told(method, &told);
        assert_eq!(fault, None, "{method}: {told}");
        self.told.insert(method);
        told
    }
}

/// Goal: no method, old name or notification whose answer is not held against its schema.
/// Method: a node with an identity, a grant and a revoked token; one request of each.
#[tokio::test]
async fn every_method_answers_in_the_form_described() {
    let mut asker = Asker::start().await;
    let alice = asker.harness.person(1);
    ask_about_identities(&mut asker, &alice).await;
    ask_for_light_clients(&mut asker).await;
    ask_about_chain(&mut asker).await;
    ask_about_state(&mut asker).await;
    ask_about_node(&mut asker).await;
    follow_the_head(&mut asker).await;
    send_transactions(&mut asker).await;
    ask_the_archive(&mut asker).await;
    end_subscriptions(&mut asker).await;

    let asked: BTreeSet<&str> = asker.examples.keys().map(String::as_str).collect();
    assert_eq!(asked, Judge::new().names(), "a method was not asked");
    keep(&asker.examples);
}

/// Holds the examples against the file they are served from.
fn keep(examples: &BTreeMap<String, Value>) {
    let mut examples = examples.clone();
    for name in ["rpc_discover", "rpc.discover"] {
        let result =
            json!({ "openrpc": "1.3.2", "info": { "title": "…", "version": "…" }, "methods": [] });
        examples.insert(name.to_owned(), json!({ "params": [], "result": result }));
    }
    let text = serde_json::to_string_pretty(&examples).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLES);
    if is_blessed() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "rpc/{EXAMPLES} is not what the node answers. If the change is meant: \
         `ALLOD_BLESS=1 cargo test -p allod-rpc openrpc`, twice"
    );
}

async fn ask_about_identities(asker: &mut Asker, alice: &Person) {
    let did = alice.did().to_string();
    let items = json!([alice.incept_item()]);
    asker
        .ask(
            "identity_submit",
            json!({ "items": items, "wait": "finalized" }),
        )
        .await;
    let grant = alice.grant(asker.harness.person(2).did(), "https://data.example/alice/");
    let genesis = asker.harness.node.genesis();
    let action = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    let anchor = vec![grant_message(&alice.chain, &grant, action)];
    let body = signed(&registrar(), genesis, 0, CALL_GRANT_ANCHOR, &anchor);
    asker
        .harness
        .submit(json!([SubmitItem::extrinsic(&body)]))
        .await;
    let proven = json!({ "setId": 0 });
    for method in [
        "identity_resolve",
        "identity_history",
        "identity_lanes",
        "identity_pending",
    ] {
        asker
            .ask(method, json!({ "did": did, "proof": proven }))
            .await;
        asker.ask(method, json!([did])).await;
    }
    let version = asker.ask("identity_resolve", json!({ "did": did })).await;
    let version = version["didDocumentMetadata"]["versionId"].clone();
    asker
        .ask(
            "identity_resolve",
            json!({ "did": did, "versionId": version }),
        )
        .await;
    for method in ["authority_proposals", "authority_rules"] {
        asker.ask(method, json!({ "proof": true })).await;
        asker.ask(method, json!([])).await;
    }
    asker.ask("identity_context", json!([])).await;
    let now = START.seconds() + 1;
    let jws = alice.jws(1, now, NONCE);
    let login = json!({ "jws": jws, "audience": AUDIENCE, "nonce": NONCE, "proof": true });
    asker.ask("identity_verifyLogin", login).await;
    let token = json!({ "jws": jws, "audience": AUDIENCE, "proof": true });
    asker.ask("identity_verifyJws", token).await;
    let then = json!({ "jws": jws, "audience": AUDIENCE, "asOf": START.0 + 2000, "proof": true });
    asker.ask("identity_verifyJws", then).await;
    let revoked = json!({ "jws": jws, "proof": true });
    asker.ask("revocation_check", revoked).await;
    let named = json!({ "issuer": did, "exp": now, "jti": "0123456789abcdef" });
    asker.ask("revocation_check", named).await;
    let wire = to_hex(&grant.encode());
    asker
        .ask("grant_check", json!({ "grant": wire, "proof": true }))
        .await;
    let access = json!({
        "subject": asker.harness.person(2).did().to_string(),
        "action": "read",
        "resource": "https://data.example/alice/photos",
        "owner": did,
        "grants": [wire],
        "proof": true,
    });
    asker.ask("access_evaluate", access).await;
    let method = "identity_subscribeChanges";
    let watched = json!({ "dids": [{ "did": did, "from": 0 }] });
    let (mut events, _) = asker
        .subscribe(method, watched, "identity_unsubscribeChanges")
        .await;
    asker.told(method, &mut events).await;
}

async fn ask_for_light_clients(asker: &mut Asker) {
    asker.ask("light_genesis", json!([])).await;
    asker.ask("light_header", json!({ "height": 1 })).await;
    asker.ask("light_header", json!([])).await;
    asker.ask("light_transitions", json!({ "setId": 0 })).await;
    asker.ask("light_statePage", json!({ "count": 2 })).await;
    let method = "light_subscribeBlocks";
    let (mut events, _) = asker
        .subscribe(method, json!({ "from": 1 }), "light_unsubscribeBlocks")
        .await;
    asker.told(method, &mut events).await;
    asker.ask("rpc_methods", json!([])).await;
    asker.ask("rpc_discover", json!([])).await;
    asker.ask("rpc.discover", json!([])).await;
}

async fn ask_about_chain(asker: &mut Asker) {
    for method in ["chain_getBlockHash", "chain_getHead"] {
        asker.ask(method, json!([1])).await;
        for asked in [
            json!([]),
            json!([null]),
            json!(["0x1"]),
            json!([[0, 1, 99]]),
            json!([99]),
        ] {
            asker.ask(method, asked).await;
        }
    }
    for method in ["chain_getHeader", "chain_getBlock"] {
        asker.ask(method, json!([])).await;
        asker.ask(method, json!([to_hex(&[7; 32])])).await;
        let genesis = asker.harness.node.genesis().to_string();
        asker.ask(method, json!([genesis])).await;
    }
    for method in ["chain_getFinalizedHead", "chain_getFinalisedHead"] {
        asker.ask(method, json!([])).await;
    }
    for (method, end) in [
        ("chain_subscribeNewHeads", "chain_unsubscribeNewHeads"),
        ("chain_subscribeAllHeads", "chain_unsubscribeAllHeads"),
        (
            "chain_subscribeFinalizedHeads",
            "chain_unsubscribeFinalizedHeads",
        ),
    ] {
        let (mut events, _) = asker.subscribe(method, json!([]), end).await;
        asker.told(method, &mut events).await;
    }
}

async fn ask_about_state(asker: &mut Asker) {
    let now = to_hex(&keys::item("Timestamp", "Now"));
    for (method, alias) in [
        ("state_getStorage", "state_getStorageAt"),
        ("state_getStorageHash", "state_getStorageHashAt"),
        ("state_getStorageSize", "state_getStorageSizeAt"),
    ] {
        asker.ask(method, json!([now])).await;
        asker.ask(method, json!(["0x00"])).await;
        let genesis = asker.harness.node.genesis().to_string();
        asker.ask(alias, json!([now, genesis])).await;
    }
    asker
        .ask("state_queryStorageAt", json!([[now, "0x00"]]))
        .await;
    for method in ["state_getKeysPaged", "state_getKeysPagedAt"] {
        asker.ask(method, json!([now, 2])).await;
        asker.ask(method, json!([null, 2, null, null])).await;
    }
    for method in [
        "state_getRuntimeVersion",
        "chain_getRuntimeVersion",
        "state_getMetadata",
    ] {
        asker.ask(method, json!([])).await;
    }
    for method in ["state_call", "state_callAt"] {
        asker.ask(method, json!(["Core_version", "0x"])).await;
    }
    let method = "state_subscribeStorage";
    let (mut events, _) = asker
        .subscribe(method, json!([[now, "0x00"]]), "state_unsubscribeStorage")
        .await;
    asker.told(method, &mut events).await;
    let method = "state_subscribeRuntimeVersion";
    let (mut events, _) = asker
        .subscribe(method, json!([]), "state_unsubscribeRuntimeVersion")
        .await;
    asker.told(method, &mut events).await;
}

async fn ask_about_node(asker: &mut Asker) {
    for method in [
        "system_chain",
        "system_chainType",
        "system_name",
        "system_version",
        "system_properties",
        "system_health",
        "system_syncState",
        "system_peers",
        "chainSpec_v1_chainName",
        "chainSpec_v1_genesisHash",
        "chainSpec_v1_properties",
    ] {
        asker.ask(method, json!([])).await;
    }
    let account = public(&registrar()).to_string();
    for method in ["system_accountNextIndex", "account_nextIndex"] {
        asker.ask(method, json!([account])).await;
    }
}

async fn follow_the_head(asker: &mut Asker) {
    let method = "chainHead_v1_follow";
    let (mut events, id) = asker
        .subscribe(method, json!([true]), "chainHead_v1_unfollow")
        .await;
    let first = asker.told(method, &mut events).await;
    let held = first["finalizedBlockHashes"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    asker.ask("chainHead_v1_header", json!([id, held])).await;
    let now = to_hex(&keys::item("Timestamp", "Now"));
    let account = to_hex(&keys::item("System", "Account"));
    let items = json!([
        { "key": now, "type": "value" },
        { "key": now, "type": "hash" },
        { "key": account, "type": "closestDescendantMerkleValue" },
        { "key": account, "type": "descendantsHashes" },
    ]);
    let work = [
        ("chainHead_v1_body", json!([id, held])),
        ("chainHead_v1_call", json!([id, held, "Core_version", "0x"])),
        ("chainHead_v1_call", json!([id, held, "No_such", "0x"])),
        ("chainHead_v1_storage", json!([id, held, items])),
    ];
    let mut operation = json!("0");
    for (name, params) in work {
        let started = asker.ask(name, params).await;
        operation = started["operationId"].clone();
        loop {
            let event = asker.told(method, &mut events).await;
            let kind = event["event"].as_str().unwrap();
            if kind.ends_with("Done") || kind == "operationError" {
                break;
            }
        }
    }
    asker
        .ask("chainHead_v1_continue", json!([id, operation]))
        .await;
    asker
        .ask("chainHead_v1_stopOperation", json!([id, operation]))
        .await;
    asker.ask("chainHead_v1_unpin", json!([id, held])).await;
    asker.ask("chainHead_v1_body", json!(["none", held])).await;
    asker.harness.node.produce(1);
    for _ in ["newBlock", "bestBlockChanged", "finalized"] {
        asker.told(method, &mut events).await;
    }
}

/// A batch of one inception by the registrar.
fn batch(asker: &Asker, seed: u8, nonce: u32) -> String {
    let items = vec![asker.harness.person(seed).inception()];
    let genesis = asker.harness.node.genesis();
    to_hex(&signed(&registrar(), genesis, nonce, CALL_DID_BATCH, &items).encode())
}

async fn send_transactions(asker: &mut Asker) {
    let transaction = batch(asker, 11, 1);
    asker
        .ask("author_submitExtrinsic", json!([transaction]))
        .await;
    asker.harness.node.hold();
    let transaction = batch(asker, 12, 2);
    let method = "author_submitAndWatchExtrinsic";
    let (mut events, _) = asker
        .subscribe(method, json!([transaction]), "author_unwatchExtrinsic")
        .await;
    asker.told(method, &mut events).await;
    asker.ask("author_pendingExtrinsics", json!([])).await;
    asker.harness.node.produce(1);
    for _ in ["inBlock", "finalized"] {
        asker.told(method, &mut events).await;
    }
    let transaction = batch(asker, 13, 3);
    let method = "transactionWatch_v1_submitAndWatch";
    let (mut events, _) = asker
        .subscribe(method, json!([transaction]), "transactionWatch_v1_unwatch")
        .await;
    asker.told(method, &mut events).await;
    asker.harness.node.produce(1);
    for _ in ["bestChainBlockIncluded", "finalized"] {
        asker.told(method, &mut events).await;
    }
    let (mut events, _) = asker
        .subscribe(method, json!(["0x0800"]), "transactionWatch_v1_unwatch")
        .await;
    asker.told(method, &mut events).await;
    let transaction = batch(asker, 14, 4);
    let id = asker
        .ask("transaction_v1_broadcast", json!([transaction]))
        .await;
    asker.ask("transaction_v1_stop", json!([id])).await;
}

async fn ask_the_archive(asker: &mut Asker) {
    asker.ask("archive_v1_finalizedHeight", json!([])).await;
    asker.ask("archive_v1_genesisHash", json!([])).await;
    asker.ask("archive_v1_hashByHeight", json!([1])).await;
    asker.ask("archive_v1_hashByHeight", json!([99])).await;
    let first = asker.harness.node.hash_of(Height(1)).unwrap().to_string();
    let none = to_hex(&[7; 32]);
    for method in ["archive_v1_header", "archive_v1_body"] {
        asker.ask(method, json!([first])).await;
        asker.ask(method, json!([none])).await;
    }
    asker
        .ask("archive_v1_call", json!([first, "Core_version", "0x"]))
        .await;
    asker
        .ask("archive_v1_call", json!([first, "No_such", "0x"]))
        .await;
    asker
        .ask("archive_v1_call", json!([none, "Core_version", "0x"]))
        .await;
    let now = to_hex(&keys::item("Timestamp", "Now"));
    let items = json!([{ "key": now, "type": "value" }, { "key": now, "type": "hash" }]);
    let method = "archive_v1_storage";
    let (mut events, _) = asker
        .subscribe(method, json!([first, items]), "archive_v1_stopStorage")
        .await;
    while asker.told(method, &mut events).await["event"] != "storageDone" {}
    let (mut events, _) = asker
        .subscribe(method, json!([none, items]), "archive_v1_stopStorage")
        .await;
    asker.told(method, &mut events).await;
    let items = json!([{ "key": now, "returnType": "value" }, { "returnType": "hash" }]);
    let method = "archive_v1_storageDiff";
    let (mut events, _) = asker
        .subscribe(method, json!([first, items]), "archive_v1_stopStorageDiff")
        .await;
    while asker.told(method, &mut events).await["event"] != "storageDiffDone" {}
    asker.refused(method, json!([none, items])).await;
}

/// Begins and ends a subscription by each of its names.
async fn end_subscriptions(asker: &mut Asker) {
    let document = asker.ask("rpc_discover", json!([])).await;
    let methods = document["methods"].as_array().unwrap();
    let names: BTreeSet<&str> = methods
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    for method in methods {
        let name = method["name"].as_str().unwrap();
        let Some(end) = method["x-subscription"]["end"].as_str() else {
            continue;
        };
        assert!(
            asker.told.contains(name) || method["x-alias-of"].is_string(),
            "nothing of {name} was held against its schema"
        );
        assert!(names.contains(end), "{name} ends with {end}");
        asker.ask(end, json!(["none"])).await;
    }
    let begin = "chain_subscribeNewHeads";
    for name in [
        "chain_subscribeNewHead",
        "subscribe_newHead",
        "chain_subscribeFinalisedHeads",
        "chain_subscribeRuntimeVersion",
        begin,
    ] {
        let id = raw(&asker.client, name, &json!([])).await.unwrap();
        let answer = Ok(id.clone());
        assert_eq!(Judge::new().fault_of_call(name, &json!([]), &answer), None);
        asker.ids.insert(id.as_str().unwrap().to_owned());
        asker.keep(name, &json!([]), &id);
    }
    for name in [
        "chain_unsubscribeNewHead",
        "unsubscribe_newHead",
        "chain_unsubscribeFinalisedHeads",
        "chain_unsubscribeRuntimeVersion",
    ] {
        let id = raw(&asker.client, begin, &json!([])).await.unwrap();
        asker.ids.insert(id.as_str().unwrap().to_owned());
        asker.ask(name, json!([id])).await;
    }
}
