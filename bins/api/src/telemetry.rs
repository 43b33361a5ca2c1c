//! Logs and metrics, as they are configured.

use tollgate_config::LogFormat;
use tollgate_telemetry::{Format, Level, Metrics, Settings, TelemetryError};

/// Starts to log and to count.
///
/// # Errors
/// See [`TelemetryError`].
pub fn init(logging: &tollgate_config::Logging) -> Result<Metrics, TelemetryError> {
    let format = match logging.format {
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    };
    let level = logging.level.as_str().parse().unwrap_or(Level::INFO);
    tollgate_telemetry::init(&Settings { level, format })
}
