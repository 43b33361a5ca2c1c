//! `DELETE /api/v1/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use tollgate_domain::KeyId;

use crate::{
    extract::{Id, Principal},
    problem::Problem,
    state::State,
};

/// Revoke a key
///
/// Once and for ever; a second time changes nothing. Another user's key is not there.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "The key is revoked.")),
)]
#[delete("/{id}")]
pub async fn revoke(
    state: Data<State>,
    Principal(actor): Principal,
    Id(id): Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.revoke_key(&actor, id)).await??;
    Ok(HttpResponse::NoContent().finish())
}
