//! Private files, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyFileError, random_bytes};

/// Bytes of the largest key file read.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file that only its owner may read, of at most `max` bytes.
pub(super) fn read_private(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::NotFound {
            path: path.to_owned(),
        },
        _ => io_error("read", path, source),
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    // One byte more than allowed tells too long from just fitting.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(KeyFileError::TooLong {
            path: path.to_owned(),
            max,
        });
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read: a new file beside it, synced, then put in place.
/// After a crash either the old content is there or the new, never a mixture.
pub(super) fn write_private(
    path: &Path,
    bytes: &[u8],
    overwrite: bool,
) -> Result<(), KeyFileError> {
    let folder = folder_of(path);
    create_private_folder(&folder)?;
    let temporary = temporary_beside(path)?;
    let result = put(&temporary, path, bytes, overwrite);
    if result.is_err() {
        // The error that matters is the one above; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::AlreadyExists {
            path: path.to_owned(),
        },
        _ => io_error("write", path, source),
    })?;
    sync_folder(&folder).map_err(|source| io_error("write", path, source))
}

/// Creates a folder, and those above it, for its owner alone.
pub(super) fn create_private_folder(folder: &Path) -> Result<(), KeyFileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| io_error("write", folder, source))
}

pub(super) fn io_error(verb: &'static str, path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        verb,
        path: path.to_owned(),
        source,
    }
}

fn put(temporary: &Path, path: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if overwrite {
        return fs::rename(temporary, path);
    }
    // A link fails if the name is taken, a rename would not.
    fs::hard_link(temporary, path)?;
    fs::remove_file(temporary)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn temporary_beside(path: &Path) -> Result<PathBuf, KeyFileError> {
    let unique = hex::encode(random_bytes::<8>()?);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{unique}.new")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
