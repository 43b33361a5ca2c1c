//! `POST /api/v1/auth/external`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tollgate_accounts::external::ExternalLogin;
use tollgate_domain::Time;
use utoipa::ToSchema;

use super::{login::LoginResponse, register::FirstKey};
use crate::{
    extract::{After, Asking, Body, MaybeSessionUser},
    problem::Problem,
    state::State,
};

/// A wish to sign in by another issuer's word.
#[derive(Deserialize, ToSchema)]
pub struct ExternalRequest {
    /// An identity token of a configured issuer.
    #[schema(value_type = String)]
    token: SecretString,
}

/// A new session's tokens, and the first key of a user who was made by it.
#[derive(Serialize, ToSchema)]
pub struct ExternalResponse {
    #[serde(flatten)]
    login: LoginResponse,
    /// A new user's first key, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<FirstKey>,
}

/// Sign in with an identity token
///
/// Takes an OpenID Connect identity token (Clerk, Auth0, Keycloak and their like). Whom nobody knows is signed up. An
/// address that the issuer has verified and that belongs to an account is not merged with it: the same call with that
/// account's access token links the two.
#[utoipa::path(
    tag = "accounts",
    request_body = ExternalRequest,
    responses(
        (status = 200, description = "The session's tokens.", body = ExternalResponse),
        (
            status = 401,
            description = "`invalid_credentials`: the identity token, or the access token beside it; or `user_disabled`."
        ),
        (status = 403, description = "`registration_closed` for whom nobody knows."),
        (status = 404, description = "No identity provider is configured."),
        (
            status = 409,
            description = "`link_required`: its address has an account; `conflict`: it is linked to another one."
        ),
        (status = 429, description = "`rate_limit_exceeded`: too many sign up or fail to sign in from this address."),
        (status = 502, description = "`upstream_unreachable`: nothing is known of its issuer's keys."),
    ),
)]
#[post("/external")]
pub async fn external(
    state: Data<State>,
    Asking(client): Asking,
    After(MaybeSessionUser(caller), Body(request)): After<MaybeSessionUser, Body<ExternalRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.sign_in_externally(&request.token, caller.as_ref(), &client);
    let login = state.pools.issuers.run(job).await??;
    Ok(HttpResponse::Ok().json(ExternalResponse::new(&login, state.clock.now())))
}

impl ExternalResponse {
    fn new(login: &ExternalLogin, now: Time) -> Self {
        Self {
            login: LoginResponse::new(&login.logged_in, now),
            api_key: login.first_key.as_ref().map(|first| FirstKey::new(&first.key, &first.secret)),
        }
    }
}
