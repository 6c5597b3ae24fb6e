//! The wire and log encoding of the engine's messages: SCALE, strict and bounded.
//!
//! One private trait, `Wire`, is implemented for every foreign message; one blanket
//! implementation makes a Malachite codec of it. Every decoder checks its bounds before it
//! allocates, and no byte may follow a message. The layout is internal: validators of one chain
//! run one version of it, named in the protocol names (`/allod/…/1`).

use std::collections::BTreeSet;

use allod_primitives::{PublicKey, Signature};
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal,
    PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
    RoundSignature, SignedMessage, ValidatorProof, Validity, VoteType,
};
use arc_malachitebft_app_channel::app::types::{PeerId, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_sync::{
    RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};
use bytes::Bytes;
use parity_scale_codec::{Compact, Decode, Encode, Error, Input};

use crate::context::{Address, BlockId, Ctx, Height, Part, PartInit, Proposal, Vote};
use crate::limits::{
    BLOCK_BYTES_MAX, MESSAGE_BYTES_MAX, PART_BYTES_MAX, PEER_ID_BYTES_MAX, SIGNATURES_MAX,
    STREAM_ID_BYTES_MAX, SYNC_BATCH_MAX, SYNC_REQUEST_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX,
};
use crate::signing::WITHHELD;

/// The codec of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale;

/// Why a message could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CodecError {
    #[error("a message of {bytes} bytes, more than {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("malformed message: {0}")]
    Malformed(#[from] Error),
    #[error("{count} bytes after the message")]
    Trailing { count: usize },
    /// Not a failure: the sign guard told this node to abstain, so nothing is sent.
    #[error("a signature withheld by the sign guard is not sent")]
    Withheld,
}

/// A message of the engine in our encoding.
trait Wire: Sized {
    /// Longest encoding that is accepted.
    const BYTES_MAX: usize;

    fn put(&self, out: &mut Vec<u8>);

    fn take(input: &mut &[u8]) -> Result<Self, Error>;

    /// Whether the message carries a signature that must not leave this node.
    fn withheld(&self) -> bool {
        false
    }
}

impl<T: Wire + 'static> Codec<T> for Scale {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<T, CodecError> {
        if bytes.len() > T::BYTES_MAX {
            return Err(CodecError::TooLong {
                bytes: bytes.len(),
                max: T::BYTES_MAX,
            });
        }
        let mut input = bytes.as_ref();
        let message = T::take(&mut input)?;
        match input.len() {
            0 => Ok(message),
            count => Err(CodecError::Trailing { count }),
        }
    }

    fn encode(&self, message: &T) -> Result<Bytes, CodecError> {
        if message.withheld() {
            return Err(CodecError::Withheld);
        }
        let mut out = Vec::new();
        message.put(&mut out);
        if out.len() > T::BYTES_MAX {
            return Err(CodecError::TooLong {
                bytes: out.len(),
                max: T::BYTES_MAX,
            });
        }
        Ok(out.into())
    }
}

impl HasEncodedLen<Response<Ctx>> for Scale {
    fn encoded_len(&self, message: &Response<Ctx>) -> Result<usize, CodecError> {
        let mut out = Vec::new();
        message.put(&mut out);
        Ok(out.len())
    }
}

/// Takes a length-prefixed byte string of at most `max` bytes.
fn take_bytes(input: &mut &[u8], max: usize) -> Result<Vec<u8>, Error> {
    let length = Compact::<u32>::decode(input)?.0 as usize;
    if length > max || length > input.len() {
        return Err("a byte string longer than its bound or its message".into());
    }
    let (bytes, rest) = input.split_at(length);
    *input = rest;
    Ok(bytes.to_vec())
}

/// Takes a length-prefixed list of at most `max` elements.
fn take_list<T>(
    input: &mut &[u8],
    max: usize,
    mut take: impl FnMut(&mut &[u8]) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = Compact::<u32>::decode(input)?.0 as usize;
    if count > max {
        return Err("a list longer than its bound".into());
    }
    (0..count).map(|_| take(input)).collect()
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    let count = u32::try_from(list.len()).expect("lists are bounded far below 2^32");
    Compact(count).encode_to(out);
    list.iter().for_each(|element| put(out, element));
}

fn put_round(out: &mut Vec<u8>, round: Round) {
    round.as_u32().encode_to(out);
}

fn take_round(input: &mut &[u8]) -> Result<Round, Error> {
    Ok(Round::from(Option::<u32>::decode(input)?))
}

fn put_value(out: &mut Vec<u8>, value: &NilOrVal<BlockId>) {
    match value {
        NilOrVal::Nil => out.push(0),
        NilOrVal::Val(block) => {
            out.push(1);
            block.encode_to(out);
        }
    }
}

fn take_value(input: &mut &[u8]) -> Result<NilOrVal<BlockId>, Error> {
    Ok(match Option::<BlockId>::decode(input)? {
        None => NilOrVal::Nil,
        Some(block) => NilOrVal::Val(block),
    })
}

