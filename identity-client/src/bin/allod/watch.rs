//! `allod watch`: tells an owner at once what happens to an identity.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use allod_identity_client::control::date;
use allod_identity_client::keys::Home;
use allod_identity_client::rpc::{Changes, ClientError};
use allod_primitives::{Did, TimeMs};
use allod_rpc_api::changes::{ChangeEvent, ChangeNotification};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::args::WatchArgs;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

/// How often the node is asked whether it is up to date.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How old its newest block may be.
const STALE_MS: u64 = 30_000;
/// Pauses between attempts to connect, from the first to the longest.
const RETRY_MS_MIN: u64 = 250;
const RETRY_MS_MAX: u64 = 15_000;

/// What is remembered of each identity: the number of the next entry of its log.
type Places = BTreeMap<String, u64>;

struct Watch<'a> {
    session: &'a Session,
    args: &'a WatchArgs,
    dids: Vec<Did>,
    places: Places,
    told: u64,
    stale: bool,
}

pub(crate) async fn run(session: &Session, args: &WatchArgs) -> Result<Report, Failure> {
    let mut dids = Vec::new();
    let aliases = match args.who.as_slice() {
        [] => session.home.aliases()?,
        who => who.to_vec(),
    };
    for who in &aliases {
        dids.push(session.did(who)?);
    }
    if dids.is_empty() {
        let hint = "name a DID, or make an identity with `allod did create`";
        return Err(Failure::usage("there is nothing to watch", hint));
    }
    let places = remembered(session, args)?;
    let mut watch = Watch {
        session,
        args,
        dids,
        places,
        told: 0,
        stale: false,
    };
    watch.until_done().await
}

impl Watch<'_> {
    async fn until_done(&mut self) -> Result<Report, Failure> {
        let mut pause = RETRY_MS_MIN;
        loop {
            let positions: Vec<(Did, Option<u64>)> =
                self.dids.iter().map(|did| (*did, self.from(did))).collect();
            match self.session.client.changes(&positions).await {
                Ok(changes) => {
                    pause = RETRY_MS_MIN;
                    let count = self.dids.len();
                    let note = format!("watching {count} identities; Ctrl-C ends it");
                    self.session.console.note(&note);
                    if self.follow(changes).await? {
                        let fields = json!({ "events": self.told });
                        return Ok(Report::new("", fields).note("as many as were asked for"));
                    }
                    self.tell_state("disconnected", "the connection is lost; trying again");
                }
                // A node that refuses will refuse again.
                Err(ClientError::Refused(refusal)) if !refusal.is_unavailable() => {
                    return Err(refusal.into());
                }
                Err(error @ ClientError::NoEndpoint | error @ ClientError::Endpoint { .. }) => {
                    return Err(error.into());
                }
                Err(error) => self.tell_state("disconnected", &error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            pause = pause.saturating_mul(2).min(RETRY_MS_MAX);
        }
    }

    fn from(&self, did: &Did) -> Option<u64> {
        self.places
            .get(&did.to_string())
            .copied()
            .or(self.args.from)
    }

    /// Tells what comes until the connection ends (`false`) or enough was told (`true`).
    async fn follow(&mut self, mut changes: Changes) -> Result<bool, Failure> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        if self.args.count.is_some_and(|count| self.told >= count) {
            return Ok(true);
        }
        loop {
            tokio::select! {
                next = changes.next() => match next {
                    Ok(Some(change)) => {
                        self.tell(&change).await?;
                        if self.args.count.is_some_and(|count| self.told >= count) {
                            return Ok(true);
                        }
                    }
                    Ok(None) => return Ok(false),
                    Err(error) => {
                        self.tell_state("disconnected", &error.to_string());
                        return Ok(false);
                    }
                },
                _ = looks.tick() => self.look().await,
            }
        }
    }

    /// Asks whether the node is up to date: silence of a node that stands still is no good news.
    async fn look(&mut self) {
        let stale = match self.session.client.context().await {
            Ok(context) => context.node_time.saturating_sub(context.time) > STALE_MS,
            Err(_) => true,
        };
        if stale && !self.stale {
            self.tell_state("stale", "the node has no new blocks; changes may be missed");
        }
        if !stale && self.stale {
            self.tell_state("fresh", "the node has new blocks again");
        }
        self.stale = stale;
    }

    fn tell_state(&self, state: &str, text: &str) {
        if self.session.console.is_json() {
            self.session
                .console
                .line(&json!({ "state": state, "message": text }).to_string());
        } else {
            self.session.console.note(text);
        }
    }

    async fn tell(&mut self, change: &ChangeNotification) -> Result<(), Failure> {
        let json = serde_json::to_value(change).unwrap_or_default();
        if self.session.console.is_json() {
            self.session.console.line(&json.to_string());
        } else {
            let text = describe(change);
            self.session.console.alert(&text, is_grave(change));
        }
        if let Some(command) = &self.args.exec {
            execute(command, &json).await?;
        }
        self.told = self.told.saturating_add(1);
        self.places
            .insert(change.did.clone(), change.entry.n.saturating_add(1));
        // After it was told: what was not told is told again.
        remember(self.session, &self.places)
    }
}

