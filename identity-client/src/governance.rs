//! What trustees send: proposals, votes, vetoes. Reads are [`crate::rpc::Client::proposals`] and
//! [`crate::rpc::Client::rules`].
//!
//! The calls returned here are put into a transaction of the trustee's account
//! ([`crate::operation::extrinsic::Envelope`]).
//!
//! ```
//! use allod_identity_client::governance;
//! use allod_primitives::governance::Action;
//! use allod_primitives::{ChainId, ForkId, H256, PublicKey, TimeMs};
//!
//! let action = Action::SetAdmission { vouchers: true, work_bits: None };
//! let actions = governance::actions([action])?;
//! let expires = TimeMs(1_800_000_000_000);
//! let proposal = governance::propose(&actions, expires);
//! assert_eq!(proposal[..2], [2, 1]);
//!
//! // The voter names what it has read.
//! let chain = ChainId { genesis: H256([7; 32]), fork_id: ForkId(0) };
//! let hash = governance::proposal_hash(&chain, 0, &PublicKey([1; 32]), &actions, expires);
//! assert_eq!(governance::vote(0, &hash).len(), 2 + 4 + 32);
//! # Ok::<(), allod_primitives::codec::TooMany>(())
//! ```
//!
//! Source: spec/governance.md §3.

use allod_primitives::codec::TooMany;
use allod_primitives::governance::{Action, Actions};
use allod_primitives::{BoundedVec, H256, PublicKey, TimeMs};
use parity_scale_codec::Encode;

pub use allod_primitives::governance::{ActionKind, Parameters, Rule, proposal_hash};

const AUTHORITY: u8 = 2;

/// Returns the actions of one proposal, in the order they will be carried out.
///
/// # Errors
/// [`TooMany`] if they do not fit into one proposal.
pub fn actions(actions: impl IntoIterator<Item = Action>) -> Result<Actions, TooMany> {
    BoundedVec::try_from(actions.into_iter().collect::<Vec<_>>())
}

/// `Authority.propose`: opens a proposal, with the sender's vote.
pub fn propose(actions: &Actions, expires: TimeMs) -> Vec<u8> {
    (AUTHORITY, 1u8, actions, expires).encode()
}

/// `Authority.vote`: for an open proposal. `hash`: of what the voter read ([`proposal_hash`]);
/// never one that a node says without the content.
pub fn vote(proposal: u32, hash: &H256) -> Vec<u8> {
    (AUTHORITY, 2u8, proposal, hash).encode()
}

/// `Authority.withdraw`: closes an open proposal of the sender's.
pub fn withdraw(proposal: u32) -> Vec<u8> {
    (AUTHORITY, 3u8, proposal).encode()
}

/// `Authority.veto`: against an approved proposal that waits.
pub fn veto(proposal: u32) -> Vec<u8> {
    (AUTHORITY, 4u8, proposal).encode()
}

/// Returns `accounts` as [`Action::SetTrustees`] wants them: ascending, each once.
///
/// # Errors
/// [`TooMany`] if there are more than trustees can be.
pub fn trustees(
    accounts: impl IntoIterator<Item = PublicKey>,
    threshold: u32,
) -> Result<Action, TooMany> {
    let mut accounts: Vec<PublicKey> = accounts.into_iter().collect();
    accounts.sort_unstable();
    accounts.dedup();
    Ok(Action::SetTrustees {
        accounts: BoundedVec::try_from(accounts)?,
        threshold,
    })
}
