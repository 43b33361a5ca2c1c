//! The line's metrics. Each is looked up once: that takes longer than to count.

use std::{cell::RefCell, sync::LazyLock};

use metrics::{Counter, Gauge, Histogram};

/// Requests between admission and record.
pub static OPEN_REQUESTS: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("tollgate_open_requests"));

/// What is told of one provider.
#[derive(Clone)]
pub struct OfProvider {
    /// How long it took to its first byte.
    pub upstream: Histogram,
    /// Tokens that went in.
    pub prompt_tokens: Counter,
    /// Tokens that came out.
    pub completion_tokens: Counter,
}

thread_local! {
    static DURATIONS: Known<Histogram> = Known::default();
    static PROVIDERS: Known<OfProvider> = Known::default();
}

/// How long answers of a route took, to their last byte.
pub fn request_duration(endpoint: &str) -> Histogram {
    DURATIONS.with(|known| {
        known.get(
            endpoint,
            || metrics::histogram!("tollgate_request_duration_seconds", "endpoint" => endpoint.to_owned()),
        )
    })
}

/// What is told of a provider.
pub fn of_provider(name: &str) -> OfProvider {
    let tokens = |kind: &'static str| metrics::counter!("tollgate_tokens_total", "provider" => name.to_owned(), "kind" => kind);
    PROVIDERS.with(|known| {
        known.get(name, || OfProvider {
            upstream: metrics::histogram!("tollgate_upstream_seconds", "provider" => name.to_owned()),
            prompt_tokens: tokens("prompt"),
            completion_tokens: tokens("completion"),
        })
    })
}

/// A thread's metrics by the value of their label: there are as many as there are routes or providers.
struct Known<T>(RefCell<Vec<(String, T)>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> Known<T> {
    fn get(&self, label: &str, find: impl FnOnce() -> T) -> T {
        let mut known = self.0.borrow_mut();
        if let Some((_, found)) = known.iter().find(|(of, _)| of == label) {
            return found.clone();
        }
        let found = find();
        known.push((label.to_owned(), found.clone()));
        found
    }
}
