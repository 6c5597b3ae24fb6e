//! `allod grant …`

use std::path::{Path, PathBuf};

use allod_identity_client::grants::{
    GrantChain, GrantRequest, anchor_message, parse_actions, readable, revoke_message, sign_grant,
};
use allod_identity_client::hex;
use allod_identity_client::keys::{Identity, random_bytes};
use allod_identity_client::operation::call;
use allod_primitives::codec::Text;
use allod_primitives::document::Uri;
use allod_primitives::grant::{Constraint, SignedGrant};
use allod_primitives::{H256, TimeMs};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::access::{AccessEvaluateRequest, ActionName};
use allod_rpc_api::submit::SubmitItem;
use parity_scale_codec::Encode;
use serde_json::json;

use crate::args::{GrantCheckArgs, GrantCommand, GrantIssueArgs, Write};
use crate::console::Report;
use crate::effect::Revoked;
use crate::failure::Failure;
use crate::session::{Network, Session};
use crate::token::{no_method, verdict};

/// How long a message to the ledger stays valid.
const VALIDITY_MS: u64 = 24 * 3600 * 1000;

pub(crate) async fn run(session: &Session, command: GrantCommand) -> Result<Report, Failure> {
    match command {
        GrantCommand::Issue(args) => issue(session, &args).await,
        GrantCommand::Revoke {
            alias,
            grant,
            write,
        } => revoke(session, &alias, &grant, &write).await,
        GrantCommand::Check(args) => check(session, &args).await,
        GrantCommand::Show { grant } => show(session, &grant),
    }
}

async fn issue(session: &Session, args: &GrantIssueArgs) -> Result<Report, Failure> {
    let identity = session.unlock(&args.alias)?;
    let network = session.network().await?;
    network.check(&identity.did)?;
    let registrar = if args.no_anchor {
        None
    } else {
        Some(session.need_registrar(&args.registrar)?)
    };
    let chain = grant_chain(session, args, &identity, &network).await?;
    let until = network.now().plus_ms(VALIDITY_MS);
    let seed = &identity.grant_seed;
    let message = anchor_message(&network.chain, chain.grant(), seed, until)?;
    let gid = chain.gid();
    let path = match &args.out {
        Some(path) => path.clone(),
        None => session.home.grant_path(&gid),
    };
    // On disk before it is on the ledger: it can be revoked whatever happens in between.
    chain.write(&path)?;
    let fields = json!({
        "gid": gid.to_string(),
        "file": path.display().to_string(),
        "expires": chain.grant().body.expires,
    });
    let Some(key) = registrar else {
        let mut fields = fields;
        let anchor = hex::encode(message.encode());
        fields["anchorMessage"] = json!(anchor);
        let note = format!(
            "{gid} is in {}; a registrar has to anchor it",
            path.display()
        );
        return Ok(Report::new(anchor, fields).note(note));
    };
    let item = session
        .transaction(&network, &key, call::grant_anchor(&[message]))
        .await?;
    let receipt = session.submit(item, &args.write).await?.check_items()?;
    let note = format!("the grant {}; pass on {}", receipt.text(), path.display());
    Ok(Report::new(gid.to_string(), receipt.json(fields)).note(note))
}

async fn grant_chain(
    session: &Session,
    args: &GrantIssueArgs,
    identity: &Identity,
    network: &Network,
) -> Result<GrantChain, Failure> {
    let parent = args
        .from
        .as_ref()
        .map(|it| read_grant(session, it))
        .transpose()?;
    let resolved = session.resolve(&identity.did, None).await?;
    let now = network.now().seconds();
    let latest = parent
        .as_ref()
        .map_or(u64::MAX, |it| it.grant().body.expires);
    let earliest = parent.as_ref().map_or(0, |it| it.grant().body.not_before);
    // The block's time, which no verifier's clock is behind.
    let not_before = TimeMs(network.context.time).seconds().max(earliest);
    let request = GrantRequest {
        owner: identity.did,
        assignee: session.subject(&args.to)?,
        resources: args.resource.clone(),
        actions: parse_actions(args.action.iter().map(String::as_str))?,
        constraints: constraints(args)?,
        delegation_depth: args.delegations,
        epoch: resolved.record.grant_epoch,
        not_before,
        expires: now.saturating_add(args.lifetime.0).min(latest),
        parent: parent.as_ref().map(GrantChain::gid),
    };
    let method = identity
        .login_method()
        .ok_or_else(|| no_method(&args.alias))?;
    let body = request.body()?;
    let salt = random_bytes()?;
    let grant = sign_grant(&network.chain, body, method, &identity.grant_seed, salt)?;
    Ok(match parent {
        Some(parent) => parent.delegate(grant)?,
        None => GrantChain {
            genesis: network.chain.genesis,
            grants: vec![grant],
        },
    })
}

