//! What the pages behind links in mails share. Their address carries what the mail's reader alone knows: a GET uses
//! nothing up, since programs follow links too, and no other site is told where a reader came from.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, REFERRER_POLICY},
    },
};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::layout;
use crate::problem::Problem;

/// What a mail's link carries.
#[derive(Deserialize)]
pub struct Link {
    /// The token; empty where the link was cut.
    #[serde(default)]
    pub token: SecretString,
}

/// A page as an answer. Its forms are not checked for where they come from: who knows the token may do it anyhow.
pub fn answer(status: StatusCode, title: &str, body: Markup) -> HttpResponse {
    private(layout::answer(status, title, body))
}

/// The page of a link that is no longer good.
pub fn stale() -> HttpResponse {
    let body = html! {
        p { "This link was used already, is too old, or is not whole." }
        p { "Only the link of the latest mail is good. Ask for another mail where you asked for this one." }
    };
    answer(StatusCode::NOT_FOUND, "This link is no longer good", body)
}

/// A page that says why something was not done, with `body` below.
pub fn refused(request: &HttpRequest, problem: &Problem, title: &str, body: Markup) -> HttpResponse {
    private(layout::refused(request, problem, title, html! { (layout::alert(problem.detail())) (body) }))
}

/// The hidden field that carries a token.
pub fn carried(token: &SecretString) -> Markup {
    html! { input type="hidden" name="token" value=(token.expose_secret()); }
}

fn private(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
