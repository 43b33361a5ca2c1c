//! Rows of `api_keys`.

use diesel::prelude::*;
use tollgate_domain::{
    ApiKey, KeyKind, LimitOverrides, Network, Permissions,
    limit::{GivenByAdmin, KeyLimits},
};
use tollgate_store::{ListedKey, StoreError};

use super::named;
use crate::{
    number,
    schema::api_keys,
    types::{Id, Ts},
};

const TABLE: &str = "api_keys";

/// A key without its hash and its sealed secret.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct KeyRow {
    id: Id,
    user_id: Id,
    name: String,
    kind: String,
    environment: String,
    prefix: String,
    preview: String,
    permissions: String,
    tier: Option<String>,
    minute_limit: Option<i64>,
    hourly_limit: Option<i64>,
    daily_limit: Option<i64>,
    admin_limits: i32,
    is_active: bool,
    disabled_by_admin: bool,
    revoked_at: Option<Ts>,
    expires_at: Option<Ts>,
    created_by_key: Option<Id>,
    metadata: String,
    created_at: Ts,
    updated_at: Ts,
    allowed_ips: Option<String>,
    allowed_models: Option<String>,
}

/// What stands between networks.
const BETWEEN_NETWORKS: &str = ",";
/// What stands between models' names, which have no controls.
const BETWEEN_MODELS: &str = "\n";

/// A key with what lists show beside it: the owner's address, requests, last use.
pub type ListedRow = (KeyRow, Option<String>, Option<i64>, Option<Ts>);

impl From<&ApiKey> for KeyRow {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.into(),
            user_id: key.user_id.into(),
            name: key.name.clone(),
            kind: key.kind.as_str().to_owned(),
            environment: key.environment.as_str().to_owned(),
            prefix: key.prefix.clone(),
            preview: key.preview.clone(),
            permissions: key.permissions.to_text(),
            tier: key.limits.tier.map(|tier| tier.as_str().to_owned()),
            minute_limit: key.limits.limits.minute.map(number::stored),
            hourly_limit: key.limits.limits.hour.map(number::stored),
            daily_limit: key.limits.limits.day.map(number::stored),
            admin_limits: key.limits.by_admin.bits(),
            is_active: key.is_active,
            disabled_by_admin: key.disabled_by_admin,
            revoked_at: key.revoked_at.map(Ts::from),
            expires_at: key.expires_at.map(Ts::from),
            created_by_key: key.created_by_key.map(Id::from),
            metadata: key.metadata.clone(),
            created_at: key.created_at.into(),
            updated_at: key.updated_at.into(),
            allowed_ips: joined(key.allowed_ips.iter().map(Network::to_string).collect(), BETWEEN_NETWORKS),
            allowed_models: joined(key.allowed_models.clone(), BETWEEN_MODELS),
        }
    }
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            name: row.name,
            kind: kind(&row.kind)?,
            environment: named(&row.environment, TABLE, "environment")?,
            prefix: row.prefix,
            preview: row.preview,
            permissions: Permissions::from_text(&row.permissions)
                .map_err(|_unknown| StoreError::Corrupt { table: TABLE, what: "permission" })?,
            limits: KeyLimits {
                tier: row.tier.map(|tier| named(&tier, TABLE, "tier")).transpose()?,
                limits: LimitOverrides {
                    minute: number::read_optional(row.minute_limit, TABLE, "minute limit")?,
                    hour: number::read_optional(row.hourly_limit, TABLE, "hourly limit")?,
                    day: number::read_optional(row.daily_limit, TABLE, "daily limit")?,
                },
                by_admin: GivenByAdmin::from_bits(row.admin_limits),
            },
            is_active: row.is_active,
            disabled_by_admin: row.disabled_by_admin,
            revoked_at: row.revoked_at.map(Ts::time),
            expires_at: row.expires_at.map(Ts::time),
            created_by_key: row.created_by_key.map(Into::into),
            metadata: row.metadata,
            created_at: row.created_at.time(),
            updated_at: row.updated_at.time(),
            allowed_ips: parts(row.allowed_ips.as_deref(), BETWEEN_NETWORKS)
                .map(|network| named(network, TABLE, "network"))
                .collect::<Result<_, _>>()?,
            allowed_models: parts(row.allowed_models.as_deref(), BETWEEN_MODELS).map(str::to_owned).collect(),
        })
    }
}

/// A listed key from its row.
pub fn listed((key, email, requests, last_used): ListedRow) -> Result<ListedKey, StoreError> {
    Ok(ListedKey {
        key: key.try_into()?,
        owner_email: email.map(|email| named(&email, "users", "email")).transpose()?,
        request_count: number::read(requests.unwrap_or(0), "key_totals", "request count")?,
        last_used_at: last_used.map(Ts::time),
    })
}

fn joined(parts: Vec<String>, between: &str) -> Option<String> {
    Some(parts.join(between)).filter(|text| !text.is_empty())
}

fn parts<'a>(text: Option<&'a str>, between: &'a str) -> impl Iterator<Item = &'a str> {
    text.into_iter().flat_map(move |text| text.split(between))
}

fn kind(text: &str) -> Result<KeyKind, StoreError> {
    [KeyKind::Ordinary, KeyKind::Primary, KeyKind::Editor, KeyKind::Legacy]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or(StoreError::Corrupt { table: TABLE, what: "kind" })
}
