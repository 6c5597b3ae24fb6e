//! What operations do: first documents, changes of documents, rotations.

use allod_primitives::codec::{BoundedVec, Text};
use allod_primitives::document::{
    Declaration, DocumentPatch, Fragment, InitialDocument, Method, MethodKey, Relationships,
    RetireReason, Retirement, Service, Uri,
};
use allod_primitives::limits::CONTROL_DELAY_MS_DEFAULT;
use allod_primitives::operation::{Body, INCEPTION_VERSION, Inception};
use allod_primitives::policy::{
    Capabilities, ControlKey, ControlPolicy, PolicyChange, Rank, RankChange, WeightedKey,
};
use allod_primitives::{Did, PublicKey};

use super::BuildError;

/// What a person's method is for: everything a signature can be for.
pub const LOGIN_RELATIONSHIPS: Relationships = Relationships::AUTHENTICATION
    .union(Relationships::ASSERTION_METHOD)
    .union(Relationships::CAPABILITY_INVOCATION)
    .union(Relationships::CAPABILITY_DELEGATION);

const FRAGMENT_PREFIX: &str = "key-";

/// Returns the body an ordinary identity begins with: rank 0 holds `control` with every
/// capability, the document one method `key-1` that holds `login`.
///
/// `salt`: 16 random bytes, so that equal keys do not make equal names.
///
/// # Errors
/// [`BuildError`] if a key may not be registered.
pub fn inception(
    control: &PublicKey,
    login: &PublicKey,
    salt: [u8; 16],
) -> Result<Inception, BuildError> {
    let method = login_method(&format!("{FRAGMENT_PREFIX}1"), login)?;
    let document = InitialDocument {
        methods: vec![method].try_into()?,
        ..InitialDocument::default()
    };
    let policy = ControlPolicy {
        ranks: vec![single_key_rank(control, Capabilities::ALL)?].try_into()?,
        guardians: None,
        delay_ms: CONTROL_DELAY_MS_DEFAULT,
    };
    policy.check()?;
    document.check()?;
    Ok(Inception {
        version: INCEPTION_VERSION,
        policy,
        document,
        salt,
    })
}

/// Returns a method that logs in, issues tokens and issues and uses grants.
///
/// # Errors
/// [`BuildError`] if fragment or key are not valid.
pub fn login_method(fragment: &str, key: &PublicKey) -> Result<Method, BuildError> {
    let method = Method {
        fragment: Fragment::new(fragment)?,
        key: MethodKey::Ed25519(*key),
        relationships: LOGIN_RELATIONSHIPS,
        expires: None,
    };
    method.check()?;
    Ok(method)
}

/// Returns the first `key-N` whose number is above all that were ever used.
///
/// `used`: fragments of active and retired methods, of any form.
///
/// # Errors
/// [`BuildError::NoFragment`] if numbers are used up.
pub fn next_fragment<'a>(used: impl IntoIterator<Item = &'a str>) -> Result<String, BuildError> {
    let number = |fragment: &str| fragment.strip_prefix(FRAGMENT_PREFIX)?.parse::<u32>().ok();
    let highest = used.into_iter().filter_map(number).max().unwrap_or(0);
    let next = highest.checked_add(1).ok_or(BuildError::NoFragment)?;
    Ok(format!("{FRAGMENT_PREFIX}{next}"))
}

/// Returns the retirement of one method.
///
/// # Errors
/// [`BuildError::Text`] if the fragment is too long.
pub fn retirement(fragment: &str, reason: RetireReason) -> Result<Retirement, BuildError> {
    Ok(Retirement {
        fragment: Fragment::new(fragment)?,
        reason,
    })
}

/// A rotation of one rank's key together with the login method.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// The rank, which also signs.
    pub rank: u8,
    /// Its value now: capabilities stay.
    pub current: &'a Rank,
    /// Its only key from then on.
    pub control: &'a PublicKey,
    /// Methods to retire.
    pub retire: Vec<Retirement>,
    /// Methods to add.
    pub add: Vec<Method>,
}

