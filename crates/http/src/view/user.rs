//! A user.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_domain::{Month, Time, User};
use tollgate_store::Page;
use utoipa::ToSchema;

/// A user as the user and administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Its id.
    id: String,
    /// The address.
    email: Option<String>,
    /// What to call the user.
    name: Option<String>,
    /// The id by which another system knows the user.
    external_id: Option<String>,
    /// `user` or `admin`.
    #[schema(value_type = String, pattern = "^(user|admin)$")]
    role: &'static str,
    /// `free`, `pro` or `enterprise`.
    #[schema(value_type = String, pattern = "^(free|pro|enterprise)$")]
    subscription: &'static str,
    /// Whether the address was confirmed.
    is_verified: bool,
    /// Whether the account is open.
    is_active: bool,
    /// Requests in any minute, where an administrator gave a limit.
    minute_limit: Option<u64>,
    /// Requests in any hour, likewise.
    hourly_limit: Option<u64>,
    /// Requests in any day, likewise.
    daily_limit: Option<u64>,
    /// Tokens in a calendar month, likewise.
    monthly_token_limit: Option<u64>,
    /// Tokens beyond that limit that an administrator granted for the running month.
    quota_grant: u64,
    /// The user's own notes.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Users)]
pub struct UsersView {
    /// The users, newest first.
    items: Vec<UserView>,
    /// The same users.
    users: Vec<UserView>,
    /// Where the next page starts, if there is one.
    next_cursor: Option<String>,
}

impl UsersView {
    /// A page of a list.
    pub fn new(page: &Page<User>, now: Time) -> Self {
        let views = || page.items.iter().map(|user| UserView::new(user, now)).collect();
        Self { items: views(), users: views(), next_cursor: page.next.map(|id| id.simple().to_string()) }
    }
}

impl UserView {
    /// A user as they are at `now`.
    pub fn new(user: &User, now: Time) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_ref().map(ToString::to_string),
            name: user.name.clone(),
            external_id: user.external_id.clone(),
            role: user.role.as_str(),
            subscription: user.tier.as_str(),
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
}

/// Stored notes as they are; `null` where the text is no JSON.
pub(super) fn notes(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_no_json| RawValue::NULL.to_owned())
}
