//! What only Postgres has: its session settings, row locks, monthly partitions.

use chrono::{DateTime, Utc};
use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::Error,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{Month, Time};

use crate::{
    both::Conn,
    failure::Failure,
    schema::{api_keys, attempts, devices, event_streams, sessions, users},
    sqlite::Access,
    types::Id,
};

/// Each connection's settings. Everything is in our schema, and nothing that others may write to is searched.
/// Statements end before the patience of who waits for them.
const SESSION: &str = "\
    SET client_min_messages TO warning; \
    SET search_path TO tollgate; \
    SET timezone TO 'UTC'; \
    SET synchronous_commit TO on; \
    SET statement_timeout TO '4s'; \
    SET lock_timeout TO '3s'; \
    SET idle_in_transaction_session_timeout TO '60s'";
/// What differs where nobody waits for the disk.
const CARELESS: &str = "SET synchronous_commit TO off";
/// How long one group of events may take.
const APPEND_TIMEOUT: &str = "SET statement_timeout TO '3s'; SET lock_timeout TO '3s'";
/// How long each statement of the transaction of a report may take.
const REPORT_TIMEOUT: &str = "SET LOCAL statement_timeout TO '14s'";
/// How long each statement of the transaction of a fold, or of a month's partition, may take.
const UPKEEP_TIMEOUT: &str = "SET LOCAL statement_timeout TO '20s'; SET LOCAL lock_timeout TO '10s'";
/// How long each statement of the transaction of an import may take: the first waits for other imports.
const IMPORT_TIMEOUT: &str = "SET LOCAL statement_timeout TO '20s'; SET LOCAL lock_timeout TO '20s'";
/// What libpq is told unless the URL says otherwise: how soon an absent server is noticed. (One that hangs is not: its
/// system still answers for it.)
const DEFAULT_OPTIONS: [(&str, &str); 6] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "15"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("application_name", "tollgate"),
];
/// Months whose partitions are made ahead.
const PARTITIONS_AHEAD: usize = 2;
/// The advisory lock under which partitions are made.
const PARTITIONS_LOCK: i64 = 0x746f_6c6c_7061_7274;
/// The advisory lock under which users and keys of other systems are taken over.
const IMPORTS_LOCK: i64 = 0x746f_6c6c_696d_706f;

/// Opens a connection with our settings.
pub fn connect(url: &SecretString, access: Access) -> Result<PgConnection, Error> {
    let mut conn =
        PgConnection::establish(&with_defaults(url.expose_secret())).map_err(Error::ConnectionError)?;
    conn.batch_execute(SESSION).map_err(Error::QueryError)?;
    if access == Access::WriteCarelessly {
        conn.batch_execute(CARELESS).map_err(Error::QueryError)?;
    }
    Ok(conn)
}

/// Makes a connection one that appends events.
pub fn for_appending(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(APPEND_TIMEOUT)
}

/// Lets the present transaction take as long as a report may.
pub fn for_report(conn: &mut Conn) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        conn.batch_execute(REPORT_TIMEOUT)?;
    }
    Ok(())
}

fn with_defaults(url: &str) -> String {
    let mut full = url.to_owned();
    let options = url.split_once('?').map_or("", |(_, options)| options);
    let named: Vec<_> =
        options.split('&').filter_map(|option| option.split_once('=')).map(|(name, _)| name).collect();
    for (name, value) in DEFAULT_OPTIONS.into_iter().filter(|(name, _)| !named.contains(name)) {
        full.push(if full.contains('?') { '&' } else { '?' });
        full.push_str(name);
        full.push('=');
        full.push_str(value);
    }
    full
}

/// Holds the user against other writers until the end of the transaction. SQLite has one writer anyway.
pub fn lock_user(conn: &mut Conn, id: Id) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        users::table.find(id).select(users::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Holds the key against other writers until the end of the transaction.
pub fn lock_key(conn: &mut Conn, id: Id) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        api_keys::table.find(id).select(api_keys::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Holds other imports off until the end of the transaction: one holds users and keys in the order of its records, and
/// two whose orders differ would each wait for the other. The transaction may take as long as an import may.
pub fn lock_imports(conn: &mut Conn) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        conn.batch_execute(IMPORT_TIMEOUT)?;
        sql_query(format!("SELECT pg_advisory_xact_lock({IMPORTS_LOCK})")).execute(conn)?;
    }
    Ok(())
}

