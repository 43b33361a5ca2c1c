//! Signing up, and confirming an address or refusing it: what tokens of mails do to users.

use diesel::prelude::*;
use tollgate_domain::{Time, User};
use tollgate_store::{Change, Confirmation, Confirmed, MailPurpose, MailToken, NewKey, SignUp, SignedUp};

use crate::{
    account,
    both::Conn,
    database::Effects,
    failure::Failure,
    key, mail, mail_token, pg,
    rows::user::UserRow,
    schema::{api_keys, users},
    types::Id,
};

/// Tokens that confirm an address.
const CONFIRMING: [MailPurpose; 2] = [MailPurpose::Verification, MailPurpose::NewAddress];

pub(crate) fn sign_up(conn: &mut Conn, wish: &SignUp) -> Result<(SignedUp, Effects), Failure> {
    // Others who want the same address wait.
    pg::lock_address(conn, &wish.token.address)?;
    let taken = match &wish.user.user.email {
        Some(email) => owner_of(conn, email.as_str())?.is_some(),
        None => false,
    };
    if taken && wish.taken.is_none() {
        return Ok((SignedUp::Taken, Effects::new(Vec::new(), wish.refused.clone())));
    }
    if let Some(invitation) = &wish.invitation
        && !invited(conn, invitation, wish)?
    {
        return Ok((SignedUp::NotInvited, Effects::NONE));
    }
    match &wish.taken {
        Some(mail) if taken => {
            let token = MailToken { user: None, email: None, ..wish.token.clone() };
            mail_token::insert(conn, &token, std::slice::from_ref(mail), wish.max_per_hour)?;
            Ok((SignedUp::Taken, Effects::new(Vec::new(), wish.refused.clone())))
        }
        Some(_) | None => {
            let changes = account::insert(conn, &wish.user, wish.first_key.as_ref())?;
            mail_token::insert(conn, &wish.token, std::slice::from_ref(&wish.mail), wish.max_per_hour)?;
            Ok((SignedUp::Made, Effects::new(changes, wish.audit.clone())))
        }
    }
}

/// Uses an invitation up, if it is good for this address.
fn invited(conn: &mut Conn, invitation: &[u8; 32], wish: &SignUp) -> Result<bool, Failure> {
    let now = wish.token.created_at;
    let fits = mail_token::find(conn, invitation)?
        .is_some_and(|found| found.email.is_none() || found.email == wish.user.user.email);
    Ok(fits && mail_token::spend(conn, invitation, &[MailPurpose::Invitation], now)?.is_some())
}

pub(crate) fn confirm(conn: &mut Conn, wish: &Confirmation) -> Result<(Confirmed, Effects), Failure> {
    let refused = || Ok((Confirmed::Refused, Effects::NONE));
    let Some(found) = mail_token::find(conn, &wish.token)?.filter(|token| token.is_good(wish.now)) else {
        return refused();
    };
    let (Some(user), Some(email)) = (found.user, found.email) else { return refused() };
    // Users are held before their tokens, here as everywhere.
    pg::lock_user(conn, user.into())?;
    let Some(before) = account::find(conn, user.into())? else { return refused() };
    let moves = found.purpose == MailPurpose::NewAddress;
    if !moves && before.email.as_ref() != Some(&email) {
        return refused();
    }
    if moves && owner_of(conn, email.as_str())?.is_some_and(|owner| owner != user.into()) {
        return Ok((Confirmed::Taken, Effects::NONE));
    }
    if mail_token::spend(conn, &wish.token, &CONFIRMING, wish.now)?.is_none() {
        return refused();
    }
    let after = User { email: Some(email), is_verified: true, updated_at: wish.now, ..before };
    diesel::update(users::table.find(Id::from(user))).set(UserRow::from(&after)).execute(conn)?;
    let mut effects = Effects::new(vec![Change::User(user)], wish.audit.clone());
    if moves {
        mail_token::end_all(conn, user.into(), wish.now)?;
        if let Some(mail) = &wish.changed {
            mail::insert(conn, mail)?;
        }
    }
    let with_key = !moves && first_key(conn, &wish.first_key)?;
    if with_key {
        effects.changes.push(Change::Key(wish.first_key.key.id));
        effects.audit.extend(wish.key_audit.clone());
    }
    Ok((Confirmed::Done { user: Box::new(after), with_key }, effects))
}

fn owner_of(conn: &mut Conn, email: &str) -> Result<Option<Id>, Failure> {
    Ok(users::table.filter(users::email.eq(email)).select(users::id).first(conn).optional()?)
}

/// Makes a key for a user who never had one.
fn first_key(conn: &mut Conn, new: &NewKey) -> Result<bool, Failure> {
    let keys = api_keys::table.filter(api_keys::user_id.eq(Id::from(new.key.user_id)));
    let some: Option<Id> = keys.select(api_keys::id).first(conn).optional()?;
    if some.is_none() {
        key::insert(conn, new)?;
    }
    Ok(some.is_none())
}

/// What changed, where the token was good.
pub(crate) fn disown(conn: &mut Conn, token: &[u8; 32], now: Time) -> Result<Option<Vec<Change>>, Failure> {
    let found = mail_token::find(conn, token)?.filter(|token| token.is_good(now));
    let Some((user, purpose)) = found.and_then(|token| Some((token.user?, token.purpose))) else {
        return Ok(None);
    };
    pg::lock_user(conn, user.into())?;
    if mail_token::spend(conn, token, &CONFIRMING, now)?.is_none() {
        return Ok(None);
    }
    match (purpose, account::find(conn, user.into())?) {
        (MailPurpose::Verification, Some(user)) if !user.is_verified => {
            Ok(Some(account::delete(conn, user.id, now)?))
        }
        (MailPurpose::NewAddress, Some(_)) => Ok(Some(Vec::new())),
        (_, _) => Ok(None),
    }
}
