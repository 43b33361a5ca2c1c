//! Rows of `users`.

use diesel::prelude::*;
use tollgate_domain::{LimitOverrides, Month, User, user::MonthTokens};
use tollgate_store::StoreError;

use super::named;
use crate::{
    number,
    schema::users,
    types::{Id, Ts},
};

const TABLE: &str = "users";

/// A user without the password's hash.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct UserRow {
    id: Id,
    email: Option<String>,
    external_id: Option<String>,
    name: Option<String>,
    search: String,
    role: String,
    tier: String,
    is_active: bool,
    is_verified: bool,
    minute_limit: Option<i64>,
    hourly_limit: Option<i64>,
    daily_limit: Option<i64>,
    monthly_token_limit: Option<i64>,
    quota_floor_month: Option<i32>,
    quota_floor_tokens: Option<i64>,
    quota_grant_month: Option<i32>,
    quota_grant_tokens: Option<i64>,
    metadata: String,
    created_at: Ts,
    updated_at: Ts,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        let email = user.email.as_ref().map(|email| email.as_str().to_owned());
        Self {
            id: user.id.into(),
            search: search_text(&[email.as_deref(), user.name.as_deref(), user.external_id.as_deref()]),
            email,
            external_id: user.external_id.clone(),
            name: user.name.clone(),
            role: user.role.as_str().to_owned(),
            tier: user.tier.as_str().to_owned(),
            is_active: user.is_active,
            is_verified: user.is_verified,
            minute_limit: user.limits.minute.map(number::stored),
            hourly_limit: user.limits.hour.map(number::stored),
            daily_limit: user.limits.day.map(number::stored),
            monthly_token_limit: user.monthly_token_limit.map(number::stored),
            quota_floor_month: user.quota_floor.map(|floor| floor.month.number()),
            quota_floor_tokens: user.quota_floor.map(|floor| number::stored(floor.tokens)),
            quota_grant_month: user.quota_grant.map(|grant| grant.month.number()),
            quota_grant_tokens: user.quota_grant.map(|grant| number::stored(grant.tokens)),
            metadata: user.metadata.clone(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            email: row.email.map(|email| named(&email, TABLE, "email")).transpose()?,
            external_id: row.external_id,
            name: row.name,
            role: named(&row.role, TABLE, "role")?,
            tier: named(&row.tier, TABLE, "tier")?,
            is_active: row.is_active,
            is_verified: row.is_verified,
            limits: LimitOverrides {
                minute: number::read_optional(row.minute_limit, TABLE, "minute limit")?,
                hour: number::read_optional(row.hourly_limit, TABLE, "hourly limit")?,
                day: number::read_optional(row.daily_limit, TABLE, "daily limit")?,
            },
            monthly_token_limit: number::read_optional(row.monthly_token_limit, TABLE, "token limit")?,
            quota_floor: month_tokens(row.quota_floor_month, row.quota_floor_tokens, "quota floor")?,
            quota_grant: month_tokens(row.quota_grant_month, row.quota_grant_tokens, "quota grant")?,
            metadata: row.metadata,
            created_at: row.created_at.time(),
            updated_at: row.updated_at.time(),
        })
    }
}

fn month_tokens(
    month: Option<i32>,
    tokens: Option<i64>,
    what: &'static str,
) -> Result<Option<MonthTokens>, StoreError> {
    let (Some(month), Some(tokens)) = (month, tokens) else { return Ok(None) };
    let tokens = number::read(tokens, TABLE, what)?;
    Ok(Some(MonthTokens { month: Month::from_number(month), tokens }))
}

/// What a search looks into; the parts are kept apart by a character that no search may have.
fn search_text(parts: &[Option<&str>]) -> String {
    parts.iter().flatten().map(|part| part.to_lowercase()).collect::<Vec<_>>().join("\n")
}
