//! `allod-node genesis`: what a chain starts from, and the ceremony that makes it
//! (spec/genesis.md).

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use allod_primitives::NetworkId;
use allod_primitives::limits::VALIDATOR_CHANGE_PERIOD_MS_MAX;
use allod_runtime::executive::Executive;
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::output::{Failure, print_json, say};
use super::passphrases::PassphraseArgs;
use crate::ceremony::{
    AssembleError, Contribution, Draft, RegistrarBudget, Signers, assemble, verify,
};
use crate::config::NodeConfig;
use crate::keyfile::{self, KeyFile, PassphraseSource};
use crate::ledger::Genesis;
use crate::node::ExitCode;
use crate::seams::{Clock, SystemClock};
use crate::spec::{ChainSpec, ChainType, ValidatorSpec};

/// Most bytes of a file of the ceremony.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum GenesisCommand {
    /// Write what all operators agree on before they make their contributions.
    Draft(DraftArgs),
    /// Write a contribution to a draft, signed by the keys in it.
    Contribute(ContributeArgs),
    /// Make the chain specification of a draft and all contributions, in any order.
    Assemble(AssembleArgs),
    /// Check that a specification is what the draft and these contributions, such as the own one,
    /// make. Code 1: it is not.
    Verify(VerifyArgs),
    /// Show the hash of a draft, or genesis hash, network and validators of a specification.
    Show {
        /// Draft or chain specification (JSON).
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct DraftArgs {
    /// The chain's name, for people.
    #[arg(long)]
    name: String,
    /// What kind of chain it is.
    #[arg(long, value_enum, default_value = "live")]
    chain_type: Kind,
    /// Name of a validator; once for each.
    #[arg(long = "validator", value_name = "NAME", required = true)]
    validators: Vec<String>,
    /// Name of a trustee; once for each.
    #[arg(long = "trustee", value_name = "NAME", required = true)]
    trustees: Vec<String>,
    /// How many trustees it takes.
    #[arg(long, value_name = "N")]
    threshold: u32,
    /// Name of a registrar, and how many items it may pay for a day; once for each.
    #[arg(long = "registrar", value_name = "NAME=ITEMS", value_parser = budget)]
    registrars: Vec<RegistrarBudget>,
    /// Time of the genesis block, ms since 1970; no block is made before it. Default: now.
    #[arg(long, value_name = "MS")]
    time: Option<u64>,
    /// Seconds in which at most a third of the validators may change, at most 30 days; below a
    /// minute for trials only.
    #[arg(long, value_name = "S", default_value_t = 3600,
          value_parser = clap::value_parser!(u64).range(..=VALIDATOR_CHANGE_PERIOD_MS_MAX / 1000))]
    change_period_s: u64,
    /// New identities are admitted by this many bits of work, too: never on a live network.
    #[arg(long, value_name = "BITS")]
    work_bits: Option<u8>,
    /// Registrars' vouchers do not admit new identities.
    #[arg(long)]
    no_vouchers: bool,
    /// The new file.
    #[arg(long, value_name = "FILE", default_value = "genesis-draft.json")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Live,
    Local,
    Development,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Validator,
    Trustee,
    Registrar,
}

#[derive(Debug, Args)]
pub(super) struct ContributeArgs {
    /// The draft.
    #[arg(long, value_name = "FILE", default_value = "genesis-draft.json")]
    draft: PathBuf,
    /// The draft's hash as all agreed on it: another draft is refused.
    #[arg(long, value_name = "HASH")]
    draft_hash: String,
    /// Who contributes, as the draft names it.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// In which role.
    #[arg(long, value_enum, default_value = "validator")]
    role: Role,
    /// Validators: configuration of the node whose keys contribute.
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
    /// Validators: where others reach the node's consensus, such as /ip4/192.0.2.7/tcp/30333.
    #[arg(long, value_name = "MULTIADDR")]
    address: Option<String>,
    /// Validators: voting power.
    #[arg(long, default_value_t = 1)]
    power: u64,
    /// Trustees and registrars: their key file (`allod key new`, `allod-node keys new`).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// The new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AssembleArgs {
    /// The draft.
    #[arg(long, value_name = "FILE", default_value = "genesis-draft.json")]
    draft: PathBuf,
    /// All contributions.
    #[arg(required = true)]
    contributions: Vec<PathBuf>,
    /// The new file.
    #[arg(long, value_name = "FILE", default_value = "chain-spec.json")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The draft.
    #[arg(long, value_name = "FILE", default_value = "genesis-draft.json")]
    draft: PathBuf,
    /// The chain specification.
    #[arg(long, value_name = "FILE", default_value = "chain-spec.json")]
    spec: PathBuf,
    /// Contributions that must be in it: one's own at least.
    #[arg(required = true)]
    contributions: Vec<PathBuf>,
}

