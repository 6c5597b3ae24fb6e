//! Grants: who may do what with which resource, without telling the ledger.
//!
//! ```text
//! gk = Ed25519 key of the seed H("allod/grant-key/v1", grant seed(32) ++ salt(32))
//! ```
//!
//! So the owner can revoke any grant with nothing but the grant file and the grant seed, and no
//! two grants share a key. A *grant file* travels from owner to assignee: the signed grant in
//! SCALE, those it was delegated from, and for people the same in plain fields.

use std::path::Path;

use allod_primitives::codec::{TextError, TooMany};
use allod_primitives::document::{Fragment, Uri};
use allod_primitives::grant::{
    Actions, Assignee, Constraint, GRANT_BODY_VERSION, GRANT_MESSAGE_VERSION, GrantAction,
    GrantBody, GrantMessage, SignedGrant, SignedGrantMessage, grant_preimage,
};
use allod_primitives::limits::{GRANT_BODY_BYTES_MAX, GRANT_CHAIN_MAX, GRANT_DAYS_MAX};
use allod_primitives::{ChainId, Did, H256, Signature, TimeMs, decode_strict, domain_hash};
use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hex;
use crate::keys::{Home, KeyFileError, MethodSecret, SecretKey};
use crate::operation::sign_grant_message;

const FILE_KIND: &str = "allod-grant";
const FILE_VERSION: u32 = 1;
const DAY_S: u64 = 86_400;

/// The actions and their names, in the order of their bits.
const ACTIONS: [(&str, Actions); 5] = [
    ("read", Actions::READ),
    ("create", Actions::CREATE),
    ("modify", Actions::MODIFY),
    ("delete", Actions::DELETE),
    ("control", Actions::CONTROL),
];

/// Why a grant cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Text too long for its field, or with a control character.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A list with too many elements.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// A resource, client or purpose that is not a URI.
    #[error("{uri} is not a URI")]
    Uri {
        /// What was given.
        uri: String,
    },
    /// An action without a meaning.
    #[error("no action {name}")]
    Action {
        /// What was given.
        name: String,
    },
    /// Neither resource nor action.
    #[error("a grant needs a resource and an action")]
    Empty,
    /// It would end before it begins, or run too long.
    #[error("a grant runs for 1 second to {GRANT_DAYS_MAX} days")]
    Interval,
    /// Too large.
    #[error("grant body of {bytes} bytes exceeds {GRANT_BODY_BYTES_MAX}")]
    BodyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A delegation that the parent does not allow.
    #[error("the grant it would be delegated from allows no {what}")]
    Delegation {
        /// What it does not allow.
        what: &'static str,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Not a grant file.
    #[error("not a grant file: {what}")]
    Malformed {
        /// Which rule it breaks.
        what: &'static str,
    },
    /// Not a grant of this identity.
    #[error("the grant's key is not derived from this identity's grant seed")]
    NotOurs,
}

impl GrantError {
    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Text(_) | Self::TooMany(_) | Self::BodyTooLong { .. } => {
                "split it into several grants".into()
            }
            Self::Uri { .. } => "resources look like https://store.example/alice/photos/".into(),
            Self::Action { .. } => "choose from read, create, modify, delete, control, all".into(),
            Self::Empty => "give --resource and --action".into(),
            Self::Interval => "choose another --lifetime".into(),
            Self::Delegation { .. } => "ask the owner for a grant of your own".into(),
            Self::File(error) => error.hint(),
            Self::Malformed { .. } => "`allod grant issue` writes grant files".into(),
            Self::NotOurs => "name the identity that issued it".into(),
        }
    }
}

/// What is to be granted.
#[derive(Clone, Debug)]
pub struct GrantRequest {
    /// Who grants.
    pub owner: Did,
    /// Who is granted: a DID of this method, or any URI.
    pub assignee: String,
    /// Resource URIs; one that ends in `/` covers what is below it.
    pub resources: Vec<String>,
    /// What is allowed.
    pub actions: Actions,
    /// Conditions.
    pub constraints: Vec<Constraint>,
    /// How many further delegations are allowed.
    pub delegation_depth: u8,
    /// The owner's grant epoch, from its record.
    pub epoch: u32,
    /// Not valid before, seconds since 1970.
    pub not_before: u64,
    /// Not valid from then on, seconds since 1970.
    pub expires: u64,
    /// The identifier of the grant it is delegated from.
    pub parent: Option<H256>,
}

