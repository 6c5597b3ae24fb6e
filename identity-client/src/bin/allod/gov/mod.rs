//! `allod gov …`: what trustees do, and what they have done.

mod actions;
pub(crate) mod args;
mod preview;
mod show;

use allod_identity_client::governance::{self, proposal_hash};
use allod_identity_client::hex;
use allod_identity_client::keys::SecretKey;
use allod_primitives::governance::Actions;
use allod_primitives::limits::PROPOSAL_VALIDITY_MS_MAX;
use allod_primitives::{H256, PublicKey, TimeMs, decode_strict};
use allod_rpc_api::authority::ProposalEntry;
use serde_json::{Value, json};

use crate::args::Write;
use crate::console::Report;
use crate::failure::{Exit, Failure};
use crate::session::{Network, Receipt, Session};
use args::{GovCommand, ProposeArgs, Trustee};

pub(crate) async fn run(session: &Session, command: GovCommand) -> Result<Report, Failure> {
    match command {
        GovCommand::Status => show::status(session).await,
        GovCommand::List => show::list(session).await,
        GovCommand::Show { proposal } => show::show(session, proposal).await,
        GovCommand::Propose(typed) => propose(session, *typed).await,
        GovCommand::Vote {
            proposal,
            hash,
            trustee,
            write,
        } => vote(session, proposal, hash.as_deref(), &trustee, &write).await,
        GovCommand::Veto {
            proposal,
            trustee,
            write,
        } => {
            let call = governance::veto(proposal);
            simple(session, proposal, call, &trustee, &write, "vetoed").await
        }
        GovCommand::Withdraw {
            proposal,
            trustee,
            write,
        } => {
            let call = governance::withdraw(proposal);
            simple(session, proposal, call, &trustee, &write, "withdrawn").await
        }
    }
}

async fn propose(session: &Session, typed: ProposeArgs) -> Result<Report, Failure> {
    if typed.open_for.ms() > PROPOSAL_VALIDITY_MS_MAX {
        return Err(Failure::usage(
            "no proposal is open for so long",
            "choose at most 31d",
        ));
    }
    let trustee = Trustee {
        trustee_key: typed.trustee_key,
    };
    let write = Write {
        no_wait: typed.no_wait,
        print_request: typed.print_request,
    };
    if typed.dry_run {
        let network = session.network().await?;
        let actions = actions::actions(session, &network, &typed.action).await?;
        return preview::preview(session, &network, &actions).await;
    }
    let key = session.need_trustee(&trustee)?;
    let network = session.network().await?;
    let actions = actions::actions(session, &network, &typed.action).await?;
    let texts: Vec<String> = actions
        .iter()
        .map(|it| actions::say(&network, it))
        .collect();
    let shown: Vec<Value> = actions
        .iter()
        .map(|it| actions::shown(&network, it))
        .collect();
    let actions = governance::actions(actions)
        .map_err(|error| Failure::usage(error.to_string(), "propose less at once"))?;
    let expires = network.now().plus_ms(typed.open_for.ms());
    let call = governance::propose(&actions, expires);
    session
        .console
        .note(&format!("proposing: {}", texts.join("; ")));
    let item = session.transaction(&network, &key, call).await?;
    let receipt = session.submit(item, &write).await?;
    let found = own(
        session,
        &network,
        &key.public(),
        &actions,
        expires,
        &receipt,
    )
    .await?;
    let fields = json!({
        "proposal": found.as_ref().map(|it| it.number),
        "proposalHash": found.as_ref().map(|it| it.hash),
        "actions": shown,
        "expires": expires.0,
    });
    let (data, note) = match &found {
        Some(entry) => (entry.number.to_string(), stands(entry)),
        None if write.no_wait => (String::new(), "it is accepted, not final yet".to_owned()),
        None => (String::new(), "it is carried out".to_owned()),
    };
    Ok(Report::new(data, receipt.json(fields)).note(note))
}

/// Finds the proposal that was just made, if it is still open or waits.
async fn own(
    session: &Session,
    network: &Network,
    proposer: &PublicKey,
    actions: &Actions,
    expires: TimeMs,
    receipt: &Receipt,
) -> Result<Option<ProposalEntry>, Failure> {
    let answer = session.proposals(receipt.outcome.height).await?;
    let found = answer.proposals.into_iter().find(|entry| {
        let hash = proposal_hash(&network.chain, entry.number, proposer, actions, expires);
        entry.hash.0 == hash
    });
    Ok(found)
}

