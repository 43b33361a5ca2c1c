//! Which pages in browsers may call.

use actix_cors::Cors;
use actix_web::http::{Method, header};

use crate::request_id::X_REQUEST_ID;

/// Seconds for which a browser need not ask again.
const MAX_AGE: usize = 3_600;
const DEVELOPMENT: &str = "http://localhost:";
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

/// The listed origins; `None` is development: every port of this machine.
pub fn cors(origins: Option<&[String]>) -> Cors {
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
    match origins {
        Some(origins) => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
        None => cors.allowed_origin_fn(|origin, _| origin.as_bytes().starts_with(DEVELOPMENT.as_bytes())),
    }
}
