//! Where the database is and how many connections it gets.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::Pepper;

/// Where a database is. Neither `Debug` nor `Display` tells a password.
#[derive(Clone)]
pub enum Url {
    /// A file.
    Sqlite(PathBuf),
    /// A server, as libpq takes it: `postgres://user:password@host:port/database?option=value`.
    Postgres(SecretString),
}

/// A text that is no URL of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be postgres://…, postgresql://… or sqlite://PATH")]
pub struct NotAUrl;

impl FromStr for Url {
    type Err = NotAUrl;

    fn from_str(text: &str) -> Result<Self, NotAUrl> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned().into()));
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(NotAUrl),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                // Neither what stands before the last `@` nor the options, where a password may stand too.
                let rest = url.expose_secret().split_once("://").map_or("", |(_, rest)| rest);
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                let place = place.split_once('?').map_or(place, |(place, _)| place);
                write!(f, "postgresql://{place}")
            }
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub url: Url,
    /// Connections to Postgres that all callers share; the recorder has one of its own beside them.
    pub connections: u32,
    /// Connections that read SQLite's file; one more writes.
    pub readers: u32,
    /// Whether each commit waits until it is on the disk; not only where a test throws the database away.
    pub durable: bool,
    /// Whether missing migrations are applied; else they are an error that names them.
    pub migrate: bool,
    /// What keys the chain of the audit log.
    pub pepper: Pepper,
}

impl Settings {
    /// The usual settings for the database at `url`: durable, migrated when opened.
    pub const fn new(url: Url, pepper: Pepper) -> Self {
        Self { url, connections: 8, readers: 4, durable: true, migrate: true, pepper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_apart_and_show_no_password() {
        for (text, shown) in [
            ("sqlite://data/t.db", "sqlite://data/t.db"),
            ("sqlite:///var/t.db", "sqlite:///var/t.db"),
            ("postgres://u:s3cr3t@h:5432/d", "postgresql://h:5432/d"),
            ("postgresql://u:s3cr3t@x@h/d?password=s3cr3t", "postgresql://h/d"),
            ("postgresql://h/d?password=s3cr3t@x", "postgresql://x"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{:?}", Settings::new(url, Pepper::new(&["p"]).unwrap())).contains("s3cr3t"));
        }
        for text in ["", "mysql://h", "sqlite://", "data.db"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
