//! Rows of `usage_events`.

use diesel::prelude::*;
use tollgate_domain::{Month, Tokens, UsageEvent};
use tollgate_store::StoreError;

use super::named;
use crate::{
    number,
    schema::usage_events,
    types::{Id, Ts},
};

const TABLE: &str = "usage_events";

/// An event as it was appended, without its place in a stream.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = usage_events)]
pub struct StoredEvent {
    id: Id,
    time: Ts,
    month: i32,
    request_id: String,
    user_id: Id,
    api_key_id: Id,
    environment: String,
    end_user: Option<String>,
    endpoint: String,
    method: String,
    params: String,
    status: i32,
    counts: bool,
    request_bytes: i64,
    response_bytes: i64,
    duration_ms: i64,
    upstream_ms: Option<i64>,
    provider: Option<String>,
    model: Option<String>,
    upstream_model: Option<String>,
    request_type: String,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    usage_source: String,
    cost_pico: Option<i64>,
    own_key: bool,
    repeat: i64,
    ip: Option<String>,
    user_agent: Option<String>,
    error_code: Option<String>,
}

impl StoredEvent {
    /// Its place among all events.
    pub const fn mark(&self) -> (Ts, Id) {
        (self.time, self.id)
    }
}

impl TryFrom<StoredEvent> for UsageEvent {
    type Error = StoreError;

    fn try_from(row: StoredEvent) -> Result<Self, StoreError> {
        let count = |number, what| number::read(number, TABLE, what);
        let tokens = |number| number::read_optional(number, TABLE, "number of tokens");
        Ok(Self {
            id: row.id.into(),
            time: row.time.time(),
            month: Month::from_number(row.month),
            request_id: row.request_id,
            user_id: row.user_id.into(),
            api_key_id: row.api_key_id.into(),
            environment: named(&row.environment, TABLE, "environment")?,
            end_user: row.end_user,
            endpoint: row.endpoint,
            method: row.method,
            params: row.params,
            status: small(row.status, "status")?,
            counts: row.counts,
            request_bytes: count(row.request_bytes, "size")?,
            response_bytes: count(row.response_bytes, "size")?,
            duration_ms: count(row.duration_ms, "duration")?,
            upstream_ms: number::read_optional(row.upstream_ms, TABLE, "duration")?,
            provider: row.provider,
            model: row.model,
            upstream_model: row.upstream_model,
            request_type: named(&row.request_type, TABLE, "request type")?,
            tokens: Tokens {
                prompt: tokens(row.prompt_tokens)?,
                completion: tokens(row.completion_tokens)?,
                cached: tokens(row.cached_tokens)?,
                reasoning: tokens(row.reasoning_tokens)?,
            },
            usage_source: named(&row.usage_source, TABLE, "source of usage")?,
            cost_pico: row.cost_pico,
            own_key: row.own_key,
            repeat: small(row.repeat, "number of requests")?,
            ip: row.ip,
            user_agent: row.user_agent,
            error_code: row.error_code,
        })
    }
}

/// A number that an event has in fewer bits than its column.
fn small<T, N: TryInto<T>>(number: N, what: &'static str) -> Result<T, StoreError> {
    number.try_into().map_err(|_outside| StoreError::Corrupt { table: TABLE, what })
}

/// What the fold reads of an event.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = usage_events)]
pub struct FoldRow {
    /// Its place in its stream.
    pub seq: i64,
    /// When it was admitted.
    pub time: Ts,
    /// On whose month it counts.
    pub month: i32,
    /// Whose.
    pub user_id: Id,
    /// By which key.
    pub api_key_id: Id,
    /// Live or test.
    pub environment: String,
    /// The route.
    pub endpoint: String,
    /// The answer's status.
    pub status: i32,
    /// Milliseconds.
    pub duration_ms: i64,
    /// Who was asked.
    pub provider: Option<String>,
    /// For which model.
    pub model: Option<String>,
    /// Chat or code.
    pub request_type: String,
    /// What went in.
    pub prompt_tokens: Option<i64>,
    /// What came out.
    pub completion_tokens: Option<i64>,
    /// What it cost.
    pub cost_pico: Option<i64>,
    /// With the user's own provider key.
    pub own_key: bool,
    /// How many requests it stands for.
    pub repeat: i64,
    /// What went wrong.
    pub error_code: Option<String>,
}
