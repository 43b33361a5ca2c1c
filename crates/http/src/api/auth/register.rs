//! `POST /api/v1/auth/register`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tollgate_accounts::register::{Registered, Registering, Registration};
use tollgate_domain::{ApiKey, KeyText, Time};
use utoipa::ToSchema;

use super::request_password_reset::MailAnswer;
use crate::{
    extract::{Asking, Body},
    problem::Problem,
    state::State,
    view::user::UserView,
};

/// A wish to sign up.
#[derive(Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// The email address.
    #[schema(example = "user@example.com")]
    email: String,
    /// The password, of at least eight characters.
    #[schema(value_type = String, format = Password, example = "SecurePassword123!")]
    password: SecretString,
    /// The password once more.
    #[schema(value_type = Option<String>, format = Password)]
    confirm_password: Option<SecretString>,
    /// What to call the user.
    name: Option<String>,
    /// An invitation, where sign-up takes one.
    #[schema(value_type = Option<String>)]
    invite: Option<SecretString>,
}

/// A new account.
#[derive(Serialize, ToSchema)]
pub struct RegisterResponse {
    /// The user.
    user: UserView,
    /// The first key, shown this once.
    api_key: FirstKey,
}

/// The key that comes with an account.
#[derive(Serialize, ToSchema)]
pub struct FirstKey {
    /// Its id.
    id: String,
    /// Its secret, shown this once.
    key: String,
    /// What people see of it.
    key_preview: String,
    /// What it is called.
    name: String,
}

/// Sign up
///
/// Makes an account and its `Primary API Key`, whose secret is shown this once. Where addresses must be confirmed
/// first, the answer is always the same 202, and the key comes with that of `POST /api/v1/auth/verify-email`.
#[utoipa::path(
    tag = "accounts",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "The account was made.", body = RegisterResponse),
        (status = 202, description = "A mail was sent, with which to go on.", body = MailAnswer),
        (status = 403, description = "Nobody can sign up here: `registration_closed`."),
        (status = 409, description = "The address has an account: `email_taken`."),
        (status = 429, description = "`rate_limit_exceeded`: too many sign up from this address."),
    ),
)]
#[post("/register")]
pub async fn register(
    state: Data<State>,
    Asking(client): Asking,
    Body(request): Body<RegisterRequest>,
) -> Result<HttpResponse, Problem> {
    let RegisterRequest { email, password, confirm_password, name, invite } = request;
    let accounts = Arc::clone(&state.accounts);
    let wish = Registration { email, password, confirm_password, name, invite };
    Ok(match state.pools.hash.run(move || accounts.register(&wish, &client)).await?? {
        Registering::Done(registered) => {
            HttpResponse::Created().json(RegisterResponse::new(&registered, state.clock.now()))
        }
        Registering::VerificationSent => HttpResponse::Accepted().json(MailAnswer::VERIFICATION),
    })
}

impl RegisterResponse {
    fn new(registered: &Registered, now: Time) -> Self {
        let api_key = FirstKey::new(&registered.key, &registered.secret);
        Self { user: UserView::new(&registered.user, now), api_key }
    }
}

impl FirstKey {
    /// A key that was just made.
    pub fn new(key: &ApiKey, secret: &KeyText) -> Self {
        Self {
            id: key.id.to_string(),
            key: secret.expose().to_owned(),
            key_preview: key.preview.clone(),
            name: key.name.clone(),
        }
    }
}
