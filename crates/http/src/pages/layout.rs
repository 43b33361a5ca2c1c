//! What all pages share: the frame around their content, and the headers of their answers.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HeaderName, LOCATION, REFERRER_POLICY,
        },
    },
};
use maud::{DOCTYPE, Markup, html};

use super::style;
use crate::{boundary, problem::Problem};

/// Nothing is loaded but our own style, no script runs, and forms go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";
/// With `no-referrer`, browsers name no origin for a form that is sent, by which we know our own forms where they do
/// not send `Sec-Fetch-Site`. Of a page's address this names the origin alone.
const REFERRER: &str = "strict-origin";
/// Nobody keeps an answer that may name or hold what is one user's alone.
pub const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// A whole page: `title` is its heading too, `body` what stands below that.
pub fn page(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Tollgate" }
                link rel="stylesheet" href=(style::PATH);
            }
            body {
                header { p.brand { "Tollgate" } }
                main {
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}

/// A page as an answer, which nobody keeps.
pub fn answer(status: StatusCode, title: &str, body: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, REFERRER))
        .insert_header(NO_STORE)
        .body(page(title, body).into_string())
}

/// A page that says why something was not done, with `way_on` below.
pub fn refusal(request: &HttpRequest, problem: &Problem, way_on: Markup) -> HttpResponse {
    refused(request, problem, "That did not work", html! { (alert(problem.detail())) (way_on) })
}

/// A page with the status and the headers of `problem`, whose cause is logged.
pub fn refused(request: &HttpRequest, problem: &Problem, title: &str, body: Markup) -> HttpResponse {
    boundary::log_failure_of(request, problem);
    let mut answer = answer(problem.status(), title, body);
    for (name, value) in problem.headers() {
        answer.headers_mut().insert(name.clone(), value.clone());
    }
    answer
}

/// Sends a browser on to a page of ours.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).insert_header(NO_STORE).finish()
}

/// Words that a page says about what was just tried, such as why it was refused. Read out by screen readers.
pub fn alert(words: &str) -> Markup {
    html! { p.alert role="alert" { (words) } }
}
