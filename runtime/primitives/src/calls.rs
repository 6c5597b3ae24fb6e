//! What the typed runtime calls about identities, tokens and grants take and return.
//!
//! The metadata lists the functions (`IdentityApi`, `RevocationApi`, `AccessApi`), so that a client
//! of Substrate's calls them by name and type. They are worked out in `allod_rpc_api::answers::calls`,
//! from one block's state alone.
//!
//! Source: spec/runtime.md §8.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, Text};
use crate::did::Did;
use crate::document::{RetiredMethod, Uri};
use crate::grant::{Actions, Assignee, GrantEntry, SignedGrant};
use crate::hash::H256;
use crate::limits::{CALL_REASON_BYTES_MAX, CALL_RESOURCE_BYTES_MAX, GRANT_CHAIN_MAX};
use crate::record::DidRecord;
use crate::token::RevocationEntry;
use crate::types::{Height, TimeMs};

/// Why something is denied: a reason of spec/login.md §6, such as `key_retired`.
pub type Reason = Text<CALL_REASON_BYTES_MAX>;

/// An identity as it is at the time of the block, whether or not that is written down.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct EffectiveIdentity {
    /// The record after every pending change whose time has come.
    pub record: DidRecord,
    /// Methods that those changes retired, earliest first.
    pub retired: Vec<RetiredMethod>,
}

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TokenStanding {
    /// The tag under which it would be listed.
    pub tag: H256,
    /// Its entry, if it is revoked.
    pub entry: Option<RevocationEntry>,
    /// Tokens of its issuer that were issued before then are void; none if there is no such issuer.
    pub not_before: Option<TimeMs>,
}

/// Whether a grant is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum GrantStanding {
    /// The ledger knows none, or no longer.
    #[codec(index = 0)]
    Absent,
    /// It is anchored, and neither revoked nor past its day.
    #[codec(index = 1)]
    Active,
    /// It was revoked.
    #[codec(index = 2)]
    Revoked,
    /// Its day has passed.
    #[codec(index = 3)]
    Expired,
}

/// A grant as of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GrantInfo {
    /// Whether it is there.
    pub standing: GrantStanding,
    /// Its entry.
    pub entry: Option<GrantEntry>,
}

/// One access to judge. The subject has been authenticated before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AccessQuestion {
    /// Who asks.
    pub subject: Assignee,
    /// What for: all of these must be granted.
    pub action: Actions,
    /// On what: a URI without query and fragment.
    pub resource: Text<CALL_RESOURCE_BYTES_MAX>,
    /// The resource's owner, as the party that holds the resource knows it.
    pub owner: Did,
    /// The client in use.
    pub client: Option<Uri>,
    /// The purpose stated.
    pub purpose: Option<Uri>,
    /// The media type of what is asked for.
    pub media_type: Option<Text<128>>,
    /// The chain of grants: the owner's first, the subject's last.
    pub grants: BoundedVec<SignedGrant, GRANT_CHAIN_MAX>,
    /// The verifier's clock. It cannot be left out: a verifier that does not say when it asks would
    /// be allowed what an old block allows.
    pub now: TimeMs,
    /// How far the block may lie behind that clock, ms; 10,000 if absent, at most an hour.
    pub max_staleness_ms: Option<u64>,
}

/// Whether an access may pass.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AccessVerdict {
    /// Whether it may.
    pub is_allowed: bool,
    /// Why; `ok` where it may.
    pub reason: Reason,
    /// When the earliest of the grants ends, seconds since 1970.
    pub expires: Option<u64>,
    /// Identifiers of the grants looked at, the owner's first.
    pub gids: BoundedVec<H256, GRANT_CHAIN_MAX>,
    /// Height of the block it was judged by.
    pub height: Height,
    /// Time of that block.
    pub time: TimeMs,
}
