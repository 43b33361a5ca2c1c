//! `POST /api/v1/auth/2fa/disable`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, SessionUser},
    problem::Problem,
    state::State,
};

/// Both factors once more.
#[derive(Deserialize, ToSchema)]
pub struct ConfirmSecondFactorRequest {
    /// The password; users who have none leave it out.
    #[schema(value_type = Option<String>, format = Password, example = "SecurePassword123!")]
    pub(super) password: Option<SecretString>,
    /// What the authenticator shows now, or a backup code.
    #[schema(value_type = String, example = "287082")]
    pub(super) code: SecretString,
}

/// Switch the second factor off
///
/// Its backup codes end with it. Sessions that are open go on.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = ConfirmSecondFactorRequest,
    responses(
        (status = 204, description = "One factor is enough from now on."),
        (status = 401, description = "`invalid_credentials`: the token, the password or the code is wrong."),
        (status = 409, description = "`conflict`: no second factor is on."),
        (status = 429, description = "`too_many_attempts`: `Retry-After` says when one more is taken."),
    ),
)]
#[post("/2fa/disable")]
pub async fn disable_second_factor(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<ConfirmSecondFactorRequest>>,
) -> Result<HttpResponse, Problem> {
    let ConfirmSecondFactorRequest { password, code } = request;
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.disable_second_factor(&caller, password.as_ref(), &code);
    state.pools.hash.run(job).await??;
    Ok(HttpResponse::NoContent().finish())
}
