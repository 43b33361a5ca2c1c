//! Reading small files: bounded in size, and text only.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// Largest configuration file.
pub(crate) const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
/// Largest `.env`.
pub(crate) const MAX_DOTENV_BYTES: u64 = 256 * 1024;
/// Largest file that holds a secret.
pub(crate) const MAX_SECRET_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("does not exist")]
    Missing,
    #[error("cannot be read ({0})")]
    Unreadable(ErrorKind),
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    #[error("is not valid UTF-8")]
    NotText,
}

/// The text of the file at `path`, if it is at most `limit` bytes long.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, FileError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => FileError::Missing,
        kind => FileError::Unreadable(kind),
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(FileError::TooLarge(limit));
    }
    String::from_utf8(bytes).map_err(|_bytes| FileError::NotText)
}

/// Whether others than the owner may read the file. Systems without such permissions say no.
#[cfg(unix)]
pub(crate) fn too_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether others than the owner may read the file. Systems without such permissions say no.
#[cfg(not(unix))]
pub(crate) fn too_open(_path: &Path) -> bool {
    false
}
