//! Who asks, once Tollgate has said so.

use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_domain::{Environment, KeyId, Permissions, Tier, Time, UserId};

/// Whose credential it is, and what it may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// The key; `None` where the credential is an access token.
    pub api_key_id: Option<KeyId>,
    /// Whether the key is for tests: what such a caller reaches must be marked for tests. Only where
    /// [`Settings::test_keys`](crate::Settings::test_keys) lets such callers in.
    pub environment: Environment,
    /// The tier as which the key counts: its own, else its user's.
    pub tier: Tier,
    /// All that it may do. A permission that this version does not know is left out: it grants nothing here.
    pub permissions: Permissions,
    /// How the caller stood when Tollgate answered.
    pub rate_limit: RateLimit,
    /// What was written on the key; empty for an access token.
    pub metadata: Map<String, Value>,
}

/// Per window whichever limit, of user and key, has less left; and the month's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RateLimit {
    /// Requests in any 60 seconds.
    pub minute: Standing,
    /// Requests in any 3,600 seconds.
    pub hour: Standing,
    /// Requests in any 86,400 seconds.
    pub day: Standing,
    /// Tokens in the calendar month (UTC).
    pub quota: Standing,
}

/// A limit and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// At most so many.
    pub limit: u64,
    /// So many were used.
    pub used: u64,
    /// So many are left, less what running requests hold.
    pub remaining: u64,
    /// When the remaining next grows; `None` while nothing is used.
    pub resets_at: Option<Time>,
}
