//! The part of the passkey test that is not a browser: makes operations for a passkey, hands out
//! their hashes as challenges, takes assertions and submits them. `tests/webauthn` drives it.
//!
//! Reads one JSON object a line and answers with one a line. Bytes are base64url.
//!
//! ```text
//! {"do":"incept","key":"…SPKI","rpId":"…","origin":"…"}   → {"challenge":"…"}
//! {"do":"rotate","key":…,"rpId":…,"origin":…}             → {"challenge":"…"}
//! {"do":"submit","assertion":{…}}                          → {"status":"finalized"} | {"error":"…"}
//! {"do":"control"}                                         → {"key":"…compressed point"}
//! ```

#![expect(clippy::print_stdout, reason = "answers go to stdout")]

use std::io::{self, BufRead};

use allod_identity_client::keys::SecretKey;
use allod_identity_client::operation::{Author, Terms, incept};
use allod_identity_client::passkey::{WebAuthnAssertion, control_key};
use allod_identity_client::rpc::{Client, ClientConfig, chain_id};
use allod_primitives::document::InitialDocument;
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{Body, Inception, Operation, SignedOperation};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, PolicyChange, Rank, RankChange, WebAuthnKey,
    WeightedKey,
};
use allod_primitives::record::Lanes;
use allod_primitives::{Did, NetworkId};
use allod_rpc_api::submit::{SubmitItem, SubmitStatus, Wait};
use allod_tests::people::{Account, terms};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// A passkey's operations, one JSON object a line.
#[derive(Debug, Parser)]
struct Options {
    /// A node's JSON-RPC endpoint
    #[arg(long)]
    node: String,
    /// The registrar's secret, hexadecimal
    #[arg(long)]
    registrar: String,
}

/// What the helper is in the middle of.
struct Session {
    client: Client,
    account: Account,
    terms: Terms,
    network: NetworkId,
    /// The key in force.
    key: Option<WebAuthnKey>,
    /// Whose key it is, and where its lanes stand.
    author: Option<(Did, Author)>,
    /// The operation whose hash is asked for.
    asked: Option<Asked>,
}

/// An operation that waits for its assertion.
struct Asked {
    operation: Operation,
    signer: WebAuthnKey,
    /// The key in force once it is final, and the author of what follows.
    then: (WebAuthnKey, Did, Author),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let client = Client::new(&ClientConfig::new(options.node))?;
    let context = client.context().await?;
    let chain = chain_id(&context);
    let seed = hex::decode(options.registrar.trim_start_matches("0x"))?;
    let registrar = SecretKey::from_seed(seed.as_slice().try_into()?);
    let mut session = Session {
        account: Account::new(&client, registrar).await?,
        terms: terms(&chain, &context),
        network: NetworkId::from_genesis(&chain.genesis),
        client,
        key: None,
        author: None,
        asked: None,
    };
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let answer = match session.answer(&request).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        println!("{answer}");
    }
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name}"))
}

fn bytes(value: &Value, name: &str) -> anyhow::Result<Vec<u8>> {
    Ok(BASE64URL_NOPAD.decode(text(value, name)?.as_bytes())?)
}

fn rank(key: &WebAuthnKey) -> anyhow::Result<Rank> {
    let key = WeightedKey {
        key: ControlKey::WebAuthn(key.clone()),
        weight: 1,
    };
    Ok(Rank {
        keys: vec![key].try_into()?,
        threshold: 1,
        capabilities: Capabilities::ALL,
        next: None,
    })
}

impl Session {
    async fn answer(&mut self, request: &Value) -> anyhow::Result<Value> {
        match text(request, "do")? {
            "incept" => self.incept(&passkey(request)?),
            "rotate" => self.rotate(&passkey(request)?),
            "submit" => self.submit(&request["assertion"]).await,
            "control" => self.control().await,
            other => bail!("cannot {other}"),
        }
    }

