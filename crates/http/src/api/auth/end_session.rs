//! `DELETE /api/v1/auth/sessions/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use tollgate_domain::SessionId;

use crate::{
    extract::{After, Id, SessionUser},
    problem::Problem,
    state::State,
};

/// End a session
///
/// Its access token stops working at once. Another user's session, or one that has ended, is not there.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 204, description = "The session has ended.")),
)]
#[delete("/sessions/{id}")]
pub async fn end_session(
    state: Data<State>,
    After(SessionUser(caller), Id(id)): After<SessionUser, Id<SessionId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.end_session(&caller, id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
