//! Everything one identity needs, in one key file.
//!
//! The secret of the file holds one seed per control key and per login method, in the order of
//! the public lists, the grant seed, and during a rotation the seeds of the new keys: they are on
//! disk *before* the operation leaves this machine, so that no crash can lose control.

use std::path::{Path, PathBuf};

use allod_primitives::operation::SignedOperation;
use allod_primitives::{Did, H256, NetworkId, PublicKey, decode_strict};
use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::file::Envelope;
use super::kept::{Kept, KeptSecrets};
use super::{KeyFileError, PassphraseSource, Protection, Purpose, SecretKey};
use crate::control::Available;
use crate::hex;
use crate::operation::Signer;

pub(super) const KIND: &str = "identity";

/// A control key of an identity.
#[derive(Clone, Debug)]
pub struct ControlSecret {
    /// The rank it belongs to, 0 the highest.
    pub rank: u8,
    /// The key.
    pub key: SecretKey,
}

/// A verification method of an identity: what it logs in and issues tokens and grants with.
#[derive(Clone, Debug)]
pub struct MethodSecret {
    /// Its fragment in the document, without `#`.
    pub fragment: String,
    /// The key.
    pub key: SecretKey,
    /// Whether the identity has retired it. Kept to be able to show that it no longer works.
    pub retired: bool,
}

/// A rotation that has been signed and not yet been seen finalized.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The signed operation, to be sent again if need be.
    pub operation: SignedOperation,
    /// The control key that it puts in force.
    pub control: ControlSecret,
    /// The method that it adds.
    pub method: MethodSecret,
    /// The fragments that it retires.
    pub retires: Vec<String>,
}

/// An identity with its secrets.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name on the ledger.
    pub did: Did,
    /// The origin genesis hash of its network.
    pub genesis: H256,
    /// Its control keys.
    pub control: Vec<ControlSecret>,
    /// Its verification methods, retired ones included.
    pub methods: Vec<MethodSecret>,
    /// What grant keys are derived from.
    pub grant_seed: Zeroizing<[u8; 32]>,
    /// The signed inception, until it has been seen finalized.
    pub inception: Option<SignedOperation>,
    /// A rotation under way.
    pub pending: Option<Pending>,
    /// What else belongs to it.
    pub kept: Kept,
}

impl Identity {
    /// Returns the newest method in force.
    pub fn login_method(&self) -> Option<&MethodSecret> {
        self.methods.iter().rev().find(|method| !method.retired)
    }

    /// Returns the method with this fragment, in force or not. A leading `#` is ignored.
    pub fn method(&self, fragment: &str) -> Option<&MethodSecret> {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        self.methods.iter().find(|it| it.fragment == fragment)
    }

    /// Returns the control keys of all ranks, and the seed of next keys if it is kept: what plans
    /// are made with.
    pub fn available(&self) -> Available {
        Available {
            keys: self.control.iter().map(|it| it.key.control_key()).collect(),
            seeds: self.kept.next_seed.iter().cloned().collect(),
            ..Available::default()
        }
    }

    /// Returns the control keys of `rank`.
    pub fn rank_keys(&self, rank: u8) -> Vec<&SecretKey> {
        let of_rank = self.control.iter().filter(|it| it.rank == rank);
        of_rank.map(|it| &it.key).collect()
    }

    /// Puts the pending rotation in force, once the ledger says that it is.
    pub fn finish_rotation(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        self.control.retain(|it| it.rank != pending.control.rank);
        self.control.push(pending.control);
        self.control.sort_by_key(|it| it.rank);
        for method in &mut self.methods {
            method.retired |= pending.retires.contains(&method.fragment);
        }
        self.methods.push(pending.method);
    }

    pub(super) fn envelope(&self, protection: &Protection) -> Result<Envelope, KeyFileError> {
        let public = serde_json::to_value(self.public()).expect("plain data is JSON");
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        let secrets = self.secrets();
        serde_json::to_writer(&mut *bytes, &secrets).expect("plain data is JSON");
        Envelope::new(KIND, public, &bytes, protection)
    }

