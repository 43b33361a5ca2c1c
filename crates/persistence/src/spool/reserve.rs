//! Room on the disk that is kept for the drain. Taking events out of the spool needs some of it too; where the
//! spool itself had filled the disk, it would never get smaller again.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// The file's name in the data directory.
const FILE: &str = "spool.reserve";
/// What the spool's log may hold, and as much again to move it into the spool.
const BYTES: u64 = 16 * 1_024 * 1_024;
/// Bytes that are written at a time.
const PIECE: usize = 64 * 1_024;

/// A file that takes up room until that is needed.
pub struct Reserve {
    path: PathBuf,
    is_kept: AtomicBool,
}

impl Reserve {
    /// Keeps room in `folder`, if there is any.
    pub fn keep(folder: &Path) -> Self {
        let reserve = Self { path: folder.join(FILE), is_kept: AtomicBool::new(false) };
        reserve.restore();
        reserve
    }

    /// Gives the room to whoever needs it next; whether there was any.
    pub fn give(&self) -> bool {
        let given = self.is_kept.swap(false, Ordering::SeqCst) && fs::remove_file(&self.path).is_ok();
        if given {
            tracing::warn!("the disk is full: what was kept for the drain of the spool is used");
        }
        given
    }

    /// Keeps room again, if there is any; quick where it is kept already.
    pub fn restore(&self) {
        if self.is_kept.load(Ordering::SeqCst) {
            return;
        }
        match fill(&self.path) {
            Ok(()) => self.is_kept.store(true, Ordering::SeqCst),
            Err(error) => {
                // A part of it is of no use, and in the way.
                fs::remove_file(&self.path).unwrap_or_default();
                tracing::debug!(%error, "no room can be kept for the drain of the spool");
            }
        }
    }
}

fn fill(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|file| file.len() == BYTES) {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut left = BYTES;
    let zeros = vec![0; PIECE];
    while left > 0 {
        let some = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        file.write_all(&zeros[..some])?;
        left = left.saturating_sub(u64::try_from(some).unwrap_or(left));
    }
    file.sync_all()
}
