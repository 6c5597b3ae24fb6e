//! The JSON form of a DID document (DID v1.1), made from a record.

use std::fmt;

use allod_primitives::document::{
    Document, Method, MethodKey, Relationships, RetireReason, RetiredMethod,
};
use allod_primitives::record::{DidRecord, Status};
use allod_primitives::{Did, TimeMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The JSON-LD context of DID v1.1.
pub const DID_CONTEXT: &str = "https://www.w3.org/ns/did/v1.1";
/// The media type of a document.
pub const DID_MEDIA_TYPE: &str = "application/did";

/// A DID document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DidDocument {
    /// [`DID_CONTEXT`], first and only.
    #[serde(rename = "@context")]
    pub context: Vec<String>,
    /// The identity.
    pub id: String,
    /// Identities that may also authenticate as this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller: Vec<String>,
    /// Other names of the subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_known_as: Vec<String>,
    /// Methods in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verification_method: Vec<VerificationMethod>,
    /// Methods for logging in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authentication: Vec<String>,
    /// Methods for issuing tokens and credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assertion_method: Vec<String>,
    /// Methods for receiving encrypted messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_agreement: Vec<String>,
    /// Methods for using grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capability_invocation: Vec<String>,
    /// Methods for issuing grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capability_delegation: Vec<String>,
    /// Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<ServiceEntry>,
}

/// A verification method as a Multikey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationMethod {
    /// Absolute DID URL.
    pub id: String,
    /// `Multikey`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The identity.
    pub controller: String,
    /// `z`, then base58btc of the multicodec prefix and the key.
    #[schemars(regex(pattern = crate::pattern::MULTIBASE))]
    pub public_key_multibase: String,
    /// After this time the method counts as retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::TIME))]
    pub expires: Option<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntry {
    /// Absolute DID URL.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its endpoints.
    pub service_endpoint: Vec<String>,
}

/// What is known about a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentMetadata {
    /// When the identity was taken in (UTC, whole seconds).
    #[schemars(regex(pattern = crate::pattern::TIME))]
    pub created: String,
    /// When its record last changed.
    #[schemars(regex(pattern = crate::pattern::TIME))]
    pub updated: String,
    /// Whether it is deactivated.
    pub deactivated: bool,
    /// `<entries of the log>-<hash of the log's head>`.
    #[schemars(regex(pattern = crate::pattern::VERSION_ID))]
    pub version_id: String,
    /// When the version after this one came, if it is not the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::TIME))]
    pub next_update: Option<String>,
    /// The id of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::VERSION_ID))]
    pub next_version_id: Option<String>,
}

/// A retired method. It authorises nothing; it is listed so that old signatures can be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetiredEntry {
    /// Absolute DID URL.
    pub id: String,
    /// Its key, as in [`VerificationMethod`].
    #[schemars(regex(pattern = crate::pattern::MULTIBASE))]
    pub public_key_multibase: String,
    /// When it was added, ms.
    pub since: u64,
    /// When it was retired, ms.
    pub until: u64,
    /// `routine` or `compromised`.
    pub reason: String,
    /// From when on somebody else may have held the key, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<u64>,
}

/// Writes a key as Multikey: `z` and base58btc of the multicodec prefix and the key.
pub fn multibase(key: &MethodKey) -> String {
    let (prefix, bytes): ([u8; 2], &[u8]) = match key {
        MethodKey::Ed25519(key) => ([0xed, 0x01], &key.0),
        MethodKey::P256(key) => ([0x80, 0x24], key),
        MethodKey::Secp256k1(key) => ([0xe7, 0x01], key),
        MethodKey::X25519(key) => ([0xec, 0x01], key),
    };
    let bytes = [prefix.as_slice(), bytes].concat();
    format!("z{}", bs58::encode(bytes).into_string())
}

/// Writes a time as DID documents do: UTC, whole seconds, `2020-12-20T19:17:47Z`.
///
/// Times beyond the year 9999 are written as its last second.
pub fn date_time(time: TimeMs) -> String {
    const LAST: i64 = 253_402_300_799;
    let seconds = i64::try_from(time.seconds()).unwrap_or(LAST).min(LAST);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (moment.date(), moment.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

impl DidDocument {
    /// Makes the document of an active identity as of `now`; expired methods are left out.
    pub fn new(did: &Did, document: &Document, now: TimeMs) -> Self {
        let active: Vec<&Method> = document
            .methods
            .iter()
            .map(|it| &it.method)
            .filter(|it| it.expires.is_none_or(|expires| now < expires))
            .collect();
        // Once: base 58 is slow, and every method has it in its name.
        let did = did.to_string();
        let serving = |relationship: Relationships| -> Vec<String> {
            let methods = active.iter();
            methods
                .filter(|it| it.relationships.contains(relationship))
                .map(|it| method_id(&did, it.fragment.as_str()))
                .collect()
        };
        Self {
            context: vec![DID_CONTEXT.to_owned()],
            controller: document.controllers.iter().map(Did::to_string).collect(),
            also_known_as: document
                .also_known_as
                .iter()
                .map(ToString::to_string)
                .collect(),
            verification_method: active.iter().map(|it| method_entry(&did, it)).collect(),
            authentication: serving(Relationships::AUTHENTICATION),
            assertion_method: serving(Relationships::ASSERTION_METHOD),
            key_agreement: serving(Relationships::KEY_AGREEMENT),
            capability_invocation: serving(Relationships::CAPABILITY_INVOCATION),
            capability_delegation: serving(Relationships::CAPABILITY_DELEGATION),
            service: document
                .services
                .iter()
                .map(|it| ServiceEntry {
                    id: method_id(&did, it.fragment.as_str()),
                    kind: it.kind.to_string(),
                    service_endpoint: it.endpoints.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            id: did,
        }
    }
}

impl DocumentMetadata {
    /// Makes the metadata of a record.
    pub fn new(record: &DidRecord) -> Self {
        Self {
            created: date_time(record.created),
            updated: date_time(record.updated),
            deactivated: matches!(record.status, Status::Deactivated { .. }),
            version_id: version_id(record),
            next_update: None,
            next_version_id: None,
        }
    }
}

impl RetiredEntry {
    /// Makes the entry of a retired method.
    pub fn new(did: &Did, retired: &RetiredMethod) -> Self {
        let (reason, compromised_since) = match retired.reason {
            RetireReason::Routine => ("routine", None),
            RetireReason::CompromisedSince(since) => ("compromised", Some(since.0)),
        };
        Self {
            id: method_id(did, retired.method.fragment.as_str()),
            public_key_multibase: multibase(&retired.method.key),
            since: retired.since.0,
            until: retired.until.0,
            reason: reason.to_owned(),
            compromised_since,
        }
    }
}

/// Returns the `versionId` of a record: `<entries>-<head without 0x>`.
pub fn version_id(record: &DidRecord) -> String {
    format!("{}-{}", record.log.count, hex::encode(record.log.head.0))
}

/// Returns the absolute DID URL of a fragment.
pub fn method_id(did: &impl fmt::Display, fragment: &str) -> String {
    format!("{did}#{fragment}")
}

fn method_entry(did: &str, method: &Method) -> VerificationMethod {
    VerificationMethod {
        id: method_id(&did, method.fragment.as_str()),
        kind: "Multikey".to_owned(),
        controller: did.to_string(),
        public_key_multibase: multibase(&method.key),
        expires: method.expires.map(date_time),
    }
}
