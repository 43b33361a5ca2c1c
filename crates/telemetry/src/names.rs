//! Every metric of Tollgate: its name, what it counts, its unit and, for histograms, its buckets.
//!
//! Other crates write the names as literals (`metrics::counter!("tollgate_requests_total", …)`), so that they
//! need nothing of this crate. A metric that is not listed here has no help text and, as a histogram, no
//! buckets.

use metrics::Unit;

/// Answers of the server. Labels: `endpoint` (a route, never a path), `status`.
pub const REQUESTS: &str = "tollgate_requests_total";
/// How long gated answers took, to their last byte. Label: `endpoint`.
pub const REQUEST_DURATION: &str = "tollgate_request_duration_seconds";
/// Tokens that were recorded. Labels: `provider`, `kind` (`prompt`, `completion`).
pub const TOKENS: &str = "tollgate_tokens_total";
/// Requests that the gate refused. Label: `code`.
pub const REFUSALS: &str = "tollgate_refusals_total";
/// How long providers took to their first byte. Label: `provider`.
pub const UPSTREAM: &str = "tollgate_upstream_seconds";
/// Events that wait for their commit.
pub const RECORD_QUEUE: &str = "tollgate_record_queue";
/// How long commits of groups of events took.
pub const RECORD_COMMIT: &str = "tollgate_record_commit_seconds";
/// Events of a commit.
pub const RECORD_GROUP_SIZE: &str = "tollgate_record_group_size";
/// Refusals that were not recorded under a flood.
pub const RECORD_DROPPED_REFUSALS: &str = "tollgate_record_dropped_refusals_total";
/// Threads that were given up because the database did not answer in time.
pub const DATABASE_GIVEN_UP: &str = "tollgate_database_given_up_total";
/// Events that the database refused; they are kept in the spool.
pub const RECORD_REJECTED: &str = "tollgate_record_rejected_total";
/// Events that wait in the spool for the database.
pub const SPOOL_EVENTS: &str = "tollgate_spool_events";
/// How long the oldest of them has waited.
pub const SPOOL_OLDEST: &str = "tollgate_spool_oldest_seconds";
/// Events that the database refused and that lie in the spool.
pub const SPOOL_REJECTED: &str = "tollgate_spool_rejected";
/// How long the fold took.
pub const FOLD: &str = "tollgate_fold_seconds";
/// How long saving the windows took.
pub const WINDOWS_SAVE: &str = "tollgate_windows_save_seconds";
/// Events that were folded into sums.
pub const FOLD_EVENTS: &str = "tollgate_fold_events_total";
/// Requests between admission and record.
pub const OPEN_REQUESTS: &str = "tollgate_open_requests";
/// Entries of the cache of keys and users.
pub const CACHE_ENTRIES: &str = "tollgate_cache_entries";
/// Jobs that wait for a thread of a pool, such as passwords to be hashed. Label: `pool`.
pub const POOL_WAITING: &str = "tollgate_pool_waiting";
/// Jobs that a full pool refused. Label: `pool`.
pub const POOL_REFUSED: &str = "tollgate_pool_refused_total";
/// Mails that the sender dealt with. Label: `outcome` (`sent`, `discarded`, `failed`, `given_up`).
pub const MAILS: &str = "tollgate_mails_total";
/// Mails that wait to be sent.
pub const MAILS_WAITING: &str = "tollgate_mails_waiting";

/// What a metric is.
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric as it is described to Prometheus.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) help: &'static str,
}

/// From a cached answer to the longest that a provider may take.
const REQUEST_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// From an SQLite commit on a fast disk to a Postgres that hangs.
const COMMIT_SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];
const GROUP_EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Unit::Count, help }
}

const fn seconds(name: &'static str, buckets: &'static [f64], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit: Unit::Seconds, help }
}

pub(crate) const ALL: [Metric; 23] = [
    counter(REQUESTS, "Answers of the server"),
    seconds(REQUEST_DURATION, REQUEST_SECONDS, "How long gated answers took, to their last byte"),
    counter(TOKENS, "Tokens that were recorded"),
    counter(REFUSALS, "Requests that the gate refused"),
    seconds(UPSTREAM, REQUEST_SECONDS, "How long providers took to their first byte"),
    gauge(RECORD_QUEUE, "Events that wait for their commit"),
    seconds(RECORD_COMMIT, COMMIT_SECONDS, "How long commits of groups of events took"),
    Metric {
        name: RECORD_GROUP_SIZE,
        kind: Kind::Histogram(GROUP_EVENTS),
        unit: Unit::Count,
        help: "Events of a commit",
    },
    counter(RECORD_DROPPED_REFUSALS, "Refusals that were not recorded under a flood"),
    counter(DATABASE_GIVEN_UP, "Threads given up because the database did not answer in time"),
    counter(RECORD_REJECTED, "Events that the database refused"),
    gauge(SPOOL_EVENTS, "Events that wait in the spool for the database"),
    Metric {
        name: SPOOL_OLDEST,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "How long the oldest event in the spool has waited",
    },
    gauge(SPOOL_REJECTED, "Events in the spool that the database refused"),
    seconds(FOLD, COMMIT_SECONDS, "How long the fold took"),
    seconds(WINDOWS_SAVE, COMMIT_SECONDS, "How long saving the windows took"),
    counter(FOLD_EVENTS, "Events that were folded into sums"),
    gauge(OPEN_REQUESTS, "Requests between admission and record"),
    gauge(CACHE_ENTRIES, "Entries of the cache of keys and users"),
    gauge(POOL_WAITING, "Jobs that wait for a thread of a pool"),
    counter(POOL_REFUSED, "Jobs that a full pool refused"),
    counter(MAILS, "Mails that were sent, discarded, tried in vain or given up"),
    gauge(MAILS_WAITING, "Mails that wait to be sent"),
];
