//! An API key.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_accounts::{
    admin::Provisioned,
    key::{CreatedKey, rotate::RotatedKey},
};
use tollgate_domain::{ApiKey, KeyId, Time};
use tollgate_store::{KeyTotals, ListedKey, Page};
use utoipa::ToSchema;

use super::user::{UserView, notes};

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyView {
    /// Its id, the same through rotations.
    id: String,
    /// The prefix that it was made with.
    key_prefix: String,
    /// What people see of it.
    key_preview: String,
    /// What its owner calls it.
    name: String,
    /// Whose it is.
    user_id: String,
    /// The tier that stands for its limits, if any.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<&'static str>,
    /// What it may reach.
    #[schema(value_type = String, pattern = "^(live|test)$")]
    environment: &'static str,
    /// What it may do.
    permissions: Vec<String>,
    /// Whether it is good, and if not, why.
    #[schema(value_type = String, pattern = "^(active|disabled|revoked|expired)$")]
    status: &'static str,
    /// Whether it is switched on and not revoked.
    is_active: bool,
    /// Requests in any minute.
    minute_limit: Option<u64>,
    /// Requests in any hour.
    hourly_limit: Option<u64>,
    /// Requests in any day.
    daily_limit: Option<u64>,
    /// When it expires.
    expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was last used, as of the last few seconds.
    last_used_at: Option<DateTime<Utc>>,
    /// Requests ever made with it, as of the last few seconds.
    request_count: u64,
    /// Addresses and networks from which alone it may be used; `null` for everywhere.
    allowed_ips: Option<Vec<String>>,
    /// Models that alone it may ask; `null` for all.
    allowed_models: Option<Vec<String>>,
    /// The key that made it.
    created_by_key: Option<String>,
    /// Its owner's notes.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
}

/// A key with its secret, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub struct CreatedKeyView {
    /// The secret.
    api_key: String,
    /// The secret once more.
    key: String,
    #[serde(flatten)]
    view: KeyView,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub struct KeysView {
    /// The keys, newest first.
    items: Vec<KeyView>,
    /// The same keys.
    keys: Vec<KeyView>,
    /// Where the next page starts, if there is one.
    next_cursor: Option<String>,
}

/// A key that an administrator made, with its secret, shown this once, and its owner.
#[derive(Serialize, ToSchema)]
#[schema(as = ProvisionedApiKey)]
pub struct ProvisionedView {
    /// Whose it is.
    user: UserView,
    /// Whether the user was made with it.
    is_new_user: bool,
    /// Its id once more.
    key_id: String,
    #[serde(flatten)]
    created: CreatedKeyView,
}

/// A key as administrators see it in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedApiKey)]
pub struct ListedKeyView {
    #[serde(flatten)]
    key: KeyView,
    /// Its owner's address.
    email: Option<String>,
    /// Requests of the last seven days, as of the last few seconds.
    requests_7d: u64,
    /// Tokens of the last seven days, likewise.
    tokens_7d: u64,
}

/// A page of everybody's keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllApiKeys)]
pub struct AllKeysView {
    /// The keys, newest first.
    items: Vec<ListedKeyView>,
    /// The same keys.
    keys: Vec<ListedKeyView>,
    /// Where the next page starts, if there is one.
    next_cursor: Option<String>,
}

impl KeyView {
    /// A key and what was counted of it.
    fn new(key: &ApiKey, request_count: u64, last_used_at: Option<Time>, now: Time) -> Self {
        Self {
            id: key.id.to_string(),
            key_prefix: key.prefix.clone(),
            key_preview: key.preview.clone(),
            name: key.name.clone(),
            user_id: key.user_id.to_string(),
            tier: key.limits.tier.map(tollgate_domain::Tier::as_str),
            environment: key.environment.as_str(),
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            status: key.status(now),
            is_active: key.is_active && key.revoked_at.is_none(),
            minute_limit: key.limits.limits.minute,
            hourly_limit: key.limits.limits.hour,
            daily_limit: key.limits.limits.day,
            expires_at: key.expires_at,
            created_at: key.created_at,
            updated_at: key.updated_at,
            last_used_at,
            request_count,
            allowed_ips: listed(key.allowed_ips.iter().map(ToString::to_string).collect()),
            allowed_models: listed(key.allowed_models.clone()),
            created_by_key: key.created_by_key.map(|id| id.to_string()),
            metadata: notes(&key.metadata),
        }
    }

    /// A key of a list.
    pub fn listed(listed: &ListedKey, now: Time) -> Self {
        Self::new(&listed.key, listed.request_count, listed.last_used_at, now)
    }
}

impl CreatedKeyView {
    /// A key that was just made.
    pub fn new(created: &CreatedKey, now: Time) -> Self {
        Self::shown(created.secret.expose(), KeyView::new(&created.key, 0, None, now))
    }

    /// A key that was there before.
    pub fn rotated(rotated: &RotatedKey, now: Time) -> Self {
        Self::shown(rotated.secret.expose(), KeyView::listed(&rotated.listed, now))
    }

    fn shown(secret: &str, view: KeyView) -> Self {
        Self { api_key: secret.to_owned(), key: secret.to_owned(), view }
    }
}

impl ProvisionedView {
    /// What was made.
    pub fn new(made: Provisioned, now: Time) -> Self {
        let created = CreatedKey { key: made.key, secret: made.secret };
        Self {
            user: UserView::new(&made.user, now),
            is_new_user: made.is_new_user,
            key_id: created.key.id.to_string(),
            created: CreatedKeyView::new(&created, now),
        }
    }
}

impl AllKeysView {
    /// Keys that are no page of a list, with what each did.
    pub fn whole(keys: Vec<ListedKey>, totals: &HashMap<KeyId, KeyTotals>, now: Time) -> Self {
        Self::new(&Page { items: keys, next: None }, totals, now)
    }

    /// A page of a list, with what each key did.
    pub fn new(page: &Page<ListedKey>, totals: &HashMap<KeyId, KeyTotals>, now: Time) -> Self {
        let view = |listed: &ListedKey| {
            let totals = totals.get(&listed.key.id).copied().unwrap_or_default();
            ListedKeyView {
                key: KeyView::listed(listed, now),
                email: listed.owner_email.as_ref().map(ToString::to_string),
                requests_7d: totals.requests,
                tokens_7d: totals.tokens,
            }
        };
        let views = || page.items.iter().map(view).collect();
        Self { items: views(), keys: views(), next_cursor: page.next.map(|id| id.simple().to_string()) }
    }
}

impl KeysView {
    /// A page of a list.
    pub fn new(page: &Page<ListedKey>, now: Time) -> Self {
        let views = || page.items.iter().map(|listed| KeyView::listed(listed, now)).collect();
        Self { items: views(), keys: views(), next_cursor: page.next.map(|id| id.simple().to_string()) }
    }
}

/// Nothing in place of an empty list, which bounds nothing.
fn listed(entries: Vec<String>) -> Option<Vec<String>> {
    Some(entries).filter(|entries| !entries.is_empty())
}