    /// Returns what may be shown of it.
    pub fn public(&self) -> IdentityPublic {
        let method = |it: &MethodSecret| MethodPublic {
            fragment: it.fragment.clone(),
            public: it.key.public().to_string(),
            retired: it.retired,
        };
        IdentityPublic {
            did: self.did.to_string(),
            genesis: self.genesis.to_string(),
            control: self.control.iter().map(control_public).collect(),
            methods: self.methods.iter().map(method).collect(),
            inception: self.inception.as_ref().map(|it| hex::encode(it.encode())),
            pending: self.pending.as_ref().map(|it| PendingPublic {
                operation: hex::encode(it.operation.encode()),
                control: control_public(&it.control),
                method: method(&it.method),
                retires: it.retires.clone(),
            }),
        }
    }

    fn secrets(&self) -> Secrets {
        let seed = |key: &SecretKey| hex::encode(*key.seed());
        Secrets {
            control: self.control.iter().map(|it| seed(&it.key)).collect(),
            methods: self.methods.iter().map(|it| seed(&it.key)).collect(),
            grant_seed: hex::encode(*self.grant_seed),
            pending: self
                .pending
                .as_ref()
                .map(|it| vec![seed(&it.control.key), seed(&it.method.key)])
                .unwrap_or_default(),
            kept: self.kept.secrets(),
        }
    }
}

fn control_public(it: &ControlSecret) -> ControlPublic {
    ControlPublic {
        rank: it.rank,
        public: it.key.public().to_string(),
    }
}

/// The public part of a control key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPublic {
    /// Its rank.
    pub rank: u8,
    /// The public key, hexadecimal.
    pub public: String,
}

/// The public part of a verification method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodPublic {
    /// Its fragment.
    pub fragment: String,
    /// The public key, hexadecimal.
    pub public: String,
    /// Whether the identity has retired it.
    pub retired: bool,
}

/// The public part of a rotation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingPublic {
    /// The signed operation, SCALE in hexadecimal.
    pub operation: String,
    /// The new control key.
    pub control: ControlPublic,
    /// The new method.
    pub method: MethodPublic,
    /// Fragments it retires.
    pub retires: Vec<String>,
}

/// The public part of an identity file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPublic {
    /// The DID.
    pub did: String,
    /// The origin genesis hash of its network, hexadecimal.
    pub genesis: String,
    /// Control keys.
    pub control: Vec<ControlPublic>,
    /// Verification methods, retired ones included.
    pub methods: Vec<MethodPublic>,
    /// The signed inception while it has not been seen finalized, SCALE in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inception: Option<String>,
    /// A rotation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPublic>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    control: Vec<String>,
    methods: Vec<String>,
    grant_seed: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<String>,
    #[serde(default, skip_serializing_if = "KeptSecrets::is_empty")]
    kept: KeptSecrets,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.control.zeroize();
        self.methods.zeroize();
        self.grant_seed.zeroize();
        self.pending.zeroize();
    }
}

/// An identity file, read but not unlocked.
pub struct IdentityFile {
    pub(super) path: PathBuf,
    pub(super) alias: String,
    envelope: Envelope,
    public: IdentityPublic,
    did: Did,
}

impl IdentityFile {
    pub(super) fn read(path: &Path, alias: &str) -> Result<Self, KeyFileError> {
        let envelope = Envelope::read(path, KIND)?;
        let public: IdentityPublic =
            serde_json::from_value(envelope.public.clone()).map_err(|source| {
                KeyFileError::Malformed {
                    path: path.to_owned(),
                    source,
                }
            })?;
        let damaged = |what| KeyFileError::Damaged {
            path: path.to_owned(),
            what,
        };
        let did: Did = public
            .did
            .parse()
            .map_err(|_| damaged("did is not a DID"))?;
        let genesis = hash(&public.genesis)?;
        if NetworkId::from_genesis(&genesis) != did.network() {
            return Err(damaged("genesis is not that of the DID's network"));
        }
        Ok(Self {
            path: path.to_owned(),
            alias: alias.to_owned(),
            envelope,
            public,
            did,
        })
    }

    /// Returns the name it goes by on this machine.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Returns its DID.
    pub const fn did(&self) -> Did {
        self.did
    }

    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its public part.
    pub const fn public(&self) -> &IdentityPublic {
        &self.public
    }

