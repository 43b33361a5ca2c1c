//! `POST /v1/chat/completions`: OpenAI's API as its official clients speak it.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use tollgate_gate::Endpoint;
use utoipa::ToSchema;

use super::{Worker, serve};
use crate::{
    problem::{Problem, ProblemBody},
    state::State,
};

/// A chat, in OpenAI's shape; members that are not listed are passed on to the provider.
#[derive(Serialize, ToSchema)]
pub struct ChatRequest {
    /// The public name of a model.
    model: String,
    /// The conversation so far.
    #[schema(min_items = 1, value_type = Vec<Object>)]
    messages: Vec<serde_json::Value>,
    /// Whether the answer comes as server-sent events.
    stream: Option<bool>,
    /// The most tokens of each output.
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    /// The same under its newer name.
    #[schema(minimum = 1)]
    max_completion_tokens: Option<u64>,
    /// How many outputs.
    #[schema(minimum = 1, maximum = 128)]
    n: Option<u64>,
    /// The caller's own name for whom it asks, kept with the usage.
    user: Option<String>,
}

/// Answer a chat
///
/// The answer is the provider's, plain or as server-sent events that end with `data: [DONE]`. Every answer
/// to a known key carries `X-RateLimit-*`, `RateLimit`, `RateLimit-Policy` and `X-Quota-*`.
#[utoipa::path(
    tag = "gate",
    request_body(content = ChatRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The provider's answer", content(
            (Object = "application/json"), (String = "text/event-stream"),
        )),
        (status = 400, description = "Not JSON, two credentials, or a prompt that cannot be bounded", body = ProblemBody),
        (status = 401, description = "No key, or no good one", body = ProblemBody),
        (status = 403, description = "The key may not chat", body = ProblemBody),
        (status = 404, description = "No such model", body = ProblemBody),
        (status = 408, description = "The body did not come in time", body = ProblemBody),
        (status = 409, description = "The provider refuses the request as it is", body = ProblemBody),
        (status = 413, description = "The body is too long", body = ProblemBody),
        (status = 415, description = "The body is not JSON by its own account", body = ProblemBody),
        (status = 422, description = "Fields are wrong", body = ProblemBody),
        (status = 429, description = "A window is full, the month's tokens are used up or held", body = ProblemBody),
        (status = 500, description = "Something went wrong here", body = ProblemBody),
        (status = 502, description = "The provider cannot be reached or failed", body = ProblemBody),
        (status = 503, description = "Too much is under way, or the database or every provider is away", body = ProblemBody),
        (status = 504, description = "The provider did not answer in time", body = ProblemBody),
    ),
    security(("bearer" = []), ("api_key" = [])),
)]
#[post("/v1/chat/completions")]
pub async fn chat_completions(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    serve(Endpoint::ChatCompletions, request, payload, &worker, &state).await
}
