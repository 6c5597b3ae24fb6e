//! TLS: certificate and key of the server, which may be read again while it runs.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What is spoken over it. WebSockets need HTTP/1.1.
const PROTOCOL: &[u8] = b"http/1.1";

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and what leads from it to the authority, PEM, its own first.
    pub certificate: PathBuf,
    /// Its private key, PEM, which nobody else may read.
    pub key: PathBuf,
}

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is far too large.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the key.
    #[error("{path}: readable by others (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds no certificate, or no key.
    #[error("{path}: no {what} in PEM")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("{path}: {source}")]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// What connections are encrypted with, if they are.
#[derive(Debug)]
pub(crate) struct Tls {
    files: Option<TlsFiles>,
    current: RwLock<Option<Arc<ServerConfig>>>,
}

impl Tls {
    pub(crate) fn open(files: Option<TlsFiles>) -> Result<Self, TlsError> {
        let current = RwLock::new(files.as_ref().map(load).transpose()?);
        Ok(Self { files, current })
    }

    /// Returns what new connections are encrypted with.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        let current = self.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner).clone();
        current.map(TlsAcceptor::from)
    }

    /// Reads the files again, for [`Self::set`].
    pub(crate) fn load(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        self.files.as_ref().map(load).transpose()
    }

    /// Uses other files from the next connection on.
    pub(crate) fn set(&self, next: Option<Arc<ServerConfig>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let malformed = |path: &Path, what| TlsError::Malformed {
        path: path.to_owned(),
        what,
    };
    let (text, _) = read(&files.certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| malformed(&files.certificate, "certificate"))?;
    let (text, mode) = read(&files.key)?;
    if mode & 0o077 != 0 {
        let path = files.key.clone();
        return Err(TlsError::Exposed { path, mode });
    }
    let key = PrivateKeyDer::from_pem_slice(&text);
    let key = key.map_err(|_| malformed(&files.key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions' ciphers");
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|source| TlsError::Unfit {
        path: files.certificate.clone(),
        source,
    })?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

/// Returns a file's bytes and its permission bits.
fn read(path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    let read = || {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > FILE_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok((bytes, metadata.permissions().mode() & 0o777))
    };
    read().map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
