//! Why there is no answer. None of these is ever an "allow".

use std::path::PathBuf;
use std::time::Duration;

use allod_primitives::light::LightError;
use allod_primitives::{Height, NetworkId, TimeMs};
use allod_rpc_api::RpcError;
use allod_rpc_api::answers::AnswerError;

use super::evidence::Evidence;
use super::nodes::Aside;
use super::store::StoreError;
use crate::rpc::ClientError;

/// What is wrong with one node's answer: another node may give a true one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It does not answer, or refuses without a proof of why.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// It answered, and proved nothing.
    #[error("the answer to {method} comes without a proof")]
    Unproven {
        /// The method.
        method: &'static str,
    },
    /// What it sent as a proof is none: not hexadecimal digits, not the form, trailing bytes.
    #[error("{what} in the answer to {method} does not decode")]
    Undecodable {
        /// The method.
        method: &'static str,
        /// What was expected.
        what: &'static str,
    },
    /// A check of spec/proofs.md failed.
    #[error(transparent)]
    Light(#[from] LightError),
    /// It is further than the client, and does not show who certifies that.
    #[error("the changes of validators after set {known} are withheld")]
    TransitionsWithheld {
        /// Number of the newest set that is trusted.
        known: u64,
    },
    /// The state that it proved is not readable by this client.
    #[error("no answer can be worked out: {0}")]
    Answer(AnswerError),
    /// It gave the header of another block than the one asked for.
    #[error("block {wanted} was asked for, block {actual} was given")]
    WrongBlock {
        /// Asked for.
        wanted: Height,
        /// Given.
        actual: Height,
    },
    /// It gave a value that the ledger does not hold under the key.
    #[error("the value given is not the one that the ledger holds")]
    WrongValue,
    /// The entries that it gave do not hash to the log head in the proven record.
    #[error("the entries given are not those of the identity's log")]
    WrongLog,
    /// It gives the whole state so slowly that a client would wait without an end.
    #[error("it takes too long to give the whole state")]
    TooSlow,
    /// It ended a subscription, or sent nothing for too long.
    #[error("the connection has gone")]
    Disconnected,
}

impl Fault {
    /// Returns a name that scripts can rely on.
    pub fn slug(&self) -> String {
        match self {
            Self::Node(error) => error.slug().into(),
            Self::Unproven { .. } => "light.unproven".into(),
            Self::Undecodable { .. } => "light.undecodable".into(),
            Self::Light(error) => format!("light.{}", error.slug()),
            Self::TransitionsWithheld { .. } => "light.transitions_withheld".into(),
            Self::Answer(_) => "light.answer".into(),
            Self::WrongBlock { .. } => "light.wrong_block".into(),
            Self::WrongValue => "light.wrong_value".into(),
            Self::WrongLog => "light.wrong_log".into(),
            Self::TooSlow => "light.too_slow".into(),
            Self::Disconnected => "light.disconnected".into(),
        }
    }

    /// Returns whether the node broke a rule, rather than being away or behind.
    pub fn is_lie(&self) -> bool {
        match self {
            Self::Node(_) | Self::TooSlow | Self::Disconnected => false,
            Self::Light(LightError::SetForgotten { .. }) => false,
            Self::Light(error) => !is_about_time(error),
            _ => true,
        }
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Node(error) => error.hint(),
            Self::Unproven { .. } | Self::Undecodable { .. } | Self::Answer(_) => {
                "ask a node of the same version, or another one; --trust-node believes it".into()
            }
            Self::Light(LightError::WrongGenesis { .. }) => {
                "name a node of its network with --node; a fresh devnet is a new network".into()
            }
            Self::Light(LightError::SetForgotten { .. }) => {
                "the block is of validators before those that this client keeps; ask about a newer one"
                    .into()
            }
            Self::Light(error) if is_about_time(error) => {
                "the node has stopped or lags, or this machine's clock is wrong; name other nodes \
                 with --node"
                    .into()
            }
            Self::Light(_)
            | Self::TransitionsWithheld { .. }
            | Self::WrongBlock { .. }
            | Self::WrongValue
            | Self::WrongLog => {
                "do not rely on this node; name others with --node, of different operators".into()
            }
            Self::TooSlow => "name other nodes with --node, or allow more time".into(),
            Self::Disconnected => "wait for the node, or name others with --node".into(),
        }
    }
}

/// Why a light client has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is configured cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is kept cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two histories are certified: nothing is answered until a person has looked.
    #[error("two histories of this network are certified ({}, heights {} and {}): nothing is answered{}",
        .evidence.rule, .evidence.first.height, .evidence.second.height, Unwritten(.unwritten))]
    Frozen {
        /// Both headers.
        evidence: Box<Evidence>,
        /// Where they lie, if this client keeps anything on disk.
        path: Option<PathBuf>,
        /// Why they do not lie there yet, though this client keeps something on disk.
        unwritten: Option<Box<StoreError>>,
    },
    /// The newest header that was verified is too old to follow from.
    #[error("the newest block known is {} days old, and validators' keys of then prove nothing now",
        .age.as_secs() / 86_400)]
    TrustExpired {
        /// The block's time.
        newest: TimeMs,
        /// How old that is.
        age: Duration,
    },
    /// A block of the past that is asked about is too old: who signed it may have sold their keys
    /// since, and whoever has them can sign another in its place.
    #[error("block {height} is {} days old, and validators' keys of then prove nothing now",
        .age.as_secs() / 86_400)]
    BlockExpired {
        /// Its height.
        height: Height,
        /// How old it is.
        age: Duration,
    },
    /// What is asked about belongs to another network.
    #[error("{wanted} is another network than this client's, {here}")]
    WrongNetwork {
        /// The network asked about.
        wanted: NetworkId,
        /// The network that this client follows.
        here: NetworkId,
    },
    /// The chain that is followed does not have the checkpoint's block.
    #[error("the block at height {height} is another than the checkpoint's")]
    CheckpointContradicted {
        /// Height of the checkpoint.
        height: Height,
    },
    /// No node gave an answer that proves itself.
    #[error("no answer that proves itself: {}", Faults(.faults))]
    Unanswered {
        /// What was wrong with each node asked, in the order asked.
        faults: Vec<Aside>,
    },
    /// The ledger's proven state says no, or the question makes no sense.
    #[error(transparent)]
    Refused(RpcError),
}

