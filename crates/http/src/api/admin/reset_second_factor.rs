//! `POST /api/v1/admin/users/{id}/reset-2fa`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use tollgate_domain::UserId;

use crate::{
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
};

/// End a user's second factor
///
/// For who has lost it. Every session of the user ends with it, and the user is told by mail. Where there is none,
/// nothing happens.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    responses((status = 204, description = "One factor is enough from now on.")),
)]
#[post("/users/{id}/reset-2fa")]
pub async fn reset_second_factor(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.reset_second_factor(&admin.by(), id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
