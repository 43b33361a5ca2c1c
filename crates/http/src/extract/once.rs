//! `Idempotency-Key`: a call that is made again is answered again.

use std::{pin::Pin, sync::Arc};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header::HeaderName},
    web::Bytes,
};
use serde::Serialize;
use tollgate_accounts::{
    Accounts, AccountsError,
    idempotency::{Answer, Answered, Caller, KeyedCall, MAX_KEY_CHARS},
};
use utoipa::IntoParams;

use crate::{
    credentials::{Unreadable, presented},
    pool::Pool,
    problem::Problem,
    routes,
    state::State,
};

/// The header, as it is documented.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// What says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A body that was read, byte for byte.
pub(super) struct RawBody(pub Bytes);

/// The body, and what makes the call repeatable. Stands behind whoever calls: strangers are told nothing of it.
pub struct Once<B>(pub Repeatable, pub B);

/// A call that is done once for each `Idempotency-Key`; each time where it carries none, or no credentials.
pub struct Repeatable(Option<KeyedCall>);

/// The header of repeatable calls, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by hand, as a header that may come twice")]
pub struct IdempotencyHeader {
    /// Up to 255 printable ASCII characters of the client's choice, such as a UUID. For 24 hours, the same call with the
    /// same key is not done again: it gets the first answer, with `Idempotent-Replayed: true`. What failed can be tried
    /// again under the same key.
    #[param(rename = "Idempotency-Key", max_length = 255, min_length = 1, required = false)]
    idempotency_key: Option<String>,
}

impl<B: FromRequest + 'static> FromRequest for Once<B> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let key = key_of(&request)?;
            let body = B::from_request(&request, &mut payload).await.map_err(Into::into)?;
            let raw = request.extensions_mut().remove::<RawBody>();
            let call = key.map(|key| KeyedCall {
                key,
                method: request.method().to_string(),
                path: routes::first_name(request.path()),
                query: request.query_string().to_owned(),
                body: raw.map(|RawBody(bytes)| bytes.to_vec()).unwrap_or_default(),
            });
            Ok(Self(Repeatable(call), body))
        })
    }
}

impl Repeatable {
    /// Does `work` on one of the threads of `pool`, and answers with `status` and what it gives; or answers as it was
    /// answered before. Whatever becomes of the client, what was begun is ended and its answer is kept.
    ///
    /// # Errors
    /// Those of `work`, of [`Accounts::once`], or of a full pool.
    pub async fn answer<W, V>(
        self,
        state: &State,
        pool: &Pool,
        who: W,
        status: StatusCode,
        work: impl FnOnce(&Accounts, &W) -> Result<V, AccountsError> + Send + 'static,
    ) -> Result<HttpResponse, Problem>
    where
        W: Caller + Send + 'static,
        V: Serialize,
    {
        let accounts = Arc::clone(&state.accounts);
        let job = move || {
            let work = |who: &W| {
                let body = serde_json::to_vec(&work(&accounts, who)?)
                    .map_err(|_no_json| AccountsError::Internal("an answer cannot be written"))?;
                Ok(Answer { status: status.as_u16(), body: body.into() })
            };
            match self.0 {
                Some(call) => accounts.once(&call, who, work),
                None => work(&who).map(|answer| Answered { answer, again: false }),
            }
        };
        let Answered { answer, again } = pool.run(job).await??;
        let status = StatusCode::from_u16(answer.status)
            .map_err(|_none| Problem::internal("an answer that was kept has no status"))?;
        let mut response = HttpResponse::build(status);
        if again {
            response.insert_header((REPLAYED, "true"));
        }
        Ok(response.content_type("application/json").body(answer.body.to_vec()))
    }
}

/// The key, if there is one; none is looked at without credentials.
fn key_of(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    if presented(request.headers()) == Err(Unreadable::Missing) {
        return Ok(None);
    }
    if values.next().is_some() {
        return Err(Problem::malformed("The request carries two Idempotency-Keys."));
    }
    let is_printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let text = value.to_str().ok().filter(|text| text.as_bytes().iter().all(is_printable));
    match text {
        Some(text) if !text.is_empty() && text.len() <= MAX_KEY_CHARS => Ok(Some(text.to_owned())),
        _ => {
            let rule = format!("must be 1 to {MAX_KEY_CHARS} printable ASCII characters");
            Err(Problem::field(IDEMPOTENCY_KEY, "invalid_value", rule))
        }
    }
}
