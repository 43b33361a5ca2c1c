//! `POST /api/v1/auth/device/token`: a device asks whether it was let in (RFC 8628, section 3.4).

use std::sync::Arc;

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::login::LoginResponse;
use crate::{
    extract::{Asking, MaybeJsonOrForm},
    problem::{FieldProblem, Problem},
    state::State,
};

/// The one grant that is taken here.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device's question.
#[derive(Default, Deserialize, ToSchema)]
pub struct DeviceTokenRequest {
    /// Always `urn:ietf:params:oauth:grant-type:device_code`.
    #[schema(required, example = "urn:ietf:params:oauth:grant-type:device_code")]
    grant_type: Option<String>,
    /// What `device/code` gave.
    #[schema(required, value_type = Option<String>)]
    device_code: Option<SecretString>,
    /// The same as there, or nothing.
    client_id: Option<String>,
}

/// Ask whether a device was let in
///
/// Every `interval` seconds, until the answer is no longer `authorization_pending`. Asked earlier, it answers
/// `slow_down`: from then on the device leaves five seconds more. The tokens are given once.
#[utoipa::path(
    tag = "accounts",
    request_body(content((DeviceTokenRequest = "application/x-www-form-urlencoded"), (DeviceTokenRequest = "application/json"))),
    responses(
        (status = 200, description = "It was: the tokens of its session.", body = LoginResponse),
        (
            status = 400,
            description = "`error` (and `code`): `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, \
                           `invalid_grant`, `unsupported_grant_type`, `invalid_request`."
        ),
    ),
)]
#[post("/device/token")]
pub async fn device_token(
    state: Data<State>,
    Asking(client): Asking,
    body: Result<MaybeJsonOrForm<DeviceTokenRequest>, Problem>,
) -> Result<HttpResponse, Problem> {
    let MaybeJsonOrForm(DeviceTokenRequest { grant_type, device_code, client_id }) =
        body.map_err(Problem::as_oauth)?;
    match grant_type.as_deref() {
        None | Some("") => return Err(missing("grant_type")),
        Some(DEVICE_CODE) => {}
        Some(_) => {
            let words = format!("grant_type must be {DEVICE_CODE} here.");
            return Err(Problem::oauth(StatusCode::BAD_REQUEST, "unsupported_grant_type", words));
        }
    }
    let device_code =
        device_code.filter(|code| !code.expose_secret().is_empty()).ok_or_else(|| missing("device_code"))?;
    let accounts = Arc::clone(&state.accounts);
    let polled = state
        .pools
        .accounts
        .run(move || accounts.poll_device(&device_code, client_id.as_deref(), &client))
        .await?;
    Ok(HttpResponse::Ok().json(LoginResponse::new(&polled?, state.clock.now())))
}

fn missing(field: &'static str) -> Problem {
    let error = FieldProblem { field: field.into(), code: "missing".into(), message: "must be there".into() };
    Problem::validation(vec![error]).as_oauth()
}
