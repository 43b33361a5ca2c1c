//! `GET /api/v1/billing/info`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use chrono::TimeDelta;
use tollgate_accounts::{Accounts, Actor};
use tollgate_domain::{Environment, Month, Permission};
use tollgate_store::UsageScope;
use tollgate_usage::Folder;

use crate::{extract::Principal, problem::Problem, state::State, view::billing::BillingInfoView};

/// Sums are kept by quarter-hour: the running one is asked for as a whole.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// Plan, usage and cost of the running month
///
/// Of the user, whichever of the user's keys it was; a key needs `usage:read`. Test usage costs nothing and is not in
/// it.
#[utoipa::path(
    tag = "billing",
    security(("bearer" = []), ("api_key" = [])),
    responses((status = 200, description = "The running month.", body = BillingInfoView)),
)]
#[get("/info")]
pub async fn info(state: Data<State>, Principal(actor): Principal) -> Result<HttpResponse, Problem> {
    actor.require(Permission::UsageRead)?;
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let view = state.pools.reports.run(move || read(&accounts, &folder, &actor)).await??;
    Ok(HttpResponse::Ok().json(view))
}

fn read(accounts: &Accounts, folder: &Folder, actor: &Actor) -> Result<BillingInfoView, Problem> {
    let as_of = folder.join();
    let now = accounts.clock.now();
    let month = Month::of(now);
    let scope = UsageScope { user: Some(actor.user.id), key: None, environment: Some(Environment::Live) };
    let sums = accounts.stores.usage.stats(&scope, month.start(), now + QUARTER)?;
    let quota = accounts.quota(&actor.user, Environment::Live)?;
    Ok(BillingInfoView::new(&actor.user, sums.totals, &quota, now, as_of))
}
