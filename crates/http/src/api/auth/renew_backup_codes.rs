//! `POST /api/v1/auth/2fa/backup-codes`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use tollgate_accounts::{Accounts, session::Identity};

use super::disable_second_factor::ConfirmSecondFactorRequest;
use crate::{
    extract::{After, Body, IdempotencyHeader, Once, SessionUser},
    problem::Problem,
    state::State,
    view::backup_codes::BackupCodesView,
};

/// Get new backup codes
///
/// All that there were before are good no more.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    params(IdempotencyHeader),
    request_body = ConfirmSecondFactorRequest,
    responses(
        (status = 200, description = "The backup codes, shown this once.", body = BackupCodesView),
        (status = 401, description = "`invalid_credentials`: the token, the password or the code is wrong."),
        (status = 409, description = "`conflict`: no second factor is on."),
        (status = 429, description = "`too_many_attempts`: `Retry-After` says when one more is taken."),
    ),
)]
#[post("/2fa/backup-codes")]
pub async fn renew_backup_codes(
    state: Data<State>,
    After(SessionUser(caller), Once(call, Body(request))): After<
        SessionUser,
        Once<Body<ConfirmSecondFactorRequest>>,
    >,
) -> Result<HttpResponse, Problem> {
    let ConfirmSecondFactorRequest { password, code } = request;
    let renew = move |accounts: &Accounts, caller: &Identity| {
        Ok(BackupCodesView::new(&accounts.renew_backup_codes(caller, password.as_ref(), &code)?))
    };
    call.answer(&state, &state.pools.hash, caller, StatusCode::OK, renew).await
}
