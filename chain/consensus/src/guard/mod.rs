//! The last-signed guard: a validator never signs two conflicting messages, even when its
//! write-ahead log is lost.
//!
//! The engine's own log normally prevents double signing. It is silently accepted when deleted or
//! restored from a backup, so the signer asks a second, independent record before every
//! signature. Refused, a validator repeats what it signed in that place before, or keeps silent,
//! and takes part again from the next step on. Nothing it signs depends on its log being there.
//!
//! A guard that is older than the last use of its key, restored from a backup or made anew, would
//! forget. So a [`FileGuard`] belongs to one key on one chain, compares itself with what the node
//! has seen of the chain ([`SignGuard::judge`]), and after a loss says nothing until the chain is
//! surely past everything that the key may have signed (ADR 0012).
//!
//! The guard is *not* a lock on voting power: it does not remember locked values, so an operator
//! who restores several validators from old backups at once can still break the locking rule.

mod file;
mod lost;
mod memory;

use allod_primitives::{H256, Height, TimeMs};

pub use file::{FileGuard, GuardFile, GuardGlance, OpenGuardError};
pub use lost::NotAgreed;
pub use memory::MemoryGuard;

use crate::limits::GUARD_RECORDS_MAX;
use crate::signer::Seen;

/// The message of a round that is about to be signed, in the order a round signs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SignKind {
    /// A proposal.
    Proposal = 0,
    /// A prevote.
    Prevote = 1,
    /// A precommit.
    Precommit = 2,
}

/// One message that a validator is about to sign, or has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignRecord {
    /// Height of the message.
    pub height: Height,
    /// Round of the message.
    pub round: u32,
    /// Kind of the message.
    pub kind: SignKind,
    /// Block hash; `None` is nil (votes only).
    pub block_hash: Option<H256>,
    /// Round of the proof of lock that a proposal names.
    pub pol_round: Option<u32>,
}

/// Why a guard did not allow a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// Another message of the same height, round and kind was signed before.
    #[error("already signed {signed:?}")]
    Conflict {
        /// What was signed.
        signed: SignRecord,
    },
    /// A later message was signed before, and no record says that this one was signed as well.
    #[error("signed {last:?} since")]
    Stale {
        /// The latest message signed.
        last: SignRecord,
    },
    /// The chain is past this height, or the guard was lost at it.
    #[error("nothing is signed at or below height {floor}")]
    Below {
        /// The highest height at which nothing is signed.
        floor: Height,
    },
    /// The guard was lost; the chain holds no block yet that is surely later.
    #[error("the guard was lost, and the chain has no block of a minute after {since:?} yet")]
    Lost {
        /// When that was said.
        since: TimeMs,
    },
    /// The chain holds a later signature of the key than the guard knows: the guard is an old
    /// copy, or the key signs elsewhere.
    #[error("the key signed height {signed}, and this guard knows of nothing beyond {known}")]
    Outdated {
        /// The height of the signature.
        signed: Height,
        /// The last height that the guard knows.
        known: Height,
    },
    /// The record could not be written. Fatal: nothing may be signed that was not recorded.
    #[error("cannot record a signature")]
    Unavailable(#[from] std::io::Error),
}

/// A durable memory of what was signed.
pub trait SignGuard: Send + Sync {
    /// Allows or refuses to sign `message`; once it returned `Ok`, the message is on disk.
    ///
    /// Signing the same message again is allowed.
    ///
    /// # Errors
    /// [`GuardError`]; [`GuardError::Conflict`] names what may be signed instead.
    fn check_and_record(&self, message: &SignRecord) -> Result<(), GuardError>;

    /// Returns whether the other functions wait for a disk, and must not be called where nobody
    /// may wait.
    fn waits_for_disk(&self) -> bool {
        true
    }

    /// Judges whether anything at all may be signed at `height`, by what the node has seen of
    /// the chain. Asked before [`Self::check_and_record`], and before the head of a stream of
    /// parts is signed. A guard that cannot have been lost allows it.
    ///
    /// # Errors
    /// [`GuardError::Below`], [`GuardError::Lost`], [`GuardError::Outdated`] or, if the end of a
    /// loss cannot be written down, [`GuardError::Unavailable`].
    fn judge(&self, _height: Height, _seen: &Seen) -> Result<(), GuardError> {
        Ok(())
    }
}

/// What was signed at the latest height, sorted by (round, kind): the last
/// [`GUARD_RECORDS_MAX`] places. Pure; the guards store it.
///
/// Whatever lies before the last place and is not among them is refused, so that the oldest
/// records may be forgotten: their places stay closed, and only the same signature cannot be given
/// again. So a height of any number of rounds neither fills the guard nor silences the validator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Signed(Vec<SignRecord>);

