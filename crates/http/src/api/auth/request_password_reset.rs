//! `POST /api/v1/auth/request-password-reset`, also as `POST /api/v1/auth/password/reset`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::{Deserialize, Serialize};
use tollgate_accounts::Client;
use utoipa::ToSchema;

use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
};

/// An address to which a mail shall go.
#[derive(Deserialize, ToSchema)]
pub struct MailRequest {
    /// The email address.
    #[schema(example = "user@example.com")]
    pub email: String,
}

/// What is said of a mail, whether or not one was sent.
#[derive(Serialize, ToSchema)]
pub struct MailAnswer {
    /// What was done, if there was anything to do.
    #[schema(value_type = String, pattern = "^(reset_sent|verification_sent|code_sent)$")]
    status: &'static str,
    /// The same in words.
    message: &'static str,
}

impl MailAnswer {
    /// Of a mail that sets a password.
    pub const RESET: Self = Self {
        status: "reset_sent",
        message: "If the address has an account, a mail with a link is on its way.",
    };
    /// Of a mail with a code.
    pub const CODE: Self =
        Self { status: "code_sent", message: "A mail with a code is on its way: send it to go on." };
    /// Of a mail that confirms an address.
    pub const VERIFICATION: Self =
        Self { status: "verification_sent", message: "A mail is on its way: follow its link to go on." };
}

/// Ask for a new password
///
/// Mails a link with which a new password is set, good for an hour and for once. The answer is the same whether or not
/// the address has an account.
#[utoipa::path(
    tag = "accounts",
    request_body = MailRequest,
    responses(
        (status = 202, description = "A mail is sent if the address has an account.", body = MailAnswer),
        (status = 429, description = "Too many mails were asked for from this address."),
    ),
)]
#[post("/request-password-reset")]
pub async fn request_password_reset(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<MailRequest>,
) -> Result<HttpResponse, Problem> {
    mail_reset(&state, client, request).await
}

/// Ask for a new password (another path)
///
/// The same as `POST /api/v1/auth/request-password-reset`.
#[utoipa::path(
    tag = "accounts",
    request_body = MailRequest,
    responses(
        (status = 202, description = "A mail is sent if the address has an account.", body = MailAnswer),
        (status = 429, description = "Too many mails were asked for from this address."),
    ),
)]
#[post("/password/reset")]
pub async fn password_reset(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<MailRequest>,
) -> Result<HttpResponse, Problem> {
    mail_reset(&state, client, request).await
}

async fn mail_reset(state: &State, client: Client, request: MailRequest) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.request_password_reset(&request.email, &client);
    state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Accepted().json(MailAnswer::RESET))
}
