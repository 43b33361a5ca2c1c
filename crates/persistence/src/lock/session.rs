//! The lock on Postgres: an advisory one, which lives as long as its session.
//!
//! A session can outlast its client: the network swallows what would end it. So sessions have a name that
//! only this server has, by which it knows its own orphan, ends it, and takes the lock again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};

use super::{LockError, Standing};
use crate::{
    both::Conn,
    open::{OpenError, connect},
    settings::Url,
    sqlite::Access,
    threads::Threads,
    watch::while_it_answers,
};

/// How often a lock that another session holds is tried.
const EVERY: Duration = Duration::from_millis(250);
/// How long a server waits for the end of its own orphan before it tries from the beginning.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may take to say whether the lock is held.
const PATIENCE: Duration = Duration::from_secs(2);
/// The advisory lock of servers.
const LOCK: i64 = 0x746f_6c6c_7365_7276;
/// Whose lock it is: its row in `pg_locks`, which tells the number in two halves.
const HOLDER: &str = "FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                      AND (l.classid::bigint << 32 | l.objid::bigint) = $1 \
                      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
/// Staying is the session's whole work, but not beyond its client: an orphan ends within a quarter of a minute.
const SESSION: &str = "SET idle_session_timeout TO 0; SET tcp_keepalives_idle TO 5; \
                       SET tcp_keepalives_interval TO 3; SET tcp_keepalives_count TO 3";

/// A session that has the lock.
pub struct Session {
    url: Url,
    /// This server's, in every session that it ever has the lock by.
    name: String,
    conn: Arc<Mutex<PgConnection>>,
    /// One thread: while it waits for an answer, nobody else asks.
    threads: Threads,
}

impl Session {
    /// Takes the lock within `wait`.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(url: &Url, wait: Duration) -> Result<Self, LockError> {
        let place = url.clone();
        let (conn, name) = while_it_answers(url, move || {
            let (mut conn, name) = open(&place, None)?;
            let end = Instant::now() + wait;
            while !lock(&mut conn)? {
                if Instant::now() >= end {
                    return Err(LockError::HeldElsewhere);
                }
                thread::sleep(EVERY);
            }
            Ok((conn, name))
        })?;
        let threads = Threads::new("lock", 1);
        Ok(Self { url: url.clone(), name, conn: Arc::new(Mutex::new(conn)), threads })
    }

    /// What has become of the lock.
    pub fn standing(&self) -> Standing {
        let conn = Arc::clone(&self.conn);
        let asked = self.threads.run(PATIENCE, move || {
            let mut conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
            // A statement may fail once where a connection is lost for good.
            let held = is_held(&mut conn).or_else(|_error| is_held(&mut conn));
            Ok(if matches!(held, Ok(true)) { Standing::Held } else { Standing::Lost })
        });
        asked.unwrap_or(Standing::NoAnswer)
    }

    /// Takes a lost lock again, from an orphan of this server's own too.
    ///
    /// # Errors
    /// See [`LockError`]; `HeldElsewhere` where another server has it.
    pub fn retake(&mut self) -> Result<(), LockError> {
        let (url, name) = (self.url.clone(), self.name.clone());
        let conn = while_it_answers(&self.url, move || {
            let (mut conn, name) = open(&url, Some(name))?;
            let end = Instant::now() + ORPHAN_TIMEOUT;
            while !lock(&mut conn)? {
                end_orphan(&mut conn, &name)?;
                if Instant::now() >= end {
                    let reason = "a session of this server does not end".to_owned();
                    return Err(OpenError::Away { at: url.to_string(), reason }.into());
                }
                thread::sleep(EVERY);
            }
            Ok::<_, LockError>(conn)
        })?;
        self.conn = Arc::new(Mutex::new(conn));
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Holder {
    #[diesel(sql_type = Integer)]
    pid: i32,
    /// Unknown where the session is another role's.
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

/// A session of that name, or of a new one that nobody else has.
fn open(url: &Url, name: Option<String>) -> Result<(PgConnection, String), OpenError> {
    let Conn::Pg(mut conn) = connect(url, Access::Read)? else {
        return Err(OpenError::Malformed);
    };
    conn.batch_execute(SESSION)?;
    let named: Name = sql_query(
        "SELECT set_config('application_name', coalesce($1, 'tollgate-' || gen_random_uuid()), false) AS name",
    )
    .bind::<Nullable<Text>, _>(name)
    .get_result(&mut conn)?;
    Ok((conn, named.name))
}

fn lock(conn: &mut PgConnection) -> Result<bool, OpenError> {
    let answer: Answer =
        sql_query("SELECT pg_try_advisory_lock($1) AS yes").bind::<BigInt, _>(LOCK).get_result(conn)?;
    Ok(answer.yes)
}

fn is_held(conn: &mut PgConnection) -> QueryResult<bool> {
    sql_query(format!("SELECT count(*) > 0 AS yes {HOLDER} AND pid = pg_backend_pid()"))
        .bind::<BigInt, _>(LOCK)
        .get_result(conn)
        .map(|answer: Answer| answer.yes)
}

/// Tells the session that has the lock to end, if it is this server's own.
fn end_orphan(conn: &mut PgConnection, name: &str) -> Result<(), LockError> {
    let holder: Option<Holder> = sql_query(format!("SELECT pid, a.application_name AS name {HOLDER}"))
        .bind::<BigInt, _>(LOCK)
        .get_result(conn)
        .optional()
        .map_err(OpenError::from)?;
    // Where nobody has it any more, it was let go a moment ago.
    let Some(holder) = holder else { return Ok(()) };
    if holder.name.as_deref() != Some(name) {
        return Err(LockError::HeldElsewhere);
    }
    tracing::warn!(pid = holder.pid, "ending this server's own orphaned session on the database");
    let end: QueryResult<Answer> =
        sql_query("SELECT pg_terminate_backend($1) AS yes").bind::<Integer, _>(holder.pid).get_result(conn);
    end.map_err(OpenError::from)?;
    Ok(())
}
