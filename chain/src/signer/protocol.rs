//! Requests, answers and frames between a node and its signer.
//!
//! ```text
//! frame = length(4 LE) ++ body(1..=256)     body = Request | Answer, SCALE, strict
//! ```
//!
//! Source: spec/signer.md §2.

use std::io;

use allod_consensus::{GuardError, Seen, SignError, SignKind, SignMessage, SignRecord};
use allod_primitives::{
    BoundedVec, ChainId, ForkId, H256, Height, PublicKey, Signature, TimeMs, decode_strict,
};
use parity_scale_codec::{Decode, Encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::{SIGNER_FRAME_BYTES_MAX, SIGNER_PEER_ID_BYTES_MAX};

/// Version byte of requests and answers.
pub const SIGNER_VERSION: u8 = 1;

/// What a node asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// [`SIGNER_VERSION`].
    pub version: u8,
    /// Genesis hash of the node's chain.
    pub genesis: H256,
    /// Its fork.
    pub fork_id: ForkId,
    /// The node's newest committed height.
    pub tip: Height,
    /// That block's time.
    pub tip_time: TimeMs,
    /// The highest committed height whose certificate holds a signature of the key.
    pub signed: Height,
    /// What it asks.
    pub ask: Ask,
}

/// What a node can ask: all uses of a validator's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// Which key this is; a sign of life.
    #[codec(index = 0)]
    Hello,
    /// A vote.
    #[codec(index = 1)]
    Vote {
        /// 1 prevote, 2 precommit.
        kind: u8,
        /// Its height.
        height: Height,
        /// Its round.
        round: u32,
        /// Its block; `None` is nil.
        block_hash: Option<H256>,
    },
    /// A proposal.
    #[codec(index = 2)]
    Proposal {
        /// Its height.
        height: Height,
        /// Its round.
        round: u32,
        /// Round of the proof of lock.
        pol_round: Option<u32>,
        /// Its block.
        block_hash: H256,
    },
    /// The head of a stream of parts.
    #[codec(index = 3)]
    Parts {
        /// The block's height.
        height: Height,
        /// The stream's round.
        round: u32,
        /// Round of the proof of lock.
        pol_round: Option<u32>,
        /// The block.
        block_hash: H256,
        /// Its length.
        block_bytes: u32,
    },
    /// The binding of a network identity.
    #[codec(index = 4)]
    Peer {
        /// The identity, a multihash.
        peer_id: BoundedVec<u8, SIGNER_PEER_ID_BYTES_MAX>,
    },
}

/// What the signer answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// [`SIGNER_VERSION`].
    pub version: u8,
    /// What it says.
    pub said: Said,
}

/// What a signer can say. Index 4 was `Full`, which no guard says any more; it is never used again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Said {
    /// The validator's public key.
    #[codec(index = 0)]
    Key(PublicKey),
    /// The signature asked for.
    #[codec(index = 1)]
    Signature(Signature),
    /// This was signed in the same place.
    #[codec(index = 2)]
    Conflict(Record),
    /// This was signed since.
    #[codec(index = 3)]
    Stale(Record),
    /// Nothing is signed at or below this height.
    #[codec(index = 5)]
    Below {
        /// The height.
        floor: Height,
    },
    /// The guard was lost, and the chain has no block that is surely later.
    #[codec(index = 6)]
    Lost {
        /// When.
        since: TimeMs,
    },
    /// The chain holds a later signature of the key than the guard knows.
    #[codec(index = 7)]
    Outdated {
        /// The signature's height.
        signed: Height,
        /// What the guard knows.
        known: Height,
    },
    /// The request is about another chain.
    #[codec(index = 8)]
    OtherChain,
    /// The request is none.
    #[codec(index = 9)]
    Malformed,
    /// The guard cannot write; the signer ends.
    #[codec(index = 10)]
    Failed,
    /// Another node is connected.
    #[codec(index = 11)]
    Busy,
}

