//! `POST /sign-in/code`: the second factor's code, behind the password.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{PageForm, cookie::Cookie, form, layout, sign_in};
use crate::{extract::client_of, pages::sign_in::Next, problem::Problem, state::State};

/// The page's title.
pub const TITLE: &str = "Enter your code";

/// The fields of the form.
#[derive(Deserialize)]
pub struct CodeForm {
    form_token: String,
    mfa_token: SecretString,
    code: SecretString,
    #[serde(default)]
    next: String,
}

/// Enter a second factor's code on a page
#[utoipa::path(
    tag = "pages",
    responses(
        (status = 303, description = "Signed in, with a cookie: the page to go on to."),
        (status = 401, description = "The code is wrong, or it took too long.", body = String, content_type = "text/html"),
        (status = 403, description = "No form of ours, or not of this browser.", body = String, content_type = "text/html"),
        (status = 429, description = "Too many attempts.", body = String, content_type = "text/html"),
    ),
)]
#[post("/sign-in/code")]
pub async fn sign_in_code(
    state: Data<State>,
    request: HttpRequest,
    form: Result<PageForm<CodeForm>, Problem>,
) -> HttpResponse {
    let checked = form.and_then(|PageForm(fields)| {
        form::check(&state, &request, Cookie::Form, &fields.form_token).map(|()| fields)
    });
    let CodeForm { mfa_token, code, next, .. } = match checked {
        Ok(fields) => fields,
        Err(problem) => return layout::refusal(&request, &problem, sign_in::again()),
    };
    let next = Next::parse(&next);
    let (accounts, client) = (Arc::clone(&state.accounts), client_of(&request, &state));
    let kept = mfa_token.clone();
    let verified =
        state.pools.accounts.run(move || accounts.verify_second_factor(&mfa_token, &code, &client)).await;
    let refused = match verified {
        Ok(Ok(logged_in)) => return sign_in::finish(&state, &request, logged_in, next).await,
        Ok(Err(error)) => Problem::from(error),
        Err(problem) => problem.into(),
    };
    sign_in::with_form(&state, &request, |token| {
        let body = fields(token, next, kept.expose_secret(), Some(&refused));
        layout::refused(&request, &refused, TITLE, body)
    })
}

/// The form. What proves that the password was right goes along in it; it is worth nothing without the code.
pub(super) fn fields(token: Markup, next: Next, mfa_token: &str, refused: Option<&Problem>) -> Markup {
    html! {
        @if let Some(problem) = refused { (layout::alert(problem.detail())) }
        form method="post" action="/sign-in/code" {
            (token)
            input type="hidden" name="next" value=(next.path());
            input type="hidden" name="mfa_token" value=(mfa_token);
            label for="code" { "Code of your authenticator app, or a backup code" }
            input #code.code name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required autofocus;
            button type="submit" { "Go on" }
        }
        p { a href=(next.sign_in_path()) { "Start again" } }
    }
}
