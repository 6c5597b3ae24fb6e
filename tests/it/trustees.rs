//! Goal: what trustees decide through the command line happens, and what they may not decide does
//! not.

use std::time::Duration;

use allod_identity_client::governance;
use allod_identity_client::history::{self, Expectations, Export, replay};
use allod_identity_client::jwt::{Challenge, login_answer};
use allod_rpc_api::login::VerifyLoginRequest;
use allod_rpc_api::submit::SubmitItem;
use allod_tests::devnet::{Devnet, program};
use allod_tests::people::{Account, Person};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{submit_all, until};

const AUDIENCE: &str = "https://gateway.example";
const MINUTE: Duration = Duration::from_secs(60);

/// Runs `allod gov` as a trustee of the devnet; returns exit code and what it printed.
async fn gov(net: &Devnet, trustee: usize, words: &[&str]) -> (i32, Value) {
    let key = net.text(&format!("/keys/trustees/{trustee}/file")).unwrap();
    let node = net.text("/nodes/0/rpc").unwrap();
    let home = net.text("/identities/home").unwrap();
    let mut command = Command::new(program("allod").unwrap());
    command.args(["gov", "--json", "--node", node, "--home", home]);
    command.args(["--timeout", "60s"]).args(words);
    command.env("ALLOD_TRUSTEE_KEY", key);
    let done = command.output().await.unwrap();
    let printed = match done.status.success() {
        true => done.stdout,
        false => done.stderr,
    };
    let text = String::from_utf8(printed).unwrap();
    let json = serde_json::from_str(text.trim());
    let json = json.unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"));
    (done.status.code().unwrap(), json)
}

/// As [`gov`], and it works.
async fn does(net: &Devnet, trustee: usize, words: &[&str]) -> Value {
    let (code, json) = gov(net, trustee, words).await;
    assert_eq!(code, 0, "{words:?}: {json}");
    json
}

/// As [`gov`], and it fails with this slug.
async fn fails(net: &Devnet, trustee: usize, words: &[&str], slug: &str) {
    let (code, json) = gov(net, trustee, words).await;
    assert_eq!(code, 1, "{words:?}: {json}");
    assert!(json.to_string().contains(slug), "{words:?}: {json}");
}

/// Proposes by trustee 0, and votes by 1; returns the proposal's number.
async fn carry_out(net: &Devnet, words: &[&str]) -> String {
    let words = [&["propose"], words].concat();
    let number = does(net, 0, &words).await["proposal"].to_string();
    does(net, 1, &["vote", &number]).await;
    number
}

/// Method: an identity is frozen and thawed by vote. While it is frozen its logins are denied, and
/// it still rotates its keys; the log says which decision it was. Frozen again, its exported
/// history replays, both freezes and the end of the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_logins_and_nothing_else() {
    let net = Devnet::start(1, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let context = client.context().await.unwrap();
    let secret = net.secret("/keys/registrar").unwrap();
    let mut registrar = Account::new(&client, secret).await.unwrap();
    let (mut alice, operation) = Person::new(&context, 9, 0).unwrap();
    submit_all(&client, vec![registrar.batch(&[operation])]).await;
    let did = alice.did.to_string();

    let challenge = Challenge::new(AUDIENCE, context.node_time / 1000, 120).unwrap();
    let login = |alice: &Person| VerifyLoginRequest {
        jws: {
            let now = context.node_time / 1000;
            login_answer(&alice.did, &alice.login_method(), &challenge, now).unwrap()
        },
        audience: AUDIENCE.into(),
        nonce: challenge.nonce.clone(),
        time: None,
        max_staleness_ms: None,
    };
    let verdict = async |alice: &Person| {
        let judged = client.verify_login(&login(alice)).await.unwrap();
        let judged = serde_json::to_value(judged).unwrap();
        let member = match judged["decision"] == "allow" {
            true => "decision",
            false => "reason",
        };
        judged[member].clone()
    };
    assert_eq!(verdict(&alice).await, "allow");

    let nameless = ["propose", "freeze", &did, "--for", "1h", "--reason", ""];
    let (code, _) = gov(&net, 0, &nameless).await;
    assert_eq!(code, 2);
    let long = ["propose", "freeze", &did, "--for", "32d", "--reason", "why"];
    let number = does(&net, 0, &long).await["proposal"].to_string();
    fails(&net, 1, &["vote", &number], "authority.freeze_invalid").await;
    does(&net, 0, &["withdraw", &number]).await;
    fails(&net, 1, &["vote", &number], "authority.proposal_not_found").await;

    let freeze = [
        "propose",
        "freeze",
        &did,
        "--for",
        "1h",
        "--reason",
        "phone stolen",
    ];
    let proposed = does(&net, 0, &freeze).await;
    let (number, hash) = (
        proposed["proposal"].to_string(),
        proposed["proposalHash"].clone(),
    );
    let zero = format!("0x{}", "00".repeat(32));
    let wrong = ["vote", &number, "--hash", &zero];
    fails(&net, 1, &wrong, "authority.wrong_proposal").await;
    does(
        &net,
        1,
        &["vote", &number, "--hash", hash.as_str().unwrap()],
    )
    .await;
    assert_eq!(verdict(&alice).await, "did_frozen");

    let rotation = alice.rotate().unwrap();
    submit_all(&client, vec![SubmitItem::operation(&rotation)]).await;
    assert_eq!(verdict(&alice).await, "did_frozen");
    let history = client.history(&alice.did, 0, None).await.unwrap();
    let entries = serde_json::to_value(&history.entries).unwrap();
    let kinds: Vec<&Value> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["operation", "governance", "operation"]);
    assert_eq!(entries[1]["operationHash"], hash);

    carry_out(&net, &["unfreeze", &did]).await;
    assert_eq!(verdict(&alice).await, "allow");
    carry_out(&net, &freeze[1..]).await;
    // Whoever takes the log away can still replay the freeze that is over.
    let export = history::fetch(&client, &alice.did).await.unwrap();
    let export = Export::from_json(&export.to_json()).unwrap();
    let expectations = Expectations {
        did: alice.did,
        chain: export.chain,
        head: Some(client.resolve(&alice.did, None).await.unwrap().record.log),
        controller: &|_, _| None,
    };
    let replayed = replay(&export, &expectations).unwrap();
    assert_eq!(replayed.record.log.count, 5);
    let reason = replayed.record.frozen.map(|it| it.reason.to_string());
    assert_eq!(reason.as_deref(), Some("phone stolen"));
    net.stop().await.unwrap();
}

