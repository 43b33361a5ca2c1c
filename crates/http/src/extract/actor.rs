//! Who calls: [`SessionUser`] by access token alone, [`Principal`] by token or key, [`Holder`] by a key from anywhere too,
//! [`KeyManager`], [`KeyVerifier`] and [`Admin`] by either with the right to manage keys, to ask about others' credentials,
//! or to administer.

use std::{pin::Pin, sync::Arc};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::StatusCode, web::Data};
use tollgate_accounts::{
    Actor, Client,
    session::{Checked, Identity},
};
use tollgate_domain::{Permission, UserId};
use tollgate_gate::Refusal;

use crate::{
    credentials::{Presented, Unreadable, presented},
    extract::client_of,
    problem::Problem,
    state::State,
};

/// A user with an access token, and its session. An API key here is 403: it is for programs, not for the account itself.
#[derive(Debug)]
pub struct SessionUser(pub Identity);

/// The same, where any credentials are sent.
#[derive(Debug)]
pub struct MaybeSessionUser(pub Option<Identity>);

/// A user, by access token or by one of the user's keys.
#[derive(Debug)]
pub struct Principal(pub Actor);

/// The same, by a key from wherever it is used, however often its user calls: for what ends a key that leaked, which whoever
/// has it cannot keep from happening.
#[derive(Debug)]
pub struct Holder(pub Actor);

/// A user, by access token or by one of the user's keys with `keys:manage`.
#[derive(Debug)]
pub struct KeyManager(pub Actor);

/// A service that asks about its own callers' credentials, by a key with `keys:verify`; or an administrator, by access
/// token. It asks for others, as often as they come: that is not bounded by what a user may call in a minute.
#[derive(Debug)]
pub struct KeyVerifier(pub Actor);

/// An administrator, by access token or by a key with `admin`.
#[derive(Debug)]
pub struct Admin(pub Actor);

/// Makes an extractor of the function that finds out who calls.
macro_rules! extractor {
    ($name:ident, $of:ident) => {
        impl FromRequest for $name {
            type Error = Problem;
            type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move { $of(&request).await.map(Self) })
            }
        }
    };
}

extractor!(SessionUser, session_user);
extractor!(MaybeSessionUser, maybe_session_user);
extractor!(Principal, principal);
extractor!(Holder, holder);
extractor!(KeyManager, key_manager);
extractor!(KeyVerifier, key_verifier);
extractor!(Admin, admin);

async fn session_user(request: &HttpRequest) -> Result<Identity, Problem> {
    match caller(request).await? {
        Caller::Session(identity) => Ok(identity),
        Caller::Key(_) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "permission_denied",
            "This takes an access token, not an API key: log in with POST /api/v1/auth/login.",
        )),
    }
}

async fn maybe_session_user(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    if presented(request.headers()) == Err(Unreadable::Missing) {
        return Ok(None);
    }
    session_user(request).await.map(Some)
}

async fn principal(request: &HttpRequest) -> Result<Actor, Problem> {
    Ok(caller(request).await?.into_actor())
}

async fn holder(request: &HttpRequest) -> Result<Actor, Problem> {
    Ok(identified(request, state_of(request)?).await?.into_actor())
}

async fn key_manager(request: &HttpRequest) -> Result<Actor, Problem> {
    let actor = principal(request).await?;
    actor.require(Permission::KeysManage)?;
    Ok(actor)
}

async fn key_verifier(request: &HttpRequest) -> Result<Actor, Problem> {
    let state = state_of(request)?;
    let actor = recognised(request, state).await?.into_actor();
    if let Err(beyond) = actor.require_given(Permission::KeysVerify) {
        // Who may not ask is told so no more often than of anything else.
        count(request, state, actor.user.id, actor.key.is_some())?;
        return Err(beyond.into());
    }
    Ok(actor)
}

async fn admin(request: &HttpRequest) -> Result<Actor, Problem> {
    let actor = principal(request).await?;
    actor.require_admin()?;
    Ok(actor)
}

/// Who calls, by what was presented.
enum Caller {
    Session(Identity),
    Key(Actor),
}

impl Caller {
    fn user(&self) -> UserId {
        match self {
            Self::Session(identity) => identity.user.id,
            Self::Key(actor) => actor.user.id,
        }
    }

    fn into_actor(self) -> Actor {
        match self {
            Self::Session(Identity { user, session, client }) => {
                Actor { user, key: None, session: Some(session.id), client }
            }
            Self::Key(actor) => actor,
        }
    }
}

/// Who calls; where a user calls too often, 429.
async fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let state = state_of(request)?;
    let caller = recognised(request, state).await?;
    count(request, state, caller.user(), matches!(caller, Caller::Key(_)))?;
    Ok(caller)
}

/// That a call was counted.
struct Counted;

/// Counts a call, once however often it is asked who calls; where the user calls too often, 429.
fn count(request: &HttpRequest, state: &State, user: UserId, by_key: bool) -> Result<(), Problem> {
    if request.extensions().contains::<Counted>() {
        return Ok(());
    }
    let now = state.clock.now();
    if by_key {
        state.management.admit_by_key(user, now)?
    } else {
        state.management.admit(user, now)?
    }
    request.extensions_mut().insert(Counted);
    Ok(())
}

/// Who calls, by a key from where it may be used.
async fn recognised(request: &HttpRequest, state: &State) -> Result<Caller, Problem> {
    let caller = identified(request, state).await?;
    match &caller {
        Caller::Key(Actor { key: Some(key), client, .. }) if !key.may_be_used_from(client.ip) => {
            Err(Refusal::IpNotAllowed.into())
        }
        Caller::Key(_) | Caller::Session(_) => Ok(caller),
    }
}

/// Who calls, from wherever.
async fn identified(request: &HttpRequest, state: &State) -> Result<Caller, Problem> {
    let presented = presented(request.headers())?;
    let client = client_of(request, state);
    match presented {
        Presented::ApiKey(key) => {
            let caller = state.authenticator.authenticate(&key, client.ip).await?;
            Ok(Caller::Key(Actor { user: caller.user, key: Some(caller.key), session: None, client }))
        }
        Presented::AccessToken(token) => Ok(Caller::Session(session_of(&token, client, state).await?)),
    }
}

/// The user and the session of an access token that is good.
///
/// # Errors
/// 401 where it is not, or 503 where that cannot be told now.
pub async fn session_of(token: &str, client: Client, state: &State) -> Result<Identity, Problem> {
    match state.accounts.check(token, &client, state.clock.now()) {
        Checked::Good(identity) => Ok(identity),
        Checked::Refused(refusal) => Err(refusal.into()),
        Checked::Ask(access) => {
            let accounts = Arc::clone(&state.accounts);
            Ok(state.pools.lookups.run(move || accounts.load(access, &client)).await??)
        }
    }
}

fn state_of(request: &HttpRequest) -> Result<&Data<State>, Problem> {
    request.app_data::<Data<State>>().ok_or_else(|| Problem::internal("the state is missing"))
}
