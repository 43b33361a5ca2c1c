//! `POST /api/v1/auth/2fa/setup`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use secrecy::ExposeSecret;
use serde::Serialize;
use tollgate_accounts::{Accounts, second_factor::SetUp, session::Identity};
use utoipa::ToSchema;

use crate::{
    extract::{After, IdempotencyHeader, Once, SessionUser},
    problem::Problem,
    state::State,
};

/// A second factor that is not on yet.
#[derive(Serialize, ToSchema)]
pub struct SetupSecondFactorResponse {
    /// What codes are made with, for who cannot take a picture.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same as authenticators read it.
    #[schema(
        example = "otpauth://totp/Tollgate:user%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Tollgate&algorithm=SHA1&digits=6&period=30"
    )]
    otpauth_url: String,
    /// The same as a QR code: a data URI of a PNG.
    #[schema(example = "data:image/png;base64,iVBORw0KGgo…")]
    qr_code: String,
}

/// Set up a second factor
///
/// Nothing is on by it: `POST /api/v1/auth/2fa/enable` switches it on. A second call takes the first one's place.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    params(IdempotencyHeader),
    responses(
        (status = 200, description = "What an authenticator needs, shown this once.", body = SetupSecondFactorResponse),
        (status = 409, description = "`conflict`: a second factor is on."),
    ),
)]
#[post("/2fa/setup")]
pub async fn setup_second_factor(
    state: Data<State>,
    After(SessionUser(caller), Once(call, ())): After<SessionUser, Once<()>>,
) -> Result<HttpResponse, Problem> {
    let set_up = move |accounts: &Accounts, caller: &Identity| {
        Ok(SetupSecondFactorResponse::from(&accounts.set_up_second_factor(caller)?))
    };
    call.answer(&state, &state.pools.accounts, caller, StatusCode::OK, set_up).await
}

impl From<&SetUp> for SetupSecondFactorResponse {
    fn from(set_up: &SetUp) -> Self {
        Self {
            secret: set_up.secret.expose_secret().to_owned(),
            otpauth_url: set_up.otpauth_url.expose_secret().to_owned(),
            qr_code: set_up.qr_code.expose_secret().to_owned(),
        }
    }
}
