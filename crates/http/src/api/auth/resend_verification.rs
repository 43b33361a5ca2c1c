//! `POST /api/v1/auth/resend-verification`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};

use super::request_password_reset::{MailAnswer, MailRequest};
use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
};

/// Ask for another mail that confirms an address
///
/// The links before it are no longer good. The answer is the same whether or not the address waits to be confirmed.
#[utoipa::path(
    tag = "accounts",
    request_body = MailRequest,
    responses(
        (status = 202, description = "A mail is sent if the address waits to be confirmed.", body = MailAnswer),
        (status = 429, description = "Too many mails were asked for from this address."),
    ),
)]
#[post("/resend-verification")]
pub async fn resend_verification(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<MailRequest>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.resend_verification(&request.email, &client);
    state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Accepted().json(MailAnswer::VERIFICATION))
}
