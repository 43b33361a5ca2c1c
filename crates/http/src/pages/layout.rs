//! What all pages share: the frame around their content, and the headers of their answers.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType},
    },
};
use maud::{DOCTYPE, Markup, html};

use super::style;

/// Nothing is loaded but our own style, no script runs, and forms go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

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

/// A page as an answer. It may name or hold what is one user's alone: nobody keeps it.
pub fn answer(status: StatusCode, title: &str, body: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page(title, body).into_string())
}

/// Words that a page says about what was just tried, such as why it was refused. Read out by screen readers.
pub fn alert(words: &str) -> Markup {
    html! { p.alert role="alert" { (words) } }
}
