//! `GET /api/v1/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_domain::KeyId;

use crate::{
    extract::{After, Id, KeyManager},
    problem::Problem,
    state::State,
    view::key::KeyView,
};

/// Show a key
///
/// Without its secret. Another user's key is not there.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    responses((status = 200, description = "The key.", body = KeyView)),
)]
#[get("/{id}")]
pub async fn show(
    state: Data<State>,
    After(KeyManager(actor), Id(id)): After<KeyManager, Id<KeyId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let key = state.pools.accounts.run(move || accounts.show_key(&actor, id)).await??;
    Ok(HttpResponse::Ok().json(KeyView::listed(&key, state.clock.now())))
}
