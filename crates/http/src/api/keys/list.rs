//! `GET /api/v1/keys`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_store::PageRequest;

use crate::{
    extract::{After, KeyManager, PageQuery, Params},
    problem::Problem,
    state::State,
    view::key::KeysView,
};

/// List one's keys
///
/// Newest first, without secrets.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(
        PageQuery,
        ("include_inactive" = Option<bool>, Query, description = "Also those that are disabled, revoked or expired."),
    ),
    responses((status = 200, description = "A page of keys.", body = KeysView)),
)]
#[get("")]
pub async fn list(
    state: Data<State>,
    After(KeyManager(actor), params): After<KeyManager, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageRequest::try_from(&params)?;
    let include_inactive = params.flag("include_inactive")?;
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.list_keys(&actor, include_inactive, &page);
    let keys = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(KeysView::new(&keys, state.clock.now())))
}
