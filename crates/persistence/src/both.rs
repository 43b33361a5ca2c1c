//! One connection type over both databases, and the little that diesel's own lacks.

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    prelude::*,
};

use crate::failure::Failure;

/// A connection to one or the other.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// To Postgres.
    Pg(PgConnection),
    /// To SQLite.
    Sqlite(SqliteConnection),
}

type Transactions = <Conn as Connection>::TransactionManager;

/// Runs the same code on either connection: for what [`Conn`] does not take (statements of many rows,
/// `ON CONFLICT`).
macro_rules! each {
    ($conn:expr, $inner:ident => $body:expr) => {
        match $conn {
            $crate::both::Conn::Pg($inner) => $body,
            $crate::both::Conn::Sqlite($inner) => $body,
        }
    };
}
pub(crate) use each;

/// Runs `work` in a transaction that may write. On SQLite it begins IMMEDIATE: one that reads before it
/// writes would else fail as soon as somebody else has written. Not nestable.
pub fn write_tx<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match conn {
        Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?,
        Conn::Pg(conn) => AnsiTransactionManager::begin_transaction(conn)?,
    }
    end_tx(conn, work)
}

/// Runs `work`, which only reads, on one unmoving state of the database. Not nestable.
pub fn snapshot<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match conn {
        Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction(conn)?,
        Conn::Pg(conn) => AnsiTransactionManager::begin_transaction_sql(
            conn,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )?,
    }
    end_tx(conn, work)
}

fn end_tx<T>(conn: &mut Conn, work: impl FnOnce(&mut Conn) -> Result<T, Failure>) -> Result<T, Failure> {
    match work(conn) {
        Ok(value) => {
            Transactions::commit_transaction(conn)?;
            Ok(value)
        }
        Err(failure) => {
            // The first failure tells more than that of a rollback on a lost connection.
            Transactions::rollback_transaction(conn).ok();
            Err(failure)
        }
    }
}

/// Runs statements without values.
pub fn batch(conn: &mut Conn, statements: &str) -> QueryResult<()> {
    each!(conn, conn => conn.batch_execute(statements))
}
