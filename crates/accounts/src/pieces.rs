//! Forgetting in pieces: each is a transaction of its own, between which others write.

use tollgate_store::StoreError;

use crate::AccountsError;

/// Forgets piece by piece until one is empty, or so many were; gives how many records went.
///
/// # Errors
/// The store's; what was forgotten before stays so.
pub fn forget(
    max_pieces: u32,
    mut piece: impl FnMut() -> Result<u64, StoreError>,
) -> Result<u64, AccountsError> {
    let mut forgotten: u64 = 0;
    for _ in 0..max_pieces {
        match piece()? {
            0 => break,
            some => forgotten = forgotten.saturating_add(some),
        }
    }
    Ok(forgotten)
}
