//! `GET /verify-email` and `POST /verify-email`: a person confirms an address, or says that somebody else used it.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::StatusCode,
    post,
    web::{Data, Query},
};
use maud::{Markup, html};
use secrecy::SecretString;
use serde::Deserialize;
use tollgate_accounts::{
    AccountsError,
    verify_email::{Confirmable, VerifiedEmail},
};
use utoipa::ToSchema;

use super::mailed::{self, Link};
use crate::{
    extract::{Asking, Form},
    problem::Problem,
    state::State,
};

const TITLE: &str = "Confirm your email address";

/// The fields of the form.
#[derive(Deserialize, ToSchema)]
pub struct VerifyForm {
    /// What the mail's link carries.
    #[schema(value_type = String)]
    token: SecretString,
    /// `confirm` or `disown`.
    decision: Decision,
}

/// Which button was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Confirm,
    Disown,
}

/// What came of it.
enum Decided {
    Confirmed(Box<VerifiedEmail>),
    Disowned,
}

/// The page that confirms an address
#[utoipa::path(
    tag = "pages",
    params(("token" = Option<String>, Query, description = "What the mail's link carries.")),
    responses(
        (status = 200, description = "The form.", body = String, content_type = "text/html"),
        (status = 404, description = "The link is no longer good.", body = String, content_type = "text/html"),
    ),
)]
#[get("/verify-email")]
pub async fn verify_email_page(
    state: Data<State>,
    request: HttpRequest,
    link: Option<Query<Link>>,
) -> HttpResponse {
    let Some(Query(Link { token })) = link else { return mailed::stale() };
    let (accounts, asked) = (Arc::clone(&state.accounts), token.clone());
    let found = state.pools.accounts.run(move || accounts.confirmable(&asked)).await;
    match found.map_err(Problem::from).and_then(|found| Ok(found?)) {
        Ok(Some(confirmable)) => mailed::answer(StatusCode::OK, TITLE, form(&token, &confirmable)),
        Ok(None) => mailed::stale(),
        Err(problem) => mailed::refused(&request, &problem, TITLE, html! {}),
    }
}

/// Confirm an address on a page
#[utoipa::path(
    operation_id = "verify_email_on_page",
    tag = "pages",
    responses(
        (status = 200, description = "What was done.", body = String, content_type = "text/html"),
        (status = 404, description = "The link is no longer good.", body = String, content_type = "text/html"),
        (
            status = 409,
            description = "Another account has the address by now.",
            body = String,
            content_type = "text/html"
        ),
    ),
)]
#[post("/verify-email")]
pub async fn verify_email(
    state: Data<State>,
    request: HttpRequest,
    Asking(client): Asking,
    fields: Result<Form<VerifyForm>, Problem>,
) -> HttpResponse {
    let Form(VerifyForm { token, decision }) = match fields {
        Ok(fields) => fields,
        Err(problem) => return mailed::refused(&request, &problem, TITLE, html! {}),
    };
    let accounts = Arc::clone(&state.accounts);
    let job = move || match decision {
        Decision::Confirm => {
            accounts.verify_email(&token, &client).map(|verified| Decided::Confirmed(Box::new(verified)))
        }
        Decision::Disown => accounts.disown_email(&token, &client).map(|()| Decided::Disowned),
    };
    match state.pools.accounts.run(job).await {
        Ok(Ok(decided)) => said(&decided),
        // The only field is the token.
        Ok(Err(AccountsError::Invalid(_))) => mailed::stale(),
        Ok(Err(error)) => mailed::refused(&request, &error.into(), TITLE, html! {}),
        Err(error) => mailed::refused(&request, &error.into(), TITLE, html! {}),
    }
}

fn said(decided: &Decided) -> HttpResponse {
    let (title, body) = match decided {
        Decided::Confirmed(verified) => ("Your address is confirmed", confirmed(verified)),
        Decided::Disowned => (
            "Thank you",
            html! { p { "What was begun with your address has come to nothing. You need not do anything else." } },
        ),
    };
    mailed::answer(StatusCode::OK, title, body)
}

fn confirmed(verified: &VerifiedEmail) -> Markup {
    html! {
        p { "You can sign in now." }
        @if let Some((_, secret)) = &verified.first_key {
            p { "This is your API key. It is shown this once: keep it where only you can read it." }
            p { code { (secret.expose()) } }
        }
    }
}

fn form(token: &SecretString, confirmable: &Confirmable) -> Markup {
    html! {
        @if confirmable.changes {
            p { "An account shall have the address " strong { (confirmable.email) } " from now on." }
        } @else {
            p { "An account was made with the address " strong { (confirmable.email) } "." }
        }
        form method="post" action="/verify-email" {
            (mailed::carried(token))
            button type="submit" name="decision" value="confirm" { "This is my address" }
        }
        form method="post" action="/verify-email" {
            (mailed::carried(token))
            button.second type="submit" name="decision" value="disown" {
                @if confirmable.changes { "This was not me" } @else { "This was not me: end the account" }
            }
        }
    }
}
