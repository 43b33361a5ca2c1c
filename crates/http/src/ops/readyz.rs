//! `GET /readyz`.

use actix_web::{HttpResponse, get, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{problem::Problem, readiness::Ready, state::State};

/// Whether the server takes requests.
#[derive(Serialize, ToSchema)]
pub struct Readyz {
    /// `ready`, `degraded` or `unavailable`.
    #[schema(value_type = String, pattern = "^(ready|degraded|unavailable)$")]
    status: &'static str,
    /// What is away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["database"]))]
    failing: Vec<&'static str>,
}

/// Whether the server takes requests
#[utoipa::path(
    tag = "operations",
    responses(
        (status = 200, description = "It does, perhaps for known callers only (`degraded`).", body = Readyz),
        (status = 503, description = "It starts, drains, or lacks something.", body = Readyz),
    ),
)]
#[get("/readyz")]
pub async fn readyz(state: Data<State>) -> Result<HttpResponse, Problem> {
    Ok(shown(state.readiness.get()))
}

/// What to tell, as an answer.
pub(crate) fn shown(ready: Ready) -> HttpResponse {
    let (mut response, status, failing) = match ready {
        Ready::Ready => (HttpResponse::Ok(), "ready", Vec::new()),
        Ready::Degraded(failing) => (HttpResponse::Ok(), "degraded", failing),
        Ready::Unavailable(failing) => (HttpResponse::ServiceUnavailable(), "unavailable", failing),
    };
    response.json(Readyz { status, failing })
}
