//! `DELETE /api/v1/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use tollgate_domain::KeyId;

use crate::{
    extract::{After, Id, KeyManager, Params},
    problem::Problem,
    state::State,
};

/// Revoke a key
///
/// Once and for ever; a second time changes nothing. Another user's key is not there.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(
        ("id" = String, Path, description = "The key's id."),
        ("descendants" = Option<bool>, Query, description = "Also the keys that were made by it, by those, and so on."),
    ),
    responses((status = 204, description = "The key is revoked.")),
)]
#[delete("/{id}")]
pub async fn revoke(
    state: Data<State>,
    After(KeyManager(actor), (id, params)): After<KeyManager, (Id<KeyId>, Params)>,
) -> Result<HttpResponse, Problem> {
    let descendants = params.flag("descendants")?;
    let Id(id) = id;
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.revoke_key(&actor, id, descendants)).await??;
    Ok(HttpResponse::NoContent().finish())
}
