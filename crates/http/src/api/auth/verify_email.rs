//! `POST /api/v1/auth/verify-email`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tollgate_accounts::verify_email::VerifiedEmail;
use tollgate_domain::Time;
use utoipa::ToSchema;

use super::register::FirstKey;
use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
    view::user::UserView,
};

/// A confirmation of an address.
#[derive(Deserialize, ToSchema)]
pub struct VerifyEmailRequest {
    /// The token of the mail's link.
    #[schema(value_type = String)]
    token: SecretString,
}

/// A user whose address is confirmed.
#[derive(Serialize, ToSchema)]
pub struct VerifyEmailResponse {
    /// The user.
    user: UserView,
    /// The first key, shown this once, of a user who had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<FirstKey>,
}

/// Confirm an email address
///
/// Of a new account, or of a change of address. Where addresses must be confirmed before an account works, its first
/// key comes with the answer.
#[utoipa::path(
    tag = "accounts",
    request_body = VerifyEmailRequest,
    responses(
        (status = 200, description = "The address is confirmed.", body = VerifyEmailResponse),
        (status = 409, description = "`email_taken`: another account has the address by now."),
    ),
)]
#[post("/verify-email")]
pub async fn verify_email(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<VerifyEmailRequest>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.verify_email(&request.token, &client);
    let verified = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(VerifyEmailResponse::new(&verified, state.clock.now())))
}

impl VerifyEmailResponse {
    fn new(verified: &VerifiedEmail, now: Time) -> Self {
        Self {
            user: UserView::new(&verified.user, now),
            api_key: verified.first_key.as_ref().map(|(key, secret)| FirstKey::new(key, secret)),
        }
    }
}
