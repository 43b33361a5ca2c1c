//! `GET /api/v1/auth/sessions`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_store::PageRequest;

use crate::{
    extract::{After, PageQuery, Params, SessionUser},
    problem::Problem,
    state::State,
    view::session::SessionsView,
};

/// List one's sessions
///
/// Those that are open, newest first.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of sessions.", body = SessionsView)),
)]
#[get("/sessions")]
pub async fn list_sessions(
    state: Data<State>,
    After(SessionUser(caller), params): After<SessionUser, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageRequest::try_from(&params)?;
    let accounts = Arc::clone(&state.accounts);
    let user = caller.user.id;
    let sessions = state.pools.accounts.run(move || accounts.list_sessions(user, &page)).await??;
    Ok(HttpResponse::Ok().json(SessionsView::new(sessions, caller.session.id)))
}
