//! `POST /api/v1/auth/logout`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    extract::{After, MaybeBody, SessionUser},
    problem::Problem,
    state::State,
};

/// Which sessions to end.
#[derive(Default, Deserialize, ToSchema)]
pub struct LogoutRequest {
    /// Every session of the user, not only this one.
    #[serde(default)]
    #[schema(default = false)]
    all: bool,
}

/// Log out
///
/// Ends this session, or every one. Their access tokens stop working at once. The body may be left out.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = Option<LogoutRequest>,
    responses((status = 204, description = "The session has ended.")),
)]
#[post("/logout")]
pub async fn logout(
    state: Data<State>,
    After(SessionUser(caller), MaybeBody(request)): After<SessionUser, MaybeBody<LogoutRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.log_out(&caller, request.all)).await??;
    Ok(HttpResponse::NoContent().finish())
}
