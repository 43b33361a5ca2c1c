//! `POST /api/v1/keys/self/revoke`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web::Data};

use crate::{extract::Holder, problem::Problem, state::State};

/// Revoke the calling key
///
/// Whatever it may do, and from wherever, whatever networks it is bound to: the end of a key that leaked.
#[utoipa::path(
    tag = "keys",
    security(("api_key" = [])),
    responses(
        (status = 204, description = "The key is revoked."),
        (status = 403, description = "This is no API key: `permission_denied`."),
    ),
)]
#[post("/self/revoke")]
pub async fn revoke_self(state: Data<State>, Holder(actor): Holder) -> Result<HttpResponse, Problem> {
    let accounts = Arc::clone(&state.accounts);
    state.pools.accounts.run(move || accounts.revoke_self(&actor)).await??;
    Ok(HttpResponse::NoContent().finish())
}