    fn incept(&mut self, key: &WebAuthnKey) -> anyhow::Result<Value> {
        let policy = ControlPolicy {
            ranks: vec![rank(key)?].try_into()?,
            guardians: None,
            delay_ms: CONTROL_DELAY_MS_DEFAULT,
        };
        let inception = Inception {
            version: 1,
            policy,
            document: InitialDocument::default(),
            salt: [7; 16],
        };
        let operation = incept(&self.terms, inception);
        let mut lanes = Lanes::default();
        lanes.ranks[0].next_seq = 1;
        lanes.ranks[0].last = operation.hash();
        let author = Author::new(self.terms, operation.did, lanes);
        let did = Did::new(self.network, operation.did);
        Ok(self.ask(operation, key.clone(), (key.clone(), did, author)))
    }

    fn rotate(&mut self, next: &WebAuthnKey) -> anyhow::Result<Value> {
        let (did, mut author) = self.author.clone().context("incept first")?;
        let signer = self.key.clone().context("incept first")?;
        let change = RankChange {
            index: 0,
            rank: Some(rank(next)?),
        };
        let body = Body::Rotate {
            change: PolicyChange {
                ranks: vec![change].try_into()?,
                ..PolicyChange::default()
            },
            document: None,
        };
        let operation = author.next(0, body)?;
        Ok(self.ask(operation, signer, (next.clone(), did, author)))
    }

    fn ask(
        &mut self,
        operation: Operation,
        signer: WebAuthnKey,
        then: (WebAuthnKey, Did, Author),
    ) -> Value {
        let challenge = BASE64URL_NOPAD.encode(&operation.hash().0);
        self.asked = Some(Asked {
            operation,
            signer,
            then,
        });
        json!({ "challenge": challenge })
    }

    /// Verifies the assertion as the ledger will, then lets the ledger do so: an inception in a
    /// registrar's batch, anything else from the identity's own quota.
    async fn submit(&mut self, assertion: &Value) -> anyhow::Result<Value> {
        let asked = self.asked.as_ref().context("nothing was asked for")?;
        let assertion = WebAuthnAssertion {
            authenticator_data: bytes(assertion, "authenticatorData")?,
            client_data_json: bytes(assertion, "clientDataJSON")?,
            signature: bytes(assertion, "signature")?,
        };
        let signature = assertion.sign(&asked.signer, &asked.operation.hash())?;
        let signed = SignedOperation {
            operation: asked.operation.clone(),
            signatures: vec![signature].try_into()?,
        };
        let item = match &signed.operation.body {
            Body::Incept(_) => self.account.batch(&[signed]),
            _ => SubmitItem::operation(&signed),
        };
        let outcomes = self
            .client
            .submit(vec![item], Wait::Finalized, Some(30_000))
            .await?;
        let outcome = &outcomes[0];
        ensure!(
            outcome.status == SubmitStatus::Finalized && outcome.item_errors.is_empty(),
            "{outcome:?}"
        );
        if let Some(asked) = self.asked.take() {
            let (key, did, author) = asked.then;
            self.key = Some(key);
            self.author = Some((did, author));
        }
        Ok(json!({ "status": "finalized" }))
    }

    /// Asks the ledger, not this session, which key is in force.
    async fn control(&self) -> anyhow::Result<Value> {
        let (did, _) = self.author.as_ref().context("incept first")?;
        let resolved = self.client.resolve(did, None).await?;
        let ranks = &resolved.record.policy.ranks;
        match ranks
            .first()
            .and_then(|it| it.keys.first())
            .map(|it| &it.key)
        {
            Some(ControlKey::WebAuthn(key)) => {
                Ok(json!({ "key": BASE64URL_NOPAD.encode(&key.public_key) }))
            }
            other => bail!("{other:?} is in force"),
        }
    }
}

fn passkey(request: &Value) -> anyhow::Result<WebAuthnKey> {
    let info = bytes(request, "key")?;
    let (rp_id, origin) = (text(request, "rpId")?, text(request, "origin")?);
    Ok(control_key(&info, rp_id, origin)?)
}
