//! Where a call comes from.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::USER_AGENT, web::Data};
use tollgate_accounts::Client;

use crate::{client_address, problem::Problem, state::State};

/// Where a call comes from, whoever makes it.
#[derive(Debug)]
pub struct Asking(pub Client);

impl FromRequest for Asking {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state =
            request.app_data::<Data<State>>().ok_or_else(|| Problem::internal("the state is missing"));
        ready(state.map(|state| Self(client_of(request, state))))
    }
}

/// Where this request comes from.
pub fn client_of(request: &HttpRequest, state: &State) -> Client {
    Client {
        ip: client_address::of(request, &state.settings.trusted_proxies),
        user_agent: request
            .headers()
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        run: None,
    }
}
