//! Bytes as `0x` and lower-case hexadecimal digits, the form of every file and answer.

/// Text that is not `0x` and an even number of hexadecimal digits of the length asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 0x and hexadecimal digits{}", Wanted(*.bytes))]
pub struct NotHex {
    /// How many bytes were wanted; `None` for any number.
    pub bytes: Option<usize>,
}

struct Wanted(Option<usize>);

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, " of {bytes} bytes"),
            None => Ok(()),
        }
    }
}

/// Returns `bytes` as `0x` and lower-case digits.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Returns the bytes that `text` stands for. The `0x` is required.
///
/// # Errors
/// [`NotHex`].
pub fn decode(text: &str) -> Result<Vec<u8>, NotHex> {
    let digits = text.strip_prefix("0x").ok_or(NotHex { bytes: None })?;
    hex::decode(digits).map_err(|_| NotHex { bytes: None })
}

/// Returns exactly `N` bytes.
///
/// # Errors
/// [`NotHex`], naming the length.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let wrong = NotHex { bytes: Some(N) };
    decode(text)
        .map_err(|_| wrong)?
        .try_into()
        .map_err(|_| wrong)
}
