//! What commands share: the home folder, the node, passphrases, identities, submission.

use std::io::Read;
use std::path::{Path, PathBuf};

use allod_identity_client::clock::Clock;
use allod_identity_client::hex;
use allod_identity_client::jwt::TOKEN_BYTES_MAX;
use allod_identity_client::keys::{
    ControlKeyFile, Home, HomeLock, Identity, KeyFile, Passphrase, PassphraseSource, Protection,
    Purpose, SecretKey, TypedSecret,
};
use allod_identity_client::operation::Terms;
use allod_identity_client::operation::extrinsic::{Envelope, body};
use allod_identity_client::rpc::{Access, AccessError, Client, ClientConfig, Refusal, chain_id};
use allod_primitives::extrinsic::{Era, SigningContext};
use allod_primitives::operation::Payer;
use allod_primitives::{ChainId, Did, NetworkId, TimeMs};
use allod_rpc_api::context::ContextResponse;
use allod_rpc_api::limits::SUBMIT_TIMEOUT_MS_MAX;
use allod_rpc_api::submit::{SubmitItem, SubmitOutcome, SubmitRequest, SubmitStatus, Wait};
use serde_json::{Value, json};

use crate::args::{Global, Protect, Registrar, Write};
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::gov::args::Trustee;
use crate::reads::Reads;

/// How long an operation stays valid: time enough for a slow network, little for a replay.
const VALIDITY_MS: u64 = 10 * 60 * 1000;
/// Blocks a registrar's transaction is valid, a power of two.
const ERA_BLOCKS: u64 = 1024;
/// Bytes of the largest file of operations read.
const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What commands share.
#[derive(Debug)]
pub(crate) struct Session {
    pub console: Console,
    pub home: Home,
    /// Believes what nodes answer: for writes, and for what has no proof.
    pub client: Client,
    pub reads: Reads,
    /// What time it is here.
    pub clock: Clock,
    passphrase: PassphraseSource,
    timeout_ms: u64,
}

/// The network that the node belongs to, as it stands.
#[derive(Debug)]
pub(crate) struct Network {
    pub context: ContextResponse,
    pub chain: ChainId,
}

/// An identity unlocked for change: nobody else changes it meanwhile.
#[derive(Debug)]
pub(crate) struct Opened {
    pub alias: String,
    pub identity: Identity,
    pub protection: Protection,
    pub _lock: HomeLock,
}

/// What the ledger made of a write.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub outcome: SubmitOutcome,
}

impl Session {
    pub(crate) fn new(global: Global, console: Console) -> Result<Self, Failure> {
        let access = access(&global)?;
        let reads = Reads::new(&global, access.clone());
        let home = match global.home.or_else(default_home) {
            Some(home) => Home::new(home),
            None => {
                return Err(Failure::usage(
                    "there is no home folder",
                    "give --home FOLDER",
                ));
            }
        };
        let devnet = global.devnet.as_deref();
        let clock = clock(devnet, home.root(), &global.node, &console);
        if reads.trust_node {
            console.note("answers are the node's word: --trust-node skips all proofs");
        }
        let client = Client::new(&ClientConfig {
            endpoints: global.node,
            timeout: global.timeout.duration(),
            access,
        })?;
        let passphrase = match (std::env::var("ALLOD_PASSPHRASE"), global.passphrase_file) {
            (_, Some(file)) => PassphraseSource::File(file),
            (Ok(text), None) => PassphraseSource::Given(Passphrase::new(text)),
            (Err(_), None) => PassphraseSource::Terminal,
        };
        Ok(Self {
            console,
            home,
            client,
            reads,
            clock,
            passphrase,
            timeout_ms: global.timeout.ms().min(SUBMIT_TIMEOUT_MS_MAX),
        })
    }

    /// Returns how a new file for `name` is to be protected.
    pub(crate) fn protection(&self, protect: &Protect, name: &str) -> Result<Protection, Failure> {
        if protect.unsafe_plain {
            return Ok(Protection::UnsafePlain);
        }
        let passphrase = self.passphrase.obtain(Purpose::New, name)?;
        Ok(Protection::passphrase(passphrase))
    }

    /// Returns the DID that an alias or a DID stands for.
    pub(crate) fn did(&self, who: &str) -> Result<Did, Failure> {
        if !who.starts_with("did:") {
            return Ok(self.home.identity(who)?.did());
        }
        who.parse().map_err(|error| {
            let hint = "a DID looks like did:allod:<network>:<id>";
            Failure::usage(format!("{who}: {error}"), hint)
        })
    }

    /// Returns an alias' DID, or else the text itself.
    pub(crate) fn subject(&self, who: &str) -> Result<String, Failure> {
        if who.contains(':') {
            Ok(who.to_owned())
        } else {
            Ok(self.did(who)?.to_string())
        }
    }

    /// Unlocks an identity to sign with it, without changing it.
    pub(crate) fn unlock(&self, alias: &str) -> Result<Identity, Failure> {
        let (identity, _) = self.home.identity(alias)?.unlock(&self.passphrase)?;
        if identity.pending.is_some() {
            let note = format!("a rotation is unfinished; `allod did rotate {alias}` finishes it");
            self.console.note(&note);
        }
        Ok(identity)
    }

