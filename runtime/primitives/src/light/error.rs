//! Why something proves nothing.

use crate::certificate::CertificateError;
use crate::did::NetworkId;
use crate::tree::{DecodeError, ProofError};
use crate::types::{Height, TimeMs};

use super::Conflict;

/// Why a claim is refused. One variant per row of spec/proofs.md §3, §5 and §6; [`Self::slug`] is
/// the row's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LightError {
    /// The bytes are not one such message, or a part is above its maximum.
    #[error("the bytes are not a {what}")]
    Encoding {
        /// What they were to be.
        what: &'static str,
    },
    /// A format this code does not know.
    #[error("format version {actual} is not known")]
    Version {
        /// The version found.
        actual: u8,
    },
    /// Two histories were certified before: nothing is believed any more.
    #[error("two histories were certified; nothing is believed until a person has decided")]
    Frozen,

    /// The header given as genesis has a number, a set id or a parent.
    #[error("the header is no genesis header")]
    GenesisMalformed,
    /// The genesis hash does not begin as the network says.
    #[error("the genesis block is not that of the network {network}")]
    WrongGenesis {
        /// The network expected.
        network: NetworkId,
    },
    /// A header names another set than the one it should be of, or one that is not trusted.
    #[error("the validator set of block {height} is not the one that certifies it")]
    SetMismatch {
        /// The header's number.
        height: Height,
    },
    /// The header is not the checkpoint's.
    #[error("the header is not the one that the checkpoint names")]
    CheckpointMismatch,
    /// The checkpoint names another number than its header has.
    #[error("the checkpoint names height {expected}, its header is at {actual}")]
    CheckpointHeight {
        /// The checkpoint's.
        expected: Height,
        /// The header's.
        actual: Height,
    },

    /// The certificate is of another height.
    #[error("the certificate is of height {certificate}, the header of {header}")]
    CertificateHeight {
        /// The header's number.
        header: Height,
        /// The certificate's.
        certificate: Height,
    },
    /// The certificate is of another block.
    #[error("the certificate of height {height} is of another block")]
    CertificateBlock {
        /// The header's number.
        height: Height,
    },
    /// A set newer than those trusted: transitions are missing.
    #[error("validator set {set_id} is not known, the newest trusted is {newest}")]
    SetUnknown {
        /// The header's set.
        set_id: u64,
        /// The newest set trusted.
        newest: u64,
    },
    /// A set older than those kept.
    #[error("validator set {set_id} is no longer kept, the oldest is {oldest}")]
    SetForgotten {
        /// The header's set.
        set_id: u64,
        /// The oldest set kept.
        oldest: u64,
    },
    /// The header is of a height before the one at which it says that its set began.
    #[error("validator set {set_id} does not certify height {height}")]
    SetExpired {
        /// The set.
        set_id: u64,
        /// The header's number.
        height: Height,
    },
    /// The certificate proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),

    /// The header does not end its set, or ends it and no set is given.
    #[error("block {height} and the transition disagree about whether the set changes")]
    TransitionNone {
        /// The header's number.
        height: Height,
    },
    /// The set given is not the one that the header names.
    #[error("the next validator set is not the one that block {height} names")]
    TransitionSet {
        /// The header's number.
        height: Height,
    },

    /// Two certified headers cannot be of one history.
    #[error(transparent)]
    Conflict(#[from] Box<Conflict>),

    /// No keys.
    #[error("a proof of no key proves nothing")]
    KeysCount,
    /// Keys not strictly ascending.
    #[error("the keys are not strictly ascending")]
    KeysOrder,
    /// The proof of the state does not decode.
    #[error("the proof of the state does not decode: {0}")]
    StateEncoding(#[source] DecodeError),
    /// The proof of the state does not verify.
    #[error("the state is not proven: {0}")]
    StateProof(#[source] ProofError),
    /// The question reads a key that is not proven.
    #[error("a key of {} bytes that the question reads is not proven", key.len())]
    KeyMissing {
        /// The key.
        key: Vec<u8>,
    },
    /// Keys are proven that the question does not read.
    #[error("{count} proven keys are not read by the question")]
    KeySurplus {
        /// How many.
        count: usize,
    },

    /// The newest header verified is older than the trusting period.
    #[error("trust ended at {until}, it is {now}; a newer checkpoint is needed")]
    TrustExpired {
        /// When it ended, in milliseconds since 1970.
        until: TimeMs,
        /// The client's clock.
        now: TimeMs,
    },
    /// The head is from the future.
    #[error("the head is of {time}, it is {now}")]
    HeadAhead {
        /// The head's time.
        time: TimeMs,
        /// The client's clock.
        now: TimeMs,
    },
    /// The head is too old for an answer as of now.
    #[error("the head is of {time}, it is {now}: too old")]
    HeadStale {
        /// The head's time.
        time: TimeMs,
        /// The client's clock.
        now: TimeMs,
    },
    /// The head does not reach the height asked for.
    #[error("the head is at {actual}, at least {at_least} was asked for")]
    HeadTooLow {
        /// Asked for.
        at_least: Height,
        /// The head's number.
        actual: Height,
    },
    /// The head is not the block asked for.
    #[error("the head is at {actual}, {at} was asked for")]
    HeadOther {
        /// Asked for.
        at: Height,
        /// The head's number.
        actual: Height,
    },
    /// The head is below one that was answered from already.
    #[error("the head is at {actual}, an answer was as of {answered} already")]
    HeadBack {
        /// The highest head answered from.
        answered: Height,
        /// The head's number.
        actual: Height,
    },

    /// A follower was given a block that is not above its own.
    #[error("block {actual} is not above block {at}")]
    StepBack {
        /// Where the follower stands.
        at: Height,
        /// The block given.
        actual: Height,
    },
    /// The next block is no child of the follower's.
    #[error("block {height} is no child of the block before it")]
    StepParent {
        /// The block given.
        height: Height,
    },
    /// Changes not strictly ascending by key.
    #[error("the changes are not strictly ascending")]
    ChangesOrder,
    /// The header counts otherwise.
    #[error("{actual} changes, the header says {expected}")]
    ChangesCount {
        /// What the header says.
        expected: u32,
        /// How many there are.
        actual: usize,
    },
    /// The changes have another root than the header says.
    #[error("the changes are not those of the header's root")]
    ChangesRoot,
    /// A changed key is none that headers commit to.
    #[error("a changed key of {} bytes is none of identities, revocations or grants", key.len())]
    ChangesForeign {
        /// The key.
        key: Vec<u8>,
    },
    /// Blocks with changes were omitted, repeated or reordered before this one.
    #[error("changes are missing between block {from} and block {to}")]
    ChangesGap {
        /// Where the follower stands.
        from: Height,
        /// The block given.
        to: Height,
    },

    /// A value of a revocation or a grant comes as its hash alone.
    #[error("the value under a key of {} bytes is withheld", key.len())]
    ValueWithheld {
        /// The key.
        key: Vec<u8>,
    },
    /// A page without entries says that more follows.
    #[error("a page of the state brings nothing, and says that more follows")]
    PageEmpty,
    /// Entries of the state not strictly ascending over all pages.
    #[error("the entries of the state are not strictly ascending")]
    PageOrder,
    /// More entries than a client takes.
    #[error("the state has more than {max} entries")]
    PageLimit {
        /// The maximum.
        max: usize,
    },
    /// More bytes than a client takes.
    #[error("the state has more than {max} bytes")]
    PageBytes {
        /// The maximum.
        max: usize,
    },
    /// The entries have another state root than the header.
    #[error("the entries are not the whole state of block {height}")]
    StateRoot {
        /// The header's number.
        height: Height,
    },
}

impl LightError {
    /// Returns the name of the rule broken, as spec/proofs.md has it.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Encoding { .. } => "encoding",
            Self::Version { .. } => "version",
            Self::Frozen => "frozen",
            Self::GenesisMalformed => "genesis_malformed",
            Self::WrongGenesis { .. } => "wrong_genesis",
            Self::SetMismatch { .. } => "set_mismatch",
            Self::CheckpointMismatch => "checkpoint_mismatch",
            Self::CheckpointHeight { .. } => "checkpoint_height",
            Self::CertificateHeight { .. } => "certificate_height",
            Self::CertificateBlock { .. } => "certificate_block",
            Self::SetUnknown { .. } => "set_unknown",
            Self::SetForgotten { .. } => "set_forgotten",
            Self::SetExpired { .. } => "set_expired",
            Self::Certificate(error) => certificate_slug(error),
            Self::TransitionNone { .. } => "transition_none",
            Self::TransitionSet { .. } => "transition_set",
            Self::Conflict(conflict) => conflict.kind().slug(),
            Self::KeysCount => "keys_count",
            Self::KeysOrder => "keys_order",
            Self::StateEncoding(_) => "state_encoding",
            Self::StateProof(_) => "state_proof",
            Self::KeyMissing { .. } => "key_missing",
            Self::KeySurplus { .. } => "key_surplus",
            Self::TrustExpired { .. } => "trust_expired",
            Self::HeadAhead { .. } => "head_ahead",
            Self::HeadStale { .. } => "head_stale",
            Self::HeadTooLow { .. } => "head_too_low",
            Self::HeadOther { .. } => "head_other",
            Self::HeadBack { .. } => "head_back",
            Self::StepBack { .. } => "step_back",
            Self::StepParent { .. } => "step_parent",
            Self::ChangesOrder => "changes_order",
            Self::ChangesCount { .. } => "changes_count",
            Self::ChangesRoot => "changes_root",
            Self::ChangesForeign { .. } => "changes_foreign",
            Self::ChangesGap { .. } => "changes_gap",
            Self::ValueWithheld { .. } => "value_withheld",
            Self::PageEmpty => "page_empty",
            Self::PageOrder => "page_order",
            Self::PageLimit { .. } => "page_limit",
            Self::PageBytes { .. } => "page_bytes",
            Self::StateRoot { .. } => "state_root",
        }
    }

    /// Returns the evidence, if two histories were certified.
    pub const fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Conflict(conflict) => Some(conflict),
            _ => None,
        }
    }
}

const fn certificate_slug(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Version { .. } => "certificate_version",
        CertificateError::SignersNotSortedUnique => "certificate_order",
        CertificateError::UnknownSigner { .. } => "certificate_signer",
        CertificateError::NoQuorum { .. } => "certificate_power",
        CertificateError::BadSignature { .. } => "certificate_signature",
    }
}