impl GrantRequest {
    /// Returns the body.
    ///
    /// # Errors
    /// [`GrantError`] names the first rule broken.
    ///
    /// Source: spec/grants.md §1.
    pub fn body(&self) -> Result<GrantBody, GrantError> {
        if self.resources.is_empty() || self.actions == Actions::default() {
            return Err(GrantError::Empty);
        }
        let length = self.expires.saturating_sub(self.not_before);
        if length == 0 || length > u64::from(GRANT_DAYS_MAX).saturating_mul(DAY_S) {
            return Err(GrantError::Interval);
        }
        let assignee = match self.assignee.parse::<Did>() {
            Ok(did) => Assignee::Did(did),
            Err(_) => Assignee::Uri(uri(&self.assignee)?),
        };
        let resources: Result<Vec<Uri>, _> = self.resources.iter().map(|it| uri(it)).collect();
        let body = GrantBody {
            version: GRANT_BODY_VERSION,
            owner: self.owner,
            assignee,
            resources: resources?.try_into()?,
            actions: self.actions,
            constraints: self.constraints.clone().try_into()?,
            parent: self.parent,
            delegation_depth: self.delegation_depth,
            epoch: self.epoch,
            not_before: self.not_before,
            expires: self.expires,
        };
        let bytes = body.encoded_size();
        if bytes > GRANT_BODY_BYTES_MAX {
            return Err(GrantError::BodyTooLong { bytes });
        }
        Ok(body)
    }
}

/// Returns the key of the grant with this salt.
///
/// Source: spec/grants.md §2.
pub fn grant_key(grant_seed: &[u8; 32], salt: &[u8; 32]) -> SecretKey {
    SecretKey::from_seed(domain_hash("allod/grant-key/v1", &[grant_seed, salt]).0)
}

/// Signs `body` with `method`, under a key made from `grant_seed` and `salt`.
///
/// `salt`: 32 random bytes. The ledger keeps the grant until the end of the day it expires on.
///
/// # Errors
/// [`GrantError::Text`] if the method's fragment is too long.
pub fn sign_grant(
    chain: &ChainId,
    body: GrantBody,
    method: &MethodSecret,
    grant_seed: &[u8; 32],
    salt: [u8; 32],
) -> Result<SignedGrant, GrantError> {
    let expiry_day = u32::try_from(body.expires / DAY_S).map_err(|_| GrantError::Interval)?;
    let mut grant = SignedGrant {
        body,
        grant_key: grant_key(grant_seed, &salt).public(),
        expiry_day,
        salt,
        method: Fragment::new(method.fragment.clone())?,
        signature: Signature([0; 64]),
    };
    let gid = grant.gid(&chain.genesis);
    grant.signature = method.key.sign(&grant_preimage(chain, &gid));
    Ok(grant)
}

/// Returns the message that anchors `grant`, for a registrar to send.
///
/// # Errors
/// [`GrantError::NotOurs`] if its key does not come from `grant_seed`.
pub fn anchor_message(
    chain: &ChainId,
    grant: &SignedGrant,
    grant_seed: &[u8; 32],
    valid_until: TimeMs,
) -> Result<SignedGrantMessage, GrantError> {
    let action = GrantAction::Anchor {
        grant_key: grant.grant_key,
        expiry_day: grant.expiry_day,
    };
    message(chain, grant, grant_seed, action, valid_until)
}

/// Returns the message that revokes `grant` for good, for anybody to send.
///
/// # Errors
/// [`GrantError::NotOurs`] if its key does not come from `grant_seed`.
pub fn revoke_message(
    chain: &ChainId,
    grant: &SignedGrant,
    grant_seed: &[u8; 32],
    valid_until: TimeMs,
) -> Result<SignedGrantMessage, GrantError> {
    message(chain, grant, grant_seed, GrantAction::Revoke, valid_until)
}

fn message(
    chain: &ChainId,
    grant: &SignedGrant,
    grant_seed: &[u8; 32],
    action: GrantAction,
    valid_until: TimeMs,
) -> Result<SignedGrantMessage, GrantError> {
    let key = grant_key(grant_seed, &grant.salt);
    if key.public() != grant.grant_key {
        return Err(GrantError::NotOurs);
    }
    let message = GrantMessage {
        version: GRANT_MESSAGE_VERSION,
        genesis: chain.genesis,
        fork_id: chain.fork_id,
        gid: grant.gid(&chain.genesis),
        action,
        valid_until,
    };
    Ok(sign_grant_message(message, &key))
}

/// Returns the actions that `names` stand for; `all` stands for all of them.
///
/// # Errors
/// [`GrantError::Action`] names the first that means nothing.
pub fn parse_actions<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Actions, GrantError> {
    let mut actions = Actions::default();
    for name in names {
        let found = ACTIONS.iter().find(|(known, _)| *known == name);
        actions = match found {
            Some((_, action)) => Actions(actions.0 | action.0),
            None if name == "all" => Actions::ALL,
            None => return Err(GrantError::Action { name: name.into() }),
        };
    }
    Ok(actions)
}

/// Returns the names of `actions`.
pub fn action_names(actions: Actions) -> Vec<&'static str> {
    let set = ACTIONS.iter().filter(|(_, it)| actions.contains(*it));
    set.map(|(name, _)| *name).collect()
}

/// A grant with those it was delegated from, as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantChain {
    /// The origin genesis hash of the network that anchors it.
    pub genesis: H256,
    /// The owner's grant first, the one to use last.
    pub grants: Vec<SignedGrant>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFile {
    version: u32,
    kind: String,
    genesis: String,
    gid: String,
    /// SCALE of each grant, the owner's first.
    grants: Vec<String>,
    /// The last grant for people. Nothing reads it.
    readable: Value,
}

