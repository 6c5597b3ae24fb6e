//! DID documents as the ledger stores them.
//!
//! The JSON form (DID v1.1) is made from these at the edges. All of it is public.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text, is_strictly_ascending};
use crate::crypto::{Curve, KeyError, PublicKey, check_x25519};
use crate::did::Did;
use crate::limits::{
    ALSO_KNOWN_AS_MAX, CONTROLLERS_MAX, FRAGMENT_BYTES_MAX, METHODS_MAX, SERVICE_ENDPOINTS_MAX,
    SERVICE_TYPE_BYTES_MAX, SERVICES_MAX, URI_BYTES_MAX,
};
use crate::types::TimeMs;

/// A fragment: 1 to 32 characters of `A-Z a-z 0-9 - _ .`, never used twice by one identity.
pub type Fragment = Text<FRAGMENT_BYTES_MAX>;
/// A URI: 1 to 256 bytes without spaces or control characters.
pub type Uri = Text<URI_BYTES_MAX>;

/// A verification method's public key.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum MethodKey {
    /// Ed25519, 32 bytes.
    #[codec(index = 0)]
    Ed25519(PublicKey),
    /// P-256, compressed, 33 bytes.
    #[codec(index = 1)]
    P256([u8; 33]),
    /// secp256k1, compressed, 33 bytes.
    #[codec(index = 2)]
    Secp256k1([u8; 33]),
    /// X25519, 32 bytes; for key agreement only.
    #[codec(index = 3)]
    X25519([u8; 32]),
}

/// What a verification method is for. A set of bits, W3C's verification relationships.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct Relationships(pub u8);

impl Relationships {
    /// `authentication`: logging in.
    pub const AUTHENTICATION: Self = Self(1);
    /// `assertionMethod`: issuing tokens and credentials.
    pub const ASSERTION_METHOD: Self = Self(2);
    /// `keyAgreement`: receiving encrypted messages.
    pub const KEY_AGREEMENT: Self = Self(4);
    /// `capabilityInvocation`: using a grant.
    pub const CAPABILITY_INVOCATION: Self = Self(8);
    /// `capabilityDelegation`: issuing a grant.
    pub const CAPABILITY_DELEGATION: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// Returns whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the union.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A verification method as an owner writes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Method {
    /// Its fragment in the document.
    pub fragment: Fragment,
    /// Its key.
    pub key: MethodKey,
    /// What it is for; not empty.
    pub relationships: Relationships,
    /// After this time it counts as retired, if set.
    pub expires: Option<TimeMs>,
}

/// A verification method in force, as the record holds it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ActiveMethod {
    /// What the owner wrote.
    pub method: Method,
    /// Time of the block that added it.
    pub since: TimeMs,
}

/// Why a method was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum RetireReason {
    /// Planned: signatures made while it was in force stay good.
    #[codec(index = 0)]
    Routine,
    /// Somebody else may have held the key from then on.
    #[codec(index = 1)]
    CompromisedSince(TimeMs),
}

/// A verification method no longer in force. It authorises nothing, ever.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct RetiredMethod {
    /// 1.
    pub version: u8,
    /// What it was.
    pub method: Method,
    /// Time of the block that added it.
    pub since: TimeMs,
    /// Time of the block that retired it: the end of its interval.
    pub until: TimeMs,
    /// Why.
    pub reason: RetireReason,
    /// Time of the block that declared the reason; later than `until` if it was found out later.
    pub declared: TimeMs,
}

/// A service of a document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Service {
    /// Its fragment in the document.
    pub fragment: Fragment,
    /// Its type, such as `PersonalDataStore`.
    pub kind: Text<SERVICE_TYPE_BYTES_MAX>,
    /// One to four URIs.
    pub endpoints: BoundedVec<Uri, SERVICE_ENDPOINTS_MAX>,
}

/// The document an inception begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct InitialDocument {
    /// Verification methods, strictly ascending by fragment.
    pub methods: BoundedVec<Method, METHODS_MAX>,
    /// Services, strictly ascending by fragment.
    pub services: BoundedVec<Service, SERVICES_MAX>,
    /// Other names of the subject, in the order of importance.
    pub also_known_as: BoundedVec<Uri, ALSO_KNOWN_AS_MAX>,
    /// Identities that may also authenticate as this one (depth 1), strictly ascending.
    pub controllers: BoundedVec<Did, CONTROLLERS_MAX>,
}

