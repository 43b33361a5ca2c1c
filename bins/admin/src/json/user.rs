//! A user.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_domain::{Email, Month, Time, User, UserId};

use super::notes;

/// A user, as administrators see it.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// The address.
    pub email: Option<String>,
    /// What to call the user.
    pub name: Option<String>,
    /// The id by which another system knows the user.
    pub external_id: Option<String>,
    /// What the user is.
    pub role: String,
    /// The tier.
    pub subscription: String,
    /// Whether the address was confirmed.
    pub is_verified: bool,
    /// Whether the account is open.
    pub is_active: bool,
    /// Requests in any minute, where an administrator gave a limit.
    pub minute_limit: Option<u64>,
    /// Requests in any hour, likewise.
    pub hourly_limit: Option<u64>,
    /// Requests in any day, likewise.
    pub daily_limit: Option<u64>,
    /// Tokens in a month, likewise.
    pub monthly_token_limit: Option<u64>,
    /// Tokens beyond that limit, of the running month.
    pub quota_grant: u64,
    /// The user's own notes.
    pub metadata: Box<RawValue>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl UserView {
    /// A user as they are at `now`.
    pub fn new(user: &User, now: Time) -> Self {
        Self {
            id: user.id,
            email: user.email.as_ref().map(Email::to_string),
            name: user.name.clone(),
            external_id: user.external_id.clone(),
            role: user.role.to_string(),
            subscription: user.tier.to_string(),
            is_verified: user.is_verified,
            is_active: user.is_active,
            minute_limit: user.limits.minute,
            hourly_limit: user.limits.hour,
            daily_limit: user.limits.day,
            monthly_token_limit: user.monthly_token_limit,
            quota_grant: user.granted_tokens(Month::of(now)),
            metadata: notes(&user.metadata),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }

    /// What people call a user: the email, else the name, else the external id.
    pub fn called(&self) -> &str {
        let name = self.email.as_deref().or(self.name.as_deref());
        name.or(self.external_id.as_deref()).unwrap_or("(no name)")
    }
}