    /// Unlocks an identity to change it.
    pub(crate) fn open(&self, alias: &str) -> Result<Opened, Failure> {
        self.home.identity(alias)?;
        let lock = self.home.lock(alias)?;
        let (identity, protection) = self.home.identity(alias)?.unlock(&self.passphrase)?;
        Ok(Opened {
            alias: alias.to_owned(),
            identity,
            protection,
            _lock: lock,
        })
    }

    /// Writes a changed identity.
    pub(crate) fn save(&self, opened: &Opened) -> Result<(), Failure> {
        let Opened {
            alias, identity, ..
        } = opened;
        Ok(self.home.save(alias, identity, &opened.protection)?)
    }

    /// Asks the node where the network stands.
    pub(crate) async fn network(&self) -> Result<Network, Failure> {
        let context = self.client.context();
        let context = self.console.during("waiting for the node", context).await?;
        let chain = chain_id(&context);
        Ok(Network { context, chain })
    }

    /// Returns the registrar's key, if one is given or lies in the home folder.
    pub(crate) fn registrar(&self, registrar: &Registrar) -> Result<Option<SecretKey>, Failure> {
        let default = self.home.root().join("registrar.json");
        let path = match &registrar.registrar_key {
            Some(path) => path.clone(),
            None if default.exists() => default,
            None => return Ok(None),
        };
        let key = KeyFile::read(&path)?.unlock(&path, &self.passphrase)?;
        Ok(Some(key))
    }

    /// Returns the key of a key file.
    pub(crate) fn key(&self, path: &Path) -> Result<TypedSecret, Failure> {
        Ok(ControlKeyFile::read(path)?.unlock(path, &self.passphrase)?)
    }

    /// Like [`registrar`](Self::registrar), for commands that cannot do without.
    pub(crate) fn need_registrar(&self, registrar: &Registrar) -> Result<SecretKey, Failure> {
        self.registrar(registrar)?.ok_or_else(|| {
            Failure::usage(
                "a registrar's key is needed",
                "give --registrar-key FILE or set ALLOD_REGISTRAR_KEY; `make devnet` prints one",
            )
        })
    }

    /// Returns the trustee's key that is given or lies in the home folder.
    pub(crate) fn need_trustee(&self, trustee: &Trustee) -> Result<SecretKey, Failure> {
        let default = self.home.root().join("trustee.json");
        let path = match &trustee.trustee_key {
            Some(path) => path.clone(),
            None if default.exists() => default,
            None => {
                return Err(Failure::usage(
                    "a trustee's key is needed",
                    "give --trustee-key FILE or set ALLOD_TRUSTEE_KEY; `make devnet` prints three",
                ));
            }
        };
        Ok(KeyFile::read(&path)?.unlock(&path, &self.passphrase)?)
    }

    /// Returns `call` as a transaction of `key`.
    pub(crate) async fn transaction(
        &self,
        network: &Network,
        key: &SecretKey,
        call: Vec<u8>,
    ) -> Result<SubmitItem, Failure> {
        let nonce = self.client.account_nonce(&key.public()).await?;
        let context = &network.context;
        let envelope = Envelope {
            context: SigningContext {
                spec_version: context.spec_version,
                transaction_version: context.transaction_version,
                genesis_hash: context.genesis_hash.0,
            },
            era: Era::mortal(ERA_BLOCKS, context.height),
            birth_hash: context.block_hash.0,
            nonce,
        };
        Ok(SubmitItem::extrinsic(&body(&envelope.sign(key, call))))
    }

    /// Sends one item and waits until it is final, unless told otherwise.
    pub(crate) async fn submit(&self, item: SubmitItem, write: &Write) -> Result<Receipt, Failure> {
        let wait = if write.no_wait {
            Wait::Accepted
        } else {
            Wait::Finalized
        };
        if write.print_request {
            return Err(self.printed(item, wait));
        }
        let sent = self.client.submit(vec![item], wait, Some(self.timeout_ms));
        let outcomes = self
            .console
            .during("waiting until it is final", sent)
            .await?;
        let outcome = outcomes.into_iter().next().ok_or_else(|| {
            Failure::new(
                Exit::Bug,
                "client.answer",
                "no outcome for one item",
                "report it",
            )
        })?;
        let refused = outcome
            .error
            .clone()
            .map(|it| Failure::from(Refusal::from(it)));
        match outcome.status {
            SubmitStatus::Finalized => Ok(Receipt { outcome }),
            SubmitStatus::Accepted if write.no_wait => Ok(Receipt { outcome }),
            SubmitStatus::Accepted => Err(refused.unwrap_or_else(|| {
                let message = "accepted, but not final in time";
                Failure::unavailable("transaction.not_final_in_time", message)
            })),
            SubmitStatus::Rejected | SubmitStatus::Failed => Err(refused.unwrap_or_else(|| {
                let hint = "ask another node";
                Failure::negative("transaction.invalid", "refused without a reason", hint)
            })),
        }
    }

