//! Ids: UUIDs of version 7, opaque strings to clients.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Randomness, Time, random};

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

/// A UUID of version 7 (RFC 9562): ordered by `now`, the rest random.
pub fn uuid_v7(now: Time, source: &dyn Randomness) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes(source)).into_uuid()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by `now`.
            pub fn new(now: Time, source: &dyn Randomness) -> Self {
                Self(uuid_v7(now, source))
            }

            /// The UUID beneath, for storage.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_simple().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::try_parse(text).map(Self).map_err(|_not_a_uuid| NotAnId)
            }
        }
    };
}

id! {
    /// Names a user.
    UserId
}
id! {
    /// Names an API key; it stays the same when the secret is rotated.
    KeyId
}
id! {
    /// Names a session: what a login opens and a logout ends.
    SessionId
}
id! {
    /// Names a usage event; set once, at admission.
    EventId
}
id! {
    /// Names an entry of the audit log.
    AuditId
}

id! {
    /// Names an event that waits to be delivered.
    OutboxId
}

id! {
    /// Names one run of a call that carries an `Idempotency-Key`.
    RunId
}

id! {
    /// Names a mail that waits to be sent.
    MailId
}

impl KeyId {
    /// What stands in a key's place where `user` was served by access token: the user's own id, which no key has.
    pub const fn of_sessions(user: UserId) -> Self {
        Self(user.0)
    }

    /// The id, unless it stands for the sessions of `user`.
    pub fn unless_of_sessions(self, user: UserId) -> Option<Self> {
        (self != Self::of_sessions(user)).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;
    impl Randomness for Zero {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    #[test]
    fn ids_read_back_what_they_print() {
        let now = Time::from_timestamp_millis(1_795_219_200_123).unwrap();
        let id = KeyId::new(now, &Zero);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert_eq!("x".parse::<KeyId>(), Err(NotAnId));
    }

    #[test]
    fn sessions_have_a_place_among_keys_that_no_key_has() {
        let (now, user) = (Time::UNIX_EPOCH, UserId::from(Uuid::from_u128(7)));
        assert_eq!(KeyId::of_sessions(user).unless_of_sessions(user), None);
        let other = UserId::from(Uuid::from_u128(8));
        for key in [KeyId::of_sessions(other), KeyId::new(now, &Zero)] {
            assert_eq!(key.unless_of_sessions(user), Some(key));
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let early = UserId::new(Time::from_timestamp_millis(1_000).unwrap(), &Zero);
        let late = UserId::new(Time::from_timestamp_millis(1_001).unwrap(), &Zero);
        assert!(early < late);
    }
}
