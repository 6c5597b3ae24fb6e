//! `allod key …`

use std::path::Path;

use allod_identity_client::keys::{KeyFile, SecretKey};
use allod_identity_client::rpc::ss58_address;
use serde_json::json;

use crate::args::{KeyCommand, Protect};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) fn run(session: &Session, command: KeyCommand) -> Result<Report, Failure> {
    match command {
        KeyCommand::New { file, protect } => new(session, &file, &protect),
        KeyCommand::Show { what } => {
            let is_alias = !what.contains('/') && session.home.identity_path(&what).is_ok();
            if is_alias && session.home.identity_path(&what)?.exists() {
                show_identity(session, &what)
            } else {
                show_file(Path::new(&what))
            }
        }
    }
}

fn new(session: &Session, path: &Path, protect: &Protect) -> Result<Report, Failure> {
    let protection = session.protection(protect, &path.display().to_string())?;
    let key = SecretKey::generate()?;
    let file = KeyFile::create(path, &key, &protection)?;
    let report = report(&file, path);
    Ok(if file.is_encrypted() {
        report
    } else {
        report.note(format!(
            "{} holds its secret in plain: unsafe",
            path.display()
        ))
    })
}

fn show_file(path: &Path) -> Result<Report, Failure> {
    Ok(report(&KeyFile::read(path)?, path))
}

fn report(file: &KeyFile, path: &Path) -> Report {
    let public = file.public();
    let fields = json!({
        "kind": "ed25519",
        "public": public.to_string(),
        "address": ss58_address(&public),
        "encrypted": file.is_encrypted(),
        "file": path.display().to_string(),
    });
    Report::new(public.to_string(), fields).note(format!("address {}", ss58_address(&public)))
}

fn show_identity(session: &Session, alias: &str) -> Result<Report, Failure> {
    let file = session.home.identity(alias)?;
    let public = file.public();
    let mut lines = vec![public.did.clone()];
    for key in &public.control {
        lines.push(format!("control  rank {}  {}", key.rank, key.public));
    }
    for method in &public.methods {
        let state = if method.retired { "  (retired)" } else { "" };
        lines.push(format!(
            "method   #{}  {}{state}",
            method.fragment, method.public
        ));
    }
    let fields = json!({
        "kind": "identity",
        "alias": alias,
        "did": public.did,
        "control": public.control,
        "methods": public.methods,
        "encrypted": file.is_encrypted(),
        "pending": public.pending.is_some(),
        "onLedger": public.inception.is_none(),
        "file": file.path().display().to_string(),
    });
    Ok(Report::new(lines.join("\n"), fields))
}
