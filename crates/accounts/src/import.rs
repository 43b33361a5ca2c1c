//! Taking over keys and users of other systems, from the records in which those kept them.
//!
//! A key's SHA-256 and a password's bcrypt hash are enough: both go on working, the password until its first use,
//! from which on it is hashed as every other.

mod key;
mod record;
mod user;

use tollgate_store::Imported;

use crate::{Accounts, AccountsError, By, FieldError};

pub use record::Record;

/// The columns of keys that are read.
pub const KEY_COLUMNS: &[&str] = &[
    "id",
    "_id",
    "key_id",
    "key_hash",
    "key_prefix",
    "key_preview",
    "user_id",
    "name",
    "email",
    "tier",
    "permissions",
    "hourly_limit",
    "daily_limit",
    "is_active",
    "expires_at",
    "created_at",
    "last_used",
    "last_used_at",
    "metadata",
];

/// The columns of users that are read.
pub const USER_COLUMNS: &[&str] = &[
    "external_id",
    "_id",
    "id",
    "user_id",
    "email",
    "password_hash",
    "hashed_password",
    "password",
    "tier",
    "subscription",
    "subscription_tier",
    "is_verified",
    "verified",
    "email_verified",
    "is_active",
    "name",
    "full_name",
    "username",
    "created_at",
];

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, or known before.
    Became(Imported),
    /// It cannot be taken, and why. Nothing secret is repeated.
    Refused(String),
}

impl Accounts {
    /// Takes over keys, at most [`MAX_BATCH`](tollgate_store::import::MAX_BATCH); tells what became of each. With
    /// `dry_run`, what would become of each.
    ///
    /// # Errors
    /// The store's; nothing was done then.
    pub fn import_keys(
        &self,
        by: &By,
        records: &[Record],
        dry_run: bool,
    ) -> Result<Vec<Outcome>, AccountsError> {
        let read = records.iter().map(|record| self.imported_key(by, record));
        told(read, |batch| Ok(self.stores.keys.import(batch, dry_run)?))
    }

    /// Takes over users, at most [`MAX_BATCH`](tollgate_store::import::MAX_BATCH); tells what became of each. With
    /// `dry_run`, what would become of each.
    ///
    /// # Errors
    /// The store's; nothing was done then.
    pub fn import_users(
        &self,
        by: &By,
        records: &[Record],
        dry_run: bool,
    ) -> Result<Vec<Outcome>, AccountsError> {
        let read = records.iter().map(|record| self.imported_user(by, record));
        told(read, |batch| Ok(self.stores.users.import(batch, dry_run)?))
    }
}

/// Has what could be read taken over; gives what became of each in the records' order.
fn told<T>(
    read: impl Iterator<Item = Result<T, AccountsError>>,
    import: impl FnOnce(&[T]) -> Result<Vec<Imported>, AccountsError>,
) -> Result<Vec<Outcome>, AccountsError> {
    let mut batch = Vec::new();
    let mut refusals = Vec::new();
    for one in read {
        match one {
            Ok(new) => {
                batch.push(new);
                refusals.push(None);
            }
            Err(AccountsError::Invalid(faults)) => refusals.push(Some(reasons(&faults))),
            Err(other) => return Err(other),
        }
    }
    let mut became = if batch.is_empty() { Vec::new() } else { import(&batch)? }.into_iter();
    refusals
        .into_iter()
        .map(|refusal| match refusal {
            Some(reason) => Ok(Outcome::Refused(reason)),
            None => became
                .next()
                .map(Outcome::Became)
                .ok_or(AccountsError::Internal("the store tells less than it was given")),
        })
        .collect()
}

fn reasons(faults: &[FieldError]) -> String {
    let each: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
    each.join("; ")
}
