//! `GET /api/v1/admin/audit`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use tollgate_domain::UserId;
use tollgate_store::AuditFilter;

use crate::{
    extract::{Admin, After, PageQuery, Params},
    problem::Problem,
    state::State,
    view::audit::{EntriesView, EntryView},
};

/// The longest name of an action, in bytes.
const MAX_ACTION_BYTES: usize = 100;

/// The audit log
///
/// Who did what to what, newest first: every change by an administrator or of a key, and every event of an account.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(
        PageQuery,
        ("action" = Option<String>, Query, description = "Only entries with this action, such as `session.login`."),
        ("about" = Option<String>, Query, description = "Only entries whose actor or subject has this id."),
    ),
    responses((status = 200, description = "A page of entries.", body = EntriesView)),
)]
#[get("/audit")]
pub async fn list_audit(
    state: Data<State>,
    After(_admin, params): After<Admin, Params>,
) -> Result<HttpResponse, Problem> {
    let page = PageQuery::try_from(&params)?;
    let before = page.after(place)?;
    let about = about(&params)?.map(|id| id.as_uuid());
    let filter = AuditFilter { action: action(&params)?, about };
    let accounts = Arc::clone(&state.accounts);
    // One more tells whether there is another page.
    let limit = page.limit.saturating_add(1);
    let job = move || accounts.stores.audit.list(before, limit, &filter);
    let mut entries = state.pools.reports.run(job).await??;
    let more = entries.len() > usize::try_from(page.limit).unwrap_or(usize::MAX);
    if more {
        entries.pop();
    }
    let next_cursor = entries.last().filter(|_| more).map(|entry| entry.row.seq.to_string());
    let items = entries.into_iter().map(EntryView::from).collect();
    Ok(HttpResponse::Ok().json(EntriesView { items, next_cursor }))
}

/// A cursor is the place of a page's last entry.
fn place(cursor: &str) -> Option<i64> {
    cursor.parse().ok().filter(|seq| *seq > 0)
}

fn action(params: &Params) -> Result<Option<String>, Problem> {
    let action = params.text("action");
    if action.is_some_and(|action| action.len() > MAX_ACTION_BYTES) {
        return Err(Problem::field("action", "too_long", "must be the name of an action"));
    }
    Ok(action.map(str::to_owned))
}

/// Whatever kind of id it is.
fn about(params: &Params) -> Result<Option<UserId>, Problem> {
    let wrong = |_no_id| Problem::field("about", "invalid_id", "must be an id");
    params.text("about").map(|id| id.parse().map_err(wrong)).transpose()
}
