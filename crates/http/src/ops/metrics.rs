//! `GET /metrics`.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, get, web::Data};

use crate::{
    client_address,
    extract::Admin,
    metrics_bind,
    problem::Problem,
    state::{MetricsAccess, State},
};

/// The text format of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics, for Prometheus
///
/// At an address of its own where one is configured; else with credentials of an administrator.
#[utoipa::path(
    tag = "operations",
    security((), ("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        (status = 404, description = "They are served at an address of their own."),
    ),
)]
#[get("/metrics")]
pub async fn metrics(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let open = match state.settings.metrics {
        MetricsAccess::At(_) if !metrics_bind::came_there(&request) => return Err(Problem::no_route()),
        MetricsAccess::At(_) => true,
        MetricsAccess::Credentials { loopback } => loopback && is_loopback(&request, &state),
    };
    if !open {
        Admin::from_request(&request, &mut Payload::None).await?;
    }
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).body((state.metrics)()))
}

fn is_loopback(request: &HttpRequest, state: &State) -> bool {
    client_address::of(request, &state.settings.trusted_proxies).is_some_and(|client| client.is_loopback())
}
