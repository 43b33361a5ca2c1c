//! `POST /api/v1/keys/verify`.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, http::header::CACHE_CONTROL, post, rt, web::Data};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tollgate_accounts::{AccountsError, Actor, Client};
use tollgate_domain::{Environment, Permission, event::MAX_SHORT_TEXT_BYTES};
use tollgate_gate::{MAX_COST, Question, Subject};
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, KeyVerifier, session_of},
    gate::Worker,
    problem::{FieldProblem, Problem},
    request_id::RequestId,
    state::State,
    view::verdict::VerdictView,
};

/// What a service asks about a credential that was presented to it. Exactly one of `key` and `token` is named.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyKeyRequest {
    /// An API key.
    #[schema(value_type = Option<String>)]
    key: Option<SecretString>,
    /// An access token.
    #[schema(value_type = Option<String>)]
    token: Option<SecretString>,
    /// What the service is about to do for it.
    #[schema(value_type = Option<String>, example = "services:stocks")]
    permission: Option<Permission>,
    /// The public name of the model that it is about to ask for it: 1 to 200 bytes.
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
    /// Tokens to count, and one request with them. Without it nothing counts.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    cost: Option<u64>,
    /// The address from which it was presented to the service: without it a key that is bound to addresses is refused.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    ip: Option<IpAddr>,
}

/// Ask about a credential
///
/// For other services, about what their own callers present. The caller needs a key with `keys:verify`, or an
/// administrator's access token; with a test key, live credentials are nobody's. These calls are not among those of which
/// a user may make so many a minute, and unknown keys count for the address in `ip`, not for the caller's.
///
/// With `cost` it counts one request and so many tokens, as the gate does, and leaves an event; over a limit the answer
/// is no. Without it nothing counts, and a limit that is reached is no refusal: `rate_limit` shows it.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    request_body = VerifyKeyRequest,
    responses(
        (status = 200, description = "Whether it is good for that, and if not, why.", body = VerdictView),
        (status = 403, description = "The caller may not ask: `permission_denied`, `ip_not_allowed`."),
        (status = 429, description = "Too many unknown keys came from the caller's own address."),
        (status = 503, description = "It cannot be told or recorded now: `store_unavailable`, `overloaded`."),
    ),
)]
#[post("/verify")]
pub async fn verify(
    state: Data<State>,
    After(KeyVerifier(actor), (Body(request), worker, http)): After<
        KeyVerifier,
        (Body<VerifyKeyRequest>, Data<Worker>, HttpRequest),
    >,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::try_from(request)?;
    let view = match asked.subject(&actor, &state).await {
        Ok(subject) => {
            let question = asked.about(subject, actor, RequestId::given(&http));
            // As a task of its own: a caller that hangs up ends the waiting, not the settlement.
            let verdict = rt::spawn(worker.line.clone().verify(question)).await;
            VerdictView::from(verdict.map_err(|broken| Problem::internal(broken.to_string()))??)
        }
        Err(refusal) if refusal.status().is_server_error() => return Err(refusal),
        Err(refusal) => VerdictView::of_nobody(&refusal),
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(view))
}

/// A request whose fields are right.
struct Asked {
    credential: Credential,
    permission: Option<Permission>,
    model: Option<String>,
    cost: Option<u64>,
    ip: Option<IpAddr>,
}

enum Credential {
    Key(SecretString),
    Token(SecretString),
}

impl TryFrom<VerifyKeyRequest> for Asked {
    type Error = Problem;

    fn try_from(request: VerifyKeyRequest) -> Result<Self, Problem> {
        let VerifyKeyRequest { key, token, permission, model, cost, ip } = request;
        let mut errors = Vec::new();
        let mut wrong = |field: &'static str, code: &'static str, message: String| {
            errors.push(FieldProblem { field: field.into(), code: code.into(), message: message.into() });
        };
        let is_name = |model: &String| {
            (1..=MAX_SHORT_TEXT_BYTES).contains(&model.len()) && !model.chars().any(char::is_control)
        };
        if !model.as_ref().is_none_or(is_name) {
            let rule = format!("must have 1 to {MAX_SHORT_TEXT_BYTES} bytes and no controls");
            wrong("model", "invalid_value", rule);
        }
        if cost.is_some_and(|cost| cost > MAX_COST) {
            wrong("cost", "out_of_range", format!("must be 0 to {MAX_COST}"));
        }
        let credential = match (key, token) {
            (Some(key), None) => Some(Credential::Key(key)),
            (None, Some(token)) => Some(Credential::Token(token)),
            (Some(_), Some(_)) => {
                wrong("token", "ambiguous", "name either `key` or `token`, not both".to_owned());
                None
            }
            (None, None) => {
                wrong("key", "missing", "name the `key` or the `token` that was presented".to_owned());
                None
            }
        };
        match credential {
            Some(credential) if errors.is_empty() => {
                // A network sees the same address either way.
                let ip = ip.map(|ip| ip.to_canonical());
                Ok(Self { credential, permission, model, cost, ip })
            }
            _ => Err(Problem::validation(errors)),
        }
    }
}

impl Asked {
    /// Whose credential it is, as far as that is told before the line is asked.
    ///
    /// # Errors
    /// 401 where a token is no good, or 503 where that cannot be told now.
    async fn subject(&self, by: &Actor, state: &State) -> Result<Subject, Problem> {
        let token = match &self.credential {
            Credential::Key(key) => return Ok(Subject::Key(key.expose_secret().to_owned())),
            Credential::Token(token) => token,
        };
        let presented = Client { ip: self.ip, ..Client::default() };
        match environment(by) {
            // Sessions are live.
            Environment::Test => Err(AccountsError::InvalidToken.into()),
            Environment::Live => {
                let user = session_of(token.expose_secret(), presented, state).await?.user;
                let permissions = state.accounts.permissions_of(&user);
                Ok(Subject::Session(user, permissions))
            }
        }
    }

    fn about(self, subject: Subject, by: Actor, request_id: Option<RequestId>) -> Question {
        Question {
            subject,
            by: environment(&by),
            permission: self.permission,
            model: self.model,
            cost: self.cost,
            ip: self.ip,
            request_id: request_id.map_or_else(String::new, |id| id.0),
            user_agent: by.client.user_agent,
        }
    }
}

/// What whoever asks may reach.
fn environment(by: &Actor) -> Environment {
    by.key.as_ref().map_or(Environment::Live, |key| key.environment)
}
