//! `POST /api/v1/auth/2fa/enable`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, SessionUser},
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
    request_body = EnableSecondFactorRequest,
    responses(
        (status = 200, description = "The backup codes, shown this once.", body = BackupCodesView),
        (status = 409, description = "`conflict`: a second factor is on, or none was set up."),
    ),
)]
#[post("/2fa/enable")]
pub async fn enable_second_factor(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<EnableSecondFactorRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.enable_second_factor(&caller, &request.code);
    let codes = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(BackupCodesView::new(&codes)))
}
