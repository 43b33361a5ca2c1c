//! `GET /api/v1/admin/users/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_domain::UserId;

use crate::{
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
    view::user::UserView,
};

/// Show a user
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    responses((status = 200, description = "The user.", body = UserView)),
)]
#[get("/users/{id}")]
pub async fn show_user(
    state: Data<State>,
    After(_admin, Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let user = state.pools.accounts.run(move || accounts.stores.users.by_id(id)).await??;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    Ok(HttpResponse::Ok().json(UserView::new(&user, state.clock.now())))
}
