//! How nodes let us in, and how we know them: API keys, and authorities of certificates.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonrpsee::http_client::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig as Tls, RootCertStore};
use zeroize::Zeroizing;

/// Bytes of a file of keys or certificates.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why keys or authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file cannot be read, or is far too large.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the keys.
    #[error("{path}: readable by others (mode {mode:o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is no API key, or no line of them. It is not shown: it may nearly be one.
    #[error("{from}: not an API key")]
    Key {
        /// Where it was given.
        from: String,
    },
    /// No certificate, or one that cannot be an authority's.
    #[error("{path}: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// How nodes let us in, and how we know them. By default: without a key, and by the authorities
/// that the system trusts.
#[derive(Clone, Default)]
pub struct Access {
    /// The key for all nodes but those below.
    key: Option<Arc<Zeroizing<String>>>,
    /// Keys for single endpoints.
    keys: Vec<(String, Arc<Zeroizing<String>>)>,
    authorities: Option<Arc<RootCertStore>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("key", &self.key.is_some())
            .field(
                "keys",
                &self.keys.iter().map(|it| &it.0).collect::<Vec<_>>(),
            )
            .field("authorities", &self.authorities.is_some())
            .finish()
    }
}

impl Access {
    /// Sends `key` to every node that has none of its own. All that are asked then learn it: name
    /// nodes of one operator.
    ///
    /// # Errors
    /// [`AccessError::Key`]; `from` says there where it was given.
    pub fn key(mut self, key: &str, from: &str) -> Result<Self, AccessError> {
        self.key = Some(read_key(key, from)?);
        Ok(self)
    }

    /// Reads keys from a file that only its owner may read: a line `KEY` is for every node, a line `ENDPOINT KEY` for that one.
    /// Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn key_file(mut self, path: &Path) -> Result<Self, AccessError> {
        let (text, mode) = read(path)?;
        let text = Zeroizing::new(text);
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(AccessError::Exposed { path, mode });
        }
        let from = path.display().to_string();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(char::is_whitespace) {
                None => self.key = Some(read_key(line, &from)?),
                Some((url, key)) => self.keys.push((url.to_owned(), read_key(key, &from)?)),
            }
        }
        if self.key.is_none() && self.keys.is_empty() {
            return Err(AccessError::Key { from });
        }
        Ok(self)
    }

    /// Believes certificates of the authorities in a PEM file, and of no others.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn authority_file(mut self, path: &Path) -> Result<Self, AccessError> {
        let (text, _) = read(path)?;
        let wrong = |reason: String| AccessError::Certificate {
            path: path.to_owned(),
            reason,
        };
        let mut authorities = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            let added = authorities.add(certificate);
            added.map_err(|error| wrong(error.to_string()))?;
        }
        if authorities.is_empty() {
            return Err(wrong("no certificate in it".into()));
        }
        self.authorities = Some(Arc::new(authorities));
        Ok(self)
    }

    /// Returns the headers of requests to `endpoint`.
    pub(super) fn headers(&self, endpoint: &str) -> HeaderMap {
        let own = self.keys.iter().find(|(url, _)| is_same(url, endpoint));
        let key = own.map(|(_, key)| key).or(self.key.as_ref());
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = format!("Bearer {}", key.as_str());
            let mut value = HeaderValue::from_str(&value).expect("keys were checked");
            // Kept out of what is written for developers.
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        headers
    }

    /// Returns how nodes prove who they are, if not to the authorities that the system trusts.
    pub(super) fn tls(&self) -> Option<Tls> {
        let authorities = self.authorities.clone()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = Tls::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the versions' ciphers");
        let builder = builder.with_root_certificates(authorities);
        Some(builder.with_no_client_auth())
    }
}

/// Whether two texts name one endpoint: http and ws share a port, and a path's end is none.
fn is_same(one: &str, other: &str) -> bool {
    fn plain(url: &str) -> Option<(bool, &str)> {
        let (scheme, rest) = url.split_once("://")?;
        let is_encrypted = matches!(scheme, "https" | "wss");
        Some((is_encrypted, rest.trim_end_matches('/')))
    }
    plain(one).is_some() && plain(one) == plain(other)
}

