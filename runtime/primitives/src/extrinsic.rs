//! Extrinsics: Substrate's version 4, byte for byte, signed with Ed25519.
//!
//! ```text
//! signed = 0x84 ++ 0x00 account(32) ++ 0x00 signature(64) ++ era(1|2) ++ Compact(nonce) ++ call
//! bare   = 0x04 ++ call
//! payload = call ++ era ++ Compact(nonce) ++ spec_version(4 LE) ++ transaction_version(4 LE)
//!           ++ genesis_hash(32) ++ birth_hash(32)       (hashed with blake2b-256 if > 256 bytes)
//! ```
//!
//! On the wire and in blocks these bytes follow a compact length. The five extensions are
//! CheckSpecVersion, CheckTxVersion, CheckGenesis, CheckMortality, CheckNonce. The genesis hash
//! is the *current* chain's (not the origin's), so a fork's extrinsics differ by it.

use parity_scale_codec::{Compact, Decode, Encode, Input};

use crate::crypto::{PublicKey, Signature};
use crate::hash::{H256, blake2_256};
use crate::limits::EXTRINSIC_BYTES_MAX;

const SIGNED_V4: u8 = 0x84;
const BARE_V4: u8 = 0x04;
const ADDRESS_ID: u8 = 0;
const SIGNATURE_ED25519: u8 = 0;

/// For how long a signed extrinsic is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// For ever; birth is genesis.
    Immortal,
    /// For `period` blocks, a power of two from 4 to 65,536, from the block whose number is
    /// `phase` modulo `period`.
    Mortal {
        /// Length in blocks.
        period: u64,
        /// Offset of the first block.
        phase: u64,
    },
}

impl Era {
    /// Returns the era of `period` blocks (rounded up to a power of two) that holds `current`.
    pub fn mortal(period: u64, current: u64) -> Self {
        let period = period
            .checked_next_power_of_two()
            .unwrap_or(1 << 16)
            .clamp(4, 1 << 16);
        let phase = current & period.saturating_sub(1);
        Self::Mortal {
            period,
            phase: phase & !quantize(period).saturating_sub(1),
        }
    }

    /// Returns the first block of the era that holds `current`.
    pub fn birth(&self, current: u64) -> u64 {
        match *self {
            Self::Immortal => 0,
            Self::Mortal { period, phase } => {
                let since = current.max(phase).saturating_sub(phase);
                (since & !period.saturating_sub(1)).saturating_add(phase)
            }
        }
    }

    /// Returns the first block after the era that holds `current`.
    pub fn death(&self, current: u64) -> u64 {
        match *self {
            Self::Immortal => u64::MAX,
            Self::Mortal { period, .. } => self.birth(current).saturating_add(period),
        }
    }
}

/// Returns the step of an era's phase, a power of two.
const fn quantize(period: u64) -> u64 {
    if period >> 12 == 0 { 1 } else { period >> 12 }
}

impl Encode for Era {
    fn encode_to<O: parity_scale_codec::Output + ?Sized>(&self, out: &mut O) {
        match *self {
            Self::Immortal => out.push_byte(0),
            Self::Mortal { period, phase } => {
                let low = u64::from(period.trailing_zeros())
                    .saturating_sub(1)
                    .clamp(1, 15);
                let word = low | ((phase >> quantize(period).trailing_zeros()) << 4);
                u16::try_from(word).unwrap_or(u16::MAX).encode_to(out);
            }
        }
    }
}

impl Decode for Era {
    fn decode<I: Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        let first = input.read_byte()?;
        if first == 0 {
            return Ok(Self::Immortal);
        }
        let word = u64::from(first) | (u64::from(input.read_byte()?) << 8);
        let period = 2u64 << (word % 16);
        let phase = (word >> 4).saturating_mul(quantize(period));
        if period < 4 || phase >= period {
            return Err("era's phase is not within its period".into());
        }
        Ok(Self::Mortal { period, phase })
    }
}

/// The signed part of an extrinsic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPart {
    /// The sender's Ed25519 key, which is its account.
    pub account: PublicKey,
    /// Its signature over the payload.
    pub signature: Signature,
    /// For how long it is valid.
    pub era: Era,
    /// The sender's transaction count.
    pub nonce: u32,
}

