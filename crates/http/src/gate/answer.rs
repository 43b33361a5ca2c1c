//! The line's reply as an HTTP answer.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName},
};
use tollgate_domain::Clock;
use tollgate_gate::{Metered, Reply};

use super::headers;
use crate::problem::Problem;

/// Keeps nginx in front from gathering a stream's events.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// # Errors
/// A refusal, as a problem with the caller's windows and quota in its headers.
pub fn of(reply: Reply, clock: &dyn Clock) -> Result<HttpResponse, Problem> {
    match reply {
        Reply::Whole { metered, body } => Ok(ok(&metered, clock).content_type("application/json").body(body)),
        Reply::Stream { metered, body } => Ok(ok(&metered, clock)
            .content_type("text/event-stream; charset=utf-8")
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((X_ACCEL_BUFFERING, "no"))
            .streaming(body)),
        Reply::Refused { refusal, metered } => {
            let headers = metered.map_or_else(Vec::new, |metered| headers::of(&metered, clock.now()));
            let with = |problem: Problem, (name, value)| problem.with_header(name, value);
            Err(headers.into_iter().fold(Problem::from(*refusal), with))
        }
    }
}

fn ok(metered: &Metered, clock: &dyn Clock) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    for header in headers::of(metered, clock.now()) {
        response.insert_header(header);
    }
    response
}
