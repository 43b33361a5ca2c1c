//! `GET /sign-in` and `POST /sign-in`: a password, and with a second factor its code, for a cookie.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::{
        StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    post,
    web::{Data, Query},
};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tollgate_accounts::{AccountsError, login::Login, sign_in::LoggedIn};
use tollgate_domain::device::UserCode;

use super::{PageForm, PageSession, cookie::Cookie, device, form, layout, sign_in_code};
use crate::{extract::client_of, problem::Problem, state::State};

/// What of an address is kept for the next try.
const MAX_EMAIL_CHARS: usize = 320;

/// Where to go once signed in: one of our own pages, whatever was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Next {
    user_code: Option<UserCode>,
}

impl Next {
    /// To the page that lets a device in.
    pub const fn device(user_code: Option<UserCode>) -> Self {
        Self { user_code }
    }

    /// As [`path`](Self::path) wrote it; anything else leads to the page for devices.
    pub fn parse(text: &str) -> Self {
        let code = text.strip_prefix(device::PATH).and_then(|rest| rest.strip_prefix("?user_code="));
        Self { user_code: code.and_then(|code| code.parse().ok()) }
    }

    /// The path of that page.
    pub fn path(self) -> String {
        match self.user_code {
            Some(code) => format!("{}?user_code={code}", device::PATH),
            None => device::PATH.to_owned(),
        }
    }

    /// The path of the page for signing in, from which it goes on to that page.
    pub fn sign_in_path(self) -> String {
        // Of all that a path of ours has, only these two would end the value.
        let next = self.path().replace('?', "%3F").replace('=', "%3D");
        format!("/sign-in?next={next}")
    }

    /// Sends a browser to sign in first.
    pub fn after_sign_in(self) -> HttpResponse {
        layout::see_other(&self.sign_in_path())
    }
}

/// What the page is asked for with.
#[derive(Deserialize)]
pub struct SignInQuery {
    #[serde(default)]
    next: String,
}

/// The fields of the form.
#[derive(Deserialize)]
pub struct SignInForm {
    form_token: String,
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// The page for signing in
#[utoipa::path(
    tag = "pages",
    params(("next" = Option<String>, Query, description = "The page to go on to, one of this server's.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Somebody is signed in already: the page to go on to."),
    ),
)]
#[get("/sign-in")]
pub async fn sign_in_page(
    state: Data<State>,
    request: HttpRequest,
    session: Result<PageSession, Problem>,
    query: Option<Query<SignInQuery>>,
) -> HttpResponse {
    let next = Next::parse(query.as_ref().map_or("", |query| &query.next));
    if session.is_ok() {
        return layout::see_other(&next.path());
    }
    with_form(&state, &request, |token| {
        layout::answer(StatusCode::OK, "Sign in", fields(token, next, "", None))
    })
}

/// Sign in on a page
#[utoipa::path(
    tag = "pages",
    responses(
        (status = 200, description = "The account has a second factor: the form for its code.", body = String, content_type = "text/html"),
        (status = 303, description = "Signed in, with a cookie: the page to go on to."),
        (status = 401, description = "The address or the password is wrong.", body = String, content_type = "text/html"),
        (status = 403, description = "No form of ours, or not of this browser.", body = String, content_type = "text/html"),
        (status = 429, description = "Too many attempts.", body = String, content_type = "text/html"),
    ),
)]
#[post("/sign-in")]
pub async fn sign_in(
    state: Data<State>,
    request: HttpRequest,
    form: Result<PageForm<SignInForm>, Problem>,
) -> HttpResponse {
    let checked = form.and_then(|PageForm(fields)| {
        form::check(&state, &request, Cookie::Form, &fields.form_token).map(|()| fields)
    });
    let SignInForm { email, password, next, .. } = match checked {
        Ok(fields) => fields,
        Err(problem) => return layout::refusal(&request, &problem, again()),
    };
    let next = Next::parse(&next);
    let typed: String = email.chars().take(MAX_EMAIL_CHARS).collect();
    let (accounts, client) = (Arc::clone(&state.accounts), client_of(&request, &state));
    let wish = Login { email, password };
    let refused = match state.pools.hash.run(move || accounts.login(&wish, &client)).await {
        Ok(Ok(logged_in)) => return finish(&state, &request, logged_in, next).await,
        Ok(Err(AccountsError::MfaRequired { mfa_token })) => {
            return with_form(&state, &request, |token| {
                let body = sign_in_code::fields(token, next, mfa_token.expose_secret(), None);
                layout::answer(StatusCode::OK, sign_in_code::TITLE, body)
            });
        }
        Ok(Err(error)) => Problem::from(error),
        Err(problem) => problem.into(),
    };
    with_form(&state, &request, |token| {
        let body = fields(token, next, &typed, Some(&refused));
        layout::refused(&request, &refused, "Sign in", body)
    })
}

