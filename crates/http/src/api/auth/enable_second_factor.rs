//! `POST /api/v1/auth/2fa/enable`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use tollgate_accounts::{Accounts, session::Identity};
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, IdempotencyHeader, Once, SessionUser},
    problem::Problem,
    state::State,
    view::backup_codes::BackupCodesView,
};

/// A code of the second factor that was set up.
#[derive(Deserialize, ToSchema)]
pub struct EnableSecondFactorRequest {
    /// What the authenticator shows now.
    #[schema(value_type = String, example = "287082")]
    code: SecretString,
}

/// Switch a second factor on
///
/// From now on a session takes its code. Every other session ends: none has brought a code.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    params(IdempotencyHeader),
    request_body = EnableSecondFactorRequest,
    responses(
        (status = 200, description = "The backup codes, shown this once.", body = BackupCodesView),
        (status = 409, description = "`conflict`: a second factor is on, or none was set up."),
    ),
)]
#[post("/2fa/enable")]
pub async fn enable_second_factor(
    state: Data<State>,
    After(SessionUser(caller), Once(call, Body(request))): After<
        SessionUser,
        Once<Body<EnableSecondFactorRequest>>,
    >,
) -> Result<HttpResponse, Problem> {
    let enable = move |accounts: &Accounts, caller: &Identity| {
        Ok(BackupCodesView::new(&accounts.enable_second_factor(caller, &request.code)?))
    };
    call.answer(&state, &state.pools.accounts, caller, StatusCode::OK, enable).await
}
