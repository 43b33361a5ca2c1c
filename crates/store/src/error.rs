//! What can go wrong in any store.

/// The cause beneath, for logs only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked. What is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another record has this value already.
    #[error("another {entity} has this {field}")]
    Conflict {
        /// The noun, such as `user`.
        entity: &'static str,
        /// The field that must be unique, such as `email`.
        field: &'static str,
    },
    /// The database is away, full, locked or slow: ask again later.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// What the record belongs to, such as its user, is not there, or was deleted in this moment.
    #[error("what this belongs to is not there any more")]
    Orphaned(#[source] Cause),
    /// The database refuses these values and will refuse them again.
    #[error("the database refuses these values")]
    Rejected(#[source] Cause),
    /// A row holds what no version of Tollgate wrote.
    #[error("{table} holds an unreadable {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column or the matter.
        what: &'static str,
    },
}

impl StoreError {
    /// The database is away for a reason told in words.
    pub fn unavailable(reason: impl Into<Cause>) -> Self {
        Self::Unavailable(reason.into())
    }
}
