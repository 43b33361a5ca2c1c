//! `PATCH /api/v1/admin/users/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, patch, web::Data};
use serde::Deserialize;
use tollgate_accounts::admin::{Change, LimitChanges, UserChanges};
use tollgate_domain::{Role, Tier, UserId};
use utoipa::ToSchema;

use crate::{
    extract::{Admin, After, Body, Id, present},
    problem::Problem,
    state::State,
    view::user::UserView,
};

/// Changes to a user. What is not named stays; `null` takes a limit away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditUserRequest {
    /// The subscription.
    #[schema(value_type = Option<String>, pattern = "^(free|pro|enterprise)$")]
    tier: Option<Tier>,
    /// The role; losing `admin` takes the permission from the user's keys.
    #[schema(value_type = Option<String>, pattern = "^(user|admin)$")]
    role: Option<Role>,
    /// Whether the account is open.
    is_active: Option<bool>,
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
    /// Tokens in a calendar month.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    monthly_token_limit: Change<u64>,
    /// Tokens beyond that limit, of the running month only, in place of what was granted before.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 0)]
    quota_grant: Change<u64>,
}

/// Change a user
#[utoipa::path(
    tag = "administration",
    security(("bearer" = []), ("api_key" = [])),
    params(("id" = String, Path, description = "The user's id.")),
    request_body = EditUserRequest,
    responses((status = 200, description = "The user as it is now.", body = UserView)),
)]
#[patch("/users/{id}")]
pub async fn edit_user(
    state: Data<State>,
    After(Admin(admin), (Id(id), Body(request))): After<Admin, (Id<UserId>, Body<EditUserRequest>)>,
) -> Result<HttpResponse, Problem> {
    let changes = UserChanges::from(request);
    let accounts = Arc::clone(&state.accounts);
    let user = state.pools.accounts.run(move || accounts.edit_user(&admin.by(), id, changes)).await??;
    Ok(HttpResponse::Ok().json(UserView::new(&user, state.clock.now())))
}

impl From<EditUserRequest> for UserChanges {
    fn from(request: EditUserRequest) -> Self {
        Self {
            tier: request.tier,
            role: request.role,
            is_active: request.is_active,
            limits: LimitChanges {
                minute: request.minute_limit,
                hour: request.hourly_limit,
                day: request.daily_limit,
            },
            monthly_token_limit: request.monthly_token_limit,
            quota_grant: request.quota_grant,
        }
    }
}
