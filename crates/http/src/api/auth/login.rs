//! `POST /api/v1/auth/login`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tollgate_accounts::{login::Login, sign_in::LoggedIn};
use tollgate_domain::Time;
use utoipa::ToSchema;

use crate::{
    extract::{Asking, JsonOrForm},
    problem::Problem,
    state::State,
    view::{session::TokensView, user::UserView},
};

/// A wish to log in.
#[derive(Deserialize, ToSchema)]
pub struct LoginRequest {
    /// The email address; `username` in a form.
    #[serde(alias = "username")]
    #[schema(example = "user@example.com")]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password, example = "SecurePassword123!")]
    password: SecretString,
}

/// The OAuth2 form of the same.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document; `LoginRequest` reads both")]
pub struct LoginForm {
    /// The email address.
    username: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: String,
}

/// A new session's tokens.
#[derive(Serialize, ToSchema)]
pub struct LoginResponse {
    #[serde(flatten)]
    tokens: TokensView,
    /// Who logged in.
    user: UserView,
}

/// Log in
///
/// Opens a session. A wrong address and a wrong password are told apart by nobody.
#[utoipa::path(
    tag = "accounts",
    request_body(content((LoginRequest = "application/json"), (LoginForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The session's tokens.", body = LoginResponse),
        (
            status = 401,
            description = "`invalid_credentials`; `user_disabled` where the password was right; or, where a second \
                           factor is on, `mfa_required` with an `mfa_token` for `POST /api/v1/auth/2fa/verify`."
        ),
        (
            status = 429,
            description = "`too_many_attempts` at this account, or `rate_limit_exceeded` from this address; \
                           `Retry-After` says when one more is taken."
        ),
    ),
)]
#[post("/login")]
pub async fn login(
    state: Data<State>,
    Asking(client): Asking,
    body: JsonOrForm<LoginRequest>,
) -> Result<HttpResponse, Problem> {
    let JsonOrForm(LoginRequest { email, password }) = body;
    let accounts = Arc::clone(&state.accounts);
    let wish = Login { email, password };
    let logged_in = state.pools.hash.run(move || accounts.login(&wish, &client)).await??;
    Ok(HttpResponse::Ok().json(LoginResponse::new(&logged_in, state.clock.now())))
}

impl LoginResponse {
    /// The session that was opened, at `now`.
    pub fn new(logged_in: &LoggedIn, now: Time) -> Self {
        Self { tokens: TokensView::from(&logged_in.tokens), user: UserView::new(&logged_in.user, now) }
    }
}