/// Says how a proposal stands.
fn stands(entry: &ProposalEntry) -> String {
    match entry.due {
        Some(due) => format!(
            "proposal {} is approved and takes effect at {}; {} vetoes of {} against it",
            entry.number,
            actions::when(due),
            entry.vetoes.len(),
            entry.vetoes_needed
        ),
        None => format!(
            "proposal {} has {} votes of {}",
            entry.number,
            entry.votes.len(),
            entry.votes_needed
        ),
    }
}

/// A proposal whose content was compared with its hash.
struct Read {
    entry: ProposalEntry,
    actions: Actions,
    hash: H256,
}

/// Reads a proposal, and computes its hash from what the node says it holds.
async fn read(session: &Session, network: &Network, number: u32) -> Result<Read, Failure> {
    let answer = session.proposals(None).await?;
    let found = answer.proposals.into_iter().find(|it| it.number == number);
    let entry = found.ok_or_else(|| {
        Failure::negative(
            "authority.proposal_not_found",
            format!("no proposal {number} is open or waits"),
            "see `allod gov list`; it may have been decided",
        )
    })?;
    let broken = |what: &str| {
        let message = format!("the node's answer contradicts itself: {what}");
        Failure::new(
            Exit::Unavailable,
            "client.answer",
            message,
            "ask another node",
        )
    };
    let actions: Actions =
        decode_strict(&entry.actions.0).map_err(|error| broken(&error.to_string()))?;
    let proposer = PublicKey(entry.proposer.0.0);
    let expires = TimeMs(entry.expires);
    let hash = proposal_hash(&network.chain, number, &proposer, &actions, expires);
    if hash != entry.hash.0 {
        return Err(broken("a proposal's content has another hash"));
    }
    Ok(Read {
        entry,
        actions,
        hash,
    })
}

async fn vote(
    session: &Session,
    number: u32,
    expected: Option<&str>,
    trustee: &Trustee,
    write: &Write,
) -> Result<Report, Failure> {
    let key = session.need_trustee(trustee)?;
    let network = session.network().await?;
    let Read { actions, hash, .. } = read(session, &network, number).await?;
    if let Some(text) = expected {
        let wanted = hex::decode_array(text).map(H256);
        let wanted = wanted.map_err(|error| {
            Failure::usage(format!("{text}: {error}"), "a hash is 0x and 64 digits")
        })?;
        if wanted != hash {
            return Err(Failure::negative(
                "authority.wrong_proposal",
                format!("proposal {number} has the hash {hash}"),
                "read it again with `allod gov show`; ask another node too",
            ));
        }
    }
    let texts: Vec<String> = actions
        .iter()
        .map(|it| actions::say(&network, it))
        .collect();
    session
        .console
        .note(&format!("voting for: {}", texts.join("; ")));
    let call = governance::vote(number, &hash);
    let receipt = send(session, &network, &key, call, write).await?;
    let shown = actions.iter().map(|it| actions::shown(&network, it));
    let fields = json!({
        "proposal": number,
        "proposalHash": hash.to_string(),
        "actions": shown.collect::<Vec<Value>>(),
    });
    let height = receipt.outcome.height;
    after(session, number, receipt.json(fields), (height, write)).await
}

async fn simple(
    session: &Session,
    number: u32,
    call: Vec<u8>,
    trustee: &Trustee,
    write: &Write,
    done: &str,
) -> Result<Report, Failure> {
    let key = session.need_trustee(trustee)?;
    let network = session.network().await?;
    let receipt = send(session, &network, &key, call, write).await?;
    let fields = receipt.json(json!({ "proposal": number }));
    let height = receipt.outcome.height;
    let report = after(session, number, fields, (height, write)).await?;
    Ok(report.note(format!(
        "proposal {number} {done}; the call {}",
        receipt.text()
    )))
}

/// Reports how a proposal stands after a call about it. `height`: the call's, if it is final.
async fn after(
    session: &Session,
    number: u32,
    mut fields: Value,
    (height, write): (Option<u64>, &Write),
) -> Result<Report, Failure> {
    let answer = session.proposals(height).await?;
    let entry = answer.proposals.iter().find(|it| it.number == number);
    let state = match entry {
        Some(entry) if entry.due.is_some() => "waits",
        Some(_) => "open",
        None if write.no_wait => "unknown",
        None => "closed",
    };
    fields["state"] = json!(state);
    fields["due"] = json!(entry.and_then(|it| it.due));
    let note = match entry {
        Some(entry) => stands(entry),
        None => format!("proposal {number} is closed"),
    };
    Ok(Report::new(state, fields).note(note))
}

async fn send(
    session: &Session,
    network: &Network,
    key: &SecretKey,
    call: Vec<u8>,
    write: &Write,
) -> Result<Receipt, Failure> {
    let item = session.transaction(network, key, call).await?;
    session.submit(item, write).await
}
