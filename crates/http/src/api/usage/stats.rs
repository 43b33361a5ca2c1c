//! `GET /api/v1/usage/stats`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use chrono::TimeDelta;
use tollgate_accounts::{Accounts, Actor};
use tollgate_domain::{ApiKey, Environment, Permission, User};
use tollgate_store::UsageScope;
use tollgate_usage::Folder;

use super::own;
use crate::{
    extract::{After, Days, Params, Principal},
    problem::Problem,
    state::State,
    view::stats::StatsView,
};

/// Sums are kept by quarter-hour: the running one is asked for as a whole.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// Usage over the last days
///
/// A key needs `usage:read`, and without `keys:manage` sees its own requests only. Test keys see test usage.
#[utoipa::path(
    tag = "usage",
    security(("bearer" = []), ("api_key" = [])),
    params(Days),
    responses((status = 200, description = "The statistics.", body = StatsView)),
)]
#[get("/stats")]
pub async fn stats(
    state: Data<State>,
    After(Principal(actor), params): After<Principal, Params>,
) -> Result<HttpResponse, Problem> {
    actor.require(Permission::UsageRead)?;
    let days = Days::try_from(&params)?;
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let view = state.pools.reports.run(move || read(&accounts, &folder, &actor, &days)).await??;
    Ok(HttpResponse::Ok().json(view))
}

fn read(accounts: &Accounts, folder: &Folder, actor: &Actor, days: &Days) -> Result<StatsView, Problem> {
    of(accounts, folder, &actor.user, own(actor), days)
}

/// The same of one key alone, with its owner's quota.
///
/// # Errors
/// The store's.
pub fn of_key(
    accounts: &Accounts,
    folder: &Folder,
    owner: &User,
    key: &ApiKey,
    days: &Days,
) -> Result<StatsView, Problem> {
    let scope = UsageScope { user: Some(key.user_id), key: Some(key.id), environment: Some(key.environment) };
    of(accounts, folder, owner, scope, days)
}

/// The same of all that is live of a user.
///
/// # Errors
/// The store's.
pub fn of_user(accounts: &Accounts, folder: &Folder, user: &User, days: &Days) -> Result<StatsView, Problem> {
    let scope = UsageScope { user: Some(user.id), key: None, environment: Some(Environment::Live) };
    of(accounts, folder, user, scope, days)
}

fn of(
    accounts: &Accounts,
    folder: &Folder,
    user: &User,
    scope: UsageScope,
    days: &Days,
) -> Result<StatsView, Problem> {
    let as_of = folder.join();
    let now = accounts.clock.now();
    let from = now - TimeDelta::days(days.days.into());
    let sums = accounts.stores.usage.stats(&scope, from, now + QUARTER)?;
    let quota = accounts.quota(user, scope.environment.unwrap_or_default())?;
    Ok(StatsView::new(sums, &quota, as_of))
}
