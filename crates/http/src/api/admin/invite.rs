//! `POST /api/v1/admin/invites`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tollgate_accounts::{Accounts, Actor, invite::Invitation};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, IdempotencyHeader, MaybeBody, Once},
    problem::Problem,
    state::State,
};

/// Whom to invite.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The only address that the invitation is good for; it is mailed there.
    email: Option<String>,
}

/// An invitation.
#[derive(Serialize, ToSchema)]
pub struct InviteResponse {
    /// What it is called.
    id: String,
    /// What signs one account up, as `invite`; shown this once.
    invite: String,
    /// A link that carries it.
    url: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
}

/// Invite somebody
///
/// Makes an invitation for one account, good for a week, and mails it where an address is named.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(IdempotencyHeader),
    request_body = InviteRequest,
    responses((status = 201, description = "The invitation.", body = InviteResponse)),
)]
#[post("/invites")]
pub async fn invite(
    state: Data<State>,
    After(Admin(admin), Once(call, MaybeBody(request))): After<Admin, Once<MaybeBody<InviteRequest>>>,
) -> Result<HttpResponse, Problem> {
    let invite = move |accounts: &Accounts, admin: &Actor| {
        Ok(InviteResponse::from(accounts.invite(&admin.by(), request.email.as_deref())?))
    };
    call.answer(&state, &state.pools.accounts, admin, StatusCode::CREATED, invite).await
}

impl From<Invitation> for InviteResponse {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            invite: invitation.token.expose_secret().to_owned(),
            url: invitation.url,
            expires_at: invitation.expires_at,
        }
    }
}