/// Returns whether somebody wants to take control, as far as one can tell.
fn is_grave(change: &ChangeNotification) -> bool {
    let events = change.events.iter().flatten();
    let mut grave = events.filter(|it| {
        matches!(
            it,
            ChangeEvent::Proposed { .. }
                | ChangeEvent::Rotated { .. }
                | ChangeEvent::TookEffect { .. }
                | ChangeEvent::Deactivated
        )
    });
    grave.next().is_some() || change.failure.is_some()
}

fn describe(change: &ChangeNotification) -> String {
    let entry = &change.entry;
    let action = entry.action.as_deref().unwrap_or(&entry.kind);
    let mut text = format!("{} {} {action}", date(TimeMs(entry.time)), change.did);
    for event in change.events.iter().flatten() {
        text.push_str("\n    ");
        text.push_str(&describe_event(event));
    }
    if let Some(failure) = &change.failure {
        text.push_str(&format!("\n    failed: {}", failure.message));
    }
    text
}

fn describe_event(event: &ChangeEvent) -> String {
    match event {
        ChangeEvent::Incepted => "created".into(),
        ChangeEvent::DocumentUpdated => "the document has changed".into(),
        ChangeEvent::Rotated { rank } => format!("control changed, by rank {rank}"),
        ChangeEvent::Deactivated => "ended for good".into(),
        ChangeEvent::LoggedOut => "tokens issued before are void".into(),
        ChangeEvent::Proposed {
            id, effective_at, ..
        } => {
            let until = date(TimeMs(*effective_at));
            format!("a change WAITS until {until}; `allod did cancel` {id} stops it")
        }
        ChangeEvent::Displaced { id } => format!("{id} gave way to a higher proposal"),
        ChangeEvent::Cleared { id } => format!("{id} waits no longer"),
        ChangeEvent::Cancelled { id } => format!("{id} was cancelled"),
        ChangeEvent::TookEffect { id } => format!("{id} TOOK EFFECT"),
        ChangeEvent::Skipped { error, .. } => format!("a part was left out: {error}"),
        other => format!("{other:?}"),
    }
}

/// Runs a command of the user's with the event on its standard input. That it fails is told, and
/// ends nothing.
async fn execute(command: &str, event: &Value) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::unavailable("watch.exec", format!("cannot run {command}: {error}"))
    };
    let mut child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A command that reads nothing closes its end.
        let _ = input.write_all(format!("{event}\n").as_bytes()).await;
    }
    let status = child.wait().await.map_err(failed)?;
    if !status.success() {
        eprintln!("allod: {command} ended with {status}");
    }
    Ok(())
}

fn place(session: &Session) -> PathBuf {
    session.home.root().join("watched.json")
}

fn remembered(session: &Session, args: &WatchArgs) -> Result<Places, Failure> {
    let path = place(session);
    if args.from.is_some() || !path.exists() {
        return Ok(Places::new());
    }
    let bytes = Home::read_private(&path)?;
    // What cannot be read is as if nothing was remembered.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn remember(session: &Session, places: &Places) -> Result<(), Failure> {
    let mut all: Places = match Home::read_private(&place(session)) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => Places::new(),
    };
    all.extend(places.iter().map(|(did, n)| (did.clone(), *n)));
    let text = json!(all).to_string();
    Ok(Home::write_private(&place(session), text.as_bytes(), true)?)
}
