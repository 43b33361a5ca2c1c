//! The head of the audit log, kept in a file outside the database: what was cut off before it is missed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tollgate_domain::AuditHead;

/// The file's name in the data directory.
const FILE: &str = "audit-head";
/// The same while it is written.
const NEW_FILE: &str = "audit-head.new";

/// Where the head is kept.
#[derive(Debug, Clone)]
pub struct OutsideHead {
    folder: PathBuf,
}

impl OutsideHead {
    /// In this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The head that was written last; `None` where none was.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else (`InvalidData`).
    pub fn read(&self) -> io::Result<Option<AuditHead>> {
        match fs::read_to_string(self.path()) {
            Ok(text) => parse(&text).map(Some).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "it holds no place and hash of the audit log")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the head in place of the one before; it is on the disk afterwards.
    ///
    /// # Errors
    /// When the file cannot be written; the one before is then still there.
    pub fn write(&self, head: &AuditHead) -> io::Result<()> {
        let new = self.folder.join(NEW_FILE);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let hash: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{} {hash}", head.seq)?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}

fn parse(text: &str) -> Option<AuditHead> {
    let (seq, digits) = text.trim_end().split_once(' ')?;
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(AuditHead { seq: seq.parse().ok()?, hash })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_reads_back_what_it_wrote_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let outside = OutsideHead::in_folder(folder.path());
        assert_eq!(outside.read().unwrap(), None);
        for seq in [1, i64::MAX] {
            let head = AuditHead { seq, hash: [0xa7; 32] };
            outside.write(&head).unwrap();
            assert_eq!(outside.read().unwrap(), Some(head));
        }
        assert_eq!(fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_head_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let outside = OutsideHead::in_folder(folder.path());
        for text in ["", "1", "1 ab", &format!("x {}", "a".repeat(64)), &format!("1 {}", "é".repeat(32))] {
            fs::write(outside.path(), text).unwrap();
            assert_eq!(outside.read().unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
    }
}
