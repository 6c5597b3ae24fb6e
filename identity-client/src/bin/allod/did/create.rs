//! `allod did create`: keys first, on disk, then the ledger.

use allod_identity_client::control::{NextSeed, PolicyTemplate, inception};
use allod_identity_client::hex;
use allod_identity_client::keys::{
    ControlSecret, Identity, Kept, KeyFileError, MethodSecret, SecretKey, random_bytes,
};
use allod_identity_client::operation::{self, Signer, call, find_work, login_method, voucher};
use allod_identity_client::sheet::RecoverySheet;
use allod_primitives::operation::{Admission, Body, SignedOperation};
use allod_primitives::{Did, decode_strict};
use allod_rpc_api::submit::SubmitItem;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::CreateArgs;
use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Opened, Session};
use crate::sheet;

/// How long a voucher made here is good.
const VOUCHER_MS: u64 = 10 * 60 * 1000;
/// Work tried between two looks at the clock.
const TRIES: u64 = 1 << 14;

pub(crate) async fn run(session: &Session, args: &CreateArgs) -> Result<Report, Failure> {
    let path = session.home.identity_path(&args.alias)?;
    let network = session.network().await?;
    let mut opened = begin(session, args, &network)?;
    let did = opened.identity.did;
    network.check(&did)?;
    if let Some(known) = session.lookup(&did).await? {
        opened.identity.inception = None;
        session.save(&opened)?;
        let fields = json!({ "alias": args.alias, "did": did.to_string(), "final": true,
            "height": known.answer.height });
        let note = format!("{} is on the ledger already", args.alias);
        return Ok(Report::new(did.to_string(), fields).note(note));
    }
    let signed = resign(&mut opened, &network)?;
    session.save(&opened)?;
    let item = admitted(session, args, &network, &signed).await?;
    let receipt = session.submit(item, &args.write).await?.check_items()?;
    if !args.write.no_wait {
        opened.identity.inception = None;
        session.save(&opened)?;
    }
    let mut fields = receipt.json(json!({
        "alias": args.alias,
        "did": did.to_string(),
        "file": path.display().to_string(),
    }));
    if let Some(sheet) = &args.sheet_out {
        fields["sheet"] = json!(sheet.display().to_string());
    }
    let note = format!(
        "{} {}; its keys are in {}",
        args.alias,
        receipt.text(),
        path.display()
    );
    Ok(Report::new(did.to_string(), fields).note(note))
}

