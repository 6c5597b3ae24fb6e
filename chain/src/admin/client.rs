//! Asks a node on this machine.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::LINE_BYTES_MAX;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the node gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No node listens there, or not for us.
    #[error("{path}: {source}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answer is none.
    #[error("{path}: not an answer of a node")]
    Garbled {
        /// The socket.
        path: PathBuf,
    },
    /// The node says no.
    #[error("{0}")]
    Refused(String),
}

/// Calls `method` of the node whose socket is at `path`.
///
/// # Errors
/// [`AskError`].
pub fn ask(path: &Path, method: &str, params: &Value) -> Result<Value, AskError> {
    let exchange = || -> io::Result<String> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(stream, "{call}")?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line)?;
        Ok(line)
    };
    let line = exchange().map_err(|source| AskError::Unreachable {
        path: path.to_owned(),
        source,
    })?;
    let garbled = || AskError::Garbled {
        path: path.to_owned(),
    };
    let mut answer: Value = serde_json::from_str(&line).map_err(|_| garbled())?;
    if let Some(message) = answer["error"]["message"].as_str() {
        return Err(AskError::Refused(message.to_owned()));
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(garbled()),
    }
}
