//! `DELETE /api/v1/admin/users/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use tollgate_domain::UserId;

use crate::{
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
};

/// Delete a user
///
/// With all that belongs to it; what was used stays counted, under an id that names nobody any more.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    responses((status = 204, description = "The user is gone.")),
)]
#[delete("/users/{id}")]
pub async fn delete_user(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.delete_user(&admin.by(), id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