/// Makes the identity file, or takes up one that never reached the ledger.
fn begin(session: &Session, args: &CreateArgs, network: &Network) -> Result<Opened, Failure> {
    match session.home.identity(&args.alias) {
        Ok(file) if file.public().inception.is_some() => {
            let note = format!("{} was begun before and is taken up again", args.alias);
            session.console.note(&note);
            return session.open(&args.alias);
        }
        Ok(file) => {
            let path = file.path().to_owned();
            return Err(KeyFileError::AlreadyExists { path }.into());
        }
        Err(KeyFileError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let lock = session.home.lock(&args.alias)?;
    let protection = session.protection(&args.protect, &args.alias)?;
    if args.recoverable {
        sheet::check_place(session, args.sheet_out.as_deref())?;
    }
    let (identity, recovery) = generate(args, network)?;
    // The sheet first: an identity whose sheet nobody has is not recoverable.
    if let Some(recovery) = &recovery {
        sheet::hand_over(session, recovery, args.sheet_out.as_deref())?;
    }
    session.home.create(&args.alias, &identity, &protection)?;
    Ok(Opened {
        alias: args.alias.clone(),
        identity,
        protection,
        _lock: lock,
    })
}

fn generate(
    args: &CreateArgs,
    network: &Network,
) -> Result<(Identity, Option<RecoverySheet>), Failure> {
    let login = SecretKey::generate()?;
    let mut control = vec![ControlSecret {
        rank: 0,
        key: SecretKey::generate()?,
    }];
    if args.device_rank {
        control.push(ControlSecret {
            rank: 1,
            key: SecretKey::generate()?,
        });
    }
    let seed = args.recoverable.then(NextSeed::generate).transpose()?;
    let mut keys = control.iter().map(|it| it.key.control_key());
    let first = keys.next().expect("rank 0's key was just made");
    let mut policy = match &seed {
        Some(seed) => PolicyTemplate::recoverable(first, seed),
        None => PolicyTemplate::simple(first),
    };
    for key in keys {
        policy = policy.with_device(key);
    }
    if let Some(delay) = args.delay {
        policy = policy.with_delay_ms(delay.ms());
    }
    let fragment = operation::next_fragment([])?;
    let methods = vec![login_method(&fragment, &login.public())?];
    let body = inception(policy, methods, random_bytes()?)?;
    let did = Did::new(network.id(), body.did_id());
    let unsigned = operation::incept(&network.terms(), body);
    let signed = operation::sign_operation(unsigned, &rank_0(&control))?;
    let identity = Identity {
        did,
        genesis: network.chain.genesis,
        control,
        methods: vec![MethodSecret {
            fragment,
            key: login,
            retired: false,
        }],
        grant_seed: Zeroizing::new(random_bytes()?),
        inception: Some(signed),
        pending: None,
        kept: Kept::default(),
    };
    let sheet = seed.map(|seed| RecoverySheet { did, rank: 0, seed });
    Ok((identity, sheet))
}

fn rank_0(control: &[ControlSecret]) -> Vec<&SecretKey> {
    let keys = control.iter().filter(|it| it.rank == 0);
    keys.map(|it| &it.key).collect()
}

/// Signs the inception again under today's terms; what it says, and so the name, stays.
fn resign(opened: &mut Opened, network: &Network) -> Result<SignedOperation, Failure> {
    let identity = &mut opened.identity;
    let body = identity.inception.as_ref().map(|it| &it.operation.body);
    let Some(Body::Incept(inception)) = body else {
        let hint = "restore the identity file from a backup";
        return Err(Failure::negative(
            "key.damaged",
            "the file holds no inception",
            hint,
        ));
    };
    let unsigned = operation::incept(&network.terms(), inception.clone());
    let signed = operation::sign_operation(unsigned, &identity.rank_keys(0))?;
    identity.inception = Some(signed.clone());
    Ok(signed)
}

/// Finds a reason for the ledger to take it in: a voucher, a registrar's batch, or work.
async fn admitted(
    session: &Session,
    args: &CreateArgs,
    network: &Network,
    signed: &SignedOperation,
) -> Result<SubmitItem, Failure> {
    let policy = network.context.admission;
    let did = signed.operation.did;
    if let Some(text) = &args.voucher {
        let admission = parse_voucher(text)?;
        return Ok(SubmitItem::inception(signed, &admission));
    }
    if let Some(key) = session.registrar(&args.registrar)? {
        if args.sponsored || !policy.vouchers {
            let call = call::did_batch(std::slice::from_ref(signed));
            return session.transaction(network, &key, call).await;
        }
        let expires = network.now().plus_ms(VOUCHER_MS);
        let admission = voucher(&key, &network.chain, &did, expires);
        return Ok(SubmitItem::inception(signed, &admission));
    }
    match policy.work_bits {
        Some(bits) if !args.sponsored => {
            let admission = session.console.during("working for admission", async {
                let mut first = 0;
                loop {
                    match find_work(&network.chain, &did, bits, first, TRIES) {
                        Some(admission) => break admission,
                        None => first += TRIES,
                    }
                    tokio::task::yield_now().await;
                }
            });
            Ok(SubmitItem::inception(signed, &admission.await))
        }
        _ => {
            session.need_registrar(&args.registrar)?;
            Err(Failure::negative(
                "did.admission_refused",
                "this network takes in nobody without a registrar",
                "ask a registrar for a voucher (`allod registrar voucher`)",
            ))
        }
    }
}

fn parse_voucher(text: &str) -> Result<Admission, Failure> {
    let wrong = "the voucher is not one";
    let hint = "pass what `allod registrar voucher` printed";
    let bytes = hex::decode(text.trim()).map_err(|_| Failure::usage(wrong, hint))?;
    decode_strict(&bytes).map_err(|_| Failure::usage(wrong, hint))
}
