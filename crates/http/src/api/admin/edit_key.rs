//! `PATCH /api/v1/admin/keys/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, patch, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::admin::{Change, KeyChanges, LimitChanges};
use tollgate_domain::{KeyId, Permission, Tier};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, Body, Id, present},
    problem::Problem,
    state::State,
    view::key::KeyView,
};

/// Changes to a key. What is not named stays; `null` takes a limit, a list or the tier away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditKeyRequest {
    /// What to call it.
    name: Option<String>,
    /// Notes: an object of at most 4,096 bytes and 16 levels, in place of those before.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// What it may do; `admin` only where its owner has the role.
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Vec<Permission>>,
    /// The tier that stands for its limits.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Change<Tier>,
    /// Requests in any minute, in place of the user's limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    minute_limit: Change<u64>,
    /// Requests in any hour, likewise.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    hourly_limit: Change<u64>,
    /// Requests in any day, likewise.
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
    /// Whether it is switched on; what is switched off here, its owner cannot switch on.
    is_active: Option<bool>,
}

/// Change anybody's key
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    request_body = EditKeyRequest,
    responses(
        (status = 200, description = "The key as it is now.", body = KeyView),
        (status = 409, description = "It is revoked, and never switched on again: `conflict`."),
    ),
)]
#[patch("/keys/{id}")]
pub async fn edit_key(
    state: Data<State>,
    After(Admin(admin), (Id(id), Body(request))): After<Admin, (Id<KeyId>, Body<EditKeyRequest>)>,
) -> Result<HttpResponse, Problem> {
    let changes = KeyChanges::from(request);
    let accounts = Arc::clone(&state.accounts);
    let key = state.pools.accounts.run(move || accounts.edit_key(&admin.by(), id, &changes)).await??;
    Ok(HttpResponse::Ok().json(KeyView::listed(&key, state.clock.now())))
}

impl From<EditKeyRequest> for KeyChanges {
    fn from(request: EditKeyRequest) -> Self {
        Self {
            name: request.name,
            metadata: request.metadata,
            allowed_ips: request.allowed_ips,
            allowed_models: request.allowed_models,
            permissions: request.permissions.map(FromIterator::from_iter),
            tier: request.tier,
            limits: LimitChanges {
                minute: request.minute_limit,
                hour: request.hourly_limit,
                day: request.daily_limit,
            },
            is_active: request.is_active,
        }
    }
}