impl SignKind {
    /// Returns the kind of this number.
    pub const fn from_u8(kind: u8) -> Option<Self> {
        match kind {
            0 => Some(Self::Proposal),
            1 => Some(Self::Prevote),
            2 => Some(Self::Precommit),
            _ => None,
        }
    }
}

impl Signed {
    /// Returns the last height at which anything was signed; 0 if nothing was.
    fn height(&self) -> Height {
        self.0.last().map_or(Height(0), |last| last.height)
    }

    /// Judges `message`: `Ok(true)` if it is new and was added, `Ok(false)` if it is known.
    fn check(&mut self, message: &SignRecord) -> Result<bool, GuardError> {
        let Some(last) = self.0.last().copied() else {
            self.0.push(*message);
            return Ok(true);
        };
        if message.height > last.height {
            self.0.clear();
            self.0.push(*message);
            return Ok(true);
        }
        if message.height < last.height {
            return Err(GuardError::Stale { last });
        }
        let place = (message.round, message.kind);
        match self
            .0
            .binary_search_by_key(&place, |record| (record.round, record.kind))
        {
            Ok(index) if self.0[index] == *message => Ok(false),
            Ok(index) => Err(GuardError::Conflict {
                signed: self.0[index],
            }),
            Err(index) if index < self.0.len() => Err(GuardError::Stale { last }),
            Err(_) => {
                if self.0.len() >= GUARD_RECORDS_MAX {
                    self.0.remove(0);
                }
                self.0.push(*message);
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(height: u64, round: u32, kind: SignKind, hash: Option<u8>) -> SignRecord {
        SignRecord {
            height: Height(height),
            round,
            kind,
            block_hash: hash.map(|byte| H256([byte; 32])),
            pol_round: None,
        }
    }

    /// Goal: each rule of the guard, once. Method: one sequence of messages with the verdicts.
    #[test]
    fn the_guard_refuses_what_conflicts_or_goes_back() {
        let guard = MemoryGuard::new();
        let first = message(5, 1, SignKind::Prevote, Some(1));
        assert!(guard.check_and_record(&first).is_ok());
        assert!(
            guard.check_and_record(&first).is_ok(),
            "the same again is a resend"
        );

        let other = message(5, 1, SignKind::Prevote, Some(2));
        let refused = guard.check_and_record(&other);
        assert!(matches!(refused, Err(GuardError::Conflict { signed }) if signed == first));
        let nil = message(5, 1, SignKind::Prevote, None);
        assert!(matches!(
            guard.check_and_record(&nil),
            Err(GuardError::Conflict { .. })
        ));

        assert!(
            guard
                .check_and_record(&message(5, 1, SignKind::Precommit, None))
                .is_ok()
        );
        assert!(
            guard.check_and_record(&first).is_ok(),
            "a resend of an earlier step"
        );
        for back in [
            message(5, 1, SignKind::Proposal, Some(1)),
            message(5, 0, SignKind::Precommit, Some(1)),
            message(4, 9, SignKind::Prevote, Some(1)),
        ] {
            assert!(matches!(
                guard.check_and_record(&back),
                Err(GuardError::Stale { .. })
            ));
        }
        assert!(
            guard
                .check_and_record(&message(6, 0, SignKind::Proposal, Some(3)))
                .is_ok()
        );
    }

    /// Goal: a height that stands for a day neither fills a guard nor opens an old place. Method:
    /// three times as many rounds as are kept; at their end every place is asked for otherwise,
    /// and the kept ones once more as they were.
    #[test]
    fn a_height_of_many_rounds_fills_no_guard_and_opens_no_place() {
        let guard = MemoryGuard::new();
        let rounds = u32::try_from(GUARD_RECORDS_MAX).unwrap();
        let kinds = [SignKind::Proposal, SignKind::Prevote, SignKind::Precommit];
        let places = || (0..rounds).flat_map(|round| kinds.map(|kind| (round, kind)));
        for (round, kind) in places() {
            let said = guard.check_and_record(&message(5, round, kind, Some(1)));
            assert!(said.is_ok(), "{round}: {said:?}");
        }
        let forgotten = places().count() - GUARD_RECORDS_MAX;
        for (index, (round, kind)) in places().enumerate() {
            let same = guard.check_and_record(&message(5, round, kind, Some(1)));
            let other = guard.check_and_record(&message(5, round, kind, Some(2)));
            if index < forgotten {
                assert!(matches!(same, Err(GuardError::Stale { .. })));
                assert!(matches!(other, Err(GuardError::Stale { .. })));
            } else {
                assert!(same.is_ok());
                assert!(matches!(other, Err(GuardError::Conflict { .. })));
            }
        }
    }
}
