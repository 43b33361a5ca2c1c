//! `POST /sign-out`: the end of a browser's session.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::SET_COOKIE},
    post,
    web::Data,
};
use maud::{Markup, html};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{PageForm, PageSession, cookie::Cookie, form, layout, sign_in};
use crate::{problem::Problem, state::State};

/// The fields of the form.
#[derive(Deserialize)]
pub struct SignOutForm {
    form_token: String,
}

/// Sign out on a page
#[utoipa::path(
    tag = "pages",
    responses(
        (status = 200, description = "Signed out; the cookie is gone.", body = String, content_type = "text/html"),
        (status = 403, description = "No form of ours, or not of this browser.", body = String, content_type = "text/html"),
    ),
)]
#[post("/sign-out")]
pub async fn sign_out(
    state: Data<State>,
    request: HttpRequest,
    session: Result<PageSession, Problem>,
    form: Result<PageForm<SignOutForm>, Problem>,
) -> HttpResponse {
    let checked =
        form.and_then(|PageForm(fields)| form::check(&state, &request, Cookie::Session, &fields.form_token));
    if let Err(problem) = checked {
        return layout::refusal(&request, &problem, sign_in::again());
    }
    let ended = match session {
        Ok(PageSession { identity, .. }) => {
            let accounts = Arc::clone(&state.accounts);
            let ended = state.pools.accounts.run(move || accounts.log_out(&identity, false)).await;
            ended.map_err(Problem::from).and_then(|ended| Ok(ended?))
        }
        // It has ended already.
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Ok(()),
        Err(problem) => Err(problem),
    };
    if let Err(problem) = ended {
        return layout::refusal(&request, &problem, sign_in::again());
    }
    let mut answer = layout::answer(StatusCode::OK, "Signed out", sign_in::again());
    if let Ok(clear) = Cookie::Session.clear(state.public_url()).parse() {
        answer.headers_mut().append(SET_COOKIE, clear);
    }
    answer
}

/// Who is signed in, and the way out.
pub(super) fn who(state: &State, session: &PageSession) -> Markup {
    let user = &session.identity.user;
    let name = user.email.as_ref().map(|email| email.as_str()).or(user.name.as_deref());
    html! {
        hr;
        form.faint method="post" action="/sign-out" {
            (form::token(state, session.cookie.expose_secret()))
            "Signed in" @if let Some(name) = name { " as " b { (name) } } ". "
            button.link type="submit" { "Sign out" }
        }
    }
}
