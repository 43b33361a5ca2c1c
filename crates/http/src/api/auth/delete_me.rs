//! `DELETE /api/v1/auth/me`.

use std::sync::Arc;

use actix_web::{HttpResponse, delete, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use tollgate_accounts::delete_account::{Deleting, DeletionWish};
use utoipa::ToSchema;

use super::request_password_reset::MailAnswer;
use crate::{
    extract::{After, MaybeBody, SessionUser},
    problem::Problem,
    state::State,
};

/// What confirms that the account shall be deleted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteMeRequest {
    /// The password, of a user who has one.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// The code that was mailed, of a user who has none.
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// Delete the own account
///
/// With all that belongs to it; what was used stays counted, under an id that names nobody any more. A user without a
/// password is mailed a code by a first call, and gives it in a second one.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = DeleteMeRequest,
    responses(
        (status = 202, description = "A code was mailed.", body = MailAnswer),
        (status = 204, description = "The account is gone."),
        (status = 401, description = "`invalid_credentials`: the token or the password is wrong."),
        (status = 409, description = "`conflict`: the account has neither password nor email address."),
        (status = 429, description = "`too_many_attempts`: wrong passwords, or mails in the last hour."),
    ),
)]
#[delete("/me")]
pub async fn delete_me(
    state: Data<State>,
    After(SessionUser(caller), MaybeBody(request)): After<SessionUser, MaybeBody<DeleteMeRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let wish = DeletionWish { password: request.password, code: request.code };
    Ok(match state.pools.hash.run(move || accounts.delete_account(&caller, &wish)).await?? {
        Deleting::Done => HttpResponse::NoContent().finish(),
        Deleting::CodeSent => HttpResponse::Accepted().json(MailAnswer::CODE),
    })
}
