//! `POST /api/v1/llm/completion`: a prompt in, a text out.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use tollgate_gate::Endpoint;
use utoipa::ToSchema;

use super::{Worker, serve};
use crate::{
    problem::{Problem, ProblemBody},
    state::State,
};

/// A plain completion.
#[derive(Serialize, ToSchema)]
pub struct CompletionRequest {
    /// What to answer.
    prompt: String,
    /// The public name of a model; without it, the default one.
    model: Option<String>,
    /// The most tokens of the answer.
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    /// Whether the answer comes as server-sent events.
    stream: Option<bool>,
}

/// Its answer.
#[derive(Serialize, ToSchema)]
pub struct CompletionAnswer {
    /// The provider's id of the answer, or Tollgate's.
    id: String,
    /// The answer.
    text: String,
    /// The public name of the model.
    model: String,
    /// Who answered.
    provider: String,
    /// What was used.
    usage: CompletionUsage,
    /// What it cost in US dollars; null where no price is known.
    #[schema(value_type = Option<f64>)]
    cost_usd: Option<serde_json::Number>,
    /// Tokens left this month.
    tokens_remaining: u64,
}

/// What a plain completion used.
#[derive(Serialize, ToSchema)]
pub struct CompletionUsage {
    /// Tokens of the prompt.
    prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    completion_tokens: Option<u64>,
    /// Both.
    total_tokens: Option<u64>,
    /// Whether the counts are Tollgate's own rather than the provider's.
    estimated: bool,
}

/// Complete a prompt
///
/// Streamed, it is `data: {"text": …}` a piece, then one event with the other fields, then `data: [DONE]`.
#[utoipa::path(
    tag = "gate",
    request_body(content = CompletionRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The text and what it cost", content(
            (CompletionAnswer = "application/json"), (String = "text/event-stream"),
        )),
        (status = 400, description = "Not JSON, or two credentials", body = ProblemBody),
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
#[post("/llm/completion")]
pub async fn llm_completion(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    serve(Endpoint::LlmCompletion, request, payload, &worker, &state).await
}