    /// Returns whether a passphrase is needed.
    pub const fn is_encrypted(&self) -> bool {
        self.envelope.is_encrypted()
    }

    /// Returns the identity with its secrets, and the protection to save it again with.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`], [`KeyFileError::Damaged`] if secrets and public keys do
    /// not belong together, or why no passphrase could be had.
    pub fn unlock(
        &self,
        source: &PassphraseSource,
    ) -> Result<(Identity, Protection), KeyFileError> {
        let protection = if self.is_encrypted() {
            Protection::passphrase(source.obtain(Purpose::Unlock, &self.alias)?)
        } else {
            Protection::UnsafePlain
        };
        let passphrase = match &protection {
            Protection::Passphrase { passphrase, .. } => Some(passphrase),
            Protection::UnsafePlain => None,
        };
        let json = self.envelope.open(passphrase)?;
        let secrets: Secrets = serde_json::from_slice(&json)
            .map_err(|_| self.damaged("the secrets have another form"))?;
        Ok((self.identity(&secrets)?, protection))
    }

    fn identity(&self, secrets: &Secrets) -> Result<Identity, KeyFileError> {
        let public = &self.public;
        if secrets.control.len() != public.control.len()
            || secrets.methods.len() != public.methods.len()
        {
            return Err(self.damaged("there is not one secret for each public key"));
        }
        let control = public.control.iter().zip(&secrets.control);
        let control = control.map(|(it, seed)| self.control(it, seed));
        let methods = public.methods.iter().zip(&secrets.methods);
        let methods = methods.map(|(it, seed)| self.method(it, seed));
        let operation = |text: &String| {
            let bytes = hex::decode(text).map_err(|source| KeyFileError::Hex {
                field: "operation",
                source,
            })?;
            decode_strict::<SignedOperation>(&bytes)
                .map_err(|_| self.damaged("its operation does not decode"))
        };
        let pending = match (&public.pending, secrets.pending.as_slice()) {
            (None, []) => None,
            (Some(it), [control, method]) => Some(Pending {
                operation: operation(&it.operation)?,
                control: self.control(&it.control, control)?,
                method: self.method(&it.method, method)?,
                retires: it.retires.clone(),
            }),
            _ => return Err(self.damaged("the pending rotation lacks its secrets")),
        };
        Ok(Identity {
            did: self.did,
            genesis: hash(&public.genesis)?,
            control: control.collect::<Result<_, _>>()?,
            methods: methods.collect::<Result<_, _>>()?,
            grant_seed: Zeroizing::new(seed("grant_seed", &secrets.grant_seed)?),
            inception: public.inception.as_ref().map(operation).transpose()?,
            pending,
            kept: secrets
                .kept
                .kept()
                .ok_or_else(|| self.damaged("what it keeps beside keys does not decode"))?,
        })
    }

    fn control(&self, public: &ControlPublic, text: &str) -> Result<ControlSecret, KeyFileError> {
        Ok(ControlSecret {
            rank: public.rank,
            key: self.key(&public.public, text)?,
        })
    }

    fn method(&self, public: &MethodPublic, text: &str) -> Result<MethodSecret, KeyFileError> {
        Ok(MethodSecret {
            fragment: public.fragment.clone(),
            key: self.key(&public.public, text)?,
            retired: public.retired,
        })
    }

    fn key(&self, public: &str, text: &str) -> Result<SecretKey, KeyFileError> {
        let key = SecretKey::from_seed(seed("secret", text)?);
        let public = hex::decode_array(public).map_err(|source| KeyFileError::Hex {
            field: "public",
            source,
        })?;
        if key.public() != PublicKey(public) {
            return Err(self.damaged("a secret is not that of its public key"));
        }
        Ok(key)
    }

    fn damaged(&self, what: &'static str) -> KeyFileError {
        KeyFileError::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

impl std::fmt::Debug for IdentityFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityFile of {}", self.did)
    }
}

fn seed(field: &'static str, text: &str) -> Result<[u8; 32], KeyFileError> {
    hex::decode_array(text).map_err(|source| KeyFileError::Hex { field, source })
}

fn hash(text: &str) -> Result<H256, KeyFileError> {
    seed("genesis", text).map(H256)
}
