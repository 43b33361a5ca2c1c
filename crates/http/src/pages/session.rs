//! Who looks at a page.

use std::{pin::Pin, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, web::Data};
use secrecy::SecretString;
use tollgate_accounts::session::Identity;

use super::cookie::Cookie;
use crate::{extract::client_of, problem::Problem, state::State};

/// Who is signed in in this browser. For pages and what belongs to them, never for the API. What changes something
/// must be a form of ours as well: see [`form`](super::form).
#[derive(Debug)]
pub struct PageSession {
    /// The user and the session.
    pub identity: Identity,
    /// What the session's forms are bound to.
    pub cookie: SecretString,
}

impl FromRequest for PageSession {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { of(&request).await })
    }
}

async fn of(request: &HttpRequest) -> Result<PageSession, Problem> {
    let state = request.app_data::<Data<State>>().ok_or_else(|| Problem::internal("the state is missing"))?;
    let cookie = Cookie::Session.of(request, state.public_url()).ok_or_else(not_signed_in)?.to_owned();
    let (accounts, client, asked) = (Arc::clone(&state.accounts), client_of(request, state), cookie.clone());
    let identity = state.pools.accounts.run(move || accounts.by_cookie(&asked, &client)).await?;
    let identity = identity.map_err(|error| match Problem::from(error) {
        problem if problem.status() == StatusCode::UNAUTHORIZED => not_signed_in(),
        problem => problem,
    })?;
    state.management.admit(identity.user.id, state.clock.now())?;
    Ok(PageSession { identity, cookie: cookie.into() })
}

fn not_signed_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "missing_credentials", "Sign in first.")
}
