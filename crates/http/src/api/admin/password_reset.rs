//! `POST /api/v1/admin/users/{id}/password-reset`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use tollgate_domain::UserId;

use crate::{
    api::auth::request_password_reset::MailAnswer,
    extract::{Admin, After, Id},
    problem::Problem,
    state::State,
};

/// Have a user set a new password
///
/// Mails the user a link with which a new password is set. The present one stays until then.
#[utoipa::path(
    operation_id = "admin_password_reset",
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    responses(
        (status = 202, description = "The mail is on its way.", body = MailAnswer),
        (status = 409, description = "`conflict`: the user has no email address."),
        (status = 429, description = "`too_many_attempts`: the user got too many mails in the last hour."),
    ),
)]
#[post("/users/{id}/password-reset")]
pub async fn password_reset(
    state: Data<State>,
    After(Admin(admin), Id(id)): After<Admin, Id<UserId>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.start_password_reset(&admin.by(), id);
    state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Accepted().json(MailAnswer::RESET))
}
