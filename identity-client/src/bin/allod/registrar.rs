//! `allod registrar …`: what a registrar does for others.

use std::path::Path;

use allod_identity_client::hex;
use allod_identity_client::operation::{call, voucher};
use allod_primitives::decode_strict;
use allod_primitives::grant::SignedGrantMessage;
use allod_primitives::limits::{BATCH_ITEMS_MAX, VOUCHER_VALIDITY_MS_MAX};
use allod_primitives::operation::SignedOperation;
use parity_scale_codec::{Decode, Encode};
use serde_json::json;

use crate::amounts::Seconds;
use crate::args::{Registrar, RegistrarCommand, Write};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Session, hex_lines};

pub(crate) async fn run(session: &Session, command: RegistrarCommand) -> Result<Report, Failure> {
    match command {
        RegistrarCommand::Voucher {
            did,
            lifetime,
            registrar,
        } => vouch(session, &did, lifetime, &registrar).await,
        RegistrarCommand::Batch {
            file,
            registrar,
            write,
        } => {
            let items = read_items::<SignedOperation>(session, &file)?;
            send(
                session,
                &registrar,
                &write,
                call::did_batch(&items),
                items.len(),
            )
            .await
        }
        RegistrarCommand::Anchor {
            file,
            registrar,
            write,
        } => {
            let items = read_items::<SignedGrantMessage>(session, &file)?;
            send(
                session,
                &registrar,
                &write,
                call::grant_anchor(&items),
                items.len(),
            )
            .await
        }
    }
}

async fn vouch(
    session: &Session,
    did: &str,
    lifetime: Seconds,
    registrar: &Registrar,
) -> Result<Report, Failure> {
    let did = session.did(did)?;
    let key = session.need_registrar(registrar)?;
    if lifetime.ms() > VOUCHER_VALIDITY_MS_MAX {
        return Err(Failure::usage(
            "no voucher is good for so long",
            "choose at most 31d",
        ));
    }
    let network = session.network().await?;
    network.check(&did)?;
    let expires = network.now().plus_ms(lifetime.ms());
    let admission = voucher(&key, &network.chain, &did.id(), expires);
    let text = hex::encode(admission.encode());
    let fields = json!({ "did": did.to_string(), "voucher": text, "expires": expires.0 });
    Ok(Report::new(text, fields))
}

async fn send(
    session: &Session,
    registrar: &Registrar,
    write: &Write,
    call: Vec<u8>,
    count: usize,
) -> Result<Report, Failure> {
    let key = session.need_registrar(registrar)?;
    let network = session.network().await?;
    let item = session.transaction(&network, &key, call).await?;
    let receipt = session.submit(item, write).await?;
    let failed = &receipt.outcome.item_errors;
    let lines: Vec<String> = failed
        .iter()
        .map(|it| format!("{} {}", it.index, it.error))
        .collect();
    let errors = json!(failed);
    let good = count.saturating_sub(failed.len());
    let note = format!(
        "{good} of {count} took effect; the batch {}",
        receipt.text()
    );
    let fields = receipt.json(json!({ "items": count, "itemErrors": errors }));
    let mut report = Report::new(lines.join("\n"), fields).note(note);
    report.negative = !failed.is_empty();
    if let Some(first) = failed.first() {
        report.hint = Some(first.error.hint.clone());
    }
    Ok(report)
}

fn read_items<T: Decode>(session: &Session, path: &Path) -> Result<Vec<T>, Failure> {
    let lines = hex_lines(&session.read(path)?)?;
    if lines.is_empty() || lines.len() > BATCH_ITEMS_MAX as usize {
        let message = format!("{} items, where 1 to {BATCH_ITEMS_MAX} fit", lines.len());
        return Err(Failure::usage(message, "send several batches"));
    }
    let decode = |(index, bytes): (usize, &Vec<u8>)| {
        decode_strict(bytes).map_err(|error| {
            let message = format!("item {index} does not decode: {error}");
            Failure::usage(message, "write one item a line, as the SDK encodes it")
        })
    };
    lines.iter().enumerate().map(decode).collect()
}
