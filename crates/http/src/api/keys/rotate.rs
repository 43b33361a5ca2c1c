//! `POST /api/v1/keys/{id}/rotate`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use serde::Deserialize;
use tollgate_accounts::{Accounts, Actor};
use tollgate_domain::KeyId;
use utoipa::ToSchema;

use crate::{
    extract::{After, Id, IdempotencyHeader, KeyManager, MaybeBody, Once},
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
/// earlier graces, end at once; with one, at most five go on: the old one, and of those before it the ones that
/// end last.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id."), IdempotencyHeader),
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
    After(KeyManager(actor), (Id(id), Once(call, MaybeBody(request)))): After<
        KeyManager,
        (Id<KeyId>, Once<MaybeBody<RotateKeyRequest>>),
    >,
) -> Result<HttpResponse, Problem> {
    let (grace, now) = (request.grace_period_seconds, state.clock.now());
    let rotate = move |accounts: &Accounts, actor: &Actor| {
        Ok(CreatedKeyView::rotated(&accounts.rotate_key(actor, id, grace)?, now))
    };
    call.answer(&state, &state.pools.accounts, actor, StatusCode::OK, rotate).await
}