/// A document in force, as the record holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Document {
    /// Verification methods, strictly ascending by fragment.
    pub methods: BoundedVec<ActiveMethod, METHODS_MAX>,
    /// Services, strictly ascending by fragment.
    pub services: BoundedVec<Service, SERVICES_MAX>,
    /// Other names of the subject.
    pub also_known_as: BoundedVec<Uri, ALSO_KNOWN_AS_MAX>,
    /// Controllers.
    pub controllers: BoundedVec<Did, CONTROLLERS_MAX>,
}

/// One method to retire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Retirement {
    /// Fragment of an active method.
    pub fragment: Fragment,
    /// Why.
    pub reason: RetireReason,
}

/// A retired method found out to be compromised.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Declaration {
    /// Fragment of a retired method.
    pub fragment: Fragment,
    /// Somebody else may have held the key from then on.
    pub since: TimeMs,
}

/// A change of a document. Retirements come first, then declarations, additions, replacements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DocumentPatch {
    /// Methods to retire, strictly ascending by fragment.
    pub retire: BoundedVec<Retirement, METHODS_MAX>,
    /// Retired methods to declare compromised, or since an earlier time, strictly ascending by
    /// fragment.
    pub declare: BoundedVec<Declaration, METHODS_MAX>,
    /// Methods to add, strictly ascending by fragment; fragment and key must be new to the
    /// identity.
    pub add: BoundedVec<Method, METHODS_MAX>,
    /// Replaces all services, if set.
    pub services: Option<BoundedVec<Service, SERVICES_MAX>>,
    /// Replaces all other names, if set.
    pub also_known_as: Option<BoundedVec<Uri, ALSO_KNOWN_AS_MAX>>,
    /// Replaces all controllers, if set.
    pub controllers: Option<BoundedVec<Did, CONTROLLERS_MAX>>,
}

/// Why (part of) a document is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A list that must be strictly ascending is not.
    #[error("{list} are not sorted and unique")]
    NotSortedUnique {
        /// Which list.
        list: &'static str,
    },
    /// A fragment of length zero or with other characters.
    #[error("a fragment is not 1 to 32 of A-Z a-z 0-9 - _ .")]
    Fragment,
    /// A URI of length zero, with a space or without a scheme.
    #[error("a URI has no scheme or holds a space")]
    Uri,
    /// A service type of length zero.
    #[error("a service has no type")]
    ServiceType,
    /// A service without an endpoint.
    #[error("a service has no endpoint")]
    NoEndpoint,
    /// No relationship, or bits that mean nothing.
    #[error("relationships are empty or unknown")]
    Relationships,
    /// A relationship the key's type cannot serve.
    #[error("an X25519 key is for keyAgreement only, every other key for anything else")]
    KeyPurpose,
    /// A key that may not be registered.
    #[error("method key: {0}")]
    Key(#[from] KeyError),
    /// Two methods with one key.
    #[error("two methods have the same key")]
    DuplicateKey,
}

/// Checks a fragment's length and characters.
///
/// # Errors
/// [`DocumentError::Fragment`].
pub fn check_fragment(fragment: &Fragment) -> Result<(), DocumentError> {
    let text = fragment.as_str();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.is_empty() && text.bytes().all(good) {
        Ok(())
    } else {
        Err(DocumentError::Fragment)
    }
}

/// Checks that `uri` has a scheme and no space.
///
/// # Errors
/// [`DocumentError::Uri`].
pub fn check_uri(uri: &Uri) -> Result<(), DocumentError> {
    let text = uri.as_str();
    let scheme = text
        .split_once(':')
        .map(|(scheme, _)| scheme)
        .unwrap_or_default();
    let starts = scheme
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let whole = text.bytes().all(|byte| byte.is_ascii_graphic());
    if starts && scheme.bytes().all(good) && whole {
        Ok(())
    } else {
        Err(DocumentError::Uri)
    }
}

impl MethodKey {
    /// Checks that this key may enter the ledger, by the rule of its type.
    ///
    /// # Errors
    /// [`KeyError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §2.
    pub fn check_registrable(&self) -> Result<(), KeyError> {
        match self {
            Self::Ed25519(key) => key.check_registrable(),
            Self::P256(key) => Curve::P256.check_registrable(key),
            Self::Secp256k1(key) => Curve::Secp256k1.check_registrable(key),
            Self::X25519(key) => check_x25519(key),
        }
    }
}

