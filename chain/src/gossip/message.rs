//! What peers say to each other. Source: spec/gossip.md.

use allod_primitives::limits::EXTRINSIC_BYTES_MAX;
use allod_primitives::{BoundedVec, H256};
use parity_scale_codec::{Decode, Encode};

use crate::limits::{GOSSIP_BATCH_MAX, GOSSIP_OFFER_MAX};

const BATCH: u32 = GOSSIP_BATCH_MAX as u32;
const OFFER: u32 = GOSSIP_OFFER_MAX as u32;
const BYTES: u32 = EXTRINSIC_BYTES_MAX as u32;

/// A question or a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Request {
    /// Transactions.
    #[codec(index = 0)]
    Push(BoundedVec<BoundedVec<u8, BYTES>, BATCH>),
    /// Hashes of transactions that can be had; none is a probe of the connection.
    #[codec(index = 1)]
    Offer(BoundedVec<H256, OFFER>),
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Response {
    /// The transactions arrived; nothing is said about their validity.
    #[codec(index = 0)]
    Taken,
    /// Of the hashes offered, those to send.
    #[codec(index = 1)]
    Want(BoundedVec<H256, OFFER>),
}
