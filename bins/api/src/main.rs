//! The Tollgate server.

#[cfg(feature = "abort-points")]
mod abort;
mod audit_head;
mod authentication;
mod catalogue;
mod cli;
mod error;
mod greeting;
mod jobs;
mod mail;
mod serve;
mod signals;
mod start;
mod telemetry;
mod upkeep;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use tollgate_config::{Sources, ensure_secrets, load};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration is wrong.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let loaded = match Sources::from_process(cli.config).map_err(|error| error.to_string()) {
        Ok(sources) => load(&sources).map_err(|problems| problems.to_string()),
        Err(error) => Err(error),
    };
    let mut loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return cli::end(MISCONFIGURED, &problems),
    };
    if let Err(error) = wire::check(&loaded.config) {
        return cli::end(MISCONFIGURED, &error);
    }
    if cli.check {
        return cli::end(0, &cli::checked(&loaded));
    }
    let created = match ensure_secrets(&mut loaded) {
        Ok(created) => created,
        Err(problems) => return cli::end(MISCONFIGURED, &problems),
    };
    let served = telemetry::init(&loaded.config.logging)
        .map_err(Into::into)
        .and_then(|metrics| serve::run(&loaded, &created, metrics));
    tollgate_telemetry::flush();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::end(if error.is_misconfiguration() { MISCONFIGURED } else { 1 }, &error),
    }
}
