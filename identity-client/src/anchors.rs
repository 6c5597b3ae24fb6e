//! Anchors: what shows, years later, that a token was there in time.
//!
//! A retired key may be anybody's, so a signature by it counts only with evidence that it existed
//! before. The ledger's registry of grants takes a hash of the token under a key made for that
//! alone; the entry shows the time. The *anchor file* opens it, and goes with the token to whoever
//! is to be convinced.
//!
//! ```text
//! { "version": 1, "kind": "allod-anchor", "genesis", "gid", "grantKey", "expiryDay", "salt" }
//! ```
//!
//! Source: spec/grants.md §7, spec/login.md §7.

use std::path::Path;

use allod_primitives::grant::{
    AnchorOpening, GRANT_MESSAGE_VERSION, GrantAction, GrantMessage, SignedGrantMessage,
};
use allod_primitives::hash::{domain_hash, sha2_256};
use allod_primitives::{ChainId, H256, PublicKey, TimeMs};
use allod_rpc_api::login::Evidence;
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::keys::{Home, KeyFileError, SecretKey, random_bytes};
use crate::operation::sign_grant_message;

const FILE_KIND: &str = "allod-anchor";
const FILE_VERSION: u32 = 1;

/// Why an anchor cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// No randomness, or the file cannot be written.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The anchor of another token.
    #[error("the anchor is another token's")]
    OtherToken,
    /// Not an anchor file.
    #[error("not an anchor file: {what}")]
    Malformed {
        /// Which rule it breaks.
        what: &'static str,
    },
}

impl AnchorError {
    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error.hint(),
            Self::OtherToken => "name the file that was made for this token".into(),
            Self::Malformed { .. } => "`allod token anchor` writes anchor files".into(),
        }
    }
}

/// The anchor of a token, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The origin genesis hash of the network that has it.
    pub genesis: H256,
    /// Its identifier on the ledger.
    pub gid: H256,
    /// What opens it.
    pub opening: AnchorOpening,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnchorFile {
    version: u32,
    kind: String,
    genesis: String,
    gid: String,
    grant_key: String,
    expiry_day: u32,
    salt: String,
}

impl Anchor {
    /// Makes an anchor of `jws`; [`message`](Self::message) puts it on the ledger.
    ///
    /// `expiry_day`: when the ledger may forget it, at most 3,660 days ahead.
    ///
    /// # Errors
    /// [`AnchorError::File`] if the system has no randomness.
    pub fn new(genesis: H256, jws: &str, expiry_day: u32) -> Result<Self, AnchorError> {
        let salt = random_bytes()?;
        let opening = AnchorOpening {
            grant_key: anchor_key(&salt, jws).public(),
            expiry_day,
            salt,
        };
        let gid = opening.gid(&genesis, jws);
        Ok(Self {
            genesis,
            gid,
            opening,
        })
    }

    /// Returns the message that anchors `jws`, for a registrar to send: as often as it takes.
    ///
    /// # Errors
    /// [`AnchorError::OtherToken`] if it is not this token's, or was not made here.
    pub fn message(
        &self,
        chain: &ChainId,
        jws: &str,
        valid_until: TimeMs,
    ) -> Result<SignedGrantMessage, AnchorError> {
        let key = anchor_key(&self.opening.salt, jws);
        if !self.is_of(jws) || key.public() != self.opening.grant_key {
            return Err(AnchorError::OtherToken);
        }
        let message = GrantMessage {
            version: GRANT_MESSAGE_VERSION,
            genesis: chain.genesis,
            fork_id: chain.fork_id,
            gid: self.gid,
            action: GrantAction::Anchor {
                grant_key: self.opening.grant_key,
                expiry_day: self.opening.expiry_day,
            },
            valid_until,
        };
        Ok(sign_grant_message(message, &key))
    }

    /// Returns whether it is the anchor of this very token.
    pub fn is_of(&self, jws: &str) -> bool {
        self.opening.gid(&self.genesis, jws) == self.gid
    }

