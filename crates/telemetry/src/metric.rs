//! Metrics for Prometheus.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::TelemetryError;
use crate::names::{ALL, Kind};

/// How often [`Metrics::upkeep`] should be called, in seconds.
pub const UPKEEP_SECONDS: u64 = 5;

/// Reads what the metrics say. Clones read the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what histograms have gathered into their buckets. Where nobody reads the metrics, memory grows
    /// with every request unless this is called, every [`UPKEEP_SECONDS`] or so.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Gathers the metrics of the process from now on.
pub(crate) fn install() -> Result<Metrics, TelemetryError> {
    let recorder = recorder()?;
    let metrics = Metrics { handle: recorder.handle() };
    metrics::set_global_recorder(recorder).map_err(|_installed| TelemetryError::MetricsInstalled)?;
    describe();
    Ok(metrics)
}

fn recorder() -> Result<PrometheusRecorder, TelemetryError> {
    let mut builder = PrometheusBuilder::new();
    for metric in &ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

fn describe() {
    for metric in &ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is rendered after `work` on a recorder of its own.
    fn rendered(work: impl FnOnce(&Metrics)) -> String {
        let recorder = recorder().unwrap();
        let metrics = Metrics { handle: recorder.handle() };
        metrics::with_local_recorder(&recorder, || {
            describe();
            work(&metrics);
        });
        metrics.render()
    }

    #[test]
    fn a_counter_shows_with_its_labels_and_its_help() {
        let text = rendered(|_| {
            metrics::counter!("tollgate_requests_total", "endpoint" => "/v1/models", "status" => "200")
                .increment(2);
        });
        assert!(text.contains("# HELP tollgate_requests_total Answers of the server\n"), "{text}");
        assert!(text.contains("# TYPE tollgate_requests_total counter\n"), "{text}");
        assert!(
            text.contains("tollgate_requests_total{endpoint=\"/v1/models\",status=\"200\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn histograms_have_buckets_and_upkeep_loses_nothing() {
        let text = rendered(|metrics| {
            metrics::histogram!("tollgate_upstream_seconds", "provider" => "glm").record(0.02);
            metrics.upkeep();
            metrics::histogram!("tollgate_upstream_seconds", "provider" => "glm").record(0.3);
        });
        for line in [
            "# TYPE tollgate_upstream_seconds histogram",
            "tollgate_upstream_seconds_bucket{provider=\"glm\",le=\"0.01\"} 0",
            "tollgate_upstream_seconds_bucket{provider=\"glm\",le=\"0.025\"} 1",
            "tollgate_upstream_seconds_bucket{provider=\"glm\",le=\"+Inf\"} 2",
            "tollgate_upstream_seconds_count{provider=\"glm\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for metric in &ALL {
            assert!(metric.name.starts_with("tollgate_"), "{}", metric.name);
            assert_eq!(
                matches!(metric.kind, Kind::Counter),
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted() && !buckets.is_empty(), "{}", metric.name);
            }
        }
    }
}
