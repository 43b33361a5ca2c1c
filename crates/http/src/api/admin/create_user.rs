//! `POST /api/v1/admin/users/create` and `POST /api/v1/admin/users`.

use actix_web::{HttpResponse, http::StatusCode, post, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use tollgate_accounts::{Accounts, Actor, admin::ProvisionWish};
use tollgate_domain::{LimitOverrides, Permission, Tier};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, Body, IdempotencyHeader, Once, Repeatable},
    problem::Problem,
    state::State,
    view::key::ProvisionedView,
};

/// A wish for a key, and for its user where there is none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// What to call the key, and the user where it is made: 1 to 100 characters. Needed unless `user_id` or `email` says
    /// whose key it is.
    #[schema(example = "New User")]
    name: Option<String>,
    /// What to call the key, where it is not called as its user.
    key_name: Option<String>,
    /// Whose key it is: the user's id, or the id by which another system knows the user, who is made where the latter is
    /// unknown. `email` finds nobody then.
    user_id: Option<String>,
    /// The user's address. An address that has an account gets a further key.
    #[schema(example = "newuser@example.com")]
    email: Option<String>,
    /// The id by which another system knows the user. One that is known gets a further key, whatever the address.
    external_id: Option<String>,
    /// The tier that stands for the key's limits, and the user's where it is made.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<Tier>,
    /// Days until the key expires: 1 to 3,650.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<i64>,
    /// What the key may do: the default permissions where none are named; `admin` only where the user has the role.
    #[schema(value_type = Option<Vec<String>>, example = json!(["chat", "code_generation"]))]
    permissions: Option<Vec<Permission>>,
    /// Requests of the key in any hour, in place of the user's limit.
    #[schema(minimum = 1)]
    hourly_limit: Option<u64>,
    /// Requests of the key in any day, likewise.
    #[schema(minimum = 1)]
    daily_limit: Option<u64>,
    /// Notes on the key: an object of at most 4,096 bytes and 16 levels.
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
    params(IdempotencyHeader),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The key with its secret, and its user.", body = ProvisionedView),
        (status = 409, description = "`email_taken`: by a user with another external id."),
    ),
)]
#[post("/users")]
pub async fn create_user(
    state: Data<State>,
    After(Admin(admin), Once(call, Body(request))): After<Admin, Once<Body<CreateUserRequest>>>,
) -> Result<HttpResponse, Problem> {
    create(&state, call, admin, request).await
}

/// Make a user with a key (another path)
///
/// The same as `POST /api/v1/admin/users`.
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(IdempotencyHeader),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The key with its secret, and its user.", body = ProvisionedView),
        (status = 409, description = "`email_taken`: by a user with another external id."),
    ),
)]
#[post("/users/create")]
pub async fn users_create(
    state: Data<State>,
    After(Admin(admin), Once(call, Body(request))): After<Admin, Once<Body<CreateUserRequest>>>,
) -> Result<HttpResponse, Problem> {
    create(&state, call, admin, request).await
}

async fn create(
    state: &State,
    call: Repeatable,
    admin: Actor,
    request: CreateUserRequest,
) -> Result<HttpResponse, Problem> {
    if request.name.is_none() && request.user_id.is_none() && request.email.is_none() {
        return Err(Problem::field("name", "missing", "is needed where neither user_id nor email is given"));
    }
    let (wish, now) = (ProvisionWish::from(request), state.clock.now());
    let provision = move |accounts: &Accounts, admin: &Actor| {
        Ok(ProvisionedView::new(accounts.provision(&admin.by(), &wish)?, now))
    };
    call.answer(state, &state.pools.accounts, admin, StatusCode::CREATED, provision).await
}

impl From<CreateUserRequest> for ProvisionWish {
    fn from(request: CreateUserRequest) -> Self {
        Self {
            user_name: request.name,
            key_name: request.key_name,
            user_id: request.user_id,
            email: request.email,
            expires_in_days: request.expires_in_days,
            external_id: request.external_id,
            tier: request.tier,
            permissions: request.permissions.map(FromIterator::from_iter),
            limits: LimitOverrides { minute: None, hour: request.hourly_limit, day: request.daily_limit },
            metadata: request.metadata,
            ..Self::default()
        }
    }
}
