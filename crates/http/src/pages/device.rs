//! `GET /device` and `POST /device`: a person says yes or no to a device (RFC 8628).

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::StatusCode,
    post,
    web::{Data, Query},
};
use chrono::TimeDelta;
use maud::{Markup, html};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tollgate_domain::device::UserCode;
use tollgate_store::DeviceWish;

use super::{PageForm, PageSession, cookie::Cookie, form, layout, sign_in::Next, sign_out};
use crate::{problem::Problem, state::State};

/// Where it is; `verification_uri` names it.
pub const PATH: &str = "/device";
const TITLE: &str = "Sign in a device";

/// What the page is asked for with.
#[derive(Deserialize)]
pub struct DeviceQuery {
    #[serde(default)]
    user_code: String,
}

/// The fields of the form.
#[derive(Deserialize)]
pub struct DeviceForm {
    form_token: String,
    user_code: String,
    decision: Decision,
}

/// Which button was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Deny,
}

/// The page for devices
///
/// Shows what asks to be signed in under a code, and lets a person decide. Whoever is not signed in does that first.
#[utoipa::path(
    tag = "pages",
    params(("user_code" = Option<String>, Query, description = "The code that the device shows.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 303, description = "Nobody is signed in: the page for that."),
        (status = 404, description = "No device shows this code.", body = String, content_type = "text/html"),
        (status = 422, description = "This is no code.", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong codes.", body = String, content_type = "text/html"),
    ),
)]
#[get("/device")]
pub async fn device_page(
    state: Data<State>,
    request: HttpRequest,
    session: Result<PageSession, Problem>,
    query: Option<Query<DeviceQuery>>,
) -> HttpResponse {
    let typed = query.map_or_else(String::new, |Query(query)| query.user_code);
    let code = read(&typed);
    let session = match session {
        Ok(session) => session,
        Err(problem) => return to_sign_in(&request, &problem, Next::device(code.ok().flatten())),
    };
    let code = match code {
        Ok(Some(code)) => code,
        Ok(None) => return layout::answer(StatusCode::OK, TITLE, ask(&state, &session, "", None)),
        Err(problem) => return ask_again(&state, &request, &session, &typed, &problem),
    };
    let (accounts, caller) = (Arc::clone(&state.accounts), session.identity.clone());
    let found = state.pools.accounts.run(move || accounts.find_device(&caller, code)).await;
    match found.map_err(Problem::from).and_then(|found| Ok(found?)) {
        Ok(wish) => layout::answer(StatusCode::OK, TITLE, decide(&state, &session, code, &wish)),
        Err(problem) => ask_again(&state, &request, &session, &typed, &problem),
    }
}

/// Decide about a device on a page
#[utoipa::path(
    tag = "pages",
    responses(
        (status = 200, description = "What was decided.", body = String, content_type = "text/html"),
        (status = 303, description = "Nobody is signed in any more: the page for that."),
        (status = 403, description = "No form of ours, or not of this browser.", body = String, content_type = "text/html"),
        (status = 404, description = "No device shows this code any more.", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong codes.", body = String, content_type = "text/html"),
    ),
)]
#[post("/device")]
pub async fn device(
    state: Data<State>,
    request: HttpRequest,
    session: Result<PageSession, Problem>,
    form: Result<PageForm<DeviceForm>, Problem>,
) -> HttpResponse {
    let checked = form.and_then(|PageForm(fields)| {
        form::check(&state, &request, Cookie::Session, &fields.form_token).map(|()| fields)
    });
    let DeviceForm { user_code, decision, .. } = match checked {
        Ok(fields) => fields,
        Err(problem) => return layout::refusal(&request, &problem, again()),
    };
    let code = read(&user_code);
    let session = match session {
        Ok(session) => session,
        Err(problem) => return to_sign_in(&request, &problem, Next::device(code.ok().flatten())),
    };
    let code = match code {
        Ok(Some(code)) => code,
        Ok(None) => return layout::see_other(PATH),
        Err(problem) => return ask_again(&state, &request, &session, &user_code, &problem),
    };
    let (accounts, caller) = (Arc::clone(&state.accounts), session.identity.clone());
    let approve = decision == Decision::Approve;
    let decided = state.pools.accounts.run(move || accounts.decide_device(&caller, code, approve)).await;
    match decided.map_err(Problem::from).and_then(|decided| Ok(decided?)) {
        Ok(_wish) => {
            let (title, body) = decided_words(approve);
            layout::answer(StatusCode::OK, title, html! { (body) (sign_out::who(&state, &session)) })
        }
        Err(problem) => ask_again(&state, &request, &session, &user_code, &problem),
    }
}