impl Method {
    /// Checks one method by itself.
    ///
    /// # Errors
    /// [`DocumentError`] names the first rule broken.
    pub fn check(&self) -> Result<(), DocumentError> {
        check_fragment(&self.fragment)?;
        if self.relationships.0 == 0 || !Relationships::ALL.contains(self.relationships) {
            return Err(DocumentError::Relationships);
        }
        let agreement = self.relationships == Relationships::KEY_AGREEMENT;
        match &self.key {
            MethodKey::X25519(_) if !agreement => return Err(DocumentError::KeyPurpose),
            MethodKey::X25519(_) => {}
            _ if self.relationships.contains(Relationships::KEY_AGREEMENT) => {
                return Err(DocumentError::KeyPurpose);
            }
            _ => {}
        }
        self.key.check_registrable()?;
        Ok(())
    }
}

/// Checks a list of methods: each by itself, sorted, no key twice.
///
/// # Errors
/// [`DocumentError`] names the first rule broken.
pub fn check_methods(methods: &[Method]) -> Result<(), DocumentError> {
    methods.iter().try_for_each(Method::check)?;
    if !is_strictly_ascending(methods, |m| m.fragment.clone()) {
        return Err(DocumentError::NotSortedUnique { list: "methods" });
    }
    let mut keys: Vec<&MethodKey> = methods.iter().map(|m| &m.key).collect();
    keys.sort();
    if !is_strictly_ascending(&keys, |key| **key) {
        return Err(DocumentError::DuplicateKey);
    }
    Ok(())
}

/// Checks a list of services.
///
/// # Errors
/// [`DocumentError`] names the first rule broken.
pub fn check_services(services: &[Service]) -> Result<(), DocumentError> {
    for service in services {
        check_fragment(&service.fragment)?;
        if service.kind.as_str().is_empty() {
            return Err(DocumentError::ServiceType);
        }
        if service.endpoints.is_empty() {
            return Err(DocumentError::NoEndpoint);
        }
        service.endpoints.iter().try_for_each(check_uri)?;
    }
    if !is_strictly_ascending(services, |s| s.fragment.clone()) {
        return Err(DocumentError::NotSortedUnique { list: "services" });
    }
    Ok(())
}

fn check_names(also_known_as: &[Uri], controllers: &[Did]) -> Result<(), DocumentError> {
    also_known_as.iter().try_for_each(check_uri)?;
    let mut sorted = also_known_as.to_vec();
    sorted.sort();
    if !is_strictly_ascending(&sorted, Clone::clone) {
        return Err(DocumentError::NotSortedUnique {
            list: "alsoKnownAs entries",
        });
    }
    if !is_strictly_ascending(controllers, |did| *did) {
        return Err(DocumentError::NotSortedUnique {
            list: "controllers",
        });
    }
    Ok(())
}

impl InitialDocument {
    /// Checks every rule that needs nothing but the document itself.
    ///
    /// # Errors
    /// [`DocumentError`] names the first rule broken.
    ///
    /// Source: spec/did.md §4.
    pub fn check(&self) -> Result<(), DocumentError> {
        check_methods(&self.methods)?;
        check_services(&self.services)?;
        check_names(&self.also_known_as, &self.controllers)
    }
}

impl DocumentPatch {
    /// Checks every rule that needs nothing but the patch itself.
    ///
    /// # Errors
    /// [`DocumentError`] names the first rule broken.
    ///
    /// Source: spec/did.md §4.
    pub fn check(&self) -> Result<(), DocumentError> {
        if !is_strictly_ascending(&self.retire, |r| r.fragment.clone()) {
            return Err(DocumentError::NotSortedUnique {
                list: "retirements",
            });
        }
        if !is_strictly_ascending(&self.declare, |d| d.fragment.clone()) {
            return Err(DocumentError::NotSortedUnique {
                list: "declarations",
            });
        }
        check_methods(&self.add)?;
        check_services(self.services.as_deref().unwrap_or_default())?;
        let names = self.also_known_as.as_deref().unwrap_or_default();
        check_names(names, self.controllers.as_deref().unwrap_or_default())
    }
}

impl Document {
    /// Returns the active method with this fragment that has not expired at `now`.
    pub fn method_at(&self, fragment: &str, now: TimeMs) -> Option<&ActiveMethod> {
        self.methods
            .iter()
            .find(|m| m.method.fragment.as_str() == fragment)
            .filter(|m| m.method.expires.is_none_or(|expires| now < expires))
    }
}
