//! Which pages in browsers may call.

use actix_cors::Cors;
use actix_web::http::{Method, header};

use crate::request_id::X_REQUEST_ID;

/// Seconds for which a browser need not ask again.
const MAX_AGE: usize = 3_600;
/// What pages may read beside the body.
const EXPOSED: [&str; 14] = [
    "x-request-id",
    "retry-after",
    "x-ratelimit-limit-minute",
    "x-ratelimit-limit-hour",
    "x-ratelimit-limit-day",
    "x-ratelimit-remaining-minute",
    "x-ratelimit-remaining-hour",
    "x-ratelimit-remaining-day",
    "ratelimit",
    "ratelimit-policy",
    "x-quota-limit",
    "x-quota-remaining",
    "x-quota-reset",
    "x-cache",
];

/// The listed origins; one that ends in `:*` stands for every port.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            X_REQUEST_ID,
            header::HeaderName::from_static(crate::credentials::X_API_KEY),
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("x-cache-mode"),
        ])
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE);
    origins.iter().fold(cors, |cors, listed| match listed.strip_suffix('*').map(str::to_owned) {
        Some(start) => cors.allowed_origin_fn(move |origin, _| has_any_port(origin.as_bytes(), &start)),
        None => cors.allowed_origin(listed),
    })
}

/// Whether `origin` is `start` and a port.
fn has_any_port(origin: &[u8], start: &str) -> bool {
    let port = origin.strip_prefix(start.as_bytes()).unwrap_or_default();
    !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_port_and_nothing_else() {
        let any = |origin: &str| has_any_port(origin.as_bytes(), "http://localhost:");
        assert!(any("http://localhost:3000"));
        assert!(!any("http://localhost:"));
        assert!(!any("http://localhost:3000.evil.example"));
        assert!(!any("http://localhost.evil.example:3000"));
    }
}
