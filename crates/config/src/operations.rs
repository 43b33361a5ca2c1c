//! `record`, `cache`, `retention`, `cluster`, `shutdown` and `cors`: how the server runs.

use crate::report::quoted;
use crate::section::Section;
use crate::url;

const MIB: u64 = 1024 * 1024;
/// Most entries in `cors.origins`.
const MAX_ORIGINS: usize = 256;

/// The recorder's queue.
#[derive(Debug, Clone)]
pub struct Record {
    /// Requests that may be between admission and record.
    pub max_open: usize,
    /// How long the end of an answer waits for its commit.
    pub max_wait_seconds: u32,
}

/// What is kept in memory of keys, users, sessions and prices.
#[derive(Debug, Clone)]
pub struct Cache {
    /// How long known callers are served on while changes cannot be read.
    pub max_stale_minutes: u32,
    /// Bound of the cache, in bytes.
    pub max_bytes: u64,
}

/// How long events are kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Days.
    pub events_days: u32,
}

/// How several servers share a database.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Whether several servers may run on one Postgres without Redis, each counting limits on its own.
    pub allow_inexact: bool,
}

/// How the server stops.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// How long running answers may take to finish.
    pub grace_seconds: u32,
}

/// Which browser origins may call.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Origins such as `https://app.example.com`; a port of `*` stands for any.
    pub origins: Vec<String>,
}

pub(crate) fn record(root: &mut Section<'_, '_>) -> Record {
    root.section("record", |section| Record {
        max_open: section.integer("max_open", 10_000, 2..=1_000_000),
        max_wait_seconds: section.integer("max_wait_seconds", 5, 1..=60),
    })
}

pub(crate) fn cache(root: &mut Section<'_, '_>) -> Cache {
    root.section("cache", |section| Cache {
        max_stale_minutes: section.integer("max_stale_minutes", 15, 1..=1_440),
        max_bytes: section.integer("max_bytes", 256 * MIB, MIB..=1_024 * 1_024 * MIB),
    })
}

pub(crate) fn retention(root: &mut Section<'_, '_>) -> Retention {
    root.section("retention", |section| Retention {
        events_days: section.integer("events_days", 90, 1..=36_500),
    })
}

pub(crate) fn cluster(root: &mut Section<'_, '_>) -> Cluster {
    root.section("cluster", |section| Cluster { allow_inexact: section.boolean("allow_inexact", false) })
}

pub(crate) fn shutdown(root: &mut Section<'_, '_>) -> Shutdown {
    root.section("shutdown", |section| Shutdown {
        grace_seconds: section.integer("grace_seconds", 25, 0..=3_600),
    })
}

pub(crate) fn cors(root: &mut Section<'_, '_>, production: bool) -> Cors {
    root.section("cors", |section| {
        let found = section.texts("origins");
        section.show_default("origins", if production { "" } else { "http://localhost:*" });
        let Some(found) = found else {
            let origins = if production { Vec::new() } else { vec!["http://localhost:*".to_owned()] };
            return Cors { origins };
        };
        if found.texts.len() > MAX_ORIGINS {
            let problem = format!("has more than {MAX_ORIGINS} entries");
            section.report.problem(&found.named, problem, "list fewer origins");
        }
        let mut origins = Vec::new();
        for text in &found.texts {
            match url::origin(text) {
                Ok(origin) => origins.push(origin),
                Err(problem) => section.report.problem(
                    &found.named,
                    // What stands before an `@` may be a password.
                    if text.contains('@') { problem } else { format!("{problem}: {}", quoted(text)) },
                    "list each as https://app.example.com, without a path",
                ),
            }
        }
        Cors { origins }
    })
}