/// The code that was typed, if one was.
fn read(typed: &str) -> Result<Option<UserCode>, Problem> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    typed.parse().map(Some).map_err(|_no_code| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
            "This is no code: it has eight letters, such as WDJB-MJHT.",
        )
    })
}

fn to_sign_in(request: &HttpRequest, problem: &Problem, next: Next) -> HttpResponse {
    match problem.status() {
        StatusCode::UNAUTHORIZED => next.after_sign_in(),
        _ => layout::refusal(request, problem, again()),
    }
}

fn ask_again(
    state: &State,
    request: &HttpRequest,
    session: &PageSession,
    typed: &str,
    problem: &Problem,
) -> HttpResponse {
    layout::refused(request, problem, TITLE, ask(state, session, typed, Some(problem)))
}

fn again() -> Markup {
    html! { p { a href=(PATH) { "Enter the code of a device" } } }
}

fn ask(state: &State, session: &PageSession, typed: &str, refused: Option<&Problem>) -> Markup {
    html! {
        @if let Some(problem) = refused { (layout::alert(problem.detail())) }
        form method="get" action=(PATH) {
            label for="user_code" { "The code that your device shows" }
            input #user_code.code name="user_code" value=(typed) placeholder="XXXX-XXXX" maxlength="64"
                autocomplete="off" autocapitalize="characters" spellcheck="false" required autofocus;
            button type="submit" { "Go on" }
        }
        (sign_out::who(state, session))
    }
}

fn decide(state: &State, session: &PageSession, code: UserCode, wish: &DeviceWish) -> Markup {
    let asked = age(state.clock.now() - wish.created_at);
    html! {
        p { "A device asks to be signed in as you." }
        dl {
            dt { "Code" }
            dd.code { (code) }
            dt { "It calls itself" }
            dd { (wish.client.as_deref().unwrap_or("(it gives no name)")) }
            @if let Some(agent) = &wish.user_agent {
                dt { "Program" }
                dd { (agent) }
            }
            dt { "Address" }
            dd { (wish.ip.as_deref().unwrap_or("unknown")) }
            dt { "It asked" }
            dd { (asked) }
        }
        p.warning {
            strong { "Approve only what you started yourself, just now. " }
            "If somebody sent you this link or this code, deny it: they would be signed in as you. \
             The name above is what the program says of itself."
        }
        form method="post" action=(PATH) {
            (form::token(state, session.cookie.expose_secret()))
            input type="hidden" name="user_code" value=(code);
            button type="submit" name="decision" value="approve" { "Approve" }
            button.second type="submit" name="decision" value="deny" { "Deny" }
        }
        (sign_out::who(state, session))
    }
}

fn decided_words(approve: bool) -> (&'static str, Markup) {
    if approve {
        let words = "The device is signed in within a few seconds. You can close this page and go back to it. \
                     Its session is in the list of your sessions, where you can end it.";
        ("Approved", html! { p { (words) } })
    } else {
        let words = "The device is not signed in. If somebody sent you its code, do not answer them.";
        ("Denied", html! { p { (words) } })
    }
}

/// How long ago something was.
fn age(passed: TimeDelta) -> String {
    match (passed.num_seconds(), passed.num_minutes()) {
        (..2, _) => "just now".to_owned(),
        (seconds, 0) => format!("{seconds} seconds ago"),
        (_, 1) => "1 minute ago".to_owned(),
        (_, minutes) => format!("{minutes} minutes ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_words() {
        for (seconds, words) in [
            (-5, "just now"),
            (1, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (599, "9 minutes ago"),
        ] {
            assert_eq!(age(TimeDelta::seconds(seconds)), words);
        }
    }
}
