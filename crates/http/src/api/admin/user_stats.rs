//! `GET /api/v1/admin/users/{id}/stats`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_accounts::{Accounts, AccountsError, admin::UserOrKey};
use tollgate_domain::UserId;
use tollgate_usage::Folder;

use crate::{
    api::usage::stats,
    extract::{Admin, After, Days, Id, Params},
    problem::Problem,
    state::State,
    view::stats::StatsView,
};

/// Usage of a user over the last days
///
/// All that is live; by the id of a key, that key's alone, with its owner's quota.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id, or the id of one of its keys."), Days),
    responses((status = 200, description = "The statistics.", body = StatsView)),
)]
#[get("/users/{id}/stats")]
pub async fn user_stats(
    state: Data<State>,
    After(_admin, (Id(id), params)): After<Admin, (Id<UserId>, Params)>,
) -> Result<HttpResponse, Problem> {
    let days = Days::try_from(&params)?;
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let view = state.pools.reports.run(move || read(&accounts, &folder, id, &days)).await??;
    Ok(HttpResponse::Ok().json(view))
}

fn read(accounts: &Accounts, folder: &Folder, id: UserId, days: &Days) -> Result<StatsView, Problem> {
    match accounts.user_or_key(id)? {
        UserOrKey::User(user) => stats::of_user(accounts, folder, &user, days),
        UserOrKey::Key(listed) => {
            let owner = accounts.stores.users.by_id(listed.key.user_id)?;
            let owner = owner.ok_or(AccountsError::NotFound("user"))?;
            stats::of_key(accounts, folder, &owner, &listed.key, days)
        }
    }
}
