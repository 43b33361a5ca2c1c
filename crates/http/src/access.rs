//! What is noted of every answer: its line in the access log, and its count.

use std::{cell::RefCell, collections::HashMap, collections::HashSet, sync::LazyLock, time::Instant};

use actix_web::{HttpRequest, dev::ServiceResponse, http::Method};
use metrics::Counter;

use crate::{request_id::RequestId, routes};

/// The route of what no route took.
const UNMATCHED: &str = "unmatched";

/// Routes without parameters: there the path is the route.
static FIXED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let paths = routes::mounted().into_iter().map(|(_, path)| path);
    paths.filter(|path| !path.contains('{')).collect()
});

thread_local! {
    /// The counters of this thread's answers, by route and status: to find one anew each time would cost more
    /// than to count. There are as many as there are routes, and statuses.
    static COUNTERS: RefCell<HashMap<String, Vec<(u16, Counter)>>> = RefCell::default();
}

/// Notes an answer to a request that came by `method` at `started`.
pub fn note<B>(response: &ServiceResponse<B>, method: &Method, started: Instant, id: &RequestId) {
    let status = response.status().as_u16();
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    with_route(response.request(), |route| {
        tracing::info!(target: "tollgate::access", %method, route, status, ms, request_id = id.0, "answered");
        count(route, status);
    });
}

/// The route, never the path: somebody's key may stand in it by mistake.
fn with_route(request: &HttpRequest, each: impl FnOnce(&str)) {
    match FIXED.get(request.path()) {
        Some(route) => each(route),
        None => each(request.match_pattern().as_deref().unwrap_or(UNMATCHED)),
    }
}

fn count(route: &str, status: u16) {
    COUNTERS.with_borrow_mut(|counters| {
        let Some(of_route) = counters.get_mut(route) else {
            let counter = counter(route, status);
            counter.increment(1);
            counters.insert(route.to_owned(), vec![(status, counter)]);
            return;
        };
        match of_route.iter().find(|(known, _)| *known == status) {
            Some((_, counter)) => counter.increment(1),
            None => {
                let counter = counter(route, status);
                counter.increment(1);
                of_route.push((status, counter));
            }
        }
    });
}

fn counter(route: &str, status: u16) -> Counter {
    let labels = [("endpoint", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("tollgate_requests_total", &labels)
}
