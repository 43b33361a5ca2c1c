//! `POST /api/v1/auth/reset-password`, also as `POST /api/v1/auth/password/reset/confirm`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use tollgate_accounts::Client;
use utoipa::ToSchema;

use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
};

/// A new password, by a mail's leave.
#[derive(Deserialize, ToSchema)]
pub struct ResetPasswordRequest {
    /// The token of the mail's link.
    #[schema(value_type = String, example = "reset-token-from-email")]
    token: SecretString,
    /// The new password, of at least eight characters.
    #[schema(value_type = String, format = Password, example = "newsecurepassword")]
    new_password: SecretString,
    /// Whether the account's keys are revoked too.
    #[serde(default)]
    revoke_keys: bool,
}

/// Set a new password
///
/// With the token of the mail that was asked for. All sessions end, and a lockout; nobody is signed in by it, so a
/// second factor stays in force. Where the address had never been confirmed, keys and second factor of the account end
/// too: somebody else may have made it.
#[utoipa::path(
    tag = "accounts",
    request_body = ResetPasswordRequest,
    responses((status = 204, description = "The password was set.")),
)]
#[post("/reset-password")]
pub async fn reset_password(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<ResetPasswordRequest>,
) -> Result<HttpResponse, Problem> {
    reset(&state, client, request).await
}

/// Set a new password (another path)
///
/// The same as `POST /api/v1/auth/reset-password`.
#[utoipa::path(
    tag = "accounts",
    request_body = ResetPasswordRequest,
    responses((status = 204, description = "The password was set.")),
)]
#[post("/password/reset/confirm")]
pub async fn password_reset_confirm(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<ResetPasswordRequest>,
) -> Result<HttpResponse, Problem> {
    reset(&state, client, request).await
}

async fn reset(
    state: &State,
    client: Client,
    request: ResetPasswordRequest,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let ResetPasswordRequest { token, new_password, revoke_keys } = request;
    let job = move || accounts.reset_password(&token, &new_password, revoke_keys, &client);
    state.pools.hash.run(job).await??;
    Ok(HttpResponse::NoContent().finish())
}
