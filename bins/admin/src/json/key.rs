//! An API key.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use tollgate_accounts::{admin::Provisioned, key::rotate::RotatedKey};
use tollgate_domain::{ApiKey, Email, KeyId, Tier, Time, UserId};
use tollgate_store::{KeyTotals, ListedKey};

use super::{answer::both, notes, user::UserView};

/// A key without its secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    key_prefix: String,
    key_preview: String,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub user_id: UserId,
    /// The tier that stands for its limits.
    pub tier: Option<String>,
    environment: String,
    /// What it may do.
    pub permissions: Vec<String>,
    /// Whether it is good, and if not, why.
    pub status: String,
    is_active: bool,
    /// Requests in any minute.
    pub minute_limit: Option<u64>,
    /// Requests in any hour.
    pub hourly_limit: Option<u64>,
    /// Requests in any day.
    pub daily_limit: Option<u64>,
    /// When it expires.
    pub expires_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    updated_at: Time,
    /// When it was last used.
    pub last_used_at: Option<Time>,
    request_count: u64,
    allowed_ips: Option<Vec<String>>,
    allowed_models: Option<Vec<String>>,
    created_by_key: Option<String>,
    /// Notes on it.
    pub metadata: Box<RawValue>,
}

impl KeyView {
    /// A key, with nothing counted of it.
    pub fn new(key: &ApiKey, now: Time) -> Self {
        Self {
            id: key.id,
            key_prefix: key.prefix.clone(),
            key_preview: key.preview.clone(),
            name: key.name.clone(),
            user_id: key.user_id,
            tier: key.limits.tier.as_ref().map(Tier::to_string),
            environment: key.environment.as_str().to_owned(),
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            status: key.status(now).to_owned(),
            is_active: key.is_active && key.revoked_at.is_none(),
            minute_limit: key.limits.limits.minute,
            hourly_limit: key.limits.limits.hour,
            daily_limit: key.limits.limits.day,
            expires_at: key.expires_at,
            created_at: key.created_at,
            updated_at: key.updated_at,
            last_used_at: None,
            request_count: 0,
            allowed_ips: listed(key.allowed_ips.iter().map(ToString::to_string).collect()),
            allowed_models: listed(key.allowed_models.clone()),
            created_by_key: key.created_by_key.map(|id| id.to_string()),
            metadata: notes(&key.metadata),
        }
    }

    /// A key of a list.
    pub fn listed(listed: &ListedKey, now: Time) -> Self {
        Self {
            last_used_at: listed.last_used_at,
            request_count: listed.request_count,
            ..Self::new(&listed.key, now)
        }
    }
}

/// A key of everybody's list, with what the last seven days brought.
#[derive(Debug, Serialize)]
pub struct ListedKeyView {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// What stands beside it.
    #[serde(flatten)]
    pub beside: BesideKey,
}

/// What everybody's list shows beside a key.
#[derive(Debug, Serialize, Deserialize)]
pub struct BesideKey {
    /// Its owner's address.
    pub email: Option<String>,
    /// Requests of the last seven days.
    pub requests_7d: u64,
    /// Tokens of the last seven days.
    pub tokens_7d: u64,
}

impl ListedKeyView {
    /// A key and its sums.
    pub fn new(listed: &ListedKey, totals: KeyTotals, now: Time) -> Self {
        let email = listed.owner_email.as_ref().map(Email::to_string);
        let KeyTotals { requests, tokens, .. } = totals;
        Self {
            key: KeyView::listed(listed, now),
            beside: BesideKey { email, requests_7d: requests, tokens_7d: tokens },
        }
    }
}

impl<'de> Deserialize<'de> for ListedKeyView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        both(deserializer).map(|(key, beside)| Self { key, beside })
    }
}

/// A key that was just made, with its secret and its owner.
#[derive(Serialize)]
pub struct ProvisionedView {
    /// What was made with the key, and the secret.
    #[serde(flatten)]
    pub made: Made,
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
}

/// What is told of a key besides, when it is made.
#[derive(Serialize, Deserialize)]
pub struct Made {
    /// Whose it is.
    pub user: UserView,
    /// Whether the user was made with it.
    pub is_new_user: bool,
    key_id: KeyId,
    #[serde(flatten)]
    secret: Secret,
}

/// A secret, under both of its names.
#[derive(Serialize, Deserialize)]
struct Secret {
    #[serde(serialize_with = "exposed")]
    api_key: SecretString,
    #[serde(serialize_with = "exposed")]
    key: SecretString,
}

impl ProvisionedView {
    /// What was made.
    pub fn new(made: &Provisioned, now: Time) -> Self {
        let key = KeyView::new(&made.key, now);
        let user = UserView::new(&made.user, now);
        let secret = Secret::new(made.secret.expose());
        Self { made: Made { user, is_new_user: made.is_new_user, key_id: key.id, secret }, key }
    }

    /// The secret.
    pub fn secret(&self) -> &str {
        self.made.secret.api_key.expose_secret()
    }
}

impl<'de> Deserialize<'de> for ProvisionedView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        both(deserializer).map(|(made, key)| Self { made, key })
    }
}

/// A key with another secret.
#[derive(Serialize)]
pub struct RotatedView {
    #[serde(flatten)]
    secret: Secret,
    #[serde(flatten)]
    view: KeyView,
}

impl RotatedView {
    /// What was rotated.
    pub fn new(rotated: &RotatedKey, now: Time) -> Self {
        Self { secret: Secret::new(rotated.secret.expose()), view: KeyView::listed(&rotated.listed, now) }
    }
}

impl Secret {
    fn new(text: &str) -> Self {
        Self { api_key: text.into(), key: text.into() }
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// Nothing in place of an empty list, which bounds nothing.
fn listed(entries: Vec<String>) -> Option<Vec<String>> {
    Some(entries).filter(|entries| !entries.is_empty())
}
