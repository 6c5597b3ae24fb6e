//! The network's files, made once from the seed: chain specification, keys, configurations.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use allod_chain::config::{ConsensusSection, KeysConfig, NodeConfig, RpcSection};
use allod_chain::keyfile;
use allod_chain::spec::{
    AdmissionSpec, ChainSpec, ChainType, ParametersSpec, RegistrarSpec, RuleSpec, ValidatorSpec,
};
use allod_identity_client::clock::Clock;
use allod_identity_client::keys::{KeyFile, Protection, SecretKey};
use allod_primitives::governance::ActionKind;
use allod_primitives::limits::AMENDMENT_DELAY_MS_MIN;
use allod_primitives::{H256, NetworkId};
use allod_rpc_api::hex_bytes::{HexBytes, HexHash};
use anyhow::{Context, bail};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::advance::Span;
use crate::cli::Up;
use crate::keys::{derive, public};
use crate::layout::Layout;
use crate::supervisor::isolated_host;

/// First consensus port; node n has this plus 2 n, and gossips at the next.
const CONSENSUS_PORT: u16 = 30_333;
const TRUSTEES: usize = 3;
const TRUSTEE_THRESHOLD: u32 = 2;
/// What the registrar may pay for a day.
const REGISTRAR_ITEMS_PER_DAY: u32 = 100_000_000;
/// Bits of work that admit an identity where no registrar helps: a moment on one core.
const WORK_BITS: u8 = 12;
/// One validator may change every second, so that governance can be tried.
const VALIDATOR_CHANGE_PERIOD_MS: u64 = 1000;
/// Milliseconds that an approved change of the parameters waits.
const PARAMETERS_DELAY_MS: u64 = 10_000;

