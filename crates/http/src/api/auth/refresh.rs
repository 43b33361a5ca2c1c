//! `POST /api/v1/auth/refresh`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
    view::session::TokensView,
};

/// A wish for new tokens.
#[derive(Deserialize, ToSchema)]
pub struct RefreshRequest {
    /// The refresh token of the login or of the last refresh.
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Renew a session's tokens
///
/// A refresh token is good once. Presented again within ten seconds, while the new one is unused, it gets the same
/// answer again: a lost answer logs nobody out. In every other case its reuse ends the session. The session ends some
/// days after its login, however often it is refreshed.
#[utoipa::path(
    tag = "accounts",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The session's new tokens.", body = TokensView),
        (
            status = 401,
            description = "`invalid_credentials`; `refresh_reused` where the session has ended by this; or \
                           `user_disabled`."
        ),
        (status = 429, description = "`rate_limit_exceeded`: too many calls of the user."),
    ),
)]
#[post("/refresh")]
pub async fn refresh(
    state: Data<State>,
    Asking(client): Asking,
    body: Body<RefreshRequest>,
) -> Result<HttpResponse, Problem> {
    let Body(RefreshRequest { refresh_token }) = body;
    let (accounts, management) = (Arc::clone(&state.accounts), Arc::clone(&state.management));
    let now = state.clock.now();
    let job = move || {
        // A call of that user's as every other; each leaves a spent token behind as long as the session lasts.
        if let Some(user) = accounts.whose_refresh_token(&refresh_token)? {
            management.admit(user, now)?;
        }
        Ok::<_, Problem>(accounts.refresh(&refresh_token, &client)?)
    };
    let tokens = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(TokensView::from(&tokens)))
}
