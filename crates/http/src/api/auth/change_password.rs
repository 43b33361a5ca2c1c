//! `POST /api/v1/auth/change-password`, also as `POST /api/v1/auth/password/change`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tollgate_accounts::session::Identity;
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, SessionUser},
    problem::Problem,
    state::State,
};

/// A wish for another password.
#[derive(Deserialize, ToSchema)]
pub struct ChangePasswordRequest {
    /// The present password. It or `current_password` must be there.
    #[schema(value_type = Option<String>, format = Password, example = "currentpassword")]
    old_password: Option<SecretString>,
    /// Another name of `old_password`.
    #[schema(value_type = Option<String>, format = Password)]
    current_password: Option<SecretString>,
    /// The new password, of at least eight characters.
    #[schema(value_type = String, format = Password, example = "newsecurepassword")]
    new_password: SecretString,
}

impl ChangePasswordRequest {
    /// The present and the new password.
    fn passwords(self) -> Result<(SecretString, SecretString), Problem> {
        let present = match (self.old_password, self.current_password) {
            (Some(old), Some(current)) if old.expose_secret() != current.expose_secret() => {
                let rule = "must be the same as old_password where both are there";
                return Err(Problem::field("current_password", "mismatch", rule));
            }
            (Some(present), _) | (None, Some(present)) => present,
            (None, None) => return Err(Problem::field("old_password", "missing", "must be there")),
        };
        Ok((present, self.new_password))
    }
}

/// Change the password
///
/// Every other session of the user ends, and this one goes on. Keys stay as they are.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 204, description = "The password was changed."),
        (status = 401, description = "`invalid_credentials`: the token or the present password is wrong."),
        (status = 409, description = "`conflict`: the account has no password."),
    ),
)]
#[post("/change-password")]
pub async fn change_password(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<ChangePasswordRequest>>,
) -> Result<HttpResponse, Problem> {
    change(&state, caller, request).await
}

/// Change the password (another path)
///
/// The same as `POST /api/v1/auth/change-password`.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 204, description = "The password was changed."),
        (status = 401, description = "`invalid_credentials`: the token or the present password is wrong."),
        (status = 409, description = "`conflict`: the account has no password."),
    ),
)]
#[post("/password/change")]
pub async fn password_change(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<ChangePasswordRequest>>,
) -> Result<HttpResponse, Problem> {
    change(&state, caller, request).await
}

async fn change(
    state: &State,
    caller: Identity,
    request: ChangePasswordRequest,
) -> Result<HttpResponse, Problem> {
    let (present, new) = request.passwords()?;
    let accounts = Arc::clone(&state.accounts);
    state.pools.hash.run(move || accounts.change_password(&caller, &present, &new)).await??;
    Ok(HttpResponse::NoContent().finish())
}
