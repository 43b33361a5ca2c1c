//! `POST /api/v1/keys/{id}/rotate`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::Deserialize;
use tollgate_domain::KeyId;
use utoipa::ToSchema;

use crate::{
    extract::{After, Id, KeyManager, MaybeBody},
    problem::Problem,
    state::State,
    view::key::CreatedKeyView,
};

/// A wish for another secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeyRequest {
    /// Seconds for which the old secret is good as well; 0 where it is not named.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    grace_period_seconds: u32,
}

/// Give a key another secret
///
/// Under the same id, with all that was counted. The secret is shown this once. Without a grace the old one, and those of
/// earlier graces, end at once.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    request_body = Option<RotateKeyRequest>,
    responses(
        (status = 200, description = "The key with its new secret.", body = CreatedKeyView),
        (status = 403, description = "The key holds more than the caller: `permission_denied`."),
        (status = 409, description = "The key is revoked: `conflict`."),
    ),
)]
#[post("/{id}/rotate")]
pub async fn rotate(
    state: Data<State>,
    After(KeyManager(actor), (Id(id), MaybeBody(request))): After<
        KeyManager,
        (Id<KeyId>, MaybeBody<RotateKeyRequest>),
    >,
) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    let grace = request.grace_period_seconds;
    let rotated = state.pools.accounts.run(move || accounts.rotate_key(&actor, id, grace)).await??;
    Ok(HttpResponse::Ok().json(CreatedKeyView::new(&rotated, state.clock.now())))
}
