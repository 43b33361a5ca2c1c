//! `POST /api/v1/keys`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::{Accounts, Actor, key::KeyWish};
use tollgate_domain::{Environment, LimitOverrides, Permission, Tier};
use utoipa::ToSchema;

use crate::{
    extract::{After, Body, IdempotencyHeader, KeyManager, Once},
    problem::Problem,
    state::State,
    view::key::CreatedKeyView,
};

/// A wish for a key. What is not named takes the caller's defaults.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// What to call it: 1 to 100 characters.
    #[schema(example = "ci")]
    name: String,
    /// A tier up to the caller's own, whose three limits the key has.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<Tier>,
    /// `live` (the default) or `test`.
    #[schema(value_type = Option<String>, pattern = "^(live|test)$")]
    environment: Option<Environment>,
    /// Days until it expires.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<i64>,
    /// What it may do: the default permissions where none are named.
    #[schema(value_type = Option<Vec<String>>, example = json!(["chat"]))]
    permissions: Option<Vec<Permission>>,
    /// Requests in any minute.
    #[schema(minimum = 1)]
    minute_limit: Option<u64>,
    /// Requests in any hour.
    #[schema(minimum = 1)]
    hourly_limit: Option<u64>,
    /// Requests in any day.
    #[schema(minimum = 1)]
    daily_limit: Option<u64>,
    /// Addresses and networks from which alone it may be used; at most 100.
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_ips: Option<Vec<String>>,
    /// Public names of the models that alone it may ask; at most 100.
    allowed_models: Option<Vec<String>>,
    /// Notes: an object of at most 4,096 bytes and 16 levels.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Make a key
///
/// The secret is shown this once. A key never has more than who makes it.
#[utoipa::path(
    tag = "keys",
    security(("bearer" = []), ("api_key" = [])),
    params(IdempotencyHeader),
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key was made.", body = CreatedKeyView),
        (status = 403, description = "More than the caller has: `permission_denied`."),
        (status = 409, description = "The user has as many keys as a user may have: `too_many_keys`."),
    ),
)]
#[post("")]
pub async fn create(
    state: Data<State>,
    After(KeyManager(actor), Once(call, Body(request))): After<KeyManager, Once<Body<CreateKeyRequest>>>,
) -> Result<HttpResponse, Problem> {
    let (wish, now) = (KeyWish::from(request), state.clock.now());
    let create = move |accounts: &Accounts, actor: &Actor| {
        Ok(CreatedKeyView::new(&accounts.create_key(actor, &wish)?, now))
    };
    call.answer(&state, &state.pools.accounts, actor, StatusCode::CREATED, create).await
}

impl From<CreateKeyRequest> for KeyWish {
    fn from(request: CreateKeyRequest) -> Self {
        Self {
            name: request.name,
            tier: request.tier,
            environment: request.environment,
            expires_in_days: request.expires_in_days,
            permissions: request.permissions.map(FromIterator::from_iter),
            limits: LimitOverrides {
                minute: request.minute_limit,
                hour: request.hourly_limit,
                day: request.daily_limit,
            },
            allowed_ips: request.allowed_ips,
            allowed_models: request.allowed_models,
            metadata: request.metadata,
        }
    }
}