fn put_kind(out: &mut Vec<u8>, kind: VoteType) {
    out.push(match kind {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    });
}

fn take_kind(input: &mut &[u8]) -> Result<VoteType, Error> {
    match input.read_byte()? {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        _ => Err("not a vote type".into()),
    }
}

impl Wire for SignedMessage<Ctx, Vote> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        put_kind(out, self.kind);
        self.height.encode_to(out);
        put_round(out, self.round);
        put_value(out, &self.value);
        self.validator.encode_to(out);
        self.signature.encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let vote = Vote {
            kind: take_kind(input)?,
            height: Height::decode(input)?,
            round: take_round(input)?,
            value: take_value(input)?,
            validator: Address::decode(input)?,
        };
        Ok(Self::new(vote, Signature::decode(input)?))
    }
}

impl Wire for SignedMessage<Ctx, Proposal> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        self.height.encode_to(out);
        put_round(out, self.round);
        self.value.encode_to(out);
        put_round(out, self.pol_round);
        self.validator.encode_to(out);
        self.signature.encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let proposal = Proposal {
            height: Height::decode(input)?,
            round: take_round(input)?,
            value: BlockId::decode(input)?,
            pol_round: take_round(input)?,
            validator: Address::decode(input)?,
        };
        Ok(Self::new(proposal, Signature::decode(input)?))
    }
}

impl Wire for SignedConsensusMsg<Ctx> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Vote(vote) => {
                out.push(1);
                vote.put(out);
            }
            Self::Proposal(proposal) => {
                out.push(2);
                proposal.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        match input.read_byte()? {
            1 => Ok(Self::Vote(Wire::take(input)?)),
            2 => Ok(Self::Proposal(Wire::take(input)?)),
            _ => Err("not a consensus message".into()),
        }
    }

    fn withheld(&self) -> bool {
        *self.signature() == WITHHELD
    }
}

impl Wire for PolkaCertificate<Ctx> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        self.height.encode_to(out);
        put_round(out, self.round);
        self.value_id.encode_to(out);
        put_list(out, &self.polka_signatures, |out, signature| {
            signature.address.encode_to(out);
            signature.signature.encode_to(out);
        });
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self {
            height: Height::decode(input)?,
            round: take_round(input)?,
            value_id: BlockId::decode(input)?,
            polka_signatures: take_list(input, SIGNATURES_MAX, |input| {
                Ok(PolkaSignature::new(
                    Address::decode(input)?,
                    Signature::decode(input)?,
                ))
            })?,
        })
    }
}

impl Wire for RoundCertificate<Ctx> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        self.height.encode_to(out);
        put_round(out, self.round);
        out.push(match self.cert_type {
            RoundCertificateType::Skip => 1,
            RoundCertificateType::Precommit => 2,
        });
        put_list(out, &self.round_signatures, |out, signature| {
            put_kind(out, signature.vote_type);
            put_value(out, &signature.value_id);
            signature.address.encode_to(out);
            signature.signature.encode_to(out);
        });
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self {
            height: Height::decode(input)?,
            round: take_round(input)?,
            cert_type: match input.read_byte()? {
                1 => RoundCertificateType::Skip,
                2 => RoundCertificateType::Precommit,
                _ => return Err("not a round certificate type".into()),
            },
            round_signatures: take_list(input, SIGNATURES_MAX, |input| {
                Ok(RoundSignature::new(
                    take_kind(input)?,
                    take_value(input)?,
                    Address::decode(input)?,
                    Signature::decode(input)?,
                ))
            })?,
        })
    }
}

impl Wire for LivenessMsg<Ctx> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Vote(vote) => {
                out.push(1);
                vote.put(out);
            }
            Self::PolkaCertificate(certificate) => {
                out.push(2);
                certificate.put(out);
            }
            Self::SkipRoundCertificate(certificate) => {
                out.push(3);
                certificate.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        match input.read_byte()? {
            1 => Ok(Self::Vote(Wire::take(input)?)),
            2 => Ok(Self::PolkaCertificate(Wire::take(input)?)),
            3 => Ok(Self::SkipRoundCertificate(Wire::take(input)?)),
            _ => Err("not a liveness message".into()),
        }
    }

    fn withheld(&self) -> bool {
        matches!(self, Self::Vote(vote) if vote.signature == WITHHELD)
    }
}

impl Wire for ValidatorProof<Ctx> {
    const BYTES_MAX: usize = 256;

    fn put(&self, out: &mut Vec<u8>) {
        self.public_key.encode_to(out);
        self.peer_id.encode_to(out);
        self.signature.encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self::new(
            take_bytes(input, size_of::<PublicKey>())?,
            take_bytes(input, PEER_ID_BYTES_MAX)?,
            Signature::decode(input)?,
        ))
    }
}

