//! Tables that other systems left, read as they are: named columns of each row, as the text of a JSON object.

use std::fs::File;

use diesel::{
    connection::AnsiTransactionManager,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};

use crate::{
    both::{Conn, batch},
    open::{OpenError, connect},
    settings::Url,
    sqlite::{self, Access},
};

/// The longest name of a table or a schema, in bytes: what Postgres takes.
const MAX_NAME_BYTES: usize = 63;
/// Where Postgres looks for a table that names no schema.
const SCHEMA: &str = "public";
/// Rows that are read at a time.
const PAGE: i64 = 500;
/// The columns by which a table is known as Tollgate's own.
const OWN_COLUMNS: [&str; 2] = ["disabled_by_admin", "quota_floor_month"];

/// A table's name, with or without a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

/// A text that is no name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the name of a table, such as api_keys or public.api_keys: letters, digits and _, at most {MAX_NAME_BYTES}"
)]
pub struct NotAName;

impl std::str::FromStr for TableName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, text),
        };
        if !is_name(table) || !schema.is_none_or(is_name) {
            return Err(NotAName);
        }
        Ok(Self { schema: schema.map(str::to_owned), table: table.to_owned() })
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && text.len() <= MAX_NAME_BYTES && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A row: its number, from 1 on, and the text of a JSON object with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRow {
    /// Its place in the table; of SQLite, its `rowid`.
    pub number: i64,
    /// Its columns.
    pub json: String,
}

/// A table that is being read. Nothing in it, nor in the rest of its database, is changed.
pub struct ForeignTable {
    conn: Conn,
    name: TableName,
    query: String,
    after: i64,
    rows: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    json: String,
}

impl ForeignTable {
    /// Opens a table; of its columns only those in `wanted` are read. `None` where there is no such table, it lacks one of
    /// the `needed` columns, or it is Tollgate's own.
    ///
    /// # Errors
    /// See [`OpenError`]; an SQLite file that does not exist is one too.
    pub fn open(
        url: &Url,
        name: &TableName,
        needed: &[&str],
        wanted: &[&str],
    ) -> Result<Option<Self>, OpenError> {
        let mut conn = open(url)?;
        let columns = columns(&mut conn, name)?;
        let has = |column: &str| columns.iter().any(|own| own.eq_ignore_ascii_case(column));
        if !needed.iter().all(|column| has(column)) || OWN_COLUMNS.into_iter().any(has) {
            return Ok(None);
        }
        let read: Vec<_> = columns
            .iter()
            .filter(|own| wanted.iter().any(|column| own.eq_ignore_ascii_case(column)))
            .map(String::as_str)
            .collect();
        let rows = sql_query(format!("SELECT count(*) AS number FROM {}", quoted(&conn, name)))
            .get_result::<Number>(&mut conn)?
            .number;
        let query = begin(&mut conn, name, &read)?;
        let after = match conn {
            Conn::Pg(_) => 0,
            // Tables may have rows with numbers below 1.
            Conn::Sqlite(_) => i64::MIN,
        };
        Ok(Some(Self { conn, name: name.clone(), query, after, rows }))
    }

    /// Its name.
    pub const fn name(&self) -> &TableName {
        &self.name
    }