/// Gives the browser a cookie in place of the session's tokens, and sends it on. A session that it had before ends.
pub(super) async fn finish(
    state: &State,
    request: &HttpRequest,
    logged_in: LoggedIn,
    next: Next,
) -> HttpResponse {
    let url = state.public_url();
    let (accounts, client) = (Arc::clone(&state.accounts), client_of(request, state));
    let before = Cookie::Session.of(request, url).map(str::to_owned);
    let lifetime = (logged_in.session.expires_at - state.clock.now()).num_seconds();
    let opened = state.pools.accounts.run(move || {
        let cookie = accounts.open_web_session(&logged_in)?;
        if let Some(Ok(before)) = before.map(|before| accounts.by_cookie(&before, &client)) {
            accounts.log_out(&before, false)?;
        }
        Ok::<_, AccountsError>(cookie)
    });
    match opened.await.map_err(Problem::from).and_then(|opened| Ok(opened?)) {
        Ok(cookie) => HttpResponse::SeeOther()
            .insert_header((LOCATION, next.path()))
            .append_header((SET_COOKIE, Cookie::Session.set(url, cookie.expose_secret(), lifetime)))
            .append_header((SET_COOKIE, Cookie::Form.clear(url)))
            .insert_header(layout::NO_STORE)
            .finish(),
        Err(problem) => layout::refusal(request, &problem, again()),
    }
}

/// An answer with a form for whoever has not signed in, and the cookie to which it is bound.
pub(super) fn with_form(
    state: &State,
    request: &HttpRequest,
    answer: impl FnOnce(Markup) -> HttpResponse,
) -> HttpResponse {
    let url = state.public_url();
    // One that is there already stays: another window may show a form that is bound to it.
    let present =
        Cookie::Form.of(request, url).filter(|cookie| tollgate_accounts::web_session::is_cookie(cookie));
    let cookie = present.map_or_else(|| state.accounts.new_cookie(), SecretString::from);
    let mut answer = answer(form::token(state, cookie.expose_secret()));
    let set = Cookie::set_form(url, cookie.expose_secret());
    if let Ok(set) = set.parse() {
        answer.headers_mut().append(SET_COOKIE, set);
    }
    answer
}

/// The way back to an empty form.
pub(super) fn again() -> Markup {
    html! { p { a href="/sign-in" { "Sign in" } } }
}

fn fields(token: Markup, next: Next, email: &str, refused: Option<&Problem>) -> Markup {
    html! {
        @if let Some(problem) = refused { (layout::alert(problem.detail())) }
        form method="post" action="/sign-in" {
            (token)
            input type="hidden" name="next" value=(next.path());
            label for="email" { "Email address" }
            input #email type="email" name="email" value=(email) autocomplete="username" required autofocus[email.is_empty()];
            label for="password" { "Password" }
            input #password type="password" name="password" autocomplete="current-password" required autofocus[!email.is_empty()];
            button type="submit" { "Sign in" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_the_next_page_is_ours() {
        for (asked, path) in [
            ("/device?user_code=wdjb-mjht", "/device?user_code=WDJB-MJHT"),
            ("/device", "/device"),
            ("/device?user_code=", "/device"),
            ("/device?user_code=WDJB-MJHT&x=//evil.example", "/device"),
            ("//evil.example", "/device"),
            ("https://evil.example", "/device"),
            ("/\\evil.example", "/device"),
            ("javascript:alert(1)", "/device"),
            ("/device\r\nset-cookie: a=b", "/device"),
            ("", "/device"),
        ] {
            assert_eq!(Next::parse(asked).path(), path, "{asked}");
        }
    }
}
