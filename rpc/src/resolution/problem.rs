//! Errors of resolution and dereferencing, and the status each is answered with.

use http::StatusCode;
use serde_json::{Value, json};

use crate::view::HeadInfo;

/// Prefix of the error types that DID Resolution defines.
const DID_NAMESPACE: &str = "https://www.w3.org/ns/did#";
/// Prefix of those that Controlled Identifiers defines.
const SECURITY_NAMESPACE: &str = "https://w3id.org/security#";

/// What went wrong: one row of the specification's table of status codes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemKind {
    InvalidDid,
    InvalidDidUrl,
    InvalidOptions,
    NotFound,
    RepresentationNotSupported,
    MethodNotSupported,
    FeatureNotSupported,
    InternalError,
    /// As many versions as may are being rebuilt: told by HTTP alone.
    Busy,
    /// The fragment names no verification method.
    InvalidVerificationMethod,
    /// The method is not listed under the relationship asked for.
    InvalidRelationship,
}

/// What went wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: ProblemKind,
    pub(super) detail: String,
    /// The block in whose state the identity is absent, if that is the problem.
    pub(super) absent_after: Option<Box<HeadInfo>>,
    /// The proof of that, if it was asked for.
    pub(super) proof: Option<Value>,
}

impl ProblemKind {
    /// Makes the problem, with a sentence for people.
    pub(super) fn because(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: self,
            detail: detail.into(),
            absent_after: None,
            proof: None,
        }
    }

    /// Returns the last part of its type, its title, and the name that DID Core 1.0 had for it.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::InvalidDid => ("INVALID_DID", "Invalid DID", "invalidDid"),
            Self::InvalidDidUrl => ("INVALID_DID_URL", "Invalid DID URL", "invalidDidUrl"),
            Self::InvalidOptions => ("INVALID_OPTIONS", "Invalid options", "invalidOptions"),
            Self::NotFound => ("NOT_FOUND", "Not found", "notFound"),
            Self::RepresentationNotSupported => (
                "REPRESENTATION_NOT_SUPPORTED",
                "Representation not supported",
                "representationNotSupported",
            ),
            Self::MethodNotSupported => (
                "METHOD_NOT_SUPPORTED",
                "DID method not supported",
                "methodNotSupported",
            ),
            Self::FeatureNotSupported => (
                "FEATURE_NOT_SUPPORTED",
                "Feature not supported",
                "featureNotSupported",
            ),
            Self::InternalError | Self::Busy => {
                ("INTERNAL_ERROR", "Internal error", "internalError")
            }
            Self::InvalidVerificationMethod => (
                "INVALID_VERIFICATION_METHOD",
                "Not a verification method",
                "invalidVerificationMethod",
            ),
            Self::InvalidRelationship => (
                "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD",
                "Not authorized for that verification relationship",
                "invalidRelationshipForVerificationMethod",
            ),
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Self::InvalidVerificationMethod | Self::InvalidRelationship => SECURITY_NAMESPACE,
            _ => DID_NAMESPACE,
        }
    }

    /// Returns the status of the answer.
    ///
    /// Source: DID Resolution v1.0, HTTP(S) Binding, the table; other types are 500 there.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidDid | Self::InvalidDidUrl | Self::InvalidOptions => {
                StatusCode::BAD_REQUEST
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::RepresentationNotSupported => StatusCode::NOT_ACCEPTABLE,
            Self::MethodNotSupported | Self::FeatureNotSupported => StatusCode::NOT_IMPLEMENTED,
            Self::InternalError | Self::InvalidVerificationMethod | Self::InvalidRelationship => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl Problem {
    /// Writes it as the error object of RFC 9457. A proof is an extension member of it: the
    /// document metadata of an answer without document must be empty (ADR 0010).
    pub(super) fn object(&self) -> Value {
        let (name, title, _) = self.kind.names();
        let mut object = json!({
            "type": format!("{}{name}", self.kind.namespace()),
            "title": title,
            "detail": self.detail,
        });
        if let Some(proof) = &self.proof {
            object["proof"] = json!([proof]);
        }
        object
    }

    /// Returns the name that DID Core 1.0 and the resolvers of its time use.
    pub(super) const fn old_name(&self) -> &'static str {
        self.kind.names().2
    }
}
