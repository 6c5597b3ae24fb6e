//! Looking at nodes, and the ready-made identities alice and bob.

use std::time::Duration;

use allod_identity_client::keys::{
    ControlSecret, Home, Identity, Kept, KeyFileError, MethodSecret, Protection, SecretKey,
};
use allod_identity_client::operation::{Terms, incept, inception, sign_operation, voucher};
use allod_identity_client::rpc::{Client, ClientConfig, chain_id};
use allod_primitives::operation::Payer;
use allod_primitives::{Did, NetworkId, TimeMs, domain_hash};
use allod_rpc_api::submit::{SubmitItem, SubmitStatus, Wait};
use anyhow::bail;

use crate::genesis::Manifest;
use crate::keys::derive;
use crate::layout::Layout;

/// How long a look at a node may take.
const PROBE_WAIT: Duration = Duration::from_secs(2);
/// How long an inception is valid.
const VALID_MS: u64 = 600_000;

/// How a node stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) height: u64,
    /// Time of the newest block, ms since 1970.
    pub(crate) time: u64,
    pub(crate) peers: u64,
}

/// Returns how a node stands, if it answers.
pub(crate) async fn probe(rpc: &str) -> Option<Standing> {
    let config = ClientConfig {
        timeout: PROBE_WAIT,
        ..ClientConfig::new(rpc)
    };
    let client = Client::new(&config).ok()?;
    let context = client.context().await.ok()?;
    let health = client.health().await.ok()?;
    Some(Standing {
        height: context.height,
        time: context.time,
        peers: health.peers,
    })
}

/// Creates alice and bob on the ledger and their files, as far as they are not there, and notes
/// their DIDs in the manifest.
pub(crate) async fn create(layout: &Layout, manifest: &mut Manifest) -> anyhow::Result<()> {
    let client = Client::new(&ClientConfig::new(manifest.nodes[0].rpc.clone()))?;
    manifest.identities.alice = create_one(layout, manifest, &client, "alice").await?;
    manifest.identities.bob = create_one(layout, manifest, &client, "bob").await?;
    Ok(())
}

async fn create_one(
    layout: &Layout,
    manifest: &Manifest,
    client: &Client,
    name: &str,
) -> anyhow::Result<String> {
    let context = client.context().await?;
    let chain = chain_id(&context);
    let secret = |role: &str| {
        SecretKey::from_seed(derive(manifest.seed, &format!("{name}/{role}"), 0).to_bytes())
    };
    let (control, login) = (secret("control"), secret("login"));
    let mut salt = [0; 16];
    let salts = domain_hash(
        "allod/devnet-salt/v1",
        &[&manifest.seed.to_le_bytes(), name.as_bytes()],
    );
    salt.copy_from_slice(&salts.0[..16]);
    let body = inception(&control.public(), &login.public(), salt)?;
    let did = Did::new(NetworkId::from_genesis(&chain.genesis), body.did_id());
    if client.lookup(&did).await?.is_none() {
        let valid_until = TimeMs(context.node_time.max(context.time) + VALID_MS);
        let terms = Terms {
            chain,
            payer: Payer::Any,
            valid_until,
        };
        let operation = sign_operation(incept(&terms, body), &[&control])?;
        let registrar = SecretKey::from_seed(derive(manifest.seed, "registrar", 0).to_bytes());
        let admission = voucher(&registrar, &chain, &did.id(), valid_until);
        let item = SubmitItem::inception(&operation, &admission);
        let outcomes = client.submit(vec![item], Wait::Finalized, None).await?;
        if outcomes[0].status != SubmitStatus::Finalized {
            bail!("{name} was not taken in: {:?}", outcomes[0]);
        }
    }
    let identity = Identity {
        did,
        genesis: chain.genesis,
        control: vec![ControlSecret {
            rank: 0,
            key: control,
        }],
        methods: vec![MethodSecret {
            fragment: "key-1".into(),
            key: login,
            retired: false,
        }],
        grant_seed: zeroize::Zeroizing::new(
            derive(manifest.seed, &format!("{name}/grants"), 0).to_bytes(),
        ),
        inception: None,
        pending: None,
        kept: Kept::default(),
    };
    let home = Home::new(layout.identities());
    match home.create(name, &identity, &Protection::UnsafePlain) {
        Ok(_) | Err(KeyFileError::AlreadyExists { .. }) => Ok(did.to_string()),
        Err(error) => Err(error.into()),
    }
}
