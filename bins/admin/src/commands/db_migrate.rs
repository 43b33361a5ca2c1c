//! `db migrate`: applies what is missing.

use serde::Serialize;
use tollgate_config::Config;

use crate::{error::AdminError, json, output, wire};

#[derive(Serialize)]
struct Migrated {
    applied: Vec<String>,
}

/// Applies missing migrations, in order.
pub fn run(config: &Config, json: bool) -> Result<(), AdminError> {
    let applied = wire::migrate(config)?;
    if json {
        return json::print(&Migrated { applied });
    }
    if applied.is_empty() {
        return output::line(&"No migration was missing.");
    }
    output::line(&format_args!("Applied, in order:\n  {}", applied.join("\n  ")))
}