/// An extrinsic whose call has not been decoded: the layer below knows no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawExtrinsic {
    /// `None` for a bare one.
    pub signed: Option<SignedPart>,
    /// Pallet index, call index, arguments.
    pub call: Vec<u8>,
}

/// Why bytes are not an extrinsic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtrinsicError {
    /// More bytes than the maximum.
    #[error("extrinsic of {bytes} bytes exceeds {EXTRINSIC_BYTES_MAX}")]
    TooLong {
        /// Length found.
        bytes: usize,
    },
    /// Neither a signed nor a bare version 4.
    #[error("extrinsic preamble {byte:#04x} is neither signed nor bare version 4")]
    Version {
        /// First byte.
        byte: u8,
    },
    /// An address that is not `Id`.
    #[error("address form {form} is not supported, use Id")]
    AddressForm {
        /// Variant found.
        form: u8,
    },
    /// A signature that is not Ed25519.
    #[error("signature form {form} is not supported, use Ed25519")]
    SignatureForm {
        /// Variant found.
        form: u8,
    },
    /// The bytes end early or do not decode.
    #[error("extrinsic does not decode: {0}")]
    Codec(#[from] parity_scale_codec::Error),
}

impl RawExtrinsic {
    /// Decodes the bytes after the length prefix. The call's own decoding is the runtime's.
    ///
    /// # Errors
    /// [`ExtrinsicError`] names the first rule broken.
    pub fn decode_body(bytes: &[u8]) -> Result<Self, ExtrinsicError> {
        if bytes.len() > EXTRINSIC_BYTES_MAX {
            return Err(ExtrinsicError::TooLong { bytes: bytes.len() });
        }
        let mut input = bytes;
        match input.read_byte()? {
            BARE_V4 => Ok(Self {
                signed: None,
                call: input.to_vec(),
            }),
            SIGNED_V4 => {
                let signed = decode_signed_part(&mut input)?;
                Ok(Self {
                    signed: Some(signed),
                    call: input.to_vec(),
                })
            }
            byte => Err(ExtrinsicError::Version { byte }),
        }
    }

    /// Returns the bytes after the length prefix.
    pub fn encode_body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.call.len().saturating_add(110));
        match &self.signed {
            None => out.push(BARE_V4),
            Some(part) => {
                out.push(SIGNED_V4);
                out.push(ADDRESS_ID);
                part.account.encode_to(&mut out);
                out.push(SIGNATURE_ED25519);
                part.signature.encode_to(&mut out);
                part.era.encode_to(&mut out);
                Compact(part.nonce).encode_to(&mut out);
            }
        }
        out.extend_from_slice(&self.call);
        out
    }
}

fn decode_signed_part(input: &mut &[u8]) -> Result<SignedPart, ExtrinsicError> {
    match input.read_byte()? {
        ADDRESS_ID => {}
        form => return Err(ExtrinsicError::AddressForm { form }),
    }
    let account = PublicKey::decode(input)?;
    match input.read_byte()? {
        SIGNATURE_ED25519 => {}
        form => return Err(ExtrinsicError::SignatureForm { form }),
    }
    let signature = Signature::decode(input)?;
    let era = Era::decode(input)?;
    let nonce = Compact::<u32>::decode(input)?.0;
    Ok(SignedPart {
        account,
        signature,
        era,
        nonce,
    })
}

/// What the signer of an extrinsic signs beyond the call: the implicit parts of the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningContext {
    /// The runtime's spec version.
    pub spec_version: u32,
    /// The runtime's transaction version.
    pub transaction_version: u32,
    /// Block hash of the current chain's genesis.
    pub genesis_hash: H256,
}

impl SigningContext {
    /// Returns the message the sender signs. `birth_hash`: hash of the era's first block, the
    /// genesis hash if immortal.
    pub fn payload(&self, call: &[u8], era: &Era, nonce: u32, birth_hash: &H256) -> Vec<u8> {
        let mut out = call.to_vec();
        era.encode_to(&mut out);
        Compact(nonce).encode_to(&mut out);
        self.spec_version.encode_to(&mut out);
        self.transaction_version.encode_to(&mut out);
        self.genesis_hash.encode_to(&mut out);
        birth_hash.encode_to(&mut out);
        if out.len() > 256 {
            blake2_256(&out).0.to_vec()
        } else {
            out
        }
    }
}