/// A message that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// 0 proposal, 1 prevote, 2 precommit.
    pub kind: u8,
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: u32,
    /// Round of the proof of lock.
    pub pol_round: Option<u32>,
    /// Its block.
    pub block_hash: Option<H256>,
}

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The socket failed or was closed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No length that a frame has, or bytes that are no message.
    #[error("a frame that is no message of this protocol")]
    Malformed,
}

impl Request {
    /// Returns the request of `ask`.
    pub const fn new(chain: &ChainId, seen: &Seen, ask: Ask) -> Self {
        Self {
            version: SIGNER_VERSION,
            genesis: chain.genesis,
            fork_id: chain.fork_id,
            tip: seen.tip,
            tip_time: seen.tip_time,
            signed: seen.signed,
            ask,
        }
    }

    /// Returns what the node says it has seen.
    pub const fn seen(&self) -> Seen {
        Seen {
            tip: self.tip,
            tip_time: self.tip_time,
            signed: self.signed,
        }
    }

    /// Decodes a frame's body.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    pub fn decode(body: &[u8]) -> Result<Self, FrameError> {
        let request: Self = decode_strict(body).map_err(|_| FrameError::Malformed)?;
        let known = match &request.ask {
            Ask::Vote { kind, .. } => matches!(kind, 1 | 2),
            Ask::Peer { peer_id } => !peer_id.is_empty(),
            Ask::Hello | Ask::Proposal { .. } | Ask::Parts { .. } => true,
        };
        let sane = known && request.version == SIGNER_VERSION;
        sane.then_some(request).ok_or(FrameError::Malformed)
    }
}

impl Ask {
    /// Returns what asks for a signature of `message`; `None` if there is no such message.
    pub fn of(message: &SignMessage) -> Option<Self> {
        if !message.is_well_formed() {
            return None;
        }
        Some(match message {
            SignMessage::Record(record) => Self::of_record(record)?,
            SignMessage::Parts {
                height,
                round,
                pol_round,
                block_hash,
                block_bytes,
            } => Self::Parts {
                height: *height,
                round: *round,
                pol_round: *pol_round,
                block_hash: *block_hash,
                block_bytes: *block_bytes,
            },
            SignMessage::Peer { peer_id } => Self::Peer {
                peer_id: peer_id.clone().try_into().ok()?,
            },
        })
    }

    fn of_record(record: &SignRecord) -> Option<Self> {
        let (height, round, block_hash) = (record.height, record.round, record.block_hash);
        let vote = |kind| Self::Vote {
            kind,
            height,
            round,
            block_hash,
        };
        Some(match record.kind {
            SignKind::Prevote => vote(1),
            SignKind::Precommit => vote(2),
            SignKind::Proposal => Self::Proposal {
                height,
                round,
                pol_round: record.pol_round,
                block_hash: block_hash?,
            },
        })
    }

    /// Returns the message that is to be signed; `None` for [`Ask::Hello`].
    pub fn message(self) -> Option<SignMessage> {
        Some(match self {
            Self::Hello => return None,
            Self::Vote {
                kind,
                height,
                round,
                block_hash,
            } => SignMessage::Record(SignRecord {
                height,
                round,
                kind: if kind == 1 {
                    SignKind::Prevote
                } else {
                    SignKind::Precommit
                },
                block_hash,
                pol_round: None,
            }),
            Self::Proposal {
                height,
                round,
                pol_round,
                block_hash,
            } => SignMessage::Record(SignRecord {
                height,
                round,
                kind: SignKind::Proposal,
                block_hash: Some(block_hash),
                pol_round,
            }),
            Self::Parts {
                height,
                round,
                pol_round,
                block_hash,
                block_bytes,
            } => SignMessage::Parts {
                height,
                round,
                pol_round,
                block_hash,
                block_bytes,
            },
            Self::Peer { peer_id } => SignMessage::Peer {
                peer_id: peer_id.to_vec(),
            },
        })
    }
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        let version = SIGNER_VERSION;
        Self { version, said }
    }
}

