//! `GET /healthz`.

use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// The process answers.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
}

/// Whether the process lives
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "It does.", body = Health)),
)]
#[get("/healthz")]
pub async fn healthz() -> Result<HttpResponse, Problem> {
    Ok(shown())
}

/// The answer, which needs nothing.
pub(crate) fn shown() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}
