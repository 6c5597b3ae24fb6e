//! DIDs and DID URLs as they come in a request: decoded once, then read by their grammar.
//!
//! ```text
//! did-url = did path-abempty [ "?" query ] [ "#" fragment ]
//! did     = "did:" method-name ":" method-specific-id
//! ```
//!
//! The whole identifier is percent-decoded exactly once, so that every way to write it into a
//! path means the same; then each parameter's value, once more.
//!
//! Source: DID v1.1 §3; spec/did-resolution.md §2.

use allod_rpc_api::limits::{DID_PARAMETERS_MAX, DID_URL_CHARS_MAX};

/// A DID URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DidUrl {
    /// The DID, unchanged.
    pub(super) did: String,
    /// The path with its leading `/`, or nothing.
    pub(super) path: String,
    /// Names and values, decoded, in their order; names may repeat.
    pub(super) parameters: Vec<(String, String)>,
    /// The fragment, decoded.
    pub(super) fragment: Option<String>,
}

/// Why text is not a DID URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DidUrlError {
    /// The DID itself is malformed.
    #[error("not a DID: did:<method>:<identifier> is expected")]
    Did,
    /// Longer than the maximum.
    #[error("longer than {DID_URL_CHARS_MAX} characters")]
    TooLong,
    /// A `%` without two hexadecimal digits, or octets that are no UTF-8.
    #[error("the percent-encoding is malformed")]
    Encoding,
    /// A character that a URI cannot hold.
    #[error("a character that a URI cannot hold")]
    Character,
    /// More parameters than the maximum.
    #[error("more than {DID_PARAMETERS_MAX} parameters")]
    TooManyParameters,
}

impl DidUrl {
    /// Reads what follows `/1.0/identifiers/` in a request's path.
    ///
    /// # Errors
    /// [`DidUrlError`] names the first rule broken.
    pub(super) fn from_path(encoded: &str) -> Result<Self, DidUrlError> {
        let text = decode(encoded)?;
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text.as_str(), None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (did, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if text.len() > DID_URL_CHARS_MAX {
            return Err(DidUrlError::TooLong);
        }
        if !is_did(did) {
            return Err(DidUrlError::Did);
        }
        if !is_uri_text(path) || fragment.is_some_and(|it| !is_uri_text(it) || it.contains('#')) {
            return Err(DidUrlError::Character);
        }
        Ok(Self {
            did: did.to_owned(),
            path: path.to_owned(),
            parameters: query.map(parameters).transpose()?.unwrap_or_default(),
            fragment: fragment.map(decode).transpose()?,
        })
    }
}

/// Reads a query: `name=value` joined by `&`. `+` is a plus, as in URIs, not a space.
///
/// # Errors
/// [`DidUrlError`], of its encoding, its characters or its length.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, DidUrlError> {
    if query.len() > DID_URL_CHARS_MAX {
        return Err(DidUrlError::TooLong);
    }
    if !is_uri_text(query) {
        return Err(DidUrlError::Character);
    }
    let parts: Vec<&str> = query.split('&').filter(|it| !it.is_empty()).collect();
    if parts.len() > DID_PARAMETERS_MAX {
        return Err(DidUrlError::TooManyParameters);
    }
    let read = |part: &&str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    };
    parts.iter().map(read).collect()
}

/// Decodes percent-encoding once.
///
/// # Errors
/// [`DidUrlError::Encoding`].
pub(super) fn decode(text: &str) -> Result<String, DidUrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(DidUrlError::Encoding);
        };
        out.push(high * 16 + low);
    }
    String::from_utf8(out).map_err(|_| DidUrlError::Encoding)
}

fn digit(byte: Option<u8>) -> Option<u8> {
    let value = char::from(byte?).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Returns whether text is a DID of any method, by DID v1.1's grammar.
fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (Some("did"), Some(method), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_method = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    !method.is_empty()
        && method.bytes().all(is_method)
        && !id.is_empty()
        && !id.ends_with(':')
        && id.bytes().all(is_id)
        && decode(id).is_ok()
}

/// Returns whether text holds nothing but characters of URIs and whole percent-encodings.
pub(super) fn is_uri_text(text: &str) -> bool {
    let good =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    text.bytes().all(good) && decode(text).is_ok()
}
