//! What can go wrong between us and a node.

use std::time::Duration;

use allod_rpc_api::error::ErrorData;
use allod_rpc_api::hex_bytes::from_hex;
use allod_rpc_api::{ErrorCode, Failure};

/// A node's refusal: a row of the table of error codes, or a JSON-RPC error of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", Detail(message, .detail.as_deref()))]
pub struct Refusal {
    /// Number; negative ones are JSON-RPC's.
    pub code: i32,
    /// Name that scripts can rely on.
    pub slug: String,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// Evidence.
    pub detail: Option<String>,
    /// Encoded `ReadProof` of what the node refused for, if it was asked for one and gave it:
    /// untrusted, like everything here.
    pub proof: Option<Box<[u8]>>,
}

struct Detail<'a>(&'a str, Option<&'a str>);

impl std::fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nodes put the evidence of an error, unlike that of an item, into the message too.
        match self.1.filter(|it| !self.0.ends_with(it)) {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// Makes one of a JSON-RPC error object; `data` is its `data`.
    pub fn new(code: i32, message: &str, data: Option<&str>) -> Self {
        let known = ErrorCode::from_code(code);
        let proof = data.and_then(proof).map(Vec::into_boxed_slice);
        let data = data.and_then(|it| serde_json::from_str::<ErrorData>(it).ok());
        let (slug, hint, detail) = match (data, known) {
            (Some(data), _) => (data.slug, data.hint, data.detail),
            (None, Some(known)) => (known.slug().into(), known.hint().into(), None),
            (None, None) => (
                "rpc.error".into(),
                "is this a node of the same version as this client?".into(),
                None,
            ),
        };
        Self {
            code,
            slug,
            message: message.into(),
            hint,
            detail,
            proof,
        }
    }

    /// Returns the row of the table that it names, if this client knows it.
    pub fn known(&self) -> Option<ErrorCode> {
        ErrorCode::from_code(self.code)
    }

    /// Returns whether another node, or the same one later, may well answer otherwise.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self.known(),
            Some(
                ErrorCode::Busy
                    | ErrorCode::RateLimited
                    | ErrorCode::Stopping
                    | ErrorCode::Internal
                    | ErrorCode::NotReady
                    | ErrorCode::StateUnavailable
                    | ErrorCode::TransactionPoolFull
                    | ErrorCode::TransactionDropped
                    | ErrorCode::TransactionNotFinalInTime
            )
        )
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            slug: failure.slug,
            message: failure.message,
            hint: failure.hint,
            detail: failure.detail,
            proof: None,
        }
    }
}

/// Returns the bytes of `data.proof`.
fn proof(data: &str) -> Option<Vec<u8>> {
    let data: serde_json::Value = serde_json::from_str(data).ok()?;
    from_hex(data.get("proof")?.as_str()?).ok()
}

/// Why a question to the ledger has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An endpoint that is neither `http(s)://` nor `ws(s)://`.
    #[error("{url} is not an endpoint of a node")]
    Endpoint {
        /// What was given.
        url: String,
    },
    /// No endpoint was given.
    #[error("no endpoint of a node is known")]
    NoEndpoint,
    /// No endpoint could be reached.
    #[error("no node answered ({attempts}): {last}")]
    Unreachable {
        /// How many endpoints were tried.
        attempts: usize,
        /// What the last one said.
        last: String,
    },
    /// The node answers only to those who have an API key, and not to ours.
    #[error("{url} wants another API key, or one at all")]
    Unauthorized {
        /// The endpoint.
        url: String,
    },
    /// An endpoint was reached and did not answer in time.
    #[error("no answer to {method} within {} s", .waited.as_secs())]
    TimedOut {
        /// The method.
        method: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The node says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node's answer is not of the contract's form.
    #[error("the answer to {method} has another form: {reason}")]
    Answer {
        /// The method.
        method: &'static str,
        /// What differs.
        reason: String,
    },
}

impl ClientError {
    /// Returns a name that scripts can rely on.
    pub fn slug(&self) -> &str {
        match self {
            Self::Endpoint { .. } | Self::NoEndpoint => "client.endpoint",
            Self::Unreachable { .. } => "client.unreachable",
            Self::Unauthorized { .. } => "client.unauthorized",
            Self::TimedOut { .. } => "client.timed_out",
            Self::Refused(refusal) => &refusal.slug,
            Self::Answer { .. } => "client.answer",
        }
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Endpoint { .. } | Self::NoEndpoint => {
                "give --node http://127.0.0.1:9944, or set ALLOD_NODE".into()
            }
            Self::Unreachable { .. } => {
                "is a node running there? `make devnet` starts one; --node names another".into()
            }
            Self::Unauthorized { .. } => {
                "ask its operator for a key, and give --api-key-file, or set ALLOD_API_KEY".into()
            }
            Self::TimedOut { .. } => {
                "the network may have stopped; `allod chain status` asks again".into()
            }
            Self::Refused(refusal) => refusal.hint.clone(),
            Self::Answer { .. } => "use a node and a client of the same version".into(),
        }
    }

    /// Returns whether it may well work later or elsewhere.
    pub fn is_unavailable(&self) -> bool {
        match self {
            // Another node may let us in.
            Self::Unreachable { .. } | Self::Unauthorized { .. } | Self::TimedOut { .. } => true,
            Self::Refused(refusal) => refusal.is_unavailable(),
            Self::Endpoint { .. } | Self::NoEndpoint | Self::Answer { .. } => false,
        }
    }

    /// Returns the row of the table of codes, if a node refused with one.
    pub fn known(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => refusal.known(),
            _ => None,
        }
    }
}