    /// Ends the command with the request that would have been sent.
    fn printed(&self, item: SubmitItem, wait: Wait) -> Failure {
        let request = SubmitRequest {
            items: vec![item],
            wait,
            timeout_ms: Some(self.timeout_ms),
        };
        let method = allod_rpc_api::method::IDENTITY_SUBMIT;
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [request] });
        Failure::new(Exit::Printed, "", call.to_string(), "")
    }

    /// Reads a file, or standard input for `-`.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let done = if path == Path::new("-") {
            std::io::stdin()
                .take(INPUT_BYTES_MAX)
                .read_to_end(&mut bytes)
        } else {
            std::fs::File::open(path)
                .and_then(|file| file.take(INPUT_BYTES_MAX).read_to_end(&mut bytes))
        };
        done.map_err(|error| Failure::file(path, &error))?;
        Ok(bytes)
    }

    /// Returns a token given as an argument, or read from standard input for `-`.
    pub(crate) fn token(&self, argument: &str) -> Result<String, Failure> {
        if argument != "-" {
            return Ok(argument.trim().to_owned());
        }
        let bytes = self.read(Path::new("-"))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Failure::usage(
                "that is longer than any token",
                "pass one token",
            ));
        }
        Ok(text.trim().to_owned())
    }
}

impl Network {
    /// Returns the network's time, as far as this node can tell.
    pub(crate) fn now(&self) -> TimeMs {
        TimeMs(self.context.time.max(self.context.node_time))
    }

    /// Returns the terms of an operation that anybody may pay for.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            chain: self.chain,
            payer: Payer::Any,
            valid_until: self.now().plus_ms(VALIDITY_MS),
        }
    }

    /// Returns the network's part of a DID.
    pub(crate) fn id(&self) -> NetworkId {
        NetworkId::from_genesis(&self.chain.genesis)
    }

    /// Refuses to sign for another network than the node's.
    pub(crate) fn check(&self, did: &Did) -> Result<(), Failure> {
        if did.network() == self.id() {
            return Ok(());
        }
        let message = format!(
            "{did} belongs to another network than the node's, {}",
            self.id()
        );
        let hint = "name a node of its network with --node; a fresh devnet is a new network";
        Err(Failure::negative("did.wrong_network", message, hint))
    }
}

impl Receipt {
    /// Refuses if an item of a registrar's batch failed.
    pub(crate) fn check_items(self) -> Result<Self, Failure> {
        match self.outcome.item_errors.first() {
            Some(failed) => Err(Failure::from(Refusal::from(failed.error.clone()))),
            None => Ok(self),
        }
    }

    /// Says where it stands: "is final at height 7".
    pub(crate) fn text(&self) -> String {
        match self.outcome.height {
            Some(height) => format!("is final at height {height}"),
            None => "is accepted, not final yet".into(),
        }
    }

    /// Returns `fields` with where it stands.
    pub(crate) fn json(&self, fields: Value) -> Value {
        let mut fields = fields;
        let outcome = &self.outcome;
        fields["final"] = json!(outcome.status == SubmitStatus::Finalized);
        fields["height"] = json!(outcome.height);
        fields["blockHash"] = json!(outcome.block_hash);
        fields["hash"] = json!(outcome.hash);
        fields
    }
}

/// Reads hexadecimal bytes, one value a line; empty lines are left out.
pub(crate) fn hex_lines(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty());
    let read = lines.map(|(index, line)| {
        hex::decode(line).map_err(|error| {
            let message = format!("line {}: {error}", index.saturating_add(1));
            Failure::usage(message, "write one value a line, 0x and hexadecimal digits")
        })
    });
    read.collect()
}

/// Returns how nodes let us in, and how we know them.
fn access(global: &Global) -> Result<Access, AccessError> {
    let mut access = Access::default();
    // Not an argument: those are seen by everybody on the machine.
    match (&global.api_key_file, std::env::var("ALLOD_API_KEY")) {
        (Some(file), _) => access = access.key_file(file)?,
        (None, Ok(key)) if !key.is_empty() => access = access.key(&key, "ALLOD_API_KEY")?,
        (None, _) => {}
    }
    match &global.ca_file {
        Some(file) => access.authority_file(file),
        None => Ok(access),
    }
}

/// Returns the clock of the local network in `devnet`, or else above the home folder, if the nodes
/// are that network's, and this machine's otherwise.
fn clock(devnet: Option<&Path>, home: &Path, nodes: &[String], console: &Console) -> Clock {
    let home = std::path::absolute(home).ok();
    let Some(directory) = devnet.or_else(|| home.as_ref()?.parent()) else {
        return Clock::system();
    };
    match Clock::devnet(directory, nodes) {
        Ok(clock) => clock,
        Err(error) => {
            if devnet.is_some() {
                console.note(&format!("{error}; the time is this machine's"));
            }
            Clock::system()
        }
    }
}

fn default_home() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|it| !it.is_empty())?;
    Some(PathBuf::from(home).join(".allod"))
}
