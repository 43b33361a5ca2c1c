//! `POST /api/v1/auth/device/code`: a device begins to ask (RFC 8628, section 3.1).

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tollgate_accounts::device::{DeviceCodes, INTERVAL, LIFETIME};
use utoipa::ToSchema;

use crate::{
    extract::{Asking, MaybeJsonOrForm},
    pages::device,
    problem::Problem,
    state::State,
};

/// A device that wants to be signed in.
#[derive(Default, Deserialize, ToSchema)]
pub struct DeviceCodeRequest {
    /// What the program calls itself, at most 100 characters; people are shown it.
    #[schema(example = "My Editor")]
    client_id: Option<String>,
    /// Passed over: a device gets what its user has.
    #[serde(rename = "scope")]
    _scope: Option<String>,
}

/// What a device keeps and what it shows.
#[derive(Serialize, ToSchema)]
pub struct DeviceCodeResponse {
    /// What it asks `device/token` with. Never shown.
    device_code: String,
    /// What it shows.
    #[schema(example = "WDJB-MJHT")]
    user_code: String,
    /// Where a person types that in.
    #[schema(example = "https://gate.example/device")]
    verification_uri: String,
    /// The same with the code in it, to be opened or shown as a QR code.
    #[schema(example = "https://gate.example/device?user_code=WDJB-MJHT")]
    verification_uri_complete: String,
    /// Seconds for which all this is good.
    expires_in: i64,
    /// Seconds to leave between two questions.
    interval: u32,
}

/// Begin to sign in a device
///
/// For editors and programs without a browser (RFC 8628). The device shows `user_code` and `verification_uri`, a person
/// opens that, signs in and approves; meanwhile the device asks `device/token` every `interval` seconds.
#[utoipa::path(
    tag = "accounts",
    request_body(content((DeviceCodeRequest = "application/x-www-form-urlencoded"), (DeviceCodeRequest = "application/json"))),
    responses(
        (status = 200, description = "The codes.", body = DeviceCodeResponse),
        (status = 400, description = "`error`: `invalid_request`."),
        (status = 429, description = "`too_many_attempts`: too many devices ask from this address."),
    ),
)]
#[post("/device/code")]
pub async fn device_code(
    state: Data<State>,
    Asking(client): Asking,
    body: Result<MaybeJsonOrForm<DeviceCodeRequest>, Problem>,
) -> Result<HttpResponse, Problem> {
    let MaybeJsonOrForm(DeviceCodeRequest { client_id, .. }) = body.map_err(Problem::as_oauth)?;
    let accounts = Arc::clone(&state.accounts);
    let begun =
        state.pools.accounts.run(move || accounts.begin_device(client_id.as_deref(), &client)).await?;
    let codes = begun.map_err(|error| Problem::from(error).as_oauth())?;
    Ok(HttpResponse::Ok().json(DeviceCodeResponse::new(&codes, state.public_url())))
}

impl DeviceCodeResponse {
    fn new(codes: &DeviceCodes, public_url: &str) -> Self {
        let verification_uri = format!("{public_url}{}", device::PATH);
        Self {
            device_code: codes.device_code.expose_secret().to_owned(),
            user_code: codes.user_code.to_string(),
            verification_uri_complete: format!("{verification_uri}?user_code={}", codes.user_code),
            verification_uri,
            expires_in: LIFETIME.num_seconds(),
            interval: INTERVAL,
        }
    }
}
