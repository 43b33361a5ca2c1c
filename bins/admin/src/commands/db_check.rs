//! `db check`: how the database is.

use serde::Serialize;
use tollgate_config::Config;
use tollgate_persistence::Check;

use crate::{error::AdminError, json, output, wire};

#[derive(Serialize)]
struct Checked<'a> {
    url: String,
    database: &'static str,
    version: &'a str,
    pending_migrations: &'a [String],
    latency_us: u64,
}

/// Connects and looks, and changes nothing.
pub fn run(config: &Config, json: bool) -> Result<(), AdminError> {
    let Check { kind, version, pending, latency } = wire::check(config)?;
    let url = config.database.url.to_string();
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if json {
        return json::print(&Checked {
            url,
            database: kind,
            version: &version,
            pending_migrations: &pending,
            latency_us,
        });
    }
    let missing = if pending.is_empty() {
        "none".to_owned()
    } else {
        format!("{} (run `tollgate-admin db migrate`)", pending.join(", "))
    };
    output::line(&"The database answers.\n")?;
    output::details(&[
        ("Database", url),
        ("Version", format!("{kind} {version}")),
        ("Missing migrations", missing),
        ("Latency", format!("{}.{:03} ms", latency_us / 1_000, latency_us % 1_000)),
    ])
}
