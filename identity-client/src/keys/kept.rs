//! What an identity's file keeps beside its keys, all of it secret: it tells who guards whom.
//!
//! ```text
//! "kept": { "next_seed": "0x…", "circle": "0x<SCALE>", "guardianships": ["0x<SCALE>", …] }
//! ```
//!
//! Files without it have none of these.

use allod_primitives::decode_strict;
use parity_scale_codec::Encode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::control::NextSeed;
use crate::guardians::{Circle, InvitationLetter};
use crate::hex;
use crate::letter::Letter;

/// What an identity's file keeps beside its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The seed of its next keys. A recovery sheet is worth little if a thief of this file has its
    /// seed too, so it is here only if somebody asked for that.
    pub next_seed: Option<NextSeed>,
    /// Its guardians, with names, salts and answers.
    pub circle: Option<Circle>,
    /// Invitations to guard others, by keys of this file.
    pub guardianships: Vec<InvitationLetter>,
}

impl Kept {
    /// Keeps an invitation, in the place of an older one to guard the same identity.
    pub fn keep(&mut self, letter: InvitationLetter) {
        let did = letter.did();
        self.guardianships.retain(|it| it.did() != did);
        self.guardianships.push(letter);
    }

    pub(super) fn secrets(&self) -> KeptSecrets {
        let seed = self.next_seed.as_ref();
        KeptSecrets {
            next_seed: seed.map(|it| hex::encode(*it.bytes())),
            circle: self.circle.as_ref().map(|it| hex::encode(it.encode())),
            guardianships: self
                .guardianships
                .iter()
                .map(|it| hex::encode(it.encode()))
                .collect(),
        }
    }
}

/// The form of it in a file.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptSecrets {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_seed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    circle: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    guardianships: Vec<String>,
}

impl KeptSecrets {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns what it says, or `None` if that is damaged.
    pub(super) fn kept(&self) -> Option<Kept> {
        let seed = self.next_seed.as_ref();
        let seed = seed.map(|it| hex::decode_array(it).ok().map(NextSeed::from_bytes));
        let circle = self.circle.as_ref().map(|it| {
            let circle: Circle = decode_strict(&hex::decode(it).ok()?).ok()?;
            circle.is_sound().then_some(circle)
        });
        let letters = self.guardianships.iter().map(|it| {
            let letter: InvitationLetter = decode_strict(&hex::decode(it).ok()?).ok()?;
            letter.is_sound().then_some(letter)
        });
        Some(Kept {
            next_seed: transposed(seed)?,
            circle: transposed(circle)?,
            guardianships: letters.collect::<Option<_>>()?,
        })
    }
}

/// `None` becomes `Some(None)`, a failure `None`.
fn transposed<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

impl Drop for KeptSecrets {
    fn drop(&mut self) {
        self.next_seed.zeroize();
        self.circle.zeroize();
        self.guardianships.zeroize();
    }
}