/// Holds the session against other writers until the end of the transaction.
pub fn lock_session(conn: &mut Conn, id: Id) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        sessions::table.find(id).select(sessions::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Holds the device against other writers until the end of the transaction.
pub fn lock_device(conn: &mut Conn, hash: &[u8; 32]) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        let held = devices::table.find(hash.as_slice()).select(devices::device_hash);
        held.for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Holds an email address, whether or not a user has it, by its keyed hash: others who do something with it wait until
/// the end of the transaction.
pub fn lock_address(conn: &mut Conn, address: &[u8; 32]) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        let (start, _) = address.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<BigInt, _>(i64::from_be_bytes(*start))
            .execute(conn)?;
    }
    Ok(())
}

/// Holds these counts of attempts against other writers until the end of the transaction, in the order of their keys.
pub fn lock_attempts(conn: &mut Conn, keys: &[&[u8]]) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        let held =
            attempts::table.filter(attempts::key.eq_any(keys)).order(attempts::key).select(attempts::key);
        held.for_update().execute(conn)?;
    }
    Ok(())
}

/// Waits until no other fold runs, and holds others off until the end of the transaction, which
/// may take as long as a fold may.
pub fn lock_fold(conn: &mut Conn) -> QueryResult<()> {
    if let Conn::Pg(conn) = conn {
        conn.batch_execute(UPKEEP_TIMEOUT)?;
        event_streams::table.find(0).select(event_streams::id).for_update().execute(conn)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

/// Makes the partitions of this month and of those ahead that are not there yet.
pub fn ensure_partitions(conn: &mut PgConnection, now: Time) -> Result<(), Failure> {
    let months = std::iter::successors(Some(Month::of(now)), |month| Some(month.next()));
    for month in months.take(PARTITIONS_AHEAD.saturating_add(1)) {
        conn.transaction(|conn| ensure_partition(conn, month))?;
    }
    Ok(())
}

/// Makes a month's partition beside the table and then attaches it, which stops nobody who reads or
/// appends; events that went to the default partition meanwhile move into it.
fn ensure_partition(conn: &mut PgConnection, month: Month) -> Result<(), Failure> {
    let name = format!("usage_events_{}", month.to_string().replace('-', "_"));
    conn.batch_execute(UPKEEP_TIMEOUT)?;
    sql_query(format!("SELECT pg_advisory_xact_lock({PARTITIONS_LOCK})")).execute(conn)?;
    let found: Exists = sql_query("SELECT to_regclass($1) IS NOT NULL AS exists")
        .bind::<Text, _>(format!("tollgate.{name}"))
        .get_result(conn)?;
    if found.exists {
        return Ok(());
    }
    let (from, to) = (literal(month.start()), literal(month.next().start()));
    conn.batch_execute(&format!(
        "CREATE TABLE {name} (LIKE usage_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
         LOCK TABLE usage_events_default IN ACCESS EXCLUSIVE MODE; \
         WITH moved AS (DELETE FROM usage_events_default WHERE time >= {from} AND time < {to} RETURNING *) \
         INSERT INTO {name} SELECT * FROM moved; \
         ALTER TABLE usage_events ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    ))?;
    Ok(())
}

fn literal(time: DateTime<Utc>) -> String {
    format!("'{}'", time.format("%Y-%m-%d %H:%M:%S+00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_own_options_win() {
        let full = with_defaults("postgres://h/d?connect_timeout=9");
        assert!(full.starts_with("postgres://h/d?connect_timeout=9&"), "{full}");
        assert_eq!(full.matches("connect_timeout").count(), 1);
        assert!(with_defaults("postgres://h/d").contains("d?connect_timeout=2&"));
    }
}
