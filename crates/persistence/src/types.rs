//! Column types that both databases share: native on Postgres, sortable text on SQLite.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::Pg,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{HasSqlType, Text, Timestamptz},
    sqlite::Sqlite,
};
use tollgate_domain::{AuditId, EventId, KeyId, MailId, OutboxId, RunId, SessionId, Time, UserId, clock};
use uuid::Uuid;

use crate::both::MultiBackend;

/// The types as SQL knows them.
pub mod sql {
    use diesel::{query_builder::QueryId, sql_types::SqlType};

    /// A moment: `timestamptz`, or RFC 3339 with six decimals and `Z`.
    #[derive(Debug, Clone, Copy, QueryId, SqlType)]
    #[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Text"))]
    pub struct Ts;

    /// An id: `uuid`, or 32 hexadecimal digits.
    #[derive(Debug, Clone, Copy, QueryId, SqlType)]
    #[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Text"))]
    pub struct Id;
}

/// A moment in whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql::Ts)]
pub struct Ts(DateTime<Utc>);

/// An id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql::Id)]
pub struct Id(pub Uuid);

impl Ts {
    /// The moment.
    pub const fn time(self) -> Time {
        self.0
    }
}

impl From<Time> for Ts {
    fn from(time: Time) -> Self {
        Self(clock::to_micros(time))
    }
}

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl From<$id> for Id {
            fn from(id: $id) -> Self {
                Self(id.as_uuid())
            }
        }

        impl From<Id> for $id {
            fn from(id: Id) -> Self {
                id.0.into()
            }
        }
    )*};
}

ids!(MailId, OutboxId, RunId, UserId, KeyId, SessionId, EventId, AuditId);

macro_rules! portable {
    ($name:ident, $inner:ty, $native:ty, $to_text:expr, $from_text:expr) => {
        impl ToSql<sql::$name, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <$inner as ToSql<$native, Pg>>::to_sql(&self.0, out)
            }
        }

        impl FromSql<sql::$name, Pg> for $name {
            fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                <$inner as FromSql<$native, Pg>>::from_sql(value).map(Self)
            }
        }

        impl ToSql<sql::$name, Sqlite> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                let text: fn(&$inner) -> String = $to_text;
                out.set_value(text(&self.0));
                Ok(IsNull::No)
            }
        }

        impl FromSql<sql::$name, Sqlite> for $name {
            fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                let text = <String as FromSql<Text, Sqlite>>::from_sql(value)?;
                let parse: fn(&str) -> deserialize::Result<$inner> = $from_text;
                parse(&text).map(Self)
            }
        }

        impl HasSqlType<sql::$name> for MultiBackend {
            fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
                Self::lookup_sql_type::<sql::$name>(lookup)
            }
        }

        impl FromSql<sql::$name, MultiBackend> for $name {
            fn from_sql(value: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                value.from_sql::<Self, sql::$name>()
            }
        }

        impl ToSql<sql::$name, MultiBackend> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
                out.set_value((sql::$name, self));
                Ok(IsNull::No)
            }
        }
    };
}

portable!(Ts, DateTime<Utc>, Timestamptz, |time| time.to_rfc3339_opts(SecondsFormat::Micros, true), |text| {
    Ok(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc))
});
portable!(Id, Uuid, diesel::sql_types::Uuid, |id| id.as_simple().to_string(), |text| Ok(Uuid::try_parse(
    text
)?));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lose_what_postgres_would_not_keep() {
        let time = Time::from_timestamp_nanos(1_795_219_200_123_456_789);
        assert_eq!(Ts::from(time).time(), Time::from_timestamp_nanos(1_795_219_200_123_456_000));
    }
}
