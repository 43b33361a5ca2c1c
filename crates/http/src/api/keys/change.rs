//! `PATCH /api/v1/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, patch, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::{
    admin::{Change, LimitChanges},
    key::change::OwnKeyChanges,
};
use tollgate_domain::{KeyId, Permission};
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, Id, KeyManager, present},
    problem::Problem,
    state::State,
    view::key::KeyView,
};

/// Changes to a key. What is not named stays; `null` takes a limit or a list away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeKeyRequest {
    /// What to call it: 1 to 100 characters.
    name: Option<String>,
    /// Notes: an object of at most 4,096 bytes and 16 levels, in place of those before.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// What it may do; at most 100.
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Vec<Permission>>,
    /// Requests in any minute.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    minute_limit: Change<u64>,
    /// Requests in any hour.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    hourly_limit: Change<u64>,
    /// Requests in any day.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    daily_limit: Change<u64>,
    /// Addresses and networks from which alone it may be used.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["203.0.113.0/24"]))]
    allowed_ips: Change<Vec<String>>,
    /// Public names of the models that alone it may ask.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_models: Change<Vec<String>>,
    /// Whether it is switched on. What an administrator switched off, only an administrator switches on.
    is_active: Option<bool>,
}

/// Change a key
///
/// Up to what the caller has: a key changes only keys that hold no more than itself, and what an administrator gave a
/// key can be narrowed, never widened.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    request_body = ChangeKeyRequest,
    responses(
        (status = 200, description = "The key as it is now.", body = KeyView),
        (status = 403, description = "More than the caller has: `permission_denied`."),
        (status = 409, description = "The key is revoked: `conflict`."),
    ),
)]
#[patch("/{id}")]
pub async fn change(
    state: Data<State>,
    After(KeyManager(actor), (Id(id), Body(request))): After<KeyManager, (Id<KeyId>, Body<ChangeKeyRequest>)>,
) -> Result<HttpResponse, Problem> {
    let changes = OwnKeyChanges::from(request);
    let accounts = Arc::clone(&state.accounts);
    let key = state.pools.accounts.run(move || accounts.change_key(&actor, id, &changes)).await??;
    Ok(HttpResponse::Ok().json(KeyView::listed(&key, state.clock.now())))
}

impl From<ChangeKeyRequest> for OwnKeyChanges {
    fn from(request: ChangeKeyRequest) -> Self {
        Self {
            name: request.name,
            metadata: request.metadata,
            permissions: request.permissions.map(FromIterator::from_iter),
            limits: LimitChanges {
                minute: request.minute_limit,
                hour: request.hourly_limit,
                day: request.daily_limit,
            },
            allowed_ips: request.allowed_ips,
            allowed_models: request.allowed_models,
            is_active: request.is_active,
        }
    }
}
