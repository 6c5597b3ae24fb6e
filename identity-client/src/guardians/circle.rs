//! The owner's side: who guards, and who has answered.

use allod_primitives::codec::{BoundedVec, Text};
use allod_primitives::guardian::{Guardian, Invitation, make_set};
use allod_primitives::limits::GUARDIANS_MAX;
use allod_primitives::policy::{ControlKey, GuardianSet};
use allod_primitives::{ChainId, DidId};
use parity_scale_codec::{Decode, Encode};

use super::{Acknowledgement, GuardianshipError, InvitationLetter};
use crate::keys::random_bytes;
use crate::operation::BuildError;

/// Version byte of [`Circle`].
const CIRCLE_VERSION: u8 = 1;
const NAME_BYTES_MAX: u32 = 64;

/// A guardian as the owner knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// Who it is, in the owner's words. Never leaves the owner's files.
    pub name: Text<NAME_BYTES_MAX>,
    /// Its key, weight and salt.
    pub guardian: Guardian,
    /// Its answer to the invitation.
    pub acknowledgement: Option<Acknowledgement>,
}

/// The guardians of an identity as the owner keeps them: with salts, names and answers.
///
/// The ledger holds [`set`](Self::set) alone, which tells nothing about who they are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Circle {
    version: u8,
    members: BoundedVec<Member, GUARDIANS_MAX>,
    threshold: u32,
    delay_ms: u64,
}

/// One line of the owner's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub name: String,
    /// Its key.
    pub key: ControlKey,
    /// Its weight.
    pub weight: u16,
    /// Whether it has said that it holds its invitation.
    pub acknowledged: bool,
}

impl Circle {
    /// Makes a circle of these guardians, each with a name, a key and a weight, with fresh salts.
    ///
    /// `threshold`: weight that recovers. `delay_ms`: how long a recovery waits.
    ///
    /// # Errors
    /// [`GuardianshipError`] says which rule of the ledger is broken.
    pub fn new(
        members: Vec<(String, ControlKey, u16)>,
        threshold: u32,
        delay_ms: u64,
    ) -> Result<Self, GuardianshipError> {
        let mut all = Vec::new();
        for (name, key, weight) in members {
            all.push(Member {
                name: Text::new(name).map_err(BuildError::from)?,
                guardian: Guardian {
                    key,
                    weight,
                    salt: random_bytes()?,
                },
                acknowledgement: None,
            });
        }
        let circle = Self {
            version: CIRCLE_VERSION,
            members: all.try_into().map_err(|_| GuardianshipError::TooMany)?,
            threshold,
            delay_ms,
        };
        circle.made(&DidId([0; 32]))?;
        let set = circle.set();
        set.check().map_err(BuildError::from)?;
        for it in &circle.members {
            let checked = it.guardian.key.check_registrable();
            checked.map_err(|error| {
                BuildError::from(allod_primitives::policy::PolicyError::Key { rank: 0, error })
            })?;
        }
        Ok(circle)
    }

    /// Returns what the ledger is to hold.
    pub fn set(&self) -> GuardianSet {
        // The set does not depend on the identity, so that an inception can have guardians.
        let (set, _) = self
            .made(&DidId([0; 32]))
            .expect("a circle is checked when it is made or read");
        set
    }

    /// Returns the invitation of each member, in their order.
    pub fn invitations(&self, chain: &ChainId, did: &DidId) -> Vec<InvitationLetter> {
        let (_, invitations) = self
            .made(did)
            .expect("a circle is checked when it is made or read");
        let letter = |invitation| InvitationLetter::new(*chain, invitation);
        invitations.into_iter().map(letter).collect()
    }

    /// Takes a guardian's answer into the list.
    ///
    /// # Errors
    /// [`GuardianshipError`]: it answers no invitation of this circle, or does not verify.
    pub fn accept(
        &mut self,
        chain: &ChainId,
        did: &DidId,
        answer: Acknowledgement,
    ) -> Result<Answer, GuardianshipError> {
        let letters = self.invitations(chain, did);
        let mut verified = letters.iter().map(|letter| answer.verify(letter));
        let index = match verified.position(|it| it.is_ok()) {
            Some(index) => index,
            None => {
                let meant = letters
                    .iter()
                    .any(|it| it.invitation.hash() == answer.invitation);
                return Err(match meant {
                    true => GuardianshipError::BadSignature,
                    false => GuardianshipError::OtherInvitation,
                });
            }
        };
        let member = self.members.as_mut_slice().get_mut(index);
        let member = member.ok_or(GuardianshipError::OtherInvitation)?;
        member.acknowledgement = Some(answer);
        Ok(Answer::of(member))
    }

    /// Returns who guards and who has answered.
    pub fn answers(&self) -> Vec<Answer> {
        self.members.iter().map(Answer::of).collect()
    }

    /// Returns the weight of those who have answered, and the weight that recovers. Until the
    /// first has reached the second, do not count on a recovery.
    pub fn readiness(&self) -> (u32, u32) {
        let answered = self
            .members
            .iter()
            .filter(|it| it.acknowledgement.is_some());
        let weights = answered.map(|it| u32::from(it.guardian.weight));
        (weights.fold(0, u32::saturating_add), self.threshold)
    }

    /// Returns whether it can be what it says; to be asked after decoding.
    pub fn is_sound(&self) -> bool {
        self.version == CIRCLE_VERSION && self.made(&DidId([0; 32])).is_ok()
    }

    fn made(
        &self,
        did: &DidId,
    ) -> Result<(GuardianSet, Vec<Invitation>), allod_primitives::guardian::GuardianError> {
        let guardians: Vec<Guardian> = self.members.iter().map(|it| it.guardian.clone()).collect();
        make_set(did, &guardians, self.threshold, self.delay_ms)
    }
}

impl Answer {
    fn of(member: &Member) -> Self {
        Self {
            name: member.name.as_str().to_owned(),
            key: member.guardian.key.clone(),
            weight: member.guardian.weight,
            acknowledged: member.acknowledgement.is_some(),
        }
    }
}
