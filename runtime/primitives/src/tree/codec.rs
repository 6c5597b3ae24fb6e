//! The bytes of a proof: strict, canonical, bounded while they are read.

use parity_scale_codec::{Compact, Decode, Encode, Error as CodecError, Input, Output};

use crate::hash::H256;

use super::{KEY_BYTES_MAX, KEYS_MAX, PROOF_BYTES_MAX, Proof, STEPS_MAX, Step, VALUE_BYTES_MAX};

/// First byte of an encoded proof.
pub const FORMAT_VERSION: u8 = 1;

/// No encoding within [`PROOF_BYTES_MAX`] holds more siblings than this.
const SIBLINGS_MAX: usize = PROOF_BYTES_MAX / 32;

const TAG_INNER: u8 = 0;
const TAG_PRESENT: u8 = 1;
const TAG_OTHER: u8 = 2;

/// Why bytes are not a proof. Every one is the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The encoding is longer than [`PROOF_BYTES_MAX`].
    #[error("a proof of {actual} bytes is too long, the maximum is {PROOF_BYTES_MAX}")]
    ProofTooLong {
        /// Its length.
        actual: usize,
    },
    /// The first byte is not [`FORMAT_VERSION`].
    #[error("unknown proof format {actual}")]
    UnknownVersion {
        /// The byte found.
        actual: u8,
    },
    /// A step begins with an unknown tag.
    #[error("unknown step tag {actual}")]
    UnknownTag {
        /// The byte found.
        actual: u8,
    },
    /// More than [`STEPS_MAX`] steps.
    #[error("a proof of {actual} steps is too long, the maximum is {STEPS_MAX}")]
    TooManySteps {
        /// The number that the encoding states.
        actual: usize,
    },
    /// More siblings than [`PROOF_BYTES_MAX`] bytes hold.
    #[error("a proof of {actual} siblings is too long, the maximum is {SIBLINGS_MAX}")]
    TooManySiblings {
        /// The number that the encoding states.
        actual: usize,
    },
    /// A key index that no proof of [`KEYS_MAX`] keys has.
    #[error("key index {actual} is out of range, a proof has at most {KEYS_MAX} keys")]
    KeyIndexOutOfRange {
        /// The index found.
        actual: usize,
    },
    /// A value longer than [`VALUE_BYTES_MAX`].
    #[error("a value of {actual} bytes is too long, the maximum is {VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// The length that the encoding states.
        actual: usize,
    },
    /// A key longer than [`KEY_BYTES_MAX`].
    #[error("a key of {actual} bytes is too long, the maximum is {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// The length that the encoding states.
        actual: usize,
    },
    /// The bytes end too early, or a length is not in its shortest form.
    #[error("the bytes end too early or a length is not in its shortest form")]
    Malformed,
    /// Bytes follow the proof.
    #[error("{count} bytes follow the proof")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl Proof {
    /// Reads a proof from exactly these bytes.
    ///
    /// Cost: memory in proportion to the bytes that are really there.
    ///
    /// # Errors
    /// [`DecodeError`] names the first rule that the bytes break.
    ///
    /// Source: spec/state.md §proofs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let actual = bytes.len();
        ensure!(
            actual <= PROOF_BYTES_MAX,
            DecodeError::ProofTooLong { actual }
        );
        let mut rest = bytes;
        let proof = read_proof(&mut rest)?;
        let count = rest.len();
        ensure!(count == 0, DecodeError::TrailingBytes { count });
        Ok(proof)
    }
}

impl Encode for Proof {
    fn size_hint(&self) -> usize {
        let inner = self.steps.len().saturating_mul(2);
        let hashes = self.siblings.len().saturating_mul(32);
        let leaves = self.steps.iter().fold(0usize, |bytes, step| match step {
            Step::Inner { .. } => bytes,
            Step::Present { value, .. } => bytes.saturating_add(value.len()).saturating_add(8),
            Step::Other { key, .. } => bytes.saturating_add(key.len()).saturating_add(40),
        });
        inner
            .saturating_add(hashes)
            .saturating_add(leaves)
            .saturating_add(16)
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.push_byte(FORMAT_VERSION);
        length(self.steps.len()).encode_to(dest);
        for step in &self.steps {
            step.encode_to(dest);
        }
        length(self.siblings.len()).encode_to(dest);
        for sibling in &self.siblings {
            dest.write(&sibling.0);
        }
    }
}

