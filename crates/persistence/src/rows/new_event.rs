//! Events to be appended, and the two statements that do so.
//!
//! Diesel's own insert with `ON CONFLICT` is written out as SQL again for every row, which costs more than
//! the row itself. These are prepared once a connection.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text},
    sqlite::Sqlite,
};
use tollgate_domain::UsageEvent;
use tollgate_store::StreamId;

use crate::{
    number::counted,
    types::{Id, Ts, sql},
};

/// Declares the columns once, for all that needs them in the same order.
macro_rules! columns {
    ($first:ident: $first_type:ty as $first_sql:ty, $($column:ident: $type:ty as $sql:ty,)*) => {
        /// An event to be appended.
        #[derive(Debug)]
        pub struct NewEvent<'a> {
            $first: $first_type,
            $($column: $type,)*
        }

        /// Events to be appended, a list a column.
        struct Columns<'a> {
            $first: Vec<$first_type>,
            $($column: Vec<$type>,)*
        }

        impl<'a> Columns<'a> {
            fn of(rows: &[NewEvent<'a>]) -> Self {
                Self {
                    $first: rows.iter().map(|row| row.$first).collect(),
                    $($column: rows.iter().map(|row| row.$column).collect(),)*
                }
            }
        }

        /// The statement up to its values.
        const INSERT: &str = concat!(
            "INSERT INTO usage_events (", stringify!($first), $(", ", stringify!($column),)* ") "
        );

        impl QueryFragment<Sqlite> for InsertOne<'_, '_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(INSERT);
                out.push_sql("VALUES (");
                out.push_bind_param::<$first_sql, _>(&self.0.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$sql, _>(&self.0.$column)?;
                )*
                out.push_sql(") ON CONFLICT DO NOTHING");
                Ok(())
            }
        }

        impl QueryFragment<Pg> for InsertAll<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(INSERT);
                out.push_sql("SELECT * FROM unnest(");
                out.push_bind_param::<Array<$first_sql>, _>(&self.0.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.0.$column)?;
                )*
                out.push_sql(") ON CONFLICT DO NOTHING");
                Ok(())
            }
        }
    };
}

columns! {
    id: Id as sql::Id,
    time: Ts as sql::Ts,
    stream: i64 as BigInt,
    seq: i64 as BigInt,
    month: i32 as Integer,
    request_id: &'a str as Text,
    user_id: Id as sql::Id,
    api_key_id: Id as sql::Id,
    environment: &'static str as Text,
    end_user: Option<&'a str> as Nullable<Text>,
    endpoint: &'a str as Text,
    method: &'a str as Text,
    params: &'a str as Text,
    status: i32 as Integer,
    counts: bool as Bool,
    request_bytes: i64 as BigInt,
    response_bytes: i64 as BigInt,
    duration_ms: i64 as BigInt,
    upstream_ms: Option<i64> as Nullable<BigInt>,
    provider: Option<&'a str> as Nullable<Text>,
    model: Option<&'a str> as Nullable<Text>,
    upstream_model: Option<&'a str> as Nullable<Text>,
    request_type: &'static str as Text,
    prompt_tokens: Option<i64> as Nullable<BigInt>,
    completion_tokens: Option<i64> as Nullable<BigInt>,
    cached_tokens: Option<i64> as Nullable<BigInt>,
    reasoning_tokens: Option<i64> as Nullable<BigInt>,
    usage_source: &'static str as Text,
    cost_pico: Option<i64> as Nullable<BigInt>,
    own_key: bool as Bool,
    repeat: i64 as BigInt,
    ip: Option<&'a str> as Nullable<Text>,
    user_agent: Option<&'a str> as Nullable<Text>,
    error_code: Option<&'a str> as Nullable<Text>,
}

/// Inserts one event unless it is there: for SQLite, where a short statement costs less than a long one.
pub struct InsertOne<'r, 'a>(pub &'r NewEvent<'a>);

/// Inserts those events that are not there: for Postgres, where each statement is a round trip. One array a
/// column, so that the statement is the same for any number of rows.
pub struct InsertAll<'a>(Box<Columns<'a>>);

impl<'a> InsertAll<'a> {
    /// All of `rows`.
    pub fn new(rows: &[NewEvent<'a>]) -> Self {
        Self(Box::new(Columns::of(rows)))
    }
}

/// The statement's SQL never differs.
impl QueryId for InsertOne<'_, '_> {
    type QueryId = InsertOne<'static, 'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

/// The statement's SQL never differs.
impl QueryId for InsertAll<'_> {
    type QueryId = InsertAll<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for InsertOne<'_, '_> {}
impl RunQueryDsl<PgConnection> for InsertAll<'_> {}

impl<'a> NewEvent<'a> {
    /// The row of `event` at place `seq` of `stream`.
    pub fn new(event: &'a UsageEvent, stream: StreamId, seq: i64) -> Self {
        Self {
            id: event.id.into(),
            time: event.time.into(),
            stream: stream.0,
            seq,
            month: event.month.number(),
            request_id: &event.request_id,
            user_id: event.user_id.into(),
            api_key_id: event.api_key_id.into(),
            environment: event.environment.as_str(),
            end_user: event.end_user.as_deref(),
            endpoint: &event.endpoint,
            method: &event.method,
            params: &event.params,
            status: event.status.into(),
            counts: event.counts,
            request_bytes: counted(event.request_bytes),
            response_bytes: counted(event.response_bytes),
            duration_ms: counted(event.duration_ms),
            upstream_ms: event.upstream_ms.map(counted),
            provider: event.provider.as_deref(),
            model: event.model.as_deref(),
            upstream_model: event.upstream_model.as_deref(),
            request_type: event.request_type.as_str(),
            prompt_tokens: event.tokens.prompt.map(counted),
            completion_tokens: event.tokens.completion.map(counted),
            cached_tokens: event.tokens.cached.map(counted),
            reasoning_tokens: event.tokens.reasoning.map(counted),
            usage_source: event.usage_source.as_str(),
            cost_pico: event.cost_pico,
            own_key: event.own_key,
            repeat: event.repeat.into(),
            ip: event.ip.as_deref(),
            user_agent: event.user_agent.as_deref(),
            error_code: event.error_code.as_deref(),
        }
    }

    /// Whether a text has a NUL, which only one of the databases takes.
    pub fn has_nul(&self) -> bool {
        let required = [self.request_id, self.endpoint, self.method, self.params];
        let optional = [
            self.end_user,
            self.provider,
            self.model,
            self.upstream_model,
            self.ip,
            self.user_agent,
            self.error_code,
        ];
        required.into_iter().chain(optional.into_iter().flatten()).any(|text| text.contains('\0'))
    }
}
