//! `POST /api/v1/admin/users/create` and `POST /api/v1/admin/users`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::{Actor, admin::ProvisionWish};
use tollgate_domain::{LimitOverrides, Permission, Tier};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, Body},
    problem::Problem,
    state::State,
    view::key::ProvisionedView,
};

/// A wish for a key, and for its user where there is none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// What to call the key, and the user where it is made: 1 to 100 characters.
    #[schema(example = "New User")]
    name: String,
    /// The user's address. An address that has an account gets a further key.
    #[schema(example = "newuser@example.com")]
    email: Option<String>,
    /// The id by which another system knows the user. One that is known gets a further key, whatever the address.
    external_id: Option<String>,
    /// The tier that stands for the key's limits, and the user's where it is made.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<Tier>,
    /// What the key may do: the default permissions where none are named; `admin` only where the user has the role.
    #[schema(value_type = Option<Vec<String>>, example = json!(["chat", "code_generation"]))]
    permissions: Option<Vec<Permission>>,
    /// Requests of the key in any hour, in place of the user's limit.
    #[schema(minimum = 1)]
    hourly_limit: Option<u64>,
    /// Requests of the key in any day, likewise.
    #[schema(minimum = 1)]
    daily_limit: Option<u64>,
    /// Notes on the key: an object of at most 4,096 bytes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Make a user with a key
///
/// Or a further key for a user who is there already. The secret is shown this once. A user who is made has no password
/// and no other key.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The key with its secret, and its user.", body = ProvisionedView),
        (status = 409, description = "`email_taken`: by a user with another external id."),
    ),
)]
#[post("/users")]
pub async fn create_user(
    state: Data<State>,
    After(Admin(admin), Body(request)): After<Admin, Body<CreateUserRequest>>,
) -> Result<HttpResponse, Problem> {
    create(&state, admin, request).await
}

/// Make a user with a key (another path)
///
/// The same as `POST /api/v1/admin/users`.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The key with its secret, and its user.", body = ProvisionedView),
        (status = 409, description = "`email_taken`: by a user with another external id."),
    ),
)]
#[post("/users/create")]
pub async fn users_create(
    state: Data<State>,
    After(Admin(admin), Body(request)): After<Admin, Body<CreateUserRequest>>,
) -> Result<HttpResponse, Problem> {
    create(&state, admin, request).await
}

async fn create(state: &State, admin: Actor, request: CreateUserRequest) -> Result<HttpResponse, Problem> {
    let wish = ProvisionWish::from(request);
    let accounts = Arc::clone(&state.accounts);
    let made = state.pools.accounts.run(move || accounts.provision(&admin.by(), &wish)).await??;
    Ok(HttpResponse::Created().json(ProvisionedView::new(made, state.clock.now())))
}

impl From<CreateUserRequest> for ProvisionWish {
    fn from(request: CreateUserRequest) -> Self {
        Self {
            user_name: Some(request.name),
            email: request.email,
            external_id: request.external_id,
            tier: request.tier,
            permissions: request.permissions.map(FromIterator::from_iter),
            limits: LimitOverrides { minute: None, hour: request.hourly_limit, day: request.daily_limit },
            metadata: request.metadata,
            ..Self::default()
        }
    }
}
