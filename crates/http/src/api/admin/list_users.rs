//! `GET /api/v1/admin/users`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_store::PageRequest;

use crate::{
    extract::{Admin, After, PageQuery, Params},
    problem::Problem,
    state::State,
    view::user::UsersView,
};

/// The longest text that is searched for, in bytes.
const MAX_SEARCH_BYTES: usize = 300;

/// List everybody
///
/// Newest first.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(
        PageQuery,
        ("search" = Option<String>, Query, description = "Only users whose email, name or external id contains it."),
    ),
    responses((status = 200, description = "A page of users.", body = UsersView)),
)]
#[get("/users")]
pub async fn list_users(
    state: Data<State>,
    After(_admin, params): After<Admin, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageRequest::try_from(&params)?;
    let search = search(&params)?;
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.list_users(&page, search.as_deref());
    let users = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(UsersView::new(&users, state.clock.now())))
}

fn search(params: &Params) -> Result<Option<String>, Problem> {
    let search = params.text("search").filter(|search| !search.is_empty());
    if search.is_some_and(|search| search.len() > MAX_SEARCH_BYTES) {
        let rule = format!("must have at most {MAX_SEARCH_BYTES} bytes");
        return Err(Problem::field("search", "too_long", rule));
    }
    Ok(search.map(str::to_owned))
}