/// Method: a change of the parameters is approved, waits, and is vetoed; again, and it takes effect
/// when its time has come. Then the trustees themselves change, an hour later, and the one who
/// left may do nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_waits_can_be_vetoed_and_takes_effect_by_itself() {
    let net = Devnet::start(1, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let shortest = async || {
        let rules = client.rules().await.unwrap();
        rules.parameters.control_delay_ms_min
    };
    assert_eq!(shortest().await, 86_400_000);
    let change = ["parameters", "--control-delay-min", "1h"];
    let number = carry_out(&net, &change).await;
    let listed = does(&net, 0, &["list"]).await;
    assert!(listed["proposals"][0]["due"].is_u64(), "{listed}");
    assert_eq!(does(&net, 2, &["veto", &number]).await["state"], "waits");
    assert_eq!(does(&net, 1, &["veto", &number]).await["state"], "closed");
    net.advance(Duration::from_secs(15)).await;
    assert_eq!(shortest().await, 86_400_000);

    carry_out(&net, &change).await;
    net.advance(Duration::from_secs(15)).await;
    until("the parameters change", MINUTE, async || {
        (shortest().await == 3_600_000).then_some(())
    })
    .await;
    // Beyond the bounds that nobody can leave.
    let number = carry_out(&net, &["parameters", "--control-delay-min", "1m"]).await;
    net.advance(Duration::from_secs(15)).await;
    fails(&net, 0, &["show", &number], "authority.proposal_not_found").await;
    assert_eq!(shortest().await, 3_600_000);

    let account = |index: usize| {
        net.text(&format!("/keys/trustees/{index}/account"))
            .unwrap()
    };
    let trustees = ["trustees", account(0), account(1), "--threshold", "2"];
    carry_out(&net, &trustees).await;
    assert_eq!(client.rules().await.unwrap().trustees.len(), 3);
    net.advance(Duration::from_secs(3_615)).await;
    until("the trustees change", MINUTE, async || {
        let rules = client.rules().await.unwrap();
        (rules.trustees.len() == 2).then_some(())
    })
    .await;
    let (code, refused) = gov(&net, 2, &["veto", "0"]).await;
    assert_eq!(code, 1, "{refused}");
    // Both must agree now, so one can stop what waits.
    let number = carry_out(&net, &change).await;
    assert_eq!(does(&net, 1, &["veto", &number]).await["state"], "closed");
    let status = does(&net, 0, &["status"]).await;
    assert_eq!(status["threshold"], 2);
    let kinds = status["rules"].as_array().unwrap();
    assert_eq!(kinds.len(), governance::ActionKind::ALL.len());
    net.stop().await.unwrap();
}
