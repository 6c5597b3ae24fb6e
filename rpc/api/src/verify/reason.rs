//! Why a login, token or access is allowed or denied: a closed list, pinned by a golden file.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! reasons {
    ($($name:ident = $slug:literal, $message:literal, $hint:literal;)*) => {
        /// Why. [`ReasonCode::Ok`] alone allows; every other one denies.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReasonCode {
            $(
                #[doc = concat!("`", $slug, "`: ", $message, ".")]
                $name,
            )*
        }

        impl ReasonCode {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the slug, such as `key_retired`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// Returns what was found.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// Returns what the one who was denied can do next.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

reasons! {
    Ok = "ok", "every check passed",
        "nothing is to be done";
    Malformed = "malformed", "the token is not a compact JWS with unambiguous JSON",
        "make the token with the SDK";
    AlgorithmNotAllowed = "algorithm_not_allowed",
        "the algorithm is none of EdDSA, Ed25519, ES256 and ES256K",
        "sign with one of them";
    CriticalHeader = "critical_header",
        "the header demands an extension or carries a key of its own",
        "leave out crit, b64, jwk, jku, x5c and x5u";
    TypeNotAllowed = "type_not_allowed", "the token's typ says that it is no login",
        "set typ to JWT, or leave it out";
    KidNotAbsolute = "kid_not_absolute", "kid is not an absolute DID URL with a fragment",
        "set kid to <did>#<fragment>";
    IssuerMismatch = "issuer_mismatch", "the key does not belong to the issuer",
        "sign with a key of the issuer's own document";
    SubjectMismatch = "subject_mismatch", "issuer and subject of a login differ",
        "set sub to the same DID as iss";
    WrongNetwork = "wrong_network", "an identifier belongs to another network",
        "ask a verifier of that network";
    TokenWithoutExp = "token_without_exp", "the token never expires",
        "set exp";
    TokenWithoutIat = "token_without_iat", "the token does not say when it was issued",
        "set iat";
    TokenLifetimeTooLong = "token_lifetime_too_long", "the token lives longer than it may",
        "choose an earlier exp";
    TokenNotYetValid = "token_not_yet_valid", "the token is not valid yet",
        "check both clocks, and wait";
    TokenExpired = "token_expired", "the token has expired",
        "issue a new one";
    TokenTooOld = "token_too_old", "the token was issued longer ago than the verifier accepts",
        "issue a new one";
    AudienceMismatch = "audience_mismatch", "the token is meant for another audience",
        "set aud to the verifier's name";
    NonceMismatch = "nonce_mismatch", "the nonce is not the challenge's",
        "answer the newest challenge";
    StaleState = "stale_state", "the newest finalized block is too old to decide by",
        "wait until the node has caught up, or ask another";
    StateUnavailable = "state_unavailable", "the ledger's state cannot be read",
        "ask another node";
    DidNotFound = "did_not_found", "the ledger holds no such identity",
        "check the DID, or wait until its inception is final";
    DidDeactivated = "did_deactivated", "the identity is deactivated for good",
        "use another identity";
    DidFrozen = "did_frozen", "the identity is frozen",
        "wait for the freeze to end";
    ControllerNotListed = "controller_not_listed", "the signer is no controller of the subject",
        "have the subject list it as a controller";
    KeyUnknown = "key_unknown", "the document never held this verification method",
        "resolve the DID and use an active method";
    KeyRetired = "key_retired", "the verification method is retired",
        "sign with an active method";
    KeyTypeMismatch = "key_type_mismatch", "the algorithm does not fit the type of the key",
        "name the algorithm of the key";
    RelationshipMissing = "relationship_missing", "the verification method is not for this purpose",
        "sign with a method that has the relationship";
    SignatureInvalid = "signature_invalid", "the signature does not verify",
        "sign header and payload as they are sent";
    TokenBeforeCutoff = "token_before_cutoff", "the identity has logged out everywhere since",
        "log in again";
    TokenRevoked = "token_revoked", "the token is revoked",
        "issue a new one";
    NoGrant = "no_grant", "no grant was presented",
        "ask the owner for a grant";
    GrantChainTooLong = "grant_chain_too_long", "more grants than a chain may have",
        "ask for a grant closer to the owner";
    GrantChainBroken = "grant_chain_broken",
        "a grant does not name the one before it as its parent",
        "present the whole chain, the owner's grant first";
    GrantMalformed = "grant_malformed", "a grant breaks a rule of its form",
        "ask for a grant made by the SDK";
    GrantNotFound = "grant_not_found", "the ledger does not hold a grant of the chain",
        "wait until it is anchored, or ask for a new one";
    GrantMismatch = "grant_mismatch", "key or expiry of a grant differ from the ledger's",
        "present the grant as it was anchored";
    GrantRevoked = "grant_revoked", "a grant of the chain is revoked",
        "ask the owner for a new grant";
    GrantNotYetValid = "grant_not_yet_valid", "a grant of the chain is not valid yet",
        "wait";
    GrantExpired = "grant_expired", "a grant of the chain has expired",
        "ask for a new grant";
    GrantEpochStale = "grant_epoch_stale", "an owner has voided all earlier grants",
        "ask the owner for a new grant";
    OwnerMismatch = "owner_mismatch", "the chain does not begin with the resource's owner",
        "present a grant of the owner";
    NotAttenuated = "not_attenuated", "a delegated grant allows more than its parent",
        "ask for a grant within the parent's bounds";
    DelegationTooDeep = "delegation_too_deep", "a grant was delegated further than it may be",
        "ask for a grant closer to the owner";
    AssigneeMismatch = "assignee_mismatch", "a grant was given to somebody else",
        "use a grant that names this subject";
    ActionNotGranted = "action_not_granted", "the action is not granted",
        "ask the owner for it";
    ResourceMalformed = "resource_malformed", "the resource is not a plain absolute URI",
        "leave out dot segments, backslashes, query and fragment";
    ResourceNotGranted = "resource_not_granted", "the resource is not granted",
        "ask the owner for it";
    ConstraintUnmet = "constraint_unmet", "a condition of a grant does not hold",
        "meet the condition, or ask for a grant without it";
    KeyNotInForce = "key_not_in_force", "the verification method was not in force at that time",
        "ask for a time within the method's interval; from a declared compromise on it is over";
    AsOfAhead = "as_of_ahead", "the time asked about lies after the newest block",
        "ask again later, or leave the time out";
    EvidenceMissing = "evidence_missing",
        "the method is retired, and nothing shows that the signature existed before",
        "give the opening of an anchor that was made in time";
    EvidenceNotFound = "evidence_not_found", "the ledger holds no anchor of this token",
        "give the opening that was made for this very token; its day may have passed";
    EvidenceMismatch = "evidence_mismatch", "key or expiry of the anchor differ from the ledger's",
        "give the opening as it was made";
    EvidenceOutOfTime = "evidence_out_of_time",
        "the token was anchored while the verification method was not in force",
        "only an anchor from before the end, or from before a compromise, shows anything";
    CutoffUnknown = "cutoff_unknown",
        "the identity has logged out everywhere after that time, and maybe before it too",
        "all else holds; the identity's exported history has every such cut-off";
    RevocationUnknown = "revocation_unknown",
        "the ledger no longer knows whether the token was revoked by then",
        "all else holds; ask who relied on the token, or a node that kept that time's state";
}

impl ReasonCode {
    /// Returns the reason with this slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.slug() == slug)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

impl JsonSchema for ReasonCode {
    fn schema_name() -> Cow<'static, str> {
        "ReasonCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let slugs: Vec<&str> = Self::ALL.iter().map(|it| it.slug()).collect();
        json_schema!({
            "description": "Why. `ok` alone allows.",
            "type": "string",
            "enum": slugs,
        })
    }
}

impl<'de> Deserialize<'de> for ReasonCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slug = String::deserialize(deserializer)?;
        Self::from_slug(&slug).ok_or_else(|| D::Error::custom("unknown reason code"))
    }
}
