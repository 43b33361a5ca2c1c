//! The gated routes: each hands its call to the worker's line and turns the reply into an answer.

mod answer;
mod body;
pub mod chat_completions;
mod headers;
pub mod llm_completion;
pub mod models;
mod timer;

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{HttpRequest, HttpResponse, rt, web};
use futures::{FutureExt, channel::oneshot, future::LocalBoxFuture};
use tollgate_gate::{Blocking, BodyError, Call, Credential, Endpoint, Line};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    client_address,
    credentials::{self, Presented, Unreadable},
    problem::Problem,
    request_id::RequestId,
    state::State,
};
use body::{Declared, Share};

pub use body::Bodies;
pub use timer::WorkerTimer;

/// What each worker has of its own.
#[derive(Clone)]
pub struct Worker {
    /// The line, with an HTTP client of its own.
    pub line: Line,
    /// The longest gated body, in bytes.
    pub max_body_bytes: usize,
    /// What all workers hold of gated bodies.
    pub bodies: Arc<Bodies>,
}

/// OpenAI's routes.
pub fn routes(group: &mut ServiceConfig) {
    group.service(chat_completions::chat_completions).service(models::models);
}

/// The plain completion's routes.
pub fn llm_routes(group: &mut ServiceConfig) {
    group.service(llm_completion::llm_completion);
}

/// Runs a call through the line, as a task of its own: a client that hangs up ends the waiting, not the
/// settlement.
async fn serve(
    endpoint: Endpoint,
    request: HttpRequest,
    payload: web::Payload,
    worker: &Worker,
    state: &State,
) -> Result<HttpResponse, Problem> {
    let credential = credential(&request, state)?;
    warm_up(state);
    let share = Rc::new(Share::of(Arc::clone(&worker.bodies)));
    let call = Call {
        endpoint,
        credential,
        body: body(endpoint, &request, payload, worker.max_body_bytes, Rc::clone(&share)),
        request_id: RequestId::given(&request).map_or_else(String::new, |id| id.0),
        ip: client_address::of(&request, &state.settings.trusted_proxies),
        user_agent: user_agent(&request),
    };
    let (reply, answered) = oneshot::channel();
    let line = worker.line.clone().run(call, reply).boxed_local();
    // What was read is held, in one form or another, until the request ends.
    rt::spawn(async move {
        line.await;
        drop(share);
    });
    match answered.await {
        Ok(reply) => answer::of(reply, &*state.clock),
        Err(oneshot::Canceled) => Err(Problem::internal("the line's task ended without a reply")),
    }
}

/// What the request presents itself with; nothing will do where authentication is switched off.
pub(crate) fn credential(request: &HttpRequest, state: &State) -> Result<Credential, Unreadable> {
    match credentials::presented(request.headers()) {
        Ok(Presented::AccessToken(text) | Presented::ApiKey(text)) => Ok(Credential::ApiKey(text)),
        Err(Unreadable::Missing) if !state.settings.authentication_enabled => Ok(Credential::Anonymous),
        Err(unreadable) => Err(unreadable),
    }
}

/// Loads the tokenizer beside the first request: no worker is to stand still for it, and a server that is
/// idle needs none.
fn warm_up(state: &State) {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.load(Ordering::Relaxed) && !BEGUN.swap(true, Ordering::Relaxed) {
        // Were the pool full, whoever first needs it would wait for it.
        state.pools.lookups.submit(Box::new(tollgate_gate::warm_up));
    }
}

fn body(
    endpoint: Endpoint,
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    share: Rc<Share>,
) -> LocalBoxFuture<'static, Result<bytes::Bytes, BodyError>> {
    match endpoint {
        Endpoint::Models => std::future::ready(Ok(bytes::Bytes::new())).boxed_local(),
        Endpoint::ChatCompletions | Endpoint::LlmCompletion => {
            let declared = Declared::by(request);
            async move { body::read(declared, payload, limit, &share).await }.boxed_local()
        }
    }
}

fn user_agent(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(actix_web::http::header::USER_AGENT)?;
    Some(String::from_utf8_lossy(header.as_bytes()).into_owned())
}