/// What a network is, as `devnet.json` and `up --json` have it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// Says that nothing here is secret.
    pub(crate) warning: String,
    pub(crate) seed: u64,
    pub(crate) validators: u8,
    pub(crate) host: IpAddr,
    pub(crate) rpc_port: u16,
    pub(crate) chain: ChainEntry,
    /// How far the nodes' clocks are ahead of the system's.
    #[serde(default)]
    pub(crate) clock_ahead_ms: u64,
    pub(crate) nodes: Vec<NodeEntry>,
    pub(crate) keys: KeyEntries,
    pub(crate) identities: Identities,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainEntry {
    pub(crate) name: String,
    pub(crate) genesis: String,
    pub(crate) network: String,
    pub(crate) fork_id: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeEntry {
    pub(crate) node: usize,
    pub(crate) rpc: String,
    pub(crate) ws: String,
    pub(crate) consensus_address: String,
    pub(crate) peer_id: String,
    pub(crate) peer_id_hex: String,
    pub(crate) validator: String,
    pub(crate) directory: String,
    pub(crate) log: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyEntries {
    pub(crate) trustees: Vec<KeyEntry>,
    pub(crate) registrar: KeyEntry,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyEntry {
    pub(crate) file: String,
    pub(crate) account: String,
    pub(crate) secret_unsafe: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identities {
    /// A home for the `allod` command.
    pub(crate) home: String,
    pub(crate) alice: String,
    pub(crate) bob: String,
}

impl Manifest {
    /// Writes it in one step: `allod` reads it at any time, and a clock's offset that was
    /// forgotten would set the network back.
    pub(crate) fn write(&self, layout: &Layout) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let whole = layout.manifest().with_extension("json.new");
        let write = || {
            let mut file = fs::File::create(&whole)?;
            file.write_all((text + "\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&whole, layout.manifest())
        };
        write().context("writing devnet.json")
    }

    /// Returns what `up` shows a person.
    pub(crate) fn banner(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| out.extend([text.as_str(), "\n"]);
        line(format!(
            "Allod devnet: {} validators, seed {}",
            self.validators, self.seed
        ));
        line("  UNSAFE: every key below is public".into());
        line(format!("network   did:allod:{}", self.chain.network));
        if self.clock_ahead_ms > 0 {
            let ahead = Span(Duration::from_millis(self.clock_ahead_ms));
            line(format!("clock     {ahead} ahead of this machine's"));
        }
        for node in &self.nodes {
            line(format!(
                "node {}    {}  {}  {}",
                node.node, node.rpc, node.ws, node.directory
            ));
        }
        for (index, trustee) in self.keys.trustees.iter().enumerate() {
            line(format!("trustee {index} {}", trustee.file));
        }
        line(format!("registrar {}", self.keys.registrar.file));
        line(format!("alice     {}", self.identities.alice));
        line(format!("bob       {}", self.identities.bob));
        line(format!("home      {}", self.identities.home));
        line("next      in another terminal:".into());
        let home = &self.identities.home;
        let node = &self.nodes[0].rpc;
        line(format!(
            "  allod --home {home} --node {node} did resolve alice"
        ));
        line("Ctrl-C ends the network; `allod-devnet status` shows it".into());
        out
    }
}

/// Makes the network's files, or reads them if they are there.
pub(crate) fn prepare(up: &Up, layout: &Layout) -> anyhow::Result<Manifest> {
    if let Ok(text) = fs::read_to_string(layout.manifest()) {
        let manifest: Manifest =
            serde_json::from_str(&text).context("reading devnet.json; begin anew with --fresh")?;
        if manifest.seed != up.seed || manifest.validators != up.validators {
            bail!(
                "{} holds a network of {} validators with seed {}; begin anew with --fresh",
                layout.root().display(),
                manifest.validators,
                manifest.seed
            );
        }
        return Ok(manifest);
    }
    layout.clear()?;
    fs::create_dir_all(layout.root().join("keys"))?;
    let host = if up.isolated {
        isolated_host()
    } else {
        up.host
    };
    let keys = key_entries(up, layout)?;
    let mut manifest = Manifest {
        warning: "UNSAFE: every key of this network is public; for development only".into(),
        seed: up.seed,
        validators: up.validators,
        host,
        rpc_port: up.rpc_port,
        chain: ChainEntry::default(),
        clock_ahead_ms: 0,
        nodes: Vec::new(),
        keys,
        identities: Identities {
            home: layout.identities().display().to_string(),
            ..Identities::default()
        },
    };
    for index in 0..usize::from(up.validators) {
        let entry = node_entry(&manifest, layout, index);
        manifest.nodes.push(entry);
    }
    let spec = chain_spec(&manifest)?;
    spec.write(&layout.chain_spec())?;
    manifest.chain = chain_entry(&spec)?;
    for index in 0..manifest.nodes.len() {
        write_node(&manifest, layout, index)?;
    }
    manifest.write(layout)?;
    Ok(manifest)
}

/// Makes the files of one more node, which is not in the genesis, and returns its number.
pub(crate) fn add_node(manifest: &mut Manifest, layout: &Layout) -> anyhow::Result<usize> {
    let index = manifest.nodes.len();
    let entry = node_entry(manifest, layout, index);
    manifest.nodes.push(entry);
    write_node(manifest, layout, index)?;
    manifest.write(layout)?;
    Ok(index)
}

fn key_entries(up: &Up, layout: &Layout) -> anyhow::Result<KeyEntries> {
    let entry = |name: String, key: SigningKey| -> anyhow::Result<KeyEntry> {
        let path = layout.key(&name);
        let secret = SecretKey::from_seed(key.to_bytes());
        KeyFile::create(&path, &secret, &Protection::UnsafePlain)?;
        Ok(KeyEntry {
            file: path.display().to_string(),
            account: public(&key).to_string(),
            secret_unsafe: format!("0x{}", hex::encode(key.to_bytes())),
        })
    };
    let trustees = (0..TRUSTEES).map(|index| {
        entry(
            format!("trustee-{index}"),
            derive(up.seed, "trustee", index),
        )
    });
    Ok(KeyEntries {
        trustees: trustees.collect::<Result<_, _>>()?,
        registrar: entry("registrar".into(), derive(up.seed, "registrar", 0))?,
    })
}

fn node_entry(manifest: &Manifest, layout: &Layout, index: usize) -> NodeEntry {
    let network = derive(manifest.seed, "network", index);
    let validator = derive(manifest.seed, "validator", index);
    let number = u16::try_from(index).unwrap_or(u16::MAX);
    let host = manifest.host;
    let family = if host.is_ipv4() { "ip4" } else { "ip6" };
    let port = CONSENSUS_PORT.saturating_add(number.saturating_mul(2));
    let rpc = std::net::SocketAddr::new(host, manifest.rpc_port.saturating_add(number));
    NodeEntry {
        node: index,
        rpc: format!("http://{rpc}"),
        ws: format!("ws://{rpc}"),
        consensus_address: format!("/{family}/{host}/tcp/{port}"),
        peer_id: keyfile::keypair(&network).public().to_peer_id().to_string(),
        peer_id_hex: format!("0x{}", hex::encode(keyfile::peer_id_bytes(&network))),
        validator: public(&validator).to_string(),
        directory: layout.node(index).display().to_string(),
        log: layout.log(index).display().to_string(),
    }
}

fn hash(text: &str) -> anyhow::Result<HexHash> {
    let bytes = hex::decode(text.trim_start_matches("0x"))?;
    let bytes: [u8; 32] = bytes.as_slice().try_into().context("32 bytes")?;
    Ok(HexHash(H256(bytes)))
}

fn chain_spec(manifest: &Manifest) -> anyhow::Result<ChainSpec> {
    let validators = manifest
        .nodes
        .iter()
        .map(|node| -> anyhow::Result<ValidatorSpec> {
            Ok(ValidatorSpec {
                public_key: hash(&node.validator)?,
                power: 1,
                peer_id: HexBytes(hex::decode(node.peer_id_hex.trim_start_matches("0x"))?),
                address: node.consensus_address.clone(),
            })
        });
    let trustees = manifest.keys.trustees.iter().map(|key| hash(&key.account));
    Ok(ChainSpec {
        version: 1,
        name: "Allod devnet".into(),
        chain_type: ChainType::Development,
        spec_version: 1,
        // Of now: a client begins at no older block than its trusting period, and one that has
        // followed a network before must not take a fresh one for its fork.
        time: Clock::system().now().0,
        origin: None,
        fork_id: 0,
        trustees: trustees.collect::<Result<_, _>>()?,
        trustee_threshold: TRUSTEE_THRESHOLD,
        registrars: vec![RegistrarSpec {
            account: hash(&manifest.keys.registrar.account)?,
            items_per_day: REGISTRAR_ITEMS_PER_DAY,
        }],
        validators: validators.collect::<Result<_, _>>()?,
        observers: Vec::new(),
        admission: AdmissionSpec {
            vouchers: true,
            work_bits: Some(WORK_BITS),
        },
        parameters: ParametersSpec {
            validator_change_period_ms: VALIDATOR_CHANGE_PERIOD_MS,
            ..ParametersSpec::default()
        },
        rules: rules(),
    })
}

/// Amendments wait as short as they may; parameters for a few seconds, to be watched and vetoed.
fn rules() -> Vec<RuleSpec> {
    let delays = [
        (ActionKind::SetTrustees, AMENDMENT_DELAY_MS_MIN),
        (ActionKind::SetRule, AMENDMENT_DELAY_MS_MIN),
        (ActionKind::SetParameters, PARAMETERS_DELAY_MS),
    ];
    let rules = delays.iter().map(|(kind, delay_ms)| RuleSpec {
        kind: kind.name().into(),
        votes: None,
        delay_ms: *delay_ms,
    });
    rules.collect()
}

fn chain_entry(spec: &ChainSpec) -> anyhow::Result<ChainEntry> {
    let (header, _) = allod_chain::spec::genesis_header(&spec.genesis()?)?;
    let genesis = header.hash();
    Ok(ChainEntry {
        name: spec.name.clone(),
        genesis: genesis.to_string(),
        network: NetworkId::from_genesis(&genesis).to_string(),
        fork_id: spec.fork_id,
    })
}

fn write_node(manifest: &Manifest, layout: &Layout, index: usize) -> anyhow::Result<()> {
    let node = &manifest.nodes[index];
    let dir = layout.node(index);
    fs::create_dir_all(&dir)?;
    keyfile::write(
        &dir.join("network.key"),
        &derive(manifest.seed, "network", index),
    )?;
    keyfile::write(
        &dir.join("validator.key"),
        &derive(manifest.seed, "validator", index),
    )?;
    let config = NodeConfig {
        data: "data".into(),
        chain_spec: layout.chain_spec(),
        name: format!("node-{index}"),
        keys: KeysConfig {
            network: "network.key".into(),
            validator: Some("validator.key".into()),
            ..KeysConfig::default()
        },
        consensus: ConsensusSection {
            listen: node.consensus_address.clone(),
            ..ConsensusSection::default()
        },
        rpc: RpcSection {
            listen: node.rpc.trim_start_matches("http://").parse()?,
            ..RpcSection::default()
        },
        ..NodeConfig::default()
    };
    config.write(&dir.join("config.toml"))?;
    Ok(())
}
