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
    /// In place of that code, an identity token of the user's own, issued within five minutes.
    #[schema(value_type = Option<String>)]
    identity_token: Option<SecretString>,
}

/// Delete the own account
///
/// With all that belongs to it; what was used stays counted, under an id that names nobody any more. A user without a
/// password is mailed a code by a first call, and gives it in a second one, or gives an identity token.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = DeleteMeRequest,
    responses(
        (status = 202, description = "A code was mailed.", body = MailAnswer),
        (status = 204, description = "The account is gone."),
        (status = 401, description = "`invalid_credentials`: the token, the password or the identity token is wrong."),
        (status = 404, description = "An identity token, and no identity provider is configured."),
        (status = 409, description = "`conflict`: the account has neither password nor email address."),
        (status = 502, description = "`upstream_unreachable`: nothing is known of the identity token's issuer's keys."),
        (status = 429, description = "`too_many_attempts`: wrong passwords, or mails in the last hour."),
    ),
)]
#[delete("/me")]
pub async fn delete_me(
    state: Data<State>,
    After(SessionUser(caller), MaybeBody(request)): After<SessionUser, MaybeBody<DeleteMeRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let DeleteMeRequest { password, code, identity_token } = request;
    // Who waits for an issuer waits where nobody hashes.
    let by_issuer = identity_token.is_some() && password.is_none();
    let pool = if by_issuer { &state.pools.issuers } else { &state.pools.hash };
    let wish = DeletionWish { password, code, identity_token };
    Ok(match pool.run(move || accounts.delete_account(&caller, &wish)).await?? {
        Deleting::Done => HttpResponse::NoContent().finish(),
        Deleting::CodeSent => HttpResponse::Accepted().json(MailAnswer::CODE),
    })
}
