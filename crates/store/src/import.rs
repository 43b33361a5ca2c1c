//! Users and keys that other systems made, taken over in batches.

use tollgate_domain::{ApiKey, AuditEntry, KeyHash, Time, User};

/// The most users or keys of a batch: each batch is one transaction, for which everybody else who writes waits.
pub const MAX_BATCH: usize = 200;

/// A user of another system.
#[derive(Debug, Clone)]
pub struct UserImport {
    /// The user, as it is made where nobody has its external id, its own id as external id, or its address.
    pub user: User,
    /// The password's hash, if there is one.
    pub password_hash: Option<String>,
    /// What the audit log tells of it.
    pub audit: AuditEntry,
}

/// A key of another system.
#[derive(Debug, Clone)]
pub struct KeyImport {
    /// The key; its owner is whoever is found, or made.
    pub key: ApiKey,
    /// Every hash under which it may be known, at least one; the first is stored.
    pub hashes: Vec<KeyHash>,
    /// When it was last used there.
    pub last_used_at: Option<Time>,
    /// Its owner, made where no such user is found.
    pub owner: UserImport,
    /// What the audit log tells of it.
    pub audit: AuditEntry,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It had been there, and stays as it is. A key counts as known too where it was imported and has another secret
    /// now, or is gone: what was ended is not brought back.
    Known,
    /// It was made.
    Made,
    /// The key was made, and its owner with it.
    MadeWithOwner,
    /// A user whose external id is that of somebody here with another address: another system's numbers, perhaps.
    /// Nothing was done.
    IdTaken,
    /// Somebody changed the same user at the same time; nothing was done.
    Contended,
}
