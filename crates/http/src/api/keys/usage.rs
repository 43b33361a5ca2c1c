//! `GET /api/v1/keys/{id}/usage`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_domain::KeyId;

use crate::{
    api::usage::stats,
    extract::{After, Days, Id, Params, Principal},
    problem::Problem,
    state::State,
    view::stats::StatsView,
};

/// Usage of a key over the last days
///
/// A key needs `keys:manage`, or `usage:read` to see itself only.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id."), Days),
    responses((status = 200, description = "The statistics.", body = StatsView)),
)]
#[get("/{id}/usage")]
pub async fn usage(
    state: Data<State>,
    After(Principal(actor), (Id(id), params)): After<Principal, (Id<KeyId>, Params)>,
) -> Result<HttpResponse, Problem> {
    let days = Days::try_from(&params)?;
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let job = move || {
        let key = accounts.key_of_usage(&actor, id)?;
        stats::of_key(&accounts, &folder, &actor.user, &key, &days)
    };
    let view = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(view))
}
