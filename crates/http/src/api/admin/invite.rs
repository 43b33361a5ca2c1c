//! `POST /api/v1/admin/invites`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, MaybeBody},
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
    request_body = InviteRequest,
    responses((status = 201, description = "The invitation.", body = InviteResponse)),
)]
#[post("/invites")]
pub async fn invite(
    state: Data<State>,
    After(Admin(admin), MaybeBody(request)): After<Admin, MaybeBody<InviteRequest>>,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let job = move || accounts.invite(&admin.by(), request.email.as_deref());
    let invitation = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Created().json(InviteResponse {
        id: invitation.id,
        invite: invitation.token.expose_secret().to_owned(),
        url: invitation.url,
        expires_at: invitation.expires_at,
    }))
}
