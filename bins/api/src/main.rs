//! The Tollgate server.

#[cfg(feature = "abort-points")]
mod abort;
mod catalogue;
mod cli;
mod error;
mod greeting;
mod jobs;
mod serve;
mod signals;
mod start;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use tollgate_config::{Loaded, LogFormat, Sources, ensure_secrets, load};
use tollgate_telemetry::{Format, Metrics, Settings, TelemetryError};

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
    let served =
        telemetry(&loaded).map_err(Into::into).and_then(|metrics| serve::run(&loaded, &created, metrics));
    tollgate_telemetry::flush();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::end(if error.is_misconfiguration() { MISCONFIGURED } else { 1 }, &error),
    }
}

fn telemetry(loaded: &Loaded) -> Result<Metrics, TelemetryError> {
    let logging = &loaded.config.logging;
    let format = match logging.format {
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    };
    let level = logging.level.as_str().parse().unwrap_or(tollgate_telemetry::Level::INFO);
    tollgate_telemetry::init(&Settings { level, format })
}
