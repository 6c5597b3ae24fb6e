//! Assertions of passkeys, as control keys make them.
//!
//! `clientDataJSON` is never parsed. A client must write its first members byte for byte as
//! W3C WebAuthn Level 3 §5.8.1.1 says, so that a verifier can compare (§5.8.1.2, "limited
//! verification"): no JSON parser takes part in consensus.

use data_encoding::BASE64URL_NOPAD;

use super::{BadSignature, Curve, EcdsaSignature, KeyError};
use crate::hash::{H256, sha2_256};
use crate::policy::WebAuthnKey;

/// Bytes of `authenticatorData` without extensions: hash of the relying party's id, flags, counter.
const AUTHENTICATOR_DATA_BYTES: usize = 37;
const FLAG_USER_PRESENT: u8 = 1;
const FLAG_USER_VERIFIED: u8 = 1 << 2;
const FLAG_BACKUP_ELIGIBLE: u8 = 1 << 3;
const FLAG_BACKED_UP: u8 = 1 << 4;
const FLAG_ATTESTED_DATA: u8 = 1 << 6;
const FLAG_EXTENSIONS: u8 = 1 << 7;

/// What an authenticator and its client answer; see [`WebAuthnKey::verify`].
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `r ++ s`, low s.
    pub signature: &'a EcdsaSignature,
}

/// The first rule that an assertion breaks. The state machine tells them not apart.
///
/// Source: spec/signatures.md §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// `clientDataJSON` does not begin with type, challenge, origin and `crossOrigin` as expected.
    #[error("client data has another type, challenge or origin, or is another form")]
    ClientDataPrefix,
    /// What follows neither ends the object nor goes on with another member.
    #[error("client data does not end as an object does")]
    ClientDataEnd,
    /// Shorter than 37 bytes, or of a length that the flags do not explain.
    #[error("authenticator data has a length that its flags do not explain")]
    AuthenticatorDataLength,
    /// Made for another relying party.
    #[error("authenticator data is of another relying party")]
    RelyingParty,
    /// Nobody was there.
    #[error("user was not present")]
    UserNotPresent,
    /// Nobody was verified.
    #[error("user was not verified")]
    UserNotVerified,
    /// Credential data in an assertion, or backed up without being eligible for it.
    #[error("flags of the authenticator data contradict themselves")]
    Flags,
    /// The signature is not the key's, or its s is high.
    #[error("signature does not verify")]
    Signature,
}

impl From<AssertionError> for BadSignature {
    fn from(_: AssertionError) -> Self {
        Self
    }
}

impl WebAuthnKey {
    /// Checks that this key may enter the ledger: its point and its origin.
    ///
    /// # Errors
    /// [`KeyError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §2.
    pub fn check_registrable(&self) -> Result<(), KeyError> {
        Curve::P256.check_registrable(&self.public_key)?;
        check_origin(self.origin.as_str())
    }

    /// Verifies that this passkey asserts `challenge`, the hash of an operation.
    ///
    /// Cost: one P-256 signature.
    ///
    /// # Errors
    /// [`AssertionError`] names the first rule broken.
    ///
    /// Source: spec/signatures.md §5; W3C WebAuthn Level 3 §5.8.1.2, §7.2.
    pub fn verify(
        &self,
        challenge: &H256,
        assertion: &Assertion<'_>,
    ) -> Result<(), AssertionError> {
        check_client_data(assertion.client_data, challenge, self.origin.as_str())?;
        check_authenticator_data(assertion.authenticator_data, &self.rp_id_hash)?;
        let mut message = assertion.authenticator_data.to_vec();
        message.extend_from_slice(&sha2_256(assertion.client_data).0);
        Curve::P256
            .verify(&self.public_key, &message, assertion.signature)
            .map_err(|_| AssertionError::Signature)
    }
}

/// Checks that `origin` is printable ASCII with a scheme.
///
/// # Errors
/// [`KeyError::Origin`].
///
/// Source: spec/signatures.md §2.
pub fn check_origin(origin: &str) -> Result<(), KeyError> {
    let scheme = origin.split_once(':').map_or("", |(scheme, _)| scheme);
    let starts = scheme.bytes().next();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if starts.is_some_and(|byte| byte.is_ascii_alphabetic())
        && scheme.bytes().all(good)
        && origin.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(KeyError::Origin)
    }
}

fn check_client_data(bytes: &[u8], challenge: &H256, origin: &str) -> Result<(), AssertionError> {
    let mut expected = br#"{"type":"webauthn.get","challenge":""#.to_vec();
    expected.extend_from_slice(BASE64URL_NOPAD.encode(&challenge.0).as_bytes());
    expected.extend_from_slice(br#"","origin":""#);
    push_escaped(&mut expected, origin);
    expected.extend_from_slice(br#"","crossOrigin":false"#);
    let rest = bytes
        .strip_prefix(expected.as_slice())
        .ok_or(AssertionError::ClientDataPrefix)?;
    match rest {
        [b'}'] | [b',', .., b'}'] => Ok(()),
        _ => Err(AssertionError::ClientDataEnd),
    }
}

/// Appends `text` as a client writes it in JSON (WebAuthn §5.8.1.1, "CCDToString"), without quotes.
/// What else would be escaped, control characters, no [`Text`](crate::Text) has.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn check_authenticator_data(bytes: &[u8], rp_id_hash: &H256) -> Result<(), AssertionError> {
    let length = AssertionError::AuthenticatorDataLength;
    let (rp_id, rest) = bytes.split_at_checked(32).ok_or(length)?;
    let [flags, _, _, _, _, ..] = rest else {
        return Err(length);
    };
    if rp_id != rp_id_hash.0 {
        return Err(AssertionError::RelyingParty);
    }
    let has = |flag: u8| flags & flag != 0;
    if !has(FLAG_USER_PRESENT) {
        return Err(AssertionError::UserNotPresent);
    }
    if !has(FLAG_USER_VERIFIED) {
        return Err(AssertionError::UserNotVerified);
    }
    if has(FLAG_ATTESTED_DATA) || (has(FLAG_BACKED_UP) && !has(FLAG_BACKUP_ELIGIBLE)) {
        return Err(AssertionError::Flags);
    }
    if has(FLAG_EXTENSIONS) != (bytes.len() > AUTHENTICATOR_DATA_BYTES) {
        return Err(length);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
