//! `GET /api/v1/auth/me`.

use actix_web::{HttpResponse, get, web::Data};

use crate::{extract::SessionUser, problem::Problem, state::State, view::user::UserView};

/// Who am I
///
/// The profile of the user whose access token this is.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 200, description = "The user.", body = UserView)),
)]
#[get("/me")]
pub async fn me(state: Data<State>, SessionUser(caller): SessionUser) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(UserView::new(&caller.user, state.clock.now())))
}
