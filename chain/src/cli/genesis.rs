//! `allod-node genesis`: what a chain starts from, and the ceremony that makes it
//! (spec/genesis.md).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use allod_primitives::NetworkId;
use allod_primitives::limits::VALIDATOR_CHANGE_PERIOD_MS_MAX;
use allod_runtime::executive::Executive;
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use ed25519_dalek::SigningKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::output::{Failure, print_json, say};
use super::passphrases::PassphraseArgs;
use crate::ceremony::{
    AssembleError, Contribution, ContributionError, Draft, RegistrarBudget, Signers,
    ValidatorPower, assemble, verify,
};
use crate::config::NodeConfig;
use crate::keyfile::{self, KeyFile, PassphraseSource};
use crate::ledger::Genesis;
use crate::node::ExitCode;
use crate::seams::{Clock, SystemClock};
use crate::spec::{ChainSpec, ChainType};

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
    /// Name of a validator, and its voting power if it is not 1; once for each.
    #[arg(long = "validator", value_name = "NAME[=POWER]", value_parser = power, required = true)]
    validators: Vec<ValidatorPower>,
    /// Name of a trustee; once for each.
    #[arg(long = "trustee", value_name = "NAME", required = true)]
    trustees: Vec<String>,
    /// How many trustees it takes.
    #[arg(long, value_name = "N")]
    threshold: u32,
    /// Name of a registrar, and how many items it may pay for a day; once for each.
    #[arg(long = "registrar", value_name = "NAME=ITEMS", value_parser = budget)]
    registrars: Vec<RegistrarBudget>,
    /// Name of a peer that does not vote; once for each.
    #[arg(long = "observer", value_name = "NAME")]
    observers: Vec<String>,
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
    Observer,
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
    /// Validators and observers: configuration of the node whose keys contribute.
    #[arg(long, default_value = "config.toml")]
    config: PathBuf,
    /// Validators and observers: where others reach the node's consensus, such as /ip4/192.0.2.7/tcp/30333.
    #[arg(long, value_name = "MULTIADDR")]
    address: Option<String>,
    /// Validators: the voting power one has agreed to; a draft with another is refused.
    #[arg(long)]
    power: Option<u64>,
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

