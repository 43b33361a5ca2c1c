//! What the outside is told of: events that webhooks deliver.

use std::str::FromStr;

use crate::{AuditAction, KeyId, OutboxId, Time, UserId, event::UnknownName};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboxKind {
    /// A key was made.
    KeyCreated,
    /// A key got another secret.
    KeyRotated,
    /// A key was revoked.
    KeyRevoked,
    /// A key expires soon.
    KeyExpiring,
}

impl OutboxKind {
    const ALL: [Self; 4] = [Self::KeyCreated, Self::KeyRotated, Self::KeyRevoked, Self::KeyExpiring];

    /// Its stable name, such as `key.created`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyExpiring => "key.expiring",
        }
    }

    /// What of this the outside is told.
    pub const fn of(action: AuditAction) -> Option<Self> {
        match action {
            AuditAction::KeyCreated => Some(Self::KeyCreated),
            AuditAction::KeyRotated => Some(Self::KeyRotated),
            AuditAction::KeyRevoked => Some(Self::KeyRevoked),
            _ => None,
        }
    }
}

impl FromStr for OutboxKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

/// An event that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Its id, the same at every delivery.
    pub id: OutboxId,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub kind: OutboxKind,
    /// Whose event it is.
    pub user_id: UserId,
    /// What belongs to it: a JSON object as text.
    pub data: String,
}

impl OutboxEvent {
    /// An event of a key.
    pub fn of_key(id: OutboxId, at: Time, kind: OutboxKind, user_id: UserId, key: KeyId) -> Self {
        // An id is hexadecimal digits: nothing in it needs quoting.
        Self { id, at, kind, user_id, data: format!(r#"{{"api_key_id":"{key}"}}"#) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in OutboxKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("key.updated".parse::<OutboxKind>(), Err(UnknownName));
    }
}