/// Returns the body of `rotation`.
///
/// # Errors
/// [`BuildError`] if the ledger would refuse the new rank or the patch.
pub fn rotation(rotation: Rotation<'_>) -> Result<Body, BuildError> {
    let rank = single_key_rank(rotation.control, rotation.current.capabilities)?;
    rank.check(rotation.rank)?;
    let document = DocumentChange {
        retire: rotation.retire,
        add: rotation.add,
        ..DocumentChange::default()
    }
    .patch()?;
    let change = RankChange {
        index: rotation.rank,
        rank: Some(rank),
    };
    Ok(Body::Rotate {
        change: PolicyChange {
            ranks: vec![change].try_into()?,
            ..PolicyChange::default()
        },
        document: Some(document),
    })
}

/// A change of a document in plain lists; [`patch`](Self::patch) sorts, bounds and checks them.
#[derive(Clone, Debug, Default)]
pub struct DocumentChange {
    /// Methods to retire.
    pub retire: Vec<Retirement>,
    /// Retired methods to declare compromised.
    pub declare: Vec<Declaration>,
    /// Methods to add.
    pub add: Vec<Method>,
    /// All services from then on: fragment, type, endpoints.
    pub services: Option<Vec<(String, String, Vec<String>)>>,
    /// All other names from then on.
    pub also_known_as: Option<Vec<String>>,
    /// All controllers from then on.
    pub controllers: Option<Vec<Did>>,
}

impl DocumentChange {
    /// Returns the change in the ledger's form.
    ///
    /// # Errors
    /// [`BuildError::Nothing`] if it changes nothing, else which rule it breaks.
    pub fn patch(mut self) -> Result<DocumentPatch, BuildError> {
        let lists = [self.services.is_some(), self.also_known_as.is_some()];
        let lists = lists.contains(&true) || self.controllers.is_some();
        let methods = [&self.retire.len(), &self.declare.len(), &self.add.len()];
        if methods == [&0; 3] && !lists {
            return Err(BuildError::Nothing);
        }
        self.retire.sort_by(|a, b| a.fragment.cmp(&b.fragment));
        self.declare.sort_by(|a, b| a.fragment.cmp(&b.fragment));
        self.add.sort_by(|a, b| a.fragment.cmp(&b.fragment));
        let patch = DocumentPatch {
            retire: self.retire.try_into()?,
            declare: self.declare.try_into()?,
            add: self.add.try_into()?,
            services: self.services.map(services).transpose()?,
            also_known_as: self.also_known_as.map(uris).transpose()?,
            controllers: self.controllers.map(sorted).transpose()?,
        };
        patch.check()?;
        Ok(patch)
    }
}

fn services<const MAX: u32>(
    list: Vec<(String, String, Vec<String>)>,
) -> Result<BoundedVec<Service, MAX>, BuildError> {
    let mut out = Vec::new();
    for (fragment, kind, endpoints) in list {
        out.push(Service {
            fragment: Fragment::new(fragment)?,
            kind: Text::new(kind)?,
            endpoints: uris(endpoints)?,
        });
    }
    out.sort_by(|a, b| a.fragment.cmp(&b.fragment));
    Ok(out.try_into()?)
}

fn uris<const MAX: u32>(list: Vec<String>) -> Result<BoundedVec<Uri, MAX>, BuildError> {
    let list: Result<Vec<Uri>, _> = list.into_iter().map(Uri::new).collect();
    Ok(list?.try_into()?)
}

fn sorted<const MAX: u32>(mut list: Vec<Did>) -> Result<BoundedVec<Did, MAX>, BuildError> {
    list.sort();
    Ok(list.try_into()?)
}

fn single_key_rank(key: &PublicKey, capabilities: Capabilities) -> Result<Rank, BuildError> {
    let key = WeightedKey {
        key: ControlKey::Ed25519(*key),
        weight: 1,
    };
    Ok(Rank {
        keys: vec![key].try_into()?,
        threshold: 1,
        capabilities,
        next: None,
    })
}
