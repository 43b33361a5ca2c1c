//! `POST /api/v1/auth/device/approve`: a user says yes or no to a device.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::Deserialize;
use tollgate_domain::device::UserCode;
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, SessionUser},
    problem::Problem,
    state::State,
};

/// What a user says to a device.
#[derive(Deserialize, ToSchema)]
pub struct DeviceApproveRequest {
    /// The code that the device shows, in either case, with its hyphen or without.
    #[schema(example = "WDJB-MJHT")]
    user_code: String,
    /// Whether it may come in.
    #[serde(default = "yes")]
    #[schema(default = true)]
    approve: bool,
}

const fn yes() -> bool {
    true
}

/// Approve or deny a device
///
/// The device gets a session of the caller's, unless the caller's own has ended by then. Only for what the caller has
/// started: people do this on the page `/device`, which shows what asks.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = DeviceApproveRequest,
    responses(
        (status = 204, description = "It was decided."),
        (status = 404, description = "`not_found`: no device that waits shows this code."),
        (status = 429, description = "`too_many_attempts`: too many codes that no device shows."),
    ),
)]
#[post("/device/approve")]
pub async fn device_approve(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<DeviceApproveRequest>>,
) -> Result<HttpResponse, Problem> {
    let code: UserCode = request.user_code.parse().map_err(|error: tollgate_domain::device::NotACode| {
        Problem::field("user_code", "invalid_value", error.to_string())
    })?;
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.decide_device(&caller, code, request.approve)).await??;
    Ok(HttpResponse::NoContent().finish())
}
