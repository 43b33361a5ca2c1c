//! `GET /api/v1/admin/keys`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_domain::UserId;
use tollgate_store::PageRequest;

use crate::{
    extract::{Admin, After, PageQuery, Params},
    problem::Problem,
    state::State,
    view::key::AllKeysView,
};

/// Days of the sums.
const DAYS: i64 = 7;

/// List everybody's keys
///
/// Newest first, without secrets.
#[utoipa::path(
    operation_id = "list_all_keys",
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(
        PageQuery,
        ("user_id" = Option<String>, Query, description = "Only the keys of the user with this id."),
        ("id" = Option<String>, Query, description = "Only keys whose id begins so: at most `limit` of them, in the \
            order of their ids, whatever else is asked for."),
        ("include_inactive" = Option<bool>, Query, description = "Also those that are disabled, revoked or expired."),
    ),
    responses((status = 200, description = "A page of keys.", body = AllKeysView)),
)]
#[get("/keys")]
pub async fn list_keys(
    state: Data<State>,
    After(_admin, params): After<Admin, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageRequest::try_from(&params)?;
    let include_inactive = params.flag("include_inactive")?;
    let user = user(&params)?;
    if let Some(prefix) = params.text("id").map(str::to_owned) {
        return keys_like(&state, prefix, page.limit).await;
    }
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.list_all_keys(user, include_inactive, &page, DAYS);
    let (keys, totals) = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(AllKeysView::new(&keys, &totals, state.clock.now())))
}

async fn keys_like(state: &State, prefix: String, limit: u32) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.keys_like(&prefix, limit, DAYS);
    let (keys, totals) = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(AllKeysView::whole(keys, &totals, state.clock.now())))
}

fn user(params: &Params) -> Result<Option<UserId>, Problem> {
    let wrong = |_no_id| Problem::field("user_id", "invalid_id", "must be the id of a user");
    params.text("user_id").map(|id| id.parse().map_err(wrong)).transpose()
}
