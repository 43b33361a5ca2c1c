//! What diesel says, told in the words of the ports.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use tollgate_store::StoreError;

/// Why a transaction was given up.
#[derive(Debug)]
pub enum Failure {
    /// The database said no, or nothing.
    Database(Error),
    /// We did.
    Store(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => of_diesel(error),
            Failure::Store(error) => error,
        }
    }
}

/// What must be unique: the constraint on Postgres, the columns in SQLite's message, the noun, the field.
const UNIQUE: [(&str, &str, &str, &str); 10] = [
    ("users_email_key", "users.email", "user", "email"),
    ("users_external_id_key", "users.external_id", "user", "external_id"),
    ("users_pkey", "users.id", "user", "id"),
    ("api_keys_hash_key", "api_keys.hash", "key", "hash"),
    ("api_keys_one_editor", "api_keys.user_id", "key", "editor"),
    ("api_keys_pkey", "api_keys.id", "key", "id"),
    ("sessions_pkey", "sessions.id", "session", "id"),
    ("devices_user_code_hash_key", "devices.user_code_hash", "device", "user_code"),
    (
        "external_identities_pkey",
        "external_identities.issuer, external_identities.subject",
        "external_identity",
        "subject",
    ),
    ("refresh_tokens_pkey", "refresh_tokens.hash", "session", "refresh_token"),
];

/// How messages begin with which a database refuses a value for ever: SQLSTATE class 22, which diesel does
/// not pass on, and SQLite's own.
const REFUSALS: [&str; 5] = [
    "invalid byte sequence",
    "unsupported Unicode",
    "timestamp out of range",
    "datatype mismatch",
    "string or blob too big",
];

fn of_diesel(error: Error) -> StoreError {
    match error {
        Error::DatabaseError(kind, ref information) => match kind {
            DatabaseErrorKind::UniqueViolation => {
                conflict(information.as_ref()).unwrap_or_else(|| StoreError::Rejected(Box::new(error)))
            }
            // Without a constraint's name it is Postgres missing a partition: a matter of time, not of values.
            DatabaseErrorKind::CheckViolation if is_partition_missing(information.as_ref()) => {
                StoreError::Unavailable(Box::new(error))
            }
            DatabaseErrorKind::ForeignKeyViolation => StoreError::Orphaned(Box::new(error)),
            DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation => StoreError::Rejected(Box::new(error)),
            _ if REFUSALS.iter().any(|start| information.message().starts_with(start)) => {
                StoreError::Rejected(Box::new(error))
            }
            _ => StoreError::Unavailable(Box::new(error)),
        },
        Error::DeserializationError(_) => StoreError::Corrupt { table: "the database", what: "value" },
        Error::SerializationError(_) | Error::QueryBuilderError(_) | Error::InvalidCString(_) => {
            StoreError::Rejected(Box::new(error))
        }
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

fn is_partition_missing(information: &dyn DatabaseErrorInformation) -> bool {
    information.message().starts_with("no partition of relation")
        || (information.table_name().is_some() && information.constraint_name().is_none())
}

fn conflict(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<StoreError> {
    let named = information.constraint_name();
    let message = information.message();
    UNIQUE
        .iter()
        .find(|(constraint, columns, ..)| match named {
            Some(named) => named == *constraint,
            None => message.strip_prefix("UNIQUE constraint failed: ") == Some(*columns),
        })
        .map(|&(.., entity, field)| StoreError::Conflict { entity, field })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As diesel tells it: a message, for what else there is without a name.
    fn told(message: &str) -> StoreError {
        of_diesel(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())))
    }

    #[test]
    fn what_passes_is_away() {
        for message in [
            "cannot execute INSERT in a read-only transaction",
            "sorry, too many clients already",
            "remaining connection slots are reserved for non-replication superuser connections",
            "terminating connection due to administrator command",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "could not extend file \"base/5/16384\": No space left on device",
            "canceling statement due to statement timeout",
            "canceling statement due to lock timeout",
            "deadlock detected",
            "out of memory",
            "server closed the connection unexpectedly",
            "no partition of relation \"usage_events\" found for row",
            "database or disk is full",
            "database is locked",
            "disk I/O error",
            "attempt to write a readonly database",
        ] {
            let error = told(message);
            assert!(matches!(error, StoreError::Unavailable(_)), "{message}: {error:?}");
        }
    }

    #[test]
    fn what_a_value_is_refused_for_is_for_ever() {
        for message in [
            "invalid byte sequence for encoding \"UTF8\": 0x00",
            "unsupported Unicode escape sequence",
            "timestamp out of range: \"300000-01-01\"",
            "datatype mismatch",
            "string or blob too big",
        ] {
            let error = told(message);
            assert!(matches!(error, StoreError::Rejected(_)), "{message}: {error:?}");
        }
    }
}