    /// How many rows it had when it was opened.
    pub const fn rows(&self) -> i64 {
        self.rows
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// The database's.
    pub fn read(&mut self) -> Result<Vec<ForeignRow>, OpenError> {
        let rows: Vec<ForeignRow> = match &mut self.conn {
            Conn::Pg(conn) => {
                let texts: Vec<Name> = sql_query(&self.query).load(conn)?;
                let first = self.after.saturating_add(1);
                (first..).zip(texts).map(|(number, row)| ForeignRow { number, json: row.name }).collect()
            }
            Conn::Sqlite(conn) => {
                let rows: Vec<Numbered> = sql_query(&self.query).bind::<BigInt, _>(self.after).load(conn)?;
                rows.into_iter().map(|row| ForeignRow { number: row.number, json: row.json }).collect()
            }
        };
        self.after = rows.last().map_or(self.after, |row| row.number);
        Ok(rows)
    }
}

fn open(url: &Url) -> Result<Conn, OpenError> {
    match url {
        Url::Postgres(_) => connect(url, Access::Read),
        Url::Sqlite(path) => {
            // A file that is not there would be made.
            File::open(path).map_err(|source| OpenError::File { path: path.clone(), source })?;
            let opened = sqlite::connect_foreign(path);
            opened.map(Conn::Sqlite).map_err(|error| crate::open::describe(url, error))
        }
    }
}

/// The columns of a table; none where there is no such table.
fn columns(conn: &mut Conn, name: &TableName) -> Result<Vec<String>, OpenError> {
    let rows: Vec<Name> = match conn {
        Conn::Pg(conn) => sql_query(
            "SELECT column_name::text AS name FROM information_schema.columns \
             WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
        )
        .bind::<Text, _>(name.schema.as_deref().unwrap_or(SCHEMA))
        .bind::<Text, _>(&name.table)
        .load(conn)?,
        Conn::Sqlite(conn) => {
            sql_query("SELECT name FROM pragma_table_info(?)").bind::<Text, _>(&name.table).load(conn)?
        }
    };
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Begins to read; gives the query for the next rows. On Postgres that is a cursor in a transaction that only reads.
fn begin(conn: &mut Conn, name: &TableName, columns: &[&str]) -> Result<String, OpenError> {
    let table = quoted(conn, name);
    match conn {
        Conn::Pg(inner) => {
            let columns: Vec<_> = columns.iter().map(|column| identifier(column)).collect();
            AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN READ ONLY")?;
            let cursor = format!(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
                 DECLARE rows_of NO SCROLL CURSOR FOR \
                 SELECT row_to_json(r)::text AS name FROM (SELECT {} FROM {table}) r",
                columns.join(", ")
            );
            batch(conn, &cursor)?;
            Ok(format!("FETCH {PAGE} FROM rows_of"))
        }
        Conn::Sqlite(_) => {
            let pairs: Vec<_> = columns
                .iter()
                .map(|column| {
                    let (text, column) = (column.replace('\'', "''"), identifier(column));
                    // JSON has no bytes.
                    format!(
                        "'{text}', CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE {column} END"
                    )
                })
                .collect();
            Ok(format!(
                "SELECT rowid AS number, json_object({}) AS json FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}",
                pairs.join(", ")
            ))
        }
    }
}

fn quoted(conn: &Conn, name: &TableName) -> String {
    let usual = matches!(conn, Conn::Pg(_)).then_some(SCHEMA);
    match name.schema.as_deref().or(usual) {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.table)),
        None => identifier(&name.table),
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::*;

    #[test]
    fn only_names_are_names() {
        for text in ["api_keys", "public.api_keys", "_a", "A1"] {
            assert_eq!(text.parse::<TableName>().unwrap().to_string(), text);
        }
        let long = "a".repeat(64);
        for text in ["", ".", "a.", ".a", "a.b.c", "1a", "a b", "a;b", "a\"b", "a'b", "ä", "a--", &long] {
            assert_eq!(text.parse::<TableName>(), Err(NotAName), "{text}");
        }
    }

    #[test]
    fn rows_are_read_whatever_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let rows = "CREATE TABLE old (id INTEGER PRIMARY KEY, name TEXT); \
                    INSERT INTO old VALUES (-5, 'a'), (0, 'b'), (7, 'c')";
        conn.batch_execute(rows).unwrap();
        let name = "old".parse().unwrap();
        let mut table = ForeignTable::open(&Url::Sqlite(path), &name, &["name"], &["name"]).unwrap().unwrap();
        let read = table.read().unwrap();
        assert_eq!(read.iter().map(|row| row.number).collect::<Vec<_>>(), [-5, 0, 7]);
        assert_eq!(table.read().unwrap(), []);
    }
}