impl Answer {
    /// Decodes a frame's body.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    pub fn decode(body: &[u8]) -> Result<Said, FrameError> {
        let answer: Self = decode_strict(body).map_err(|_| FrameError::Malformed)?;
        let sane = answer.version == SIGNER_VERSION;
        sane.then_some(answer.said).ok_or(FrameError::Malformed)
    }
}

impl From<Result<Signature, SignError>> for Said {
    fn from(signed: Result<Signature, SignError>) -> Self {
        let error = match signed {
            Ok(signature) => return Self::Signature(signature),
            Err(SignError::Guard(error)) => error,
            Err(_) => return Self::Malformed,
        };
        match error {
            GuardError::Conflict { signed } => Self::Conflict(signed.into()),
            GuardError::Stale { last } => Self::Stale(last.into()),
            GuardError::Below { floor } => Self::Below { floor },
            GuardError::Lost { since } => Self::Lost { since },
            GuardError::Outdated { signed, known } => Self::Outdated { signed, known },
            // Whatever else a guard says, it has not recorded anything.
            _ => Self::Failed,
        }
    }
}

impl Said {
    /// Returns what was said to a request for a signature.
    ///
    /// # Errors
    /// [`SignError`]: what the signer said, or [`SignError::Unreachable`] of one that says nothing
    /// about the request.
    pub fn signed(self) -> Result<Signature, SignError> {
        let refused = |reason| SignError::Refused { reason };
        Err(match self {
            Self::Signature(signature) => return Ok(signature),
            Self::Conflict(record) => match SignRecord::try_from(record) {
                Ok(signed) => GuardError::Conflict { signed }.into(),
                Err(error) => error,
            },
            Self::Stale(record) => match SignRecord::try_from(record) {
                Ok(last) => GuardError::Stale { last }.into(),
                Err(error) => error,
            },
            Self::Below { floor } => GuardError::Below { floor }.into(),
            Self::Lost { since } => GuardError::Lost { since }.into(),
            Self::Outdated { signed, known } => GuardError::Outdated { signed, known }.into(),
            Self::OtherChain => refused("it signs for another chain"),
            Self::Malformed => refused("it does not know this message"),
            Self::Key(_) | Self::Failed | Self::Busy => SignError::Unreachable,
        })
    }
}

impl From<SignRecord> for Record {
    fn from(record: SignRecord) -> Self {
        Self {
            kind: record.kind as u8,
            height: record.height,
            round: record.round,
            pol_round: record.pol_round,
            block_hash: record.block_hash,
        }
    }
}

impl TryFrom<Record> for SignRecord {
    type Error = SignError;

    fn try_from(record: Record) -> Result<Self, SignError> {
        let reason = "it names a record of no kind";
        Ok(Self {
            height: record.height,
            round: record.round,
            kind: SignKind::from_u8(record.kind).ok_or(SignError::Refused { reason })?,
            block_hash: record.block_hash,
            pol_round: record.pol_round,
        })
    }
}

/// Reads the body of one frame; nothing is allocated beyond [`SIGNER_FRAME_BYTES_MAX`].
///
/// # Errors
/// [`FrameError`]; the connection is of no more use.
pub async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, FrameError> {
    let length = from.read_u32_le().await?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(1..=SIGNER_FRAME_BYTES_MAX).contains(&length) {
        return Err(FrameError::Malformed);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(body)
}

/// Writes one frame.
///
/// # Errors
/// What the socket says.
pub async fn write_frame(
    to: &mut (impl AsyncWrite + Unpin),
    message: &impl Encode,
) -> io::Result<()> {
    let body = message.encode();
    debug_assert!((1..=SIGNER_FRAME_BYTES_MAX).contains(&body.len()));
    let length = u32::try_from(body.len()).expect("frames have a few hundred bytes");
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    to.write_all(&frame).await?;
    to.flush().await
}
