//! `database`: which database, and how its address may be shown.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::report::Report;
use crate::section::Section;
use crate::source::{REDACTED, Source};

const REMEDY: &str = "give postgres://USER:PASSWORD@HOST/DATABASE, postgresql://… or sqlite://PATH";

/// Where the data is kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// The database.
    pub url: DatabaseUrl,
}

/// The address of a database. Neither `Debug` nor `Display` shows a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The file of an embedded database.
    Sqlite(PathBuf),
    /// A `postgres://` or `postgresql://` URL.
    Postgres(SecretString),
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&redacted(url.expose_secret())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// The parts of a URL that say where a database is. Anything out of the ordinary is not shown at all: a
/// password with a `/` or `?` of its own would stand where a host or a path is looked for.
fn redacted(url: &str) -> String {
    let scheme = url.split("://").next().unwrap_or_default();
    shown_place(url).unwrap_or_else(|| format!("{scheme}://{REDACTED}"))
}

fn shown_place(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (user, place) = match rest.split_once('@') {
        Some((credentials, place)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            (format!("{user}{}@", if password.is_empty() { "" } else { ":***" }), place)
        }
        None => (String::new(), rest),
    };
    let (host, name) = place.split_once('/').unwrap_or((place, ""));
    let host_name = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) if !host.ends_with(']') => return None,
        _ => host,
    };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%[]:".contains(&b));
    let ordinary = !url.contains(['#', '\\'])
        && url.matches('@').count() <= 1
        && url.matches('?').count() <= 1
        && !user.contains('/')
        && plain(host_name)
        && plain(name);
    ordinary.then(|| format!("{scheme}://{user}{place}{query}"))
}

pub(crate) fn read(root: &mut Section<'_, '_>, working_dir: &Path, data_dir: &Path) -> Database {
    root.section("database", |section| {
        let name = section.name("url");
        let from_file = section.found("url".into());
        let candidate = match from_variables(section.report) {
            Err(()) => None,
            Ok(Some((url, source, named))) => Some((url, source, named)),
            Ok(None) => from_file.map(|found| (SecretString::from(found.text), found.source, found.named)),
        };
        let url = candidate.and_then(|(url, source, named)| match parse(url.expose_secret(), working_dir) {
            Ok(url) => {
                section.report.show(&name, url.to_string(), source);
                Some(url)
            }
            Err(problem) => {
                section.report.problem(named, problem, REMEDY);
                None
            }
        });
        let url = url.unwrap_or_else(|| DatabaseUrl::Sqlite(data_dir.join("tollgate.db")));
        section.show_default("url", &url);
        Database { url }
    })
}

/// What the two variables say; `Err` when that was a problem, which has been reported.
fn from_variables(report: &mut Report) -> Result<Option<(SecretString, Source, String)>, ()> {
    let mut found = Vec::new();
    let mut failed = false;
    for name in ["DATABASE_URL", "POSTGRES_URL"] {
        match report.variables.secret(name, &mut report.warnings) {
            Ok(Some((url, source))) => found.push((url, source, name.to_owned())),
            Ok(None) => {}
            Err(problem) => {
                report.problems.push(problem);
                failed = true;
            }
        }
    }
    if let [(first, ..), (second, ..)] = found.as_slice()
        && first.expose_secret() != second.expose_secret()
    {
        report.problem(
            "DATABASE_URL",
            "is set, and POSTGRES_URL is set to something else",
            "set only one of the two",
        );
        failed = true;
    }
    if failed { Err(()) } else { Ok(found.into_iter().next()) }
}

fn parse(text: &str, working_dir: &Path) -> Result<DatabaseUrl, String> {
    let text = text.trim();
    if text.chars().any(|c| c.is_control() || c.is_whitespace() && !text.starts_with("sqlite://")) {
        return Err("has spaces or control characters in it".to_owned());
    }
    match text.split_once("://") {
        Some(("sqlite", "" | ":memory:")) => Err("names no file".to_owned()),
        Some(("sqlite", path)) => Ok(DatabaseUrl::Sqlite(working_dir.join(path))),
        Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
            Ok(DatabaseUrl::Postgres(SecretString::from(text)))
        }
        _ => Err("is not the URL of a database that Tollgate speaks to".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn shows_the_place_and_never_a_password() {
        for (url, shown) in [
            ("postgresql://user:password@localhost:5432/ai", "postgresql://user:***@localhost:5432/ai"),
            ("postgres://localhost/ai", "postgres://localhost/ai"),
            ("postgres://u@[::1]:5432/ai?sslmode=require", "postgres://u@[::1]:5432/ai?…"),
            ("postgres:///ai?password=hunter2", "postgres:///ai?…"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        for odd in [
            "postgres://u:hunter2",
            "postgres://u:hun/ter2@host/db",
            "postgres://u:hun?ter2@host/db",
            "postgres://u:hun@ter2@host/db",
            "postgres://u:hun#ter2@host/db",
            "postgres://u:12?ter2@host/db",
            "postgres://host/db?password=a@hunter2",
        ] {
            let shown = redacted(odd);
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{odd} is shown as {shown}");
        }
    }
}