pub(super) fn run(command: &GenesisCommand, executive: Executive) -> Result<ExitCode, Failure> {
    match command {
        GenesisCommand::Draft(args) => draft(args)?,
        GenesisCommand::Contribute(args) => contribute(args)?,
        GenesisCommand::Assemble(args) => {
            let (draft, contributions) = read_all(&args.draft, &args.contributions)?;
            let spec = assemble(&draft, &contributions).map_err(|errors| refused(&errors))?;
            write_new(&args.out, &spec)?;
            show(&args.out, executive, false)?;
        }
        GenesisCommand::Verify(args) => {
            let (draft, contributions) = read_all(&args.draft, &args.contributions)?;
            let spec = ChainSpec::read(&args.spec).context("reading the specification")?;
            verify(&draft, &contributions, &spec).map_err(|errors| refused(&errors))?;
            show(&args.spec, executive, false)?;
            say!(
                "verified   {} of its contributions are in it",
                contributions.len()
            );
        }
        GenesisCommand::Show { file, json } => show(file, executive, *json)?,
    }
    Ok(ExitCode::Stopped)
}

fn refused(errors: &[AssembleError]) -> Failure {
    let lines: String = errors.iter().map(|it| format!("\n  {it}")).collect();
    Failure {
        code: ExitCode::Negative,
        message: format!("no genesis of these files:{lines}"),
        hint: Some("nothing was written; talk to the others before anybody starts".into()),
    }
}

fn budget(text: &str) -> Result<RegistrarBudget, String> {
    let form = "write NAME=ITEMS, such as city=10000";
    let (name, items) = text.split_once('=').ok_or(form)?;
    Ok(RegistrarBudget {
        name: name.into(),
        items_per_day: items.parse().map_err(|_| form)?,
    })
}

fn draft(args: &DraftArgs) -> anyhow::Result<()> {
    let chain_type = match args.chain_type {
        Kind::Live => ChainType::Live,
        Kind::Local => ChainType::Local,
        Kind::Development => ChainType::Development,
    };
    let time = args.time.unwrap_or_else(|| SystemClock.now().0);
    let mut draft = Draft::new(args.name.clone(), chain_type, time);
    draft.validators = args.validators.clone();
    draft.trustees = args.trustees.clone();
    draft.registrars = args.registrars.clone();
    draft.validators.sort_unstable();
    draft.trustees.sort_unstable();
    draft
        .registrars
        .sort_unstable_by(|a, b| a.name.cmp(&b.name));
    draft.trustee_threshold = args.threshold;
    draft.parameters.validator_change_period_ms = args.change_period_s * 1000;
    draft.admission.vouchers = !args.no_vouchers;
    draft.admission.work_bits = args.work_bits;
    draft.check()?;
    write_new(&args.out, &draft)?;
    show_draft(&draft, false);
    Ok(())
}

fn contribute(args: &ContributeArgs) -> anyhow::Result<()> {
    let draft = read_draft(&args.draft)?;
    let hash = draft.hash().to_string();
    if args.draft_hash != hash {
        bail!("the draft has the hash {hash}, not {}", args.draft_hash);
    }
    let contribution = match args.role {
        Role::Validator => validator(args, &draft)?,
        Role::Trustee | Role::Registrar => {
            let source = args.passphrase.source();
            let path = args.key.as_ref().context("--key FILE is missing")?;
            let key = KeyFile::read(path)?.open(&source)?;
            let signers = match args.role {
                Role::Trustee => Signers::Trustee(&key),
                _ => Signers::Registrar(&key),
            };
            Contribution::sign(&draft, args.name.clone(), &signers)?
        }
    };
    write_new(&args.out, &contribution)?;
    say!("draft      {hash}");
    say!("role       {} {}", contribution.claim.role(), args.name);
    for key in contribution.claim.keys() {
        say!("key        {key}");
    }
    say!("file       {}", args.out.display());
    Ok(())
}

fn validator(args: &ContributeArgs, draft: &Draft) -> anyhow::Result<Contribution> {
    let config = NodeConfig::read(&args.config)?;
    let address = args.address.clone();
    let address = address.context("--address is missing: where others reach this node")?;
    let path = config.keys.validator.context("keys.validator is not set")?;
    let configured = config.keys.passphrase_file.map(PassphraseSource::File);
    let source = args.passphrase.given().or(configured);
    let source = source.unwrap_or_else(PassphraseSource::usual).lasting()?;
    let network = KeyFile::read(&config.keys.network)?.open(&source)?;
    let validator = KeyFile::read(&path)?.open(&source)?;
    let signers = Signers::Validator {
        validator: &validator,
        network: &network,
        power: args.power,
        address,
    };
    Ok(Contribution::sign(draft, args.name.clone(), &signers)?)
}

