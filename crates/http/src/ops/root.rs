//! `GET /`.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{ACCEPT, LOCATION},
    web::Data,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{problem::Problem, state::State};

/// What this server is.
#[derive(Serialize, ToSchema)]
pub struct ServerInfo {
    /// Always `tollgate`.
    #[schema(value_type = String, example = "tollgate")]
    name: &'static str,
    /// Its version.
    #[schema(value_type = String)]
    version: &'static str,
    /// `enabled` or `disabled`.
    #[schema(value_type = String, example = "enabled")]
    authentication: &'static str,
    /// What whoever runs it should know; only where there is something.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

const DISABLED: &str = "authentication is disabled: whoever reaches this server may use it without a key";

/// What this is
///
/// For programs; a browser is led to the documentation.
#[utoipa::path(
    tag = "operations",
    responses(
        (status = 200, description = "Name and version.", body = ServerInfo),
        (status = 302, description = "For browsers: the documentation."),
    ),
)]
#[get("/")]
pub async fn root(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return Ok(HttpResponse::Found().insert_header((LOCATION, "/docs/")).finish());
    }
    Ok(shown(state.settings.authentication_enabled))
}

/// The answer for programs.
pub(crate) fn shown(authentication_enabled: bool) -> HttpResponse {
    let authentication = if authentication_enabled { "enabled" } else { "disabled" };
    let version = env!("CARGO_PKG_VERSION");
    let warning = (!authentication_enabled).then_some(DISABLED);
    HttpResponse::Ok().json(ServerInfo { name: "tollgate", version, authentication, warning })
}
