//! `DELETE /api/v1/admin/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use tollgate_domain::KeyId;

use crate::{
    extract::{Admin, After, Id, Params},
    problem::Problem,
    state::State,
};

/// Revoke anybody's key
///
/// Once and for ever; a second time changes nothing.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(
        ("id" = String, Path, description = "The key's id."),
        ("descendants" = Option<bool>, Query, description = "Also the keys that were made by it, by those, and so on."),
    ),
    responses((status = 204, description = "The key is revoked.")),
)]
#[delete("/keys/{id}")]
pub async fn revoke_key(
    state: Data<State>,
    After(Admin(admin), (Id(id), params)): After<Admin, (Id<KeyId>, Params)>,
) -> Result<HttpResponse, Problem> {
    let descendants = params.flag("descendants")?;
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.revoke_any_key(&admin.by(), id, descendants)).await??;
    Ok(HttpResponse::NoContent().finish())
}