impl GrantChain {
    /// Returns the grant to use.
    pub fn grant(&self) -> &SignedGrant {
        self.grants.last().expect("a chain is never made empty")
    }

    /// Returns its identifier on the ledger.
    pub fn gid(&self) -> H256 {
        self.grant().gid(&self.genesis)
    }

    /// Returns the identifiers of all grants of the chain, the owner's first.
    pub fn gids(&self) -> Vec<H256> {
        let genesis = &self.genesis;
        self.grants.iter().map(|it| it.gid(genesis)).collect()
    }

    /// Returns this chain with one more delegation.
    ///
    /// # Errors
    /// [`GrantError::Delegation`] if the grants so far allow none, or not this one.
    pub fn delegate(&self, grant: SignedGrant) -> Result<Self, GrantError> {
        let parent = &self.grant().body;
        let denied = |what| Err(GrantError::Delegation { what });
        if parent.delegation_depth == 0 || self.grants.len() >= GRANT_CHAIN_MAX as usize {
            return denied("further delegation");
        }
        if grant.body.parent != Some(self.gid()) {
            return denied("grant that does not name it as its parent");
        }
        if !parent.actions.contains(grant.body.actions) {
            return denied("such action");
        }
        if grant.body.expires > parent.expires {
            return denied("longer life");
        }
        if grant.body.delegation_depth >= parent.delegation_depth {
            return denied("such depth of further delegation");
        }
        let mut grants = self.grants.clone();
        grants.push(grant);
        Ok(Self {
            genesis: self.genesis,
            grants,
        })
    }

    /// Returns the grant file's text.
    pub fn to_json(&self) -> String {
        let file = GrantFile {
            version: FILE_VERSION,
            kind: FILE_KIND.into(),
            genesis: self.genesis.to_string(),
            gid: self.gid().to_string(),
            grants: self
                .grants
                .iter()
                .map(|it| hex::encode(it.encode()))
                .collect(),
            readable: readable(self.grant()),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data is JSON");
        text.push('\n');
        text
    }

    /// Reads a grant file's text. The readable fields are ignored; the identifier must agree.
    ///
    /// # Errors
    /// [`GrantError::Malformed`] names the rule broken.
    pub fn from_json(text: &[u8]) -> Result<Self, GrantError> {
        let malformed = |what| GrantError::Malformed { what };
        let file: GrantFile =
            serde_json::from_slice(text).map_err(|_| malformed("JSON of another form"))?;
        if file.kind != FILE_KIND || file.version != FILE_VERSION {
            return Err(malformed("another kind or version"));
        }
        let genesis = hex::decode_array(&file.genesis).map_err(|_| malformed("genesis"))?;
        let genesis = H256(genesis);
        if file.grants.is_empty() || file.grants.len() > GRANT_CHAIN_MAX as usize {
            return Err(malformed("no grant, or too many"));
        }
        let mut grants = Vec::new();
        for text in &file.grants {
            let bytes = hex::decode(text).map_err(|_| malformed("grant is not hexadecimal"))?;
            grants.push(decode_strict(&bytes).map_err(|_| malformed("grant does not decode"))?);
        }
        let chain = Self { genesis, grants };
        if file.gid != chain.gid().to_string() {
            return Err(malformed("gid is not that of the grant"));
        }
        Ok(chain)
    }

    /// Writes the grant file, for its owner alone.
    ///
    /// # Errors
    /// [`GrantError::File`].
    pub fn write(&self, path: &Path) -> Result<(), GrantError> {
        Ok(Home::write_private(path, self.to_json().as_bytes(), true)?)
    }
}

/// Returns a grant in plain fields, for people.
pub fn readable(grant: &SignedGrant) -> Value {
    let body = &grant.body;
    let assignee = match &body.assignee {
        Assignee::Did(did) => did.to_string(),
        Assignee::Uri(uri) => uri.to_string(),
    };
    let constraint = |it: &Constraint| match it {
        Constraint::Client(uri) => json!({ "client": uri.as_str() }),
        Constraint::Purpose(uri) => json!({ "purpose": uri.as_str() }),
        Constraint::MediaType(text) => json!({ "media_type": text.as_str() }),
    };
    json!({
        "owner": body.owner.to_string(),
        "assignee": assignee,
        "resources": body.resources.iter().map(Uri::as_str).collect::<Vec<_>>(),
        "actions": action_names(body.actions),
        "constraints": body.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "parent": body.parent.map(|it| it.to_string()),
        "delegation_depth": body.delegation_depth,
        "epoch": body.epoch,
        "not_before": body.not_before,
        "expires": body.expires,
        "expiry_day": grant.expiry_day,
        "grant_key": grant.grant_key.to_string(),
        "method": grant.method.as_str(),
    })
}

fn uri(text: &str) -> Result<Uri, GrantError> {
    let uri = Uri::new(text)?;
    allod_primitives::document::check_uri(&uri).map_err(|_| GrantError::Uri {
        uri: text.to_owned(),
    })?;
    Ok(uri)
}

#[cfg(test)]
mod tests;
