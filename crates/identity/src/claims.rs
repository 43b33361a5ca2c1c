//! What a token says, and whether that makes it good for us and now.

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use tollgate_accounts::external::ExternalIdentity;
use tollgate_domain::Time;

use crate::{Refusal, issuer::Issuer, members::Members};

/// How far an issuer's clock may be ahead of ours. A token's end has no such leeway.
const AHEAD: TimeDelta = TimeDelta::seconds(30);
/// The longest subject, in bytes (OpenID Connect Core, 2).
const MAX_SUBJECT_BYTES: usize = 255;
/// The longest email address or name that is passed on, in bytes.
const MAX_TEXT_BYTES: usize = 1_024;
/// The most audiences of a token.
const MAX_AUDIENCES: usize = 100;
/// What some issuers call their identity tokens in a claim, beside tokens of other kinds.
const IDENTITY: &str = "ID";

/// Who `claims` are about, if they are for us and good at `now`.
///
/// # Errors
/// Which of the claims is refused.
pub fn check(claims: &Members, issuer: &Issuer, now: Time) -> Result<ExternalIdentity, Refusal> {
    kind(claims)?;
    audience(claims, issuer)?;
    let issued_at = times(claims, now)?;
    let subject = claims.text("sub").ok_or(Refusal::Subject)?;
    let fits = (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control);
    if !fits {
        return Err(Refusal::Subject);
    }
    let text = |name| claims.text(name).filter(|text| text.len() <= MAX_TEXT_BYTES).map(str::to_owned);
    Ok(ExternalIdentity {
        issuer: issuer.issuer.clone(),
        subject: subject.to_owned(),
        email: text("email"),
        email_verified: is_true(claims.get("email_verified")),
        name: text("name"),
        issued_at,
    })
}

/// Tokens of other kinds by the same issuer are none of identity: those that tell of a log-out or another event
/// look alike but for `events`, and some issuers tell by `typ`.
fn kind(claims: &Members) -> Result<(), Refusal> {
    let other =
        claims.has("typ") && !claims.text("typ").is_some_and(|kind| kind.eq_ignore_ascii_case(IDENTITY));
    if other || claims.has("events") { Err(Refusal::Type) } else { Ok(()) }
}

/// Every rule that is configured holds. Whom a token names as its audience, one of them must be us: where only
/// parties are configured, those stand for us.
fn audience(claims: &Members, issuer: &Issuer) -> Result<(), Refusal> {
    let named = audiences(claims)?;
    let for_us = match &issuer.audience {
        Some(audience) => named.contains(&audience.as_str()),
        None => named.is_empty() || named.iter().any(|name| is_party(issuer, name)),
    };
    let by_ours =
        issuer.authorized_parties.is_empty() || claims.text("azp").is_some_and(|azp| is_party(issuer, azp));
    if for_us && by_ours { Ok(()) } else { Err(Refusal::Audience) }
}

fn is_party(issuer: &Issuer, name: &str) -> bool {
    issuer.authorized_parties.iter().any(|party| party == name)
}

fn audiences(claims: &Members) -> Result<Vec<&str>, Refusal> {
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(several)) if several.len() <= MAX_AUDIENCES => {
            several.iter().map(|name| name.as_str().ok_or(Refusal::Audience)).collect()
        }
        Some(_) => Err(Refusal::Audience),
    }
}

/// When it was issued, if it is good now.
fn times(claims: &Members, now: Time) -> Result<Time, Refusal> {
    let time = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_i64).ok_or(Refusal::Time)?;
        DateTime::from_timestamp(seconds, 0).ok_or(Refusal::Time)
    };
    let (end, issued_at) = (time("exp")?, time("iat")?);
    let beginning = if claims.has("nbf") { time("nbf")? } else { issued_at };
    let soon = now + AHEAD;
    if now < end && issued_at <= soon && beginning <= soon { Ok(issued_at) } else { Err(Refusal::Time) }
}

/// Some issuers write it as a text.
fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}
