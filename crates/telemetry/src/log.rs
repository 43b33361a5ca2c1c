//! Log lines: for people or for programs, with one filter.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::{Format, Settings, TelemetryError, output, plain::Plain};

/// Crates whose lines below a warning say nothing about Tollgate.
const NOISY: &[&str] = &[
    "actix_http",
    "actix_server",
    "diesel",
    "diesel_migrations",
    "hyper",
    "hyper_util",
    "mio",
    "rustls",
    "tokio_util",
];

/// Sends log lines to standard error from now on.
pub(crate) fn install(settings: &Settings) -> Result<(), TelemetryError> {
    let ansi = std::io::stderr().is_terminal();
    let output = output::standard_error().map_err(TelemetryError::NoThread)?;
    let subscriber = subscriber(settings, output, ansi);
    tracing::subscriber::set_global_default(subscriber).map_err(|_installed| TelemetryError::LogsInstalled)
}

/// A subscriber that writes to `writer`, in colour if `ansi` and the form is for people.
pub(crate) fn subscriber<W>(settings: &Settings, writer: W, ansi: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Registry::default().with(lines(settings.format, writer, ansi).with_filter(filter(settings)))
}

fn lines<S, W>(format: Format, writer: W, ansi: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    match format {
        Format::Human if ansi => layer.compact().boxed(),
        Format::Human => layer.with_ansi(false).event_format(Plain).boxed(),
        Format::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

fn filter(settings: &Settings) -> Targets {
    let level = LevelFilter::from_level(settings.level);
    let quiet = level.min(LevelFilter::WARN);
    Targets::new().with_default(level).with_targets(NOISY.iter().map(|&target| (target, quiet)))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, format: Format, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(&Settings { level, format }, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object() {
        let text = logged(Level::INFO, Format::Json, || {
            let span = tracing::info_span!("request", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(status = 200, path = "a\"b\nc", "done");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "done");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["status"], 200);
        assert_eq!(line["path"], "a\"b\nc");
        assert_eq!(line["span"]["request_id"], "r-1");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_line_for_people_is_one_line_without_colours() {
        let text = logged(Level::INFO, Format::Human, || tracing::warn!(port = 8000, "listening"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("WARN") && text.contains("listening") && text.contains("port=8000"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_line_for_people_reads_as_on_a_terminal_and_stays_one_line() {
        let text = logged(Level::INFO, Format::Human, || {
            let span = tracing::info_span!("request", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(target: "t", ms = 3, at = %"/a", name = "b \"c\"\n", "done\r\n{}", "now");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.starts_with("20"), "{text}");
        assert_eq!(rest, " INFO t: done\\r\\nnow ms=3 at=/a name=\"b \\\"c\\\"\\n\" request_id=\"r-1\"\n");
    }

    #[test]
    fn the_level_filters_and_noisy_crates_only_warn() {
        let log = || {
            tracing::debug!("ours");
            tracing::info!(target: "hyper::client", "theirs");
            tracing::warn!(target: "hyper::client", "their warning");
        };
        let text = logged(Level::DEBUG, Format::Human, log);
        assert!(
            text.contains("ours") && text.contains("their warning") && !text.contains("theirs"),
            "{text}"
        );
        assert_eq!(logged(Level::ERROR, Format::Human, log), "");
    }
}
