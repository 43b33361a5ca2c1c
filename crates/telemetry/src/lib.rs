//! Logs and metrics of the programs.
//!
//! **Owns** how log lines look and which are left out, the names of all metrics with their units, help and
//! buckets ([`names`]), and the text that `/metrics` answers.
//!
//! **Must never see** any other crate of Tollgate, a database or a server. Everybody logs through `tracing`
//! and counts through `metrics`; only a program calls [`init`], once, before anything else.
//!
//! No line and no label may carry a key, a token, a password or a prompt; labels take few values (a route,
//! never a path; a provider, never a user).
//!
//! ```
//! use tollgate_telemetry::{Format, Level, Settings, init};
//!
//! let metrics = init(&Settings { level: Level::INFO, format: Format::Human })?;
//! metrics::counter!("tollgate_requests_total", "endpoint" => "/healthz", "status" => "200").increment(1);
//! assert!(metrics.render().contains("tollgate_requests_total"));
//! # Ok::<(), tollgate_telemetry::TelemetryError>(())
//! ```

mod log;
mod metric;
pub mod names;
mod output;
mod plain;

pub use metric::{Metrics, UPKEEP_SECONDS};
pub use output::flush;
pub use tracing::Level;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// How much is logged, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The least important lines that are logged. Reads `error`, `warn`, `info`, `debug` and `trace`.
    pub level: Level,
    /// The form of lines.
    pub format: Format,
}

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Something else in the process takes the log lines already.
    #[error("log lines are taken by something else in this process")]
    LogsInstalled,
    /// Something else in the process takes the metrics already.
    #[error("metrics are taken by something else in this process")]
    MetricsInstalled,
    /// The thread that writes log lines cannot be had.
    #[error("no thread can be had for log lines")]
    NoThread(#[source] std::io::Error),
    /// A histogram has no buckets.
    #[error("a metric is declared wrongly")]
    Declaration(#[from] metrics_exporter_prometheus::BuildError),
}

/// Sends log lines to standard error, and gathers metrics, from now on.
///
/// # Errors
/// When something else in the process has taken either before.
pub fn init(settings: &Settings) -> Result<Metrics, TelemetryError> {
    log::install(settings)?;
    metric::install()
}
