//! `GET /api/v1/admin/users`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_store::{Page, PageRequest};

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
        ("user" = Option<String>, Query, description = "Only the user with this external id, id or email, looked for in \
            this order, whatever else is asked for."),
    ),
    responses((status = 200, description = "A page of users.", body = UsersView)),
)]
#[get("/users")]
pub async fn list_users(
    state: Data<State>,
    After(_admin, params): After<Admin, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageRequest::try_from(&params)?;
    let (search, named) = (text(&params, "search")?, text(&params, "user")?);
    let accounts = Arc::clone(&state.accounts);
    let job = move || match named {
        Some(named) => {
            accounts.user_named(&named).map(|user| Page { items: user.into_iter().collect(), next: None })
        }
        None => accounts.list_users(&page, search.as_deref()),
    };
    let users = state.pools.reports.run(job).await??;
    Ok(HttpResponse::Ok().json(UsersView::new(&users, state.clock.now())))
}

fn text(params: &Params, name: &'static str) -> Result<Option<String>, Problem> {
    let text = params.text(name).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > MAX_SEARCH_BYTES) {
        let rule = format!("must have at most {MAX_SEARCH_BYTES} bytes");
        return Err(Problem::field(name, "too_long", rule));
    }
    Ok(text.map(str::to_owned))
}
