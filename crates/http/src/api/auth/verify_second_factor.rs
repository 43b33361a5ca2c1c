//! `POST /api/v1/auth/2fa/verify`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::login::LoginResponse;
use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
};

/// The second factor, after the first.
#[derive(Deserialize, ToSchema)]
pub struct VerifySecondFactorRequest {
    /// What the answer to the first factor carried.
    #[schema(value_type = String)]
    mfa_token: SecretString,
    /// What the authenticator shows now, or a backup code.
    #[schema(value_type = String, example = "287082")]
    code: SecretString,
}

/// Log in with the second factor
///
/// Opens the session for which the first factor was not enough. A code is good once. After five wrong ones in a row,
/// whichever `mfa_token` they come with, none is taken for a while.
#[utoipa::path(
    tag = "accounts",
    request_body = VerifySecondFactorRequest,
    responses(
        (status = 200, description = "The session's tokens.", body = LoginResponse),
        (
            status = 401,
            description = "`invalid_credentials`: the `mfa_token` or the code is wrong, has expired or was used; or \
                           `user_disabled`."
        ),
        (status = 429, description = "`too_many_attempts`: `Retry-After` says when a code is taken again."),
    ),
)]
#[post("/2fa/verify")]
pub async fn verify_second_factor(
    state: Data<State>,
    Asking(client): Asking,
    body: Body<VerifySecondFactorRequest>,
) -> Result<HttpResponse, Problem> {
    let Body(VerifySecondFactorRequest { mfa_token, code }) = body;
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.verify_second_factor(&mfa_token, &code, &client);
    let logged_in = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(LoginResponse::new(&logged_in, state.clock.now())))
}
