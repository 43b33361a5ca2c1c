//! Which pages in browsers may call.

use actix_cors::Cors;
use actix_web::http::Method;

/// Seconds for which a browser need not ask again.
const MAX_AGE: usize = 3_600;
/// What pages may read beside the body.
const EXPOSED: [&str; 19] = [
    "x-request-id",
    "retry-after",
    "x-ratelimit-limit-minute",
    "x-ratelimit-limit-hour",
    "x-ratelimit-limit-day",
    "x-ratelimit-remaining-minute",
    "x-ratelimit-remaining-hour",
    "x-ratelimit-remaining-day",
    "x-ratelimit-reset-minute",
    "x-ratelimit-reset-hour",
    "x-ratelimit-reset-day",
    "ratelimit",
    "ratelimit-policy",
    "x-quota-limit",
    "x-quota-remaining",
    "x-quota-reset",
    "x-cache",
    "x-should-retry",
    "idempotent-replayed",
];

/// The listed origins; one that ends in `:*` stands for every port, and for none.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        // Clients of others' making send headers of their own; no cookie is a credential here.
        .allow_any_header()
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE);
    origins.iter().fold(cors, |cors, listed| match listed.strip_suffix(":*").map(str::to_owned) {
        Some(host) => cors.allowed_origin_fn(move |origin, _| is_at_any_port(origin.as_bytes(), &host)),
        None => cors.allowed_origin(listed),
    })
}

/// Whether `origin` is `host` (with its scheme), alone or with a port.
fn is_at_any_port(origin: &[u8], host: &str) -> bool {
    let Some(rest) = origin.strip_prefix(host.as_bytes()) else { return false };
    let is_port = |port: &[u8]| !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_port_and_nothing_else() {
        let any = |origin: &str| is_at_any_port(origin.as_bytes(), "http://localhost");
        assert!(any("http://localhost"));
        assert!(any("http://localhost:3000"));
        assert!(!any("http://localhost:"));
        assert!(!any("http://localhost:3000.evil.example"));
        assert!(!any("http://localhost3000"));
        assert!(!any("http://localhost.evil.example"));
        assert!(!any("https://localhost"));
        assert!(!any("http://localhost.evil.example:3000"));
    }
}
