//! `allod key …`

use std::path::Path;

use allod_identity_client::hex;
use allod_identity_client::keys::{ControlKeyFile, KeyType, TypedSecret};
use allod_identity_client::rpc::ss58_address;
use allod_primitives::PublicKey;
use serde_json::json;

use crate::args::{KeyCommand, Protect};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) fn run(session: &Session, command: KeyCommand) -> Result<Report, Failure> {
    match command {
        KeyCommand::New {
            file,
            key_type,
            protect,
        } => new(session, &file, &key_type, &protect),
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

fn new(
    session: &Session,
    path: &Path,
    key_type: &str,
    protect: &Protect,
) -> Result<Report, Failure> {
    let hint = "types are ed25519, p256 and secp256k1";
    let key_type = KeyType::from_name(key_type)
        .ok_or_else(|| Failure::usage(format!("no key is of type {key_type}"), hint))?;
    let protection = session.protection(protect, &path.display().to_string())?;
    let key = TypedSecret::generate(key_type)?;
    let file = ControlKeyFile::create(path, &key, &protection)?;
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
    Ok(report(&ControlKeyFile::read(path)?, path))
}

/// Names the key as other commands read it; accounts are Ed25519 keys, the others have no address.
fn report(file: &ControlKeyFile, path: &Path) -> Report {
    let (kind, public) = (file.key_type().name(), file.public());
    let mut fields = json!({
        "kind": kind,
        "public": public,
        "encrypted": file.is_encrypted(),
        "file": path.display().to_string(),
    });
    match hex::decode_array(public).map(PublicKey) {
        Ok(account) => {
            let address = ss58_address(&account);
            fields["address"] = json!(address);
            Report::new(public, fields).note(format!("address {address}"))
        }
        Err(_) => {
            let named = format!("{kind}:{public}");
            fields["public"] = json!(named);
            Report::new(named, fields)
        }
    }
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