impl Wire for Part {
    const BYTES_MAX: usize = PART_BYTES_MAX + 16;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Init(init) => {
                out.push(1);
                init.encode_to(out);
            }
            Self::Data(data) => {
                out.push(2);
                data.encode_to(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        match input.read_byte()? {
            1 => Ok(Self::Init(PartInit::decode(input)?)),
            2 => Ok(Self::Data(take_bytes(input, PART_BYTES_MAX)?)),
            _ => Err("not a proposal part".into()),
        }
    }
}

impl Wire for StreamMessage<Part> {
    const BYTES_MAX: usize = Part::BYTES_MAX + STREAM_ID_BYTES_MAX + 16;

    fn put(&self, out: &mut Vec<u8>) {
        self.stream_id.to_bytes().as_ref().encode_to(out);
        self.sequence.encode_to(out);
        match &self.content {
            StreamContent::Fin => out.push(0),
            StreamContent::Data(part) => {
                out.push(1);
                part.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let stream_id = StreamId::new(take_bytes(input, STREAM_ID_BYTES_MAX)?.into());
        let sequence = u64::decode(input)?;
        let content = match input.read_byte()? {
            0 => StreamContent::Fin,
            1 => StreamContent::Data(Part::take(input)?),
            _ => return Err("not a stream message".into()),
        };
        Ok(Self::new(stream_id, sequence, content))
    }
}

impl Wire for ProposedValue<Ctx> {
    const BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        self.height.encode_to(out);
        put_round(out, self.round);
        put_round(out, self.valid_round);
        self.proposer.encode_to(out);
        self.value.encode_to(out);
        self.validity.to_bool().encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        Ok(Self {
            height: Height::decode(input)?,
            round: take_round(input)?,
            valid_round: take_round(input)?,
            proposer: Address::decode(input)?,
            value: BlockId::decode(input)?,
            validity: Validity::from_bool(bool::decode(input)?),
        })
    }
}

impl Wire for Status<Ctx> {
    const BYTES_MAX: usize = 128;

    fn put(&self, out: &mut Vec<u8>) {
        self.peer_id.to_bytes().encode_to(out);
        self.tip_height.encode_to(out);
        self.history_min_height.encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let peer_id = take_bytes(input, PEER_ID_BYTES_MAX)?;
        Ok(Self {
            peer_id: PeerId::from_bytes(&peer_id).map_err(|_| "not a peer id")?,
            tip_height: Height::decode(input)?,
            history_min_height: Height::decode(input)?,
        })
    }
}

impl Wire for Request<Ctx> {
    const BYTES_MAX: usize = SYNC_REQUEST_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        let Self::ValueRequest(request) = self;
        request.range.start().encode_to(out);
        request.range.end().encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let range = Height::decode(input)?..=Height::decode(input)?;
        Ok(Self::ValueRequest(ValueRequest::new(range)))
    }
}

impl Wire for Response<Ctx> {
    const BYTES_MAX: usize = SYNC_RESPONSE_BYTES_MAX + MESSAGE_BYTES_MAX;

    fn put(&self, out: &mut Vec<u8>) {
        let Self::ValueResponse(response) = self;
        response.start_height.encode_to(out);
        put_list(out, &response.values, |out, value| {
            value.value_bytes.as_ref().encode_to(out);
            put_certificate(out, &value.certificate.trim_vote_extensions());
        });
    }

    fn take(input: &mut &[u8]) -> Result<Self, Error> {
        let start = Height::decode(input)?;
        let values = take_list(input, SYNC_BATCH_MAX, |input| {
            let bytes = take_bytes(input, BLOCK_BYTES_MAX)?;
            Ok(RawDecidedValue::new(bytes.into(), take_certificate(input)?))
        })?;
        Ok(Self::ValueResponse(ValueResponse::new(start, values)))
    }
}

/// Writes a certificate; vote extensions are disabled, so nothing is lost without them.
fn put_certificate(out: &mut Vec<u8>, certificate: &CommitCertificate<Ctx>) {
    certificate.height.encode_to(out);
    put_round(out, certificate.round);
    certificate.value_id.encode_to(out);
    put_list(out, &certificate.commit_signatures, |out, signature| {
        signature.address.encode_to(out);
        signature.signature.encode_to(out);
    });
}

fn take_certificate(input: &mut &[u8]) -> Result<ExtendedCommitCertificate<Ctx>, Error> {
    let certificate = ExtendedCommitCertificate {
        height: Height::decode(input)?,
        round: take_round(input)?,
        value_id: BlockId::decode(input)?,
        commit_signatures: take_list(input, SIGNATURES_MAX, |input| {
            let address = Address::decode(input)?;
            Ok(ExtendedCommitSignature::new(
                address,
                Signature::decode(input)?,
                None,
            ))
        })?,
    };
    let mut signers = BTreeSet::new();
    if !certificate
        .commit_signatures
        .iter()
        .all(|signature| signers.insert(signature.address))
    {
        return Err("a certificate with one signer twice".into());
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests;