fn show(file: &Path, executive: Executive, as_json: bool) -> anyhow::Result<()> {
    let value: serde_json::Value = read_json(file)?;
    if value.get("format").is_some() {
        let draft = read_draft(file)?;
        show_draft(&draft, as_json);
        return Ok(());
    }
    let spec = ChainSpec::read(file).context("reading the specification")?;
    let genesis = Genesis::with(executive, &spec.genesis()?).context("executing genesis")?;
    let network = NetworkId::from_genesis(&genesis.chain.genesis);
    let peer = |bytes: &[u8]| keyfile::peer_id(bytes).map(|it| it.to_string());
    if as_json {
        let validators = spec.validators.iter().map(|it| {
            json!({ "publicKey": it.public_key, "power": it.power, "peerId": peer(&it.peer_id.0),
                    "address": it.address })
        });
        print_json(&json!({
            "name": spec.name,
            "chainType": spec.chain_type.name(),
            "genesis": genesis.hash.to_string(),
            "stateRoot": genesis.header().state_root.to_string(),
            "network": network.to_string(),
            "validators": validators.collect::<Vec<_>>(),
            "trustees": spec.trustees,
            "trusteeThreshold": spec.trustee_threshold,
            "registrars": spec.registrars,
        }));
        return Ok(());
    }
    say!("name       {} ({})", spec.name, spec.chain_type.name());
    say!("genesis    {}", genesis.hash);
    say!("state root {}", genesis.header().state_root);
    say!("network    {network}");
    for it in &spec.validators {
        let (key, peer) = (it.public_key.0, peer(&it.peer_id.0).unwrap_or_default());
        say!("validator  {key} power {} {peer} {}", it.power, it.address);
    }
    for it in &spec.trustees {
        say!("trustee    {}", it.0);
    }
    say!("threshold  {}", spec.trustee_threshold);
    for it in &spec.registrars {
        say!(
            "registrar  {} {} items a day",
            it.account.0,
            it.items_per_day
        );
    }
    if let Some(warning) = power_warning(&spec.validators) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// Says so if one validator alone decides, or where four or more are to bear the loss of one, can
/// halt the chain: each chooses its own power, and the others have to agree to it.
fn power_warning(validators: &[ValidatorSpec]) -> Option<String> {
    let total: u128 = validators.iter().map(|it| u128::from(it.power)).sum();
    let strongest = validators.iter().max_by_key(|it| it.power)?;
    let (key, power) = (strongest.public_key.0, u128::from(strongest.power));
    let can = match validators.len() {
        2.. if power * 3 > total * 2 => "it alone decides",
        4.. if power * 3 >= total => "without it nothing is decided",
        _ => return None,
    };
    let share = format!("validator {key} has {power} of {total} of the power");
    Some(format!("{share}: {can}; start only if all agreed to that"))
}

fn show_draft(draft: &Draft, as_json: bool) {
    let hash = draft.hash().to_string();
    if as_json {
        print_json(&json!({ "draft": hash, "content": draft }));
        return;
    }
    say!("name       {} ({})", draft.name, draft.chain_type.name());
    say!("draft      {hash}");
    say!("time       {}", draft.time);
    say!("validators {}", draft.validators.join(", "));
    let (threshold, trustees) = (draft.trustee_threshold, draft.trustees.join(", "));
    say!("trustees   {threshold} of {trustees}");
    for it in &draft.registrars {
        say!("registrar  {} {} items a day", it.name, it.items_per_day);
    }
}

fn read_all(draft: &Path, contributions: &[PathBuf]) -> anyhow::Result<(Draft, Vec<Contribution>)> {
    let contributions = contributions.iter().map(|path| read_json(path));
    Ok((read_draft(draft)?, contributions.collect::<Result<_, _>>()?))
}

fn read_draft(path: &Path) -> anyhow::Result<Draft> {
    let draft: Draft = read_json(path)?;
    draft.check().with_context(|| path.display().to_string())?;
    Ok(draft)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let name = || path.display().to_string();
    if fs::metadata(path).with_context(name)?.len() > FILE_BYTES_MAX {
        bail!("{}: too large", path.display());
    }
    let text = fs::read_to_string(path).with_context(name)?;
    serde_json::from_str(&text).with_context(name)
}

/// Writes a new file: what somebody has compared is not replaced by accident.
fn write_new(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).expect("plain data is JSON");
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all((text + "\n").as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use allod_rpc_api::hex_bytes::{HexBytes, HexHash};

    use super::*;

    #[test]
    fn power_in_one_hand_is_warned_of() {
        let warning = |powers: &[u64]| {
            let validator = |power: &u64| ValidatorSpec {
                public_key: HexHash(allod_primitives::H256([7; 32])),
                power: *power,
                peer_id: HexBytes(Vec::new()),
                address: String::new(),
            };
            let all: Vec<_> = powers.iter().map(validator).collect();
            power_warning(&all).unwrap_or_default()
        };
        for fine in [&[1][..], &[1, 2], &[3, 3, 2], &[1, 1, 1, 1], &[2, 2, 2, 1]] {
            assert_eq!(warning(fine), "", "{fine:?}");
        }
        assert!(warning(&[1, 1, 1 << 32]).contains("it alone decides"));
        assert!(warning(&[3, 2, 2, 2]).contains("without it nothing"));
        assert!(warning(&[u64::MAX, u64::MAX]).is_empty());
    }
}