impl Encode for Step {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        match self {
            Self::Inner { bit } => dest.write(&[TAG_INNER, *bit]),
            Self::Present { key_index, value } => {
                dest.push_byte(TAG_PRESENT);
                Compact(u32::from(*key_index)).encode_to(dest);
                value.encode_to(dest);
            }
            Self::Other { key, value_hash } => {
                dest.push_byte(TAG_OTHER);
                key.encode_to(dest);
                dest.write(&value_hash.0);
            }
        }
    }
}

/// A length as SCALE writes it. Saturation cannot be read back: it is over every maximum.
fn length(count: usize) -> Compact<u32> {
    Compact(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Decode for Proof {
    /// For a proof inside a larger message, which must bound its own length;
    /// [`Proof::from_bytes`] names errors better.
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        read_proof(input).map_err(|error| match error {
            DecodeError::Malformed => "malformed proof".into(),
            DecodeError::UnknownVersion { .. } => "unknown proof format".into(),
            DecodeError::UnknownTag { .. } => "unknown step tag".into(),
            _ => "a part of the proof is over its maximum".into(),
        })
    }
}

fn read_proof<I: Input>(input: &mut I) -> Result<Proof, DecodeError> {
    let actual = read_byte(input)?;
    ensure!(
        actual == FORMAT_VERSION,
        DecodeError::UnknownVersion { actual }
    );
    let count = read_length(input)?;
    ensure!(
        count <= STEPS_MAX,
        DecodeError::TooManySteps { actual: count }
    );
    // The claimed count reserves nothing: the vectors grow with bytes that are there.
    let mut steps = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        steps.push(read_step(input)?);
    }
    let count = read_length(input)?;
    ensure!(
        count <= SIBLINGS_MAX,
        DecodeError::TooManySiblings { actual: count }
    );
    let mut siblings = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        siblings.push(read_hash(input)?);
    }
    Ok(Proof { steps, siblings })
}

fn read_step<I: Input>(input: &mut I) -> Result<Step, DecodeError> {
    match read_byte(input)? {
        TAG_INNER => Ok(Step::Inner {
            bit: read_byte(input)?,
        }),
        TAG_PRESENT => {
            let actual = read_length(input)?;
            let key_index = u16::try_from(actual).ok().filter(|_| actual < KEYS_MAX);
            let key_index = key_index.ok_or(DecodeError::KeyIndexOutOfRange { actual })?;
            let actual = read_length(input)?;
            ensure!(
                actual <= VALUE_BYTES_MAX,
                DecodeError::ValueTooLong { actual }
            );
            Ok(Step::Present {
                key_index,
                value: read_bytes(input, actual)?,
            })
        }
        TAG_OTHER => {
            let actual = read_length(input)?;
            ensure!(actual <= KEY_BYTES_MAX, DecodeError::KeyTooLong { actual });
            let key = read_bytes(input, actual)?;
            Ok(Step::Other {
                key,
                value_hash: read_hash(input)?,
            })
        }
        actual => Err(DecodeError::UnknownTag { actual }),
    }
}

fn read_byte<I: Input>(input: &mut I) -> Result<u8, DecodeError> {
    input.read_byte().map_err(|_| DecodeError::Malformed)
}

fn read_length<I: Input>(input: &mut I) -> Result<usize, DecodeError> {
    let Compact(length) = Compact::<u32>::decode(input).map_err(|_| DecodeError::Malformed)?;
    usize::try_from(length).map_err(|_| DecodeError::Malformed)
}

fn read_hash<I: Input>(input: &mut I) -> Result<H256, DecodeError> {
    let mut hash = [0; 32];
    input.read(&mut hash).map_err(|_| DecodeError::Malformed)?;
    Ok(H256(hash))
}

/// `length` is at most [`VALUE_BYTES_MAX`], so it may be reserved before the bytes are seen;
/// where the input knows its length, not even that is.
fn read_bytes<I: Input>(input: &mut I, length: usize) -> Result<Vec<u8>, DecodeError> {
    if input
        .remaining_len()
        .ok()
        .flatten()
        .is_some_and(|rest| rest < length)
    {
        return Err(DecodeError::Malformed);
    }
    let mut bytes = vec![0; length];
    input.read(&mut bytes).map_err(|_| DecodeError::Malformed)?;
    Ok(bytes)
}