fn power(text: &str) -> Result<ValidatorPower, String> {
    let form = "write NAME or NAME=POWER, such as alpha=3";
    let (name, power) = text.split_once('=').unwrap_or((text, "1"));
    Ok(ValidatorPower {
        name: name.into(),
        power: power.parse().map_err(|_| form)?,
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
    draft.observers = args.observers.clone();
    draft
        .validators
        .sort_unstable_by(|a, b| a.name.cmp(&b.name));
    draft.observers.sort_unstable();
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

fn contribute(args: &ContributeArgs) -> Result<(), Failure> {
    let draft = read_draft(&args.draft)?;
    let hash = draft.hash().to_string();
    if args.draft_hash != hash {
        let message = format!("the draft has the hash {hash}, not {}", args.draft_hash);
        return Err(anyhow!(message).into());
    }
    let contribution = match args.role {
        Role::Validator => validator(args, &draft)?,
        Role::Observer => observer(args, &draft)?,
        Role::Trustee | Role::Registrar => {
            let source = args.passphrase.source();
            let path = args.key.as_ref().context("--key FILE is missing")?;
            let key = opened(path, &source)?;
            let signers = match args.role {
                Role::Trustee => Signers::Trustee(&key),
                _ => Signers::Registrar(&key),
            };
            signed(&draft, args, &signers)?
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

fn opened(path: &Path, source: &PassphraseSource) -> anyhow::Result<SigningKey> {
    Ok(KeyFile::read(path)?.open(source)?)
}

fn signed(
    draft: &Draft,
    args: &ContributeArgs,
    signers: &Signers<'_>,
) -> anyhow::Result<Contribution> {
    Ok(Contribution::sign(draft, args.name.clone(), signers)?)
}

/// Returns how the keys of a node are opened, and where it says that others reach it.
fn node(args: &ContributeArgs, config: &NodeConfig) -> anyhow::Result<(PassphraseSource, String)> {
    let address = args.address.clone();
    let address = address.context("--address is missing: where others reach this node")?;
    let configured = config.keys.passphrase_file.clone();
    let configured = configured.map(PassphraseSource::File);
    let source = args.passphrase.given().or(configured);
    let source = source.unwrap_or_else(PassphraseSource::usual).lasting()?;
    Ok((source, address))
}

fn observer(args: &ContributeArgs, draft: &Draft) -> anyhow::Result<Contribution> {
    let config = NodeConfig::read(&args.config)?;
    let (source, address) = node(args, &config)?;
    let network = &opened(&config.keys.network, &source)?;
    signed(draft, args, &Signers::Observer { network, address })
}

fn validator(args: &ContributeArgs, draft: &Draft) -> Result<Contribution, Failure> {
    let config = NodeConfig::read(&args.config).map_err(anyhow::Error::from)?;
    let Some(path) = &config.keys.validator else {
        return Err(no_key(&config));
    };
    if let (Some(claimed), Some(agreed)) = (args.power, draft.power(&args.name))
        && claimed != agreed
    {
        let error = ContributionError::Power { agreed, claimed };
        return Err(anyhow::Error::from(error).into());
    }
    let (source, address) = node(args, &config)?;
    let network = &opened(&config.keys.network, &source)?;
    let validator = &opened(path, &source)?;
    let signers = Signers::Validator {
        validator,
        network,
        address,
    };
    Ok(signed(draft, args, &signers)?)
}

/// Why a node without the file of a validator's key contributes none. A signer signs messages of
/// consensus alone, and none before there is a genesis.
fn no_key(config: &NodeConfig) -> Failure {
    let (message, hint) = match &config.keys.signer {
        Some(socket) => (
            format!(
                "the validator's key is with the signer at {}, which signs no contribution",
                socket.display()
            ),
            "contribute where validator.key is: with a copy of this configuration that names it \
             in keys.validator, and not keys.signer; then give it to the signer, which starts \
             with --new-guard",
        ),
        None => (
            "keys.validator is not set".to_owned(),
            "`allod-node keys new validator.key` makes a key; --role observer needs none",
        ),
    };
    Failure {
        code: ExitCode::Usage,
        message,
        hint: Some(hint.into()),
    }
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
            "observers": spec.observers.iter().map(|it| json!({
                "peerId": peer(&it.peer_id.0), "address": it.address
            })).collect::<Vec<_>>(),
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
    for it in &spec.observers {
        let peer = peer(&it.peer_id.0).unwrap_or_default();
        say!("observer   {peer} {}", it.address);
    }
    let validators = spec.validators.iter();
    warn_of_power(validators.map(|it| (it.public_key.0, it.power)));
    Ok(())
}

fn warn_of_power(powers: impl Iterator<Item = (impl fmt::Display, u64)>) {
    if let Some(warning) = power_warning(&powers.collect::<Vec<_>>()) {
        eprintln!("warning: {warning}");
    }
}

/// Says so if one validator alone decides, or where four or more are to bear the loss of one, can
/// halt the chain.
fn power_warning(validators: &[(impl fmt::Display, u64)]) -> Option<String> {
    let total: u128 = validators.iter().map(|it| u128::from(it.1)).sum();
    let (who, power) = validators.iter().max_by_key(|it| it.1)?;
    let power = u128::from(*power);
    let can = match validators.len() {
        2.. if power * 3 > total * 2 => "it alone decides",
        4.. if power * 3 >= total => "without it nothing is decided",
        _ => return None,
    };
    let share = format!("validator {who} has {power} of {total} of the power");
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
    let validators = draft.validators.iter();
    let validators = validators.map(|it| format!("{} with power {}", it.name, it.power));
    say!("validators {}", validators.collect::<Vec<_>>().join(", "));
    let (threshold, trustees) = (draft.trustee_threshold, draft.trustees.join(", "));
    say!("trustees   {threshold} of {trustees}");
    for it in &draft.registrars {
        say!("registrar  {} {} items a day", it.name, it.items_per_day);
    }
    for it in &draft.observers {
        say!("observer   {it}");
    }
    show_numbers(draft);
    let powers = draft.validators.iter().map(|it| (&it.name, it.power));
    warn_of_power(powers);
}

/// Says what is not about people, so that whoever agrees to the hash has seen all that it stands for.
fn show_numbers(draft: &Draft) {
    let time = |ms: u64| match ms {
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    };
    let work = draft.admission.work_bits;
    let ways = [
        draft.admission.vouchers.then(|| "vouchers".to_owned()),
        work.map(|bits| format!("work of {bits} bits")),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    match ways.is_empty() {
        true => say!("admission  registrars alone"),
        false => say!("admission  registrars, {}", ways.join(", ")),
    }
    let parameters = &draft.parameters;
    let period = time(parameters.validator_change_period_ms);
    say!("changes    at most a third of the validators in {period}");
    let control = &parameters.control;
    let (least, most) = (time(control.delay_ms_min), time(control.delay_ms_max));
    say!("control    changes wait {least} to {most}");
    for it in &draft.rules {
        let votes = it
            .votes
            .map_or("the threshold".to_owned(), |votes| votes.to_string());
        say!(
            "rule       {} takes {votes}, then waits {}",
            it.kind,
            time(it.delay_ms)
        );
    }
    say!(
        "version    {} of the state machine, fork {}",
        draft.spec_version,
        draft.fork_id
    );
    if let Some(origin) = &draft.origin {
        say!("restarts   {}", origin.0);
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
    use super::*;

    #[test]
    fn power_in_one_hand_is_warned_of() {
        let warning = |powers: &[u64]| {
            let all: Vec<_> = powers.iter().map(|power| ("one", *power)).collect();
            power_warning(&all).unwrap_or_default()
        };
        for fine in [&[1][..], &[1, 2], &[3, 3, 2], &[1, 1, 1, 1], &[2, 2, 2, 1]] {
            assert_eq!(warning(fine), "", "{fine:?}");
        }
        assert!(warning(&[1, 1, 1 << 32]).contains("it alone decides"));
        assert!(warning(&[3, 2, 2, 2]).contains("without it nothing"));
        assert!(warning(&[u64::MAX, u64::MAX]).is_empty());
    }

    #[test]
    fn a_validator_of_a_draft_has_power_one_unless_it_says_more() {
        let read = |text| power(text).map(|it| (it.name, it.power));
        assert_eq!(read("alpha"), Ok(("alpha".into(), 1)));
        assert_eq!(read("alpha=3"), Ok(("alpha".into(), 3)));
        assert!(read("alpha=").is_err() && read("alpha=much").is_err());
    }

    /// Method: a node's configuration names a signer, or no key at all.
    #[test]
    fn a_validator_whose_key_is_with_a_signer_is_told_where_to_contribute() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        let mut draft = Draft::new("Signer's", ChainType::Local, 1);
        draft.validators = vec![power("alpha").unwrap()];
        draft.trustees = vec!["anna".into()];
        let draft_file = dir.path().join("draft.json");
        write_new(&draft_file, &draft).unwrap();
        let args = ContributeArgs {
            draft: draft_file,
            draft_hash: draft.hash().to_string(),
            name: "alpha".into(),
            role: Role::Validator,
            config: file.clone(),
            address: Some("/ip4/10.0.0.1/tcp/30333".into()),
            power: None,
            key: None,
            passphrase: PassphraseArgs::default(),
            out: dir.path().join("alpha.json"),
        };
        fs::write(&file, "[keys]\nsigner = \"signer.sock\"\n").unwrap();
        let told = contribute(&args).unwrap_err();
        assert!(
            told.message
                .contains("signer.sock, which signs no contribution")
        );
        assert!(
            told.hint
                .unwrap()
                .starts_with("contribute where validator.key is")
        );
        fs::write(&file, "").unwrap();
        let told = contribute(&args).unwrap_err();
        assert_eq!(told.message, "keys.validator is not set");
        assert!(told.hint.is_some() && !args.out.exists());
        let strong = ContributeArgs {
            power: Some(2),
            ..args
        };
        fs::write(&file, "[keys]\nvalidator = \"validator.key\"\n").unwrap();
        let told = contribute(&strong).unwrap_err().message;
        assert_eq!(told, "it claims power 2; the draft gives it 1");
    }
}
