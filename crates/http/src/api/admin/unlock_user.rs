//! `POST /api/v1/admin/users/{id}/unlock`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use tollgate_domain::UserId;

use crate::{
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
};

/// End a user's lockout
///
/// Does away with what was counted of wrong passwords: at the account, at each address that has signed in to it, and
/// with the present password. What an address may do to many accounts stays.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    responses((status = 204, description = "The user may try again, from anywhere.")),
)]
#[post("/users/{id}/unlock")]
pub async fn unlock_user(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.unlock_user(&admin.by(), id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