async fn revoke(
    session: &Session,
    alias: &str,
    grant: &str,
    write: &Write,
) -> Result<Report, Failure> {
    let chain = read_grant(session, grant)?;
    let identity = session.unlock(alias)?;
    let network = session.network().await?;
    network.check(&identity.did)?;
    let until = network.now().plus_ms(VALIDITY_MS);
    let seed = &identity.grant_seed;
    let message = revoke_message(&network.chain, chain.grant(), seed, until)?;
    let gid = chain.gid();
    let sent = session.submit(SubmitItem::grant_revoke(&message), write);
    let sent = sent.await;
    let fields = json!({ "gid": gid.to_string() });
    let (did, what) = (&identity.did, Revoked::Grant(gid));
    let revoked = session.revoked(&network, did, what, sent, is_revoked_already, fields);
    Box::pin(revoked).await
}

/// The runtime has one error for what is there already, be it a grant or its revocation.
fn is_revoked_already(failure: &Failure) -> bool {
    let codes = [ErrorCode::GrantRevoked, ErrorCode::GrantAlreadyExists];
    codes.iter().any(|it| failure.code == Some(it.code()))
}

async fn check(session: &Session, args: &GrantCheckArgs) -> Result<Report, Failure> {
    let chain = read_grant(session, &args.grant)?;
    let first = chain.grants.first();
    let owner = match (&args.owner, first) {
        (Some(owner), _) => session.did(owner)?,
        (None, Some(grant)) => grant.body.owner,
        (None, None) => return Err(Failure::usage("an empty grant", "pass a grant file")),
    };
    let request = AccessEvaluateRequest {
        subject: session.subject(&args.subject)?,
        action: action(&args.action)?,
        resource: args.resource.clone(),
        owner: owner.to_string(),
        client: args.client.clone(),
        purpose: args.purpose.clone(),
        media_type: args.media_type.clone(),
        grants: chain.grants.iter().map(|it| it.encode().into()).collect(),
        time: None,
        max_staleness_ms: None,
    };
    let asked = session.access_evaluate(&owner, &request);
    let decision = session
        .console
        .during("waiting for the node", asked)
        .await?;
    Ok(verdict(&decision))
}

fn show(session: &Session, grant: &str) -> Result<Report, Failure> {
    let chain = read_grant(session, grant)?;
    let fields = |(gid, grant): (H256, &SignedGrant)| {
        let mut fields = readable(grant);
        fields["gid"] = json!(gid.to_string());
        fields
    };
    let grants: Vec<_> = chain
        .gids()
        .into_iter()
        .zip(&chain.grants)
        .map(fields)
        .collect();
    let shown = json!({ "genesis": chain.genesis.to_string(), "grants": grants });
    let text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    Ok(Report::new(text, shown).note("the ledger was not asked; `allod grant check` does"))
}

/// Reads a grant by the path of its file, or by its identifier from the home folder.
fn read_grant(session: &Session, grant: &str) -> Result<GrantChain, Failure> {
    let path = match hex::decode_array(grant) {
        Ok(gid) => session.home.grant_path(&H256(gid)),
        Err(_) => PathBuf::from(grant),
    };
    let bytes = if path == Path::new("-") {
        session.read(&path)?
    } else {
        read_anywhere(&path)?
    };
    Ok(GrantChain::from_json(&bytes)?)
}

/// Grant files travel by mail and web: unlike keys they are read whoever else can read them.
fn read_anywhere(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::usage(
            message,
            "pass a grant file, or the identifier of one in the home folder",
        )
    })
}

fn constraints(args: &GrantIssueArgs) -> Result<Vec<Constraint>, Failure> {
    let wrong = |text: &str| {
        Failure::usage(
            format!("{text} is not a condition"),
            "conditions are at most 256 bytes",
        )
    };
    let uri = |text: &String| Uri::new(text.clone()).map_err(|_| wrong(text));
    let mut out = Vec::new();
    for text in &args.client {
        out.push(Constraint::Client(uri(text)?));
    }
    for text in &args.purpose {
        out.push(Constraint::Purpose(uri(text)?));
    }
    for text in &args.media_type {
        let kind = Text::new(text.clone()).map_err(|_| wrong(text))?;
        out.push(Constraint::MediaType(kind));
    }
    Ok(out)
}

fn action(name: &str) -> Result<ActionName, Failure> {
    serde_json::from_value(json!(name)).map_err(|_| {
        let hint = "choose one of read, create, modify, delete, control";
        Failure::usage(format!("no action {name}"), hint)
    })
}