fn read_key(text: &str, from: &str) -> Result<Arc<Zeroizing<String>>, AccessError> {
    let text = text.trim();
    let is_plain = text.bytes().all(|it| it.is_ascii_graphic());
    match is_plain && (1..=512).contains(&text.len()) {
        true => Ok(Arc::new(Zeroizing::new(text.to_owned()))),
        false => Err(AccessError::Key { from: from.into() }),
    }
}

/// Returns a file's text and its permission bits.
fn read(path: &Path) -> Result<(String, u32), AccessError> {
    let read = || {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > FILE_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok((text, metadata.permissions().mode() & 0o777))
    };
    read().map_err(|source| AccessError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(access: &Access, endpoint: &str) -> Option<String> {
        let headers = access.headers(endpoint);
        let value = headers.get("authorization")?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_key_is_sent_where_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys");
        let text = "# ours\nall\n\nhttps://a.example:9944/ of-a\n";
        fs::write(&file, text).unwrap();
        let secret = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o644, 0o640, 0o604] {
            secret(mode);
            let error = Access::default().key_file(&file).unwrap_err();
            assert!(matches!(error, AccessError::Exposed { .. }), "{error}");
        }
        secret(0o600);
        let access = Access::default().key_file(&file).unwrap();
        let cases = [
            ("https://a.example:9944", "Bearer of-a"),
            ("wss://a.example:9944", "Bearer of-a"),
            // Not encrypted is another.
            ("http://a.example:9944", "Bearer all"),
            ("https://a.example", "Bearer all"),
        ];
        for (endpoint, value) in cases {
            assert_eq!(
                sent(&access, endpoint).as_deref(),
                Some(value),
                "{endpoint}"
            );
        }
        fs::write(&file, "https://a.example:9944 of-a").unwrap();
        let access = Access::default().key_file(&file).unwrap();
        assert_eq!(sent(&access, "https://b.example:9944"), None);
        assert_eq!(sent(&Access::default(), "http://127.0.0.1:9944"), None);
    }

    #[test]
    fn keys_are_shown_nowhere() {
        let access = Access::default().key("secret", "test").unwrap();
        assert!(!format!("{access:?}").contains("secret"));
        for text in ["", "two words", "sécret", "a\nb"] {
            let error = Access::default().key(text, "ALLOD_API_KEY").unwrap_err();
            assert_eq!(error.to_string(), "ALLOD_API_KEY: not an API key");
        }
    }

    /// Answers one call over TLS.
    async fn encrypted_node(
        acceptor: tokio_rustls::TlsAcceptor,
        listener: tokio::net::TcpListener,
    ) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let (stream, _) = listener.accept().await.unwrap();
        // A client that does not believe us hangs up.
        let Ok(mut stream) = acceptor.accept(stream).await else {
            return;
        };
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let asked = String::from_utf8(asked).unwrap();
        assert!(
            asked
                .to_ascii_lowercase()
                .contains("authorization: bearer k"),
            "{asked}"
        );
        let body = r#"{"jsonrpc":"2.0","id":0,"result":"Over TLS"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }

    #[tokio::test]
    async fn a_node_is_believed_by_its_authority_alone() {
        use crate::rpc::{Client, ClientConfig};

        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        fs::write(&file, made.cert.pem()).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let access = Access::default().key("k", "test").unwrap();
        let believing = access.clone().authority_file(&file).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&file, other.cert.pem()).unwrap();
        let doubting = access.authority_file(&file).unwrap();
        for (access, is_answered) in [(believing, true), (doubting, false)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let node = tokio::spawn(encrypted_node(acceptor.clone(), listener));
            let client = Client::new(&ClientConfig {
                access,
                ..ClientConfig::new(format!("https://localhost:{port}"))
            });
            let params = jsonrpsee::core::params::ArrayParams::new();
            let none = std::time::Duration::ZERO;
            let answer = client
                .unwrap()
                .call::<String>("system_chain", params, none)
                .await;
            assert_eq!(answer.is_ok(), is_answered, "{answer:?}");
            node.await.unwrap();
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        assert!(Access::default().authority_file(&file).is_err());
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            fs::write(&file, text).unwrap();
            assert!(Access::default().authority_file(&file).is_err(), "{text}");
        }
        assert!(
            Access::default().tls().is_none(),
            "the system's authorities"
        );
    }
}
