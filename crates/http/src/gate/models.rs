//! `GET /v1/models`: the models that are offered.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use tollgate_gate::Endpoint;
use utoipa::ToSchema;

use super::{Worker, serve};
use crate::{
    problem::{Problem, ProblemBody},
    state::State,
};

/// The models, in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    object: String,
    /// The models.
    data: Vec<ListedModel>,
}

/// A model that is offered.
#[derive(Serialize, ToSchema)]
pub struct ListedModel {
    /// Its public name.
    id: String,
    /// Always `model`.
    object: String,
    /// Always 0: nobody knows.
    created: i64,
    /// The provider that answers for it.
    owned_by: String,
}

/// List the models
#[utoipa::path(
    tag = "gate",
    responses(
        (status = 200, description = "The models that this key may name", body = ModelList),
        (status = 400, description = "Two credentials, or unreadable ones", body = ProblemBody),
        (status = 401, description = "No key, or no good one", body = ProblemBody),
        (status = 403, description = "The key may not ask models", body = ProblemBody),
        (status = 429, description = "A window is full", body = ProblemBody),
        (status = 500, description = "Something went wrong here", body = ProblemBody),
        (status = 503, description = "Too much is under way, or the database is away", body = ProblemBody),
    ),
    security(("bearer" = []), ("api_key" = [])),
)]
#[get("/v1/models")]
pub async fn models(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    serve(Endpoint::Models, request, payload, &worker, &state).await
}
