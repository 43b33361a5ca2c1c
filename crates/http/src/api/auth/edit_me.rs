//! `PUT /api/v1/auth/me`.

use std::sync::Arc;

use actix_web::{HttpResponse, put, web::Data};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::profile::ProfileChanges;
use utoipa::ToSchema;

use crate::{
    extract::present,
    extract::{After, Body, SessionUser},
    problem::Problem,
    state::State,
    view::user::UserView,
};

/// Changes to the own profile. What is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMeRequest {
    /// What to call the user; `null` for nothing.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// The user's own notes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// Another email address.
    email: Option<String>,
    /// The present password, which another address takes.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    /// In place of that, an identity token of a user who has none, issued within five minutes.
    #[schema(value_type = Option<String>)]
    identity_token: Option<SecretString>,
}

/// Change the own profile
///
/// Name and notes change at once. Another address takes the password and acts when it is confirmed by the link that is
/// mailed there; the present one is told. The answer is the same where another account has the address.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    request_body = EditMeRequest,
    responses(
        (status = 200, description = "The user as it is now.", body = UserView),
        (status = 202, description = "The same; a mail was sent that confirms the new address.", body = UserView),
        (status = 401, description = "`invalid_credentials`: the token, the password or the identity token is wrong."),
        (status = 404, description = "An identity token, and no identity provider is configured."),
        (status = 409, description = "`conflict`: the account has no password."),
        (status = 502, description = "`upstream_unreachable`: nothing is known of the identity token's issuer's keys."),
        (status = 429, description = "`too_many_attempts`: wrong passwords, or mails in the last hour."),
    ),
)]
#[put("/me")]
pub async fn edit_me(
    state: Data<State>,
    After(SessionUser(caller), Body(request)): After<SessionUser, Body<EditMeRequest>>,
) -> Result<HttpResponse, Problem> {
    let EditMeRequest { name, metadata, email, password, identity_token } = request;
    let accounts = Arc::clone(&state.accounts);
    // Who waits for an issuer waits where nobody hashes.
    let by_issuer = identity_token.is_some() && password.is_none();
    let pool = if by_issuer { &state.pools.issuers } else { &state.pools.hash };
    let changes = ProfileChanges { name, metadata, email, password, identity_token };
    let edited = pool.run(move || accounts.edit_profile(&caller, changes)).await??;
    let view = UserView::new(&edited.user, state.clock.now());
    let mut answer = if edited.email_pending { HttpResponse::Accepted() } else { HttpResponse::Ok() };
    Ok(answer.json(view))
}