/// What is configured cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No node, more than [`NODES_MAX`](super::NODES_MAX), or no URL of one.
    #[error(transparent)]
    Endpoint(#[from] ClientError),
    /// A period or bound outside its range.
    #[error("{what} of {} s is not within {} s to {} s", .given.as_secs(), .min.as_secs(), .max.as_secs())]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// What was given.
        given: Duration,
        /// Least.
        min: Duration,
        /// Most.
        max: Duration,
    },
}

/// Whether an honest node that lags, or a wrong clock here, explains it.
const fn is_about_time(error: &LightError) -> bool {
    matches!(
        error,
        LightError::HeadStale { .. }
            | LightError::HeadAhead { .. }
            | LightError::HeadTooLow { .. }
            | LightError::HeadOther { .. }
            | LightError::HeadBack { .. }
    )
}

struct Unwritten<'a>(&'a Option<Box<StoreError>>);

impl std::fmt::Display for Unwritten<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(error) => write!(f, "; the evidence is not on disk: {error}"),
            None => Ok(()),
        }
    }
}

struct Faults<'a>(&'a [Aside]);

impl std::fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => f.write_str("there is no node"),
            [one] => one.fault.fmt(f),
            more => more.iter().enumerate().try_for_each(|(index, it)| {
                let separator = if index == 0 { "" } else { "; " };
                write!(f, "{separator}{}: {}", it.node, it.fault)
            }),
        }
    }
}

impl ReadError {
    /// Returns a name that scripts can rely on.
    pub fn slug(&self) -> String {
        let slug = match self {
            Self::Config(ConfigError::Endpoint(error)) => error.slug(),
            Self::Config(ConfigError::OutOfRange { .. }) => "light.out_of_range",
            Self::Store(error) => error.slug(),
            Self::Frozen { .. } => "light.frozen",
            Self::TrustExpired { .. } => "light.trust_expired",
            Self::BlockExpired { .. } => "light.block_expired",
            Self::WrongNetwork { .. } => "did.wrong_network",
            Self::CheckpointContradicted { .. } => "light.checkpoint_contradicted",
            Self::Unanswered { .. } => {
                return self.worst().map_or("light.no_node".into(), Fault::slug);
            }
            Self::Refused(error) => error.code.slug(),
        };
        slug.into()
    }

    /// Says what to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(ConfigError::Endpoint(error)) => error.hint(),
            Self::Config(ConfigError::OutOfRange { .. }) => "choose another".into(),
            Self::Store(error) => error.hint(),
            Self::Frozen {
                path: Some(path), ..
            } => format!(
                "more than a third of the validators' power signed both; tell their operators and \
                 ask people you trust which is right; {} proves it; `allod light reset --unfreeze` \
                 starts anew, best with --checkpoint",
                path.display()
            ),
            Self::Frozen {
                unwritten: Some(error),
                ..
            } => format!(
                "{}; until the evidence is written, a restart forgets it: do not end this program \
                 if it goes on running, and tell the validators' operators",
                error.hint()
            ),
            Self::Frozen { path: None, .. } => {
                "more than a third of the validators' power signed both; ask people you trust \
                 which is right, and start anew from a checkpoint of theirs"
                    .into()
            }
            Self::TrustExpired { .. } => {
                "get a newer checkpoint from somebody you trust (`allod light checkpoint` prints \
                 one) and give it with --checkpoint"
                    .into()
            }
            Self::BlockExpired { .. } => {
                "ask about a newer block; of older ones a node that you run yourself can tell"
                    .into()
            }
            Self::WrongNetwork { .. } => {
                "name a node of its network with --node; a fresh devnet is a new network".into()
            }
            Self::CheckpointContradicted { .. } => {
                "somebody is wrong: ask where the checkpoint comes from; `allod light reset` \
                 forgets what was followed so far"
                    .into()
            }
            Self::Unanswered { .. } => {
                let hint = self.worst().map(Fault::hint);
                hint.unwrap_or_else(|| "name a node with --node".into())
            }
            Self::Refused(error) => error.code.hint().into(),
        }
    }

    /// Returns whether it may well work later or with other nodes.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Store(error) => matches!(error, StoreError::Io { .. }),
            _ => false,
        }
    }

    /// Of several nodes' faults the one to tell first: a lie before a delay, a delay before silence.
    fn worst(&self) -> Option<&Fault> {
        let Self::Unanswered { faults } = self else {
            return None;
        };
        let rank = |fault: &Fault| match fault {
            fault if fault.is_lie() => 2,
            Fault::Light(_) => 1,
            _ => 0,
        };
        let faults = faults.iter().map(|it| it.fault.as_ref());
        // `max_by_key` takes the last of equals: the first node's word counts.
        faults.rev().max_by_key(|it| rank(it))
    }
}
