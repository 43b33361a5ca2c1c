//! `GET /api/v1/auth/vscode-config`.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use serde::Serialize;
use tollgate_domain::{Environment, KeyText, User, quota::QuotaState};
use utoipa::ToSchema;

use crate::{extract::SessionUser, problem::Problem, state::State};

/// What an editor needs.
#[derive(Clone, Serialize, ToSchema)]
pub struct EditorConfig {
    /// The user's `Editor` key.
    glm_api_key: String,
    /// The same key.
    backend_api_key: String,
    /// Where to send requests.
    #[schema(example = "http://localhost:8000")]
    api_endpoint: String,
    /// Whose it is.
    user: EditorUser,
}

/// The user as editors show it.
#[derive(Clone, Serialize, ToSchema)]
pub struct EditorUser {
    /// The user's id.
    id: String,
    /// The tier.
    #[schema(value_type = String, example = "free")]
    subscription: &'static str,
    /// What is left of this month's tokens.
    tokens_remaining: u64,
}

/// The configuration, at the top and again under `config`.
#[derive(Serialize, ToSchema)]
pub struct EditorConfigResponse {
    #[serde(flatten)]
    top: EditorConfig,
    /// The same again.
    config: EditorConfig,
}

/// Configure an editor
///
/// Both keys are one key of the caller's own, named `Editor`, the same at every call.
#[utoipa::path(
    tag = "accounts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The configuration.", body = EditorConfigResponse),
        (status = 409, description = "The session has just ended: `conflict`."),
    ),
)]
#[get("/vscode-config")]
pub async fn vscode_config(
    state: Data<State>,
    SessionUser(caller): SessionUser,
) -> Result<HttpResponse, Problem> {
    let (accounts, folder) = (Arc::clone(&state.accounts), Arc::clone(&state.folder));
    let job = move || {
        folder.join();
        let secret = accounts.editor_key(&caller)?;
        let user = &*caller.user;
        let quota = accounts.quota(user, Environment::Live)?;
        Ok::<_, Problem>(EditorConfig::new(&secret, user, &quota, &accounts.settings().public_url))
    };
    let config = state.pools.accounts.run(job).await??;
    Ok(HttpResponse::Ok().json(EditorConfigResponse { top: config.clone(), config }))
}

impl EditorConfig {
    fn new(secret: &KeyText, user: &User, quota: &QuotaState, public_url: &str) -> Self {
        Self {
            glm_api_key: secret.expose().to_owned(),
            backend_api_key: secret.expose().to_owned(),
            api_endpoint: public_url.to_owned(),
            user: EditorUser {
                id: user.id.to_string(),
                subscription: user.tier.as_str(),
                tokens_remaining: quota.remaining(),
            },
        }
    }
}
