//! `GET /reset-password` and `POST /reset-password`: a person sets a new password, by a mail's leave.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::StatusCode,
    post,
    web::{Data, Query},
};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    layout,
    mailed::{self, Link},
};
use crate::{
    extract::{Asking, Form},
    problem::Problem,
    state::State,
};

const TITLE: &str = "Set a new password";

/// The fields of the form.
#[derive(Deserialize, ToSchema)]
pub struct ResetForm {
    /// What the mail's link carries.
    #[schema(value_type = String)]
    token: SecretString,
    /// The new password.
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
    /// The same again.
    #[schema(value_type = String, format = Password)]
    confirm_password: SecretString,
    /// Whether the account's keys are revoked too: there for yes.
    #[serde(default)]
    revoke_keys: Option<String>,
}

/// The page that sets a password
#[utoipa::path(
    tag = "pages",
    params(("token" = Option<String>, Query, description = "What the mail's link carries.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 404, description = "The link is no longer good.", body = String, content_type = "text/html"),
    ),
)]
#[get("/reset-password")]
pub async fn reset_password_page(
    state: Data<State>,
    request: HttpRequest,
    link: Option<Query<Link>>,
) -> HttpResponse {
    let Some(Query(Link { token })) = link else { return mailed::stale() };
    let (accounts, asked) = (Arc::clone(&state.accounts), token.clone());
    let good = state.pools.accounts.run(move || accounts.may_reset_password(&asked)).await;
    match good.map_err(Problem::from).and_then(|good| Ok(good?)) {
        Ok(true) => mailed::answer(StatusCode::OK, TITLE, form(&token)),
        Ok(false) => mailed::stale(),
        Err(problem) => mailed::refused(&request, &problem, TITLE, html! {}),
    }
}

/// Set a password on a page
#[utoipa::path(
    operation_id = "reset_password_on_page",
    tag = "pages",
    responses(
        (status = 200, description = "The password was set.", body = String, content_type = "text/html"),
        (status = 422, description = "It cannot be set so: the page says why.", body = String, content_type = "text/html"),
    ),
)]
#[post("/reset-password")]
pub async fn reset_password(
    state: Data<State>,
    request: HttpRequest,
    Asking(client): Asking,
    fields: Result<Form<ResetForm>, Problem>,
) -> HttpResponse {
    let Form(ResetForm { token, new_password, confirm_password, revoke_keys }) = match fields {
        Ok(fields) => fields,
        Err(problem) => return mailed::refused(&request, &problem, TITLE, html! {}),
    };
    if new_password.expose_secret() != confirm_password.expose_secret() {
        let body = html! { (layout::alert("The two passwords are not the same.")) (form(&token)) };
        return mailed::answer(StatusCode::UNPROCESSABLE_ENTITY, TITLE, body);
    }
    let (accounts, given) = (Arc::clone(&state.accounts), token.clone());
    let job = move || accounts.reset_password(&given, &new_password, revoke_keys.is_some(), &client);
    match state.pools.hash.run(job).await.map_err(Problem::from).and_then(|done| Ok(done?)) {
        Ok(()) => mailed::answer(
            StatusCode::OK,
            "Your password is set",
            html! {
                p { "All sessions of your account have ended. Sign in with the new password." }
            },
        ),
        Err(problem) => mailed::refused(&request, &problem, TITLE, form(&token)),
    }
}

fn form(token: &SecretString) -> Markup {
    html! {
        form method="post" action="/reset-password" {
            (mailed::carried(token))
            label for="new_password" { "New password" }
            input #new_password type="password" name="new_password" autocomplete="new-password" required;
            label for="confirm_password" { "The same again" }
            input #confirm_password type="password" name="confirm_password" autocomplete="new-password" required;
            p { label {
                input type="checkbox" name="revoke_keys" value="yes";
                " Revoke the keys of my account too"
            } }
            button type="submit" { "Set the password" }
        }
    }
}
