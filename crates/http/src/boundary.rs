//! What happens around every request: its id, its problem's last form, its headers, its line in the log.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CONTENT_TYPE, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use crate::{
    access, metrics_bind,
    problem::{self, Problem},
    request_id::{RequestId, X_REQUEST_ID},
    security_headers,
    state::State,
    trailing_slash,
};

/// Surrounds a request; the outermost middleware.
///
/// # Errors
/// None of its own.
pub async fn boundary(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = match request.app_data::<Data<State>>() {
        Some(state) => RequestId::of(request.headers(), &*state.clock, &*state.random),
        None => RequestId(String::new()),
    };
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    trailing_slash::trim(&mut request);
    if method == Method::HEAD {
        // Whatever can be got can be asked for its headers; the server beneath leaves the body out by itself.
        request.head_mut().method = Method::GET;
    }
    let mut response = if metrics_bind::is_elsewhere(&request) {
        request.into_response(HttpResponse::from_error(Problem::no_route()))
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let request = response.request().clone();
    finish(&mut response, request.path(), &id);
    if let Some(state) = request.app_data::<Data<State>>() {
        security_headers::add_for(state.public_url(), response.headers_mut());
    }
    access::note(&response, &method, started, &id);
    Ok(response)
}

/// Gives an answer its last form: its problem written out, its id, the headers of every answer.
pub fn finish(response: &mut ServiceResponse<BoxBody>, path: &str, id: &RequestId) {
    let openai = path.starts_with("/v1/");
    let bare = is_bare_failure(response).then(|| Problem::of_status(response.status()));
    let given = response.response().error().and_then(Error::as_error::<Problem>);
    if let Some(problem) = given.or(bare.as_ref()) {
        log_failure(problem, id);
        let mut written = HttpResponse::new(problem.status());
        problem::write(problem, Some(&id.0), openai, &mut written);
        put(response, written);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    security_headers::add(path, headers);
}

/// Puts what was written into the answer; headers that are there already stay, such as those of CORS.
fn put(response: &mut ServiceResponse<BoxBody>, written: HttpResponse<BoxBody>) {
    let (written, body) = written.into_parts();
    let old = response.response_mut();
    *old.status_mut() = written.status();
    for (name, value) in written.headers() {
        old.headers_mut().insert(name.clone(), value.clone());
    }
    let taken = std::mem::replace(old, HttpResponse::new(written.status()));
    *old = taken.set_body(body);
}

/// An answer of the server beneath: no handler of ours answers with an error that has no body of its own.
fn is_bare_failure(response: &ServiceResponse<BoxBody>) -> bool {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let foreign = response.response().error().is_some() || !response.headers().contains_key(CONTENT_TYPE);
    failed && foreign
}

/// The same for a problem that is told on a page.
pub fn log_failure_of(request: &HttpRequest, problem: &Problem) {
    let id = request.extensions().get::<RequestId>().cloned();
    log_failure(problem, &id.unwrap_or_else(|| RequestId(String::new())));
}

/// The one line of a failure of ours.
fn log_failure(problem: &Problem, id: &RequestId) {
    if problem.status().is_server_error() {
        let (status, code) = (problem.status().as_u16(), problem.code());
        tracing::error!(status, code, cause = problem.cause(), request_id = id.0, "a request failed");
    } else if let Some(cause) = problem.cause() {
        tracing::warn!(code = problem.code(), cause, request_id = id.0, "a request was refused");
    }
}