    /// Returns what is given with a question about the token.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            grant_key: H256(self.opening.grant_key.0).into(),
            expiry_day: self.opening.expiry_day,
            salt: H256(self.opening.salt).into(),
        }
    }

    /// Returns the anchor file's text.
    pub fn to_json(&self) -> String {
        let file = AnchorFile {
            version: FILE_VERSION,
            kind: FILE_KIND.into(),
            genesis: self.genesis.to_string(),
            gid: self.gid.to_string(),
            grant_key: self.opening.grant_key.to_string(),
            expiry_day: self.opening.expiry_day,
            salt: hex::encode(self.opening.salt),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data is JSON");
        text.push('\n');
        text
    }

    /// Reads an anchor file's text.
    ///
    /// # Errors
    /// [`AnchorError::Malformed`] names the rule broken.
    pub fn from_json(text: &[u8]) -> Result<Self, AnchorError> {
        let malformed = |what| AnchorError::Malformed { what };
        let file: AnchorFile =
            serde_json::from_slice(text).map_err(|_| malformed("JSON of another form"))?;
        if file.kind != FILE_KIND || file.version != FILE_VERSION {
            return Err(malformed("another kind or version"));
        }
        let bytes = |text: &str, what| hex::decode_array(text).map_err(|_| malformed(what));
        Ok(Self {
            genesis: H256(bytes(&file.genesis, "genesis")?),
            gid: H256(bytes(&file.gid, "gid")?),
            opening: AnchorOpening {
                grant_key: PublicKey(bytes(&file.grant_key, "grantKey")?),
                expiry_day: file.expiry_day,
                salt: bytes(&file.salt, "salt")?,
            },
        })
    }

    /// Writes the anchor file, for its owner alone; a file that is there already stays.
    ///
    /// # Errors
    /// [`AnchorError::File`].
    pub fn write(&self, path: &Path) -> Result<(), AnchorError> {
        Ok(Home::write_private(path, self.to_json().as_bytes(), false)?)
    }
}

/// Returns the key of an anchor. It follows from what opens the anchor, so whoever can show the
/// evidence could revoke it, which takes nothing away from it.
fn anchor_key(salt: &[u8; 32], jws: &str) -> SecretKey {
    let token = sha2_256(jws.as_bytes());
    SecretKey::from_seed(domain_hash("allod/anchor-key/v1", &[salt, &token.0]).0)
}

#[cfg(test)]
mod tests {
    use allod_primitives::ForkId;

    use super::*;

    const CHAIN: ChainId = ChainId {
        genesis: H256([7; 32]),
        fork_id: ForkId(0),
    };

    #[test]
    fn an_anchor_survives_its_file_and_is_of_one_token_alone() {
        let anchor = Anchor::new(CHAIN.genesis, "a.b.c", 20_000).unwrap();
        let read = Anchor::from_json(anchor.to_json().as_bytes());
        assert_eq!(read.unwrap(), anchor);
        assert!(anchor.is_of("a.b.c") && !anchor.is_of("a.b.d"));
        let message = anchor.message(&CHAIN, "a.b.c", TimeMs(9)).unwrap();
        assert_eq!(message.message.gid, anchor.gid);
        assert!(anchor.message(&CHAIN, "a.b.d", TimeMs(9)).is_err());
        assert_eq!(AnchorOpening::from(anchor.evidence()), anchor.opening);
        let other = Anchor::new(CHAIN.genesis, "a.b.c", 20_000).unwrap();
        assert_ne!(other.opening.salt, anchor.opening.salt);
        assert_ne!(other.opening.grant_key, anchor.opening.grant_key);
    }

    #[test]
    fn other_files_are_refused() {
        let anchor = Anchor::new(CHAIN.genesis, "a.b.c", 20_000).unwrap();
        let text = anchor.to_json();
        for (from, to) in [
            ("allod-anchor", "allod-grant"),
            ("\"version\": 1", "\"version\": 2"),
            ("\"gid\": \"0x", "\"gid\": \"0x00"),
            ("\"expiryDay\"", "\"surplus\": 1, \"expiryDay\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(Anchor::from_json(changed.as_bytes()).is_err(), "{to}");
        }
    }
}
