//! Headers that every answer carries, whatever it is.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// For answers that are no pages: nothing may be loaded or framed.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// For the API's own pages: everything comes from here.
const OWN: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                   frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// Browsers that were here once come by TLS for a year; other hosts of the domain are none of our business.
const ONLY_TLS: &str = "max-age=31536000";
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Adds them to the answer of `path`. What an answer says itself stays.
pub fn add(path: &str, headers: &mut HeaderMap) {
    let policy = if path.starts_with("/docs") { OWN } else { NOTHING };
    put(headers, CONTENT_SECURITY_POLICY, policy);
    put(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, X_FRAME_OPTIONS, "DENY");
    put(headers, REFERRER_POLICY, "no-referrer");
    put(headers, CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    // Everything of a user's is that user's alone, and much of it is secret.
    if ["/api/", "/admin/", "/v1/"].iter().any(|start| path.starts_with(start)) {
        put(headers, CACHE_CONTROL, "no-store");
    }
}

/// Adds what keeps browsers from coming without TLS, where the public URL is of it.
pub fn add_for(public_url: &str, headers: &mut HeaderMap) {
    if public_url.starts_with("https://") {
        put(headers, STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    // Few answers have one of these: it is put back, rather than looked for each time.
    let own = headers.insert(name.clone(), HeaderValue::from_static(value)).next();
    if let Some(own) = own {
        headers.insert(name, own);
    }
}
