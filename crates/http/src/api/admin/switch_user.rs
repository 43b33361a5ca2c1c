//! `POST /api/v1/admin/users/{id}/activate` and `/deactivate`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::Serialize;
use tollgate_accounts::{Actor, admin::UserOrKey};
use tollgate_domain::UserId;
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
    view::{key::KeyView, user::UserView},
};

/// What was switched, as it is now.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum SwitchedView {
    /// The user of the id.
    User(UserView),
    /// The key whose id it is.
    Key(KeyView),
}

/// Open a user's account
///
/// By the user's id; by that of a key, just that key is switched on. Keys that were switched off themselves stay so.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id, or the id of one of its keys.")),
    responses(
        (status = 200, description = "The user or the key as it is now.", body = SwitchedView),
        (status = 409, description = "The key is revoked, and never switched on again: `conflict`."),
    ),
)]
#[post("/users/{id}/activate")]
pub async fn activate_user(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    switch(&state, admin, id, true).await
}

/// Close a user's account
///
/// Keys and sessions are refused at once. By the id of a key, just that key is switched off, which only an administrator
/// switches on again.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id, or the id of one of its keys.")),
    responses((status = 200, description = "The user or the key as it is now.", body = SwitchedView)),
)]
#[post("/users/{id}/deactivate")]
pub async fn deactivate_user(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    switch(&state, admin, id, false).await
}

async fn switch(state: &State, admin: Actor, id: UserId, on: bool) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let switched = state.pools.accounts.run(move || accounts.switch(&admin.by(), id, on)).await??;
    let now = state.clock.now();
    Ok(HttpResponse::Ok().json(match switched {
        UserOrKey::User(user) => SwitchedView::User(UserView::new(&user, now)),
        UserOrKey::Key(key) => SwitchedView::Key(KeyView::listed(&key, now)),
    }))
}
