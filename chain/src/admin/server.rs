//! The socket, and who may open it.

use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{LINE_BYTES_MAX, is_short};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// JSON-RPC's own codes.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const FAILED: i32 = -32000;

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Another process listens there.
    #[error("{path}: another node listens there")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has that name.
    #[error("{path}: not a socket; it is left alone")]
    Occupied {
        /// What is in the way.
        path: PathBuf,
    },
    /// The system takes no socket with so long a path.
    #[error(
        "{path}: too long for a socket, which may have 107 bytes; name another in rpc.admin_socket"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("{path}: {source}")]
    File {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What answers: method and parameters to a result, or to a message that says why not. `None`: no
/// such method.
pub type Asked =
    dyn Fn(&str, Value) -> Option<BoxFuture<'static, Result<Value, String>>> + Send + Sync;

/// A socket that is listened on. Dropping it removes the file.
#[derive(Debug)]
pub struct AdminServer {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.task.abort();
        // The next start removes what stays.
        let _ = fs::remove_file(&self.path);
    }
}

impl AdminServer {
    /// Listens at `path`, for this user alone. A socket that nobody listens on any more, as a
    /// killed process leaves it, is replaced.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn start(path: &Path, asked: Arc<Asked>) -> Result<Self, AdminError> {
        if !is_short(path) {
            let path = path.to_owned();
            return Err(AdminError::TooLong { path });
        }
        let file = |source| AdminError::File {
            path: path.to_owned(),
            source,
        };
        free(path)?;
        let listener = bind(path).map_err(file)?;
        let owner = fs::metadata(path).map_err(file)?.uid();
        let task = tokio::spawn(accept(listener, owner, asked));
        Ok(Self {
            path: path.to_owned(),
            task,
        })
    }

    /// Returns where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes room for a socket.
fn free(path: &Path) -> Result<(), AdminError> {
    let file = |source| AdminError::File {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file(error)),
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            let path = path.to_owned();
            return Err(AdminError::Occupied { path });
        }
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file(error)),
        Ok(_) => {
            let path = path.to_owned();
            Err(AdminError::Taken { path })
        }
    }
}

/// Binds in a directory of this user alone and moves the socket to its place, so that at no moment
/// anybody else can open it.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let hidden = beside.join("s");
    let make = || {
        match fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&beside)?;
        // Where the hidden name is too long the socket is made at once, and closed then.
        let at = if is_short(&hidden) {
            hidden.as_path()
        } else {
            path
        };
        let listener = UnixListener::bind(at)?;
        fs::set_permissions(at, fs::Permissions::from_mode(0o600))?;
        if at != path {
            fs::rename(at, path)?;
        }
        Ok(listener)
    };
    let made = make();
    let _ = fs::remove_dir_all(&beside);
    made
}

async fn accept(listener: UnixListener, owner: u32, asked: Arc<Asked>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // As many files are open as may be: somebody closes one.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        // The file's mode says it already, but not on every system.
        let is_owner = stream
            .peer_cred()
            .is_ok_and(|it| [0, owner].contains(&it.uid()));
        if !is_owner {
            continue;
        }
        let asked = asked.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &*asked).await {
                tracing::debug!(%error, "the admin socket's client has gone");
            }
            drop(place);
        });
    }
}

async fn serve(mut stream: UnixStream, asked: &Asked) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await?;
        if read == 0 {
            return Ok(());
        }
        let answer = answer(&line, asked).await;
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
        if !line.ends_with(b"\n") {
            // Cut off, by its length or its end.
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], asked: &Asked) -> Value {
    let Ok(mut call) = serde_json::from_slice::<Value>(line) else {
        return error(&Value::Null, PARSE_ERROR, "not JSON");
    };
    let id = call["id"].take();
    let params = call["params"].take();
    let Some(method) = call["method"].as_str() else {
        return error(&id, INVALID_REQUEST, "not a call");
    };
    match asked(method, params) {
        None => error(&id, METHOD_NOT_FOUND, "no such method"),
        Some(answering) => match answering.await {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(message) => error(&id, FAILED, &message),
        },
    }
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{AskError, ask};

    fn echo() -> Arc<Asked> {
        Arc::new(|method: &str, params| {
            let result = match method {
                "admin_echo" => Ok(params),
                "admin_fail" => Err("as asked".to_owned()),
                _ => return None,
            };
            Some(Box::pin(std::future::ready(result)))
        })
    }

    async fn call(path: &Path, method: &'static str) -> Result<Value, AskError> {
        let path = path.to_owned();
        let asked = move || ask(&path, method, &json!({"n": 7}));
        tokio::task::spawn_blocking(asked).await.unwrap()
    }

    #[tokio::test]
    async fn its_owner_asks_and_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let server = AdminServer::start(&path, echo()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing beside it"
        );
        assert_eq!(call(&path, "admin_echo").await.unwrap(), json!({"n": 7}));
        let refused = call(&path, "admin_fail").await.unwrap_err();
        assert_eq!(refused.to_string(), "as asked");
        let unknown = call(&path, "system_chain").await.unwrap_err();
        assert_eq!(unknown.to_string(), "no such method");
        drop(server);
        assert!(!path.exists());
        let error = call(&path, "admin_echo").await.unwrap_err();
        assert!(matches!(error, AskError::Unreachable { .. }));
    }

    #[tokio::test]
    async fn garbage_is_answered_and_long_lines_end_the_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let _server = AdminServer::start(&path, echo()).unwrap();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"nonsense\n{}\n\xff\xfe\n").await.unwrap();
        let mut lines = BufReader::new(&mut stream).lines();
        for code in [PARSE_ERROR, INVALID_REQUEST, PARSE_ERROR] {
            let line = lines.next_line().await.unwrap().unwrap();
            assert!(line.contains(&code.to_string()), "{line}");
        }
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let long = vec![b'['; usize::try_from(LINE_BYTES_MAX).unwrap() + 1];
        let _closed_early = stream.write_all(&long).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        assert_eq!(call(&path, "admin_echo").await.unwrap(), json!({"n": 7}));
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        // As a killed process leaves it: the file stays when the listener goes.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let server = AdminServer::start(&path, echo()).unwrap();
        assert_eq!(server.path(), path);
        let second = AdminServer::start(&path, echo()).unwrap_err();
        assert!(matches!(second, AdminError::Taken { .. }), "{second}");
        assert!(call(&path, "admin_echo").await.is_ok(), "the first goes on");
        let file = dir.path().join("config.toml");
        fs::write(&file, "").unwrap();
        let occupied = AdminServer::start(&file, echo()).unwrap_err();
        assert!(matches!(occupied, AdminError::Occupied { .. }) && file.exists());
        let long = dir.path().join("x".repeat(120));
        let error = AdminServer::start(&long, echo()).unwrap_err();
        assert!(matches!(error, AdminError::TooLong { .. }));
    }
}
