//! Promises of [`MailTokenStore`](crate::MailTokenStore).

use std::{sync::Barrier, thread};

use tollgate_domain::{Email, Time, User, UserId, random};

use super::{
    given::{self, Numbers, at},
    key_secret::told,
};
use crate::{
    Change, Confirmation, Confirmed, Issue, MailPurpose, MailToken, NewKey, PasswordReset, SignUp, SignedUp,
    StoreError, Stores,
};

/// Calls that come at once.
const AT_ONCE: usize = 8;
/// The most tokens in an hour.
const MAX: u32 = 5;
/// An hour, in seconds.
const HOUR: i64 = 3_600;

fn known(stores: &Stores, user: UserId) -> User {
    stores.users.by_id(user).unwrap().unwrap()
}

fn address(stores: &Stores, user: UserId) -> Email {
    known(stores, user).email.unwrap()
}

fn issue(token: MailToken) -> Issue {
    let mails = vec![given::mail(token.created_at)];
    Issue { token, mails, max_per_hour: MAX, audit: Vec::new() }
}

fn issued(stores: &Stores, token: MailToken) -> MailToken {
    assert!(stores.mail_tokens.issue(&issue(token.clone())).unwrap());
    token
}

/// A token of a user's own address.
fn own(stores: &Stores, user: UserId, purpose: MailPurpose, time: Time) -> MailToken {
    let email = address(stores, user);
    issued(stores, MailToken { user: Some(user), email: Some(email), ..given::mail_token(purpose, time) })
}

fn reset(token: &MailToken, user: UserId, now: Time) -> PasswordReset {
    PasswordReset {
        token: token.hash,
        user,
        password_hash: "$2b$12$reset".to_owned(),
        revoke_keys: false,
        attempts: Vec::new(),
        mail: given::mail(now),
        now,
        audit: Vec::new(),
    }
}

fn confirmation(token: &MailToken, user: UserId, now: Time) -> Confirmation {
    Confirmation {
        token: token.hash,
        first_key: given::key(user),
        changed: Some(given::mail(now)),
        now,
        audit: Vec::new(),
        key_audit: Vec::new(),
    }
}

fn sign_up() -> SignUp {
    let user = given::user();
    let token = MailToken {
        user: Some(user.user.id),
        email: user.user.email.clone(),
        ..given::mail_token(MailPurpose::Verification, at(0))
    };
    SignUp {
        user,
        first_key: None,
        invitation: None,
        token,
        mail: given::mail(at(0)),
        taken: Some(given::mail(at(0))),
        max_per_hour: MAX,
        audit: Vec::new(),
        refused: Vec::new(),
    }
}

/// The same wish by another user with the same address.
fn again(first: &SignUp) -> SignUp {
    let mut wish = sign_up();
    wish.user.user.email.clone_from(&first.user.user.email);
    wish.token.email.clone_from(&first.token.email);
    wish.token.address = first.token.address;
    wish
}

fn password(stores: &Stores, user: UserId) -> Option<String> {
    stores.users.credentials(user).unwrap().unwrap().password_hash
}

/// Every field comes back, of somebody's and of nobody's.
pub fn a_token_reads_back_whole(stores: &Stores) {
    let user = given::stored_user(stores);
    let token = own(stores, user, MailPurpose::NewAddress, at(0));
    assert_eq!(stores.mail_tokens.by_hash(&token.hash).unwrap().as_ref(), Some(&token));
    let nobodys = issued(stores, given::mail_token(MailPurpose::Invitation, at(0)));
    assert_eq!(stores.mail_tokens.by_hash(&nobodys.hash).unwrap().as_ref(), Some(&nobodys));
    assert_eq!(stores.mail_tokens.by_hash(&random::bytes(&Numbers)).unwrap(), None);
    assert_eq!(stores.mails.waiting().unwrap(), 2);
    assert!(token.is_good(at(HOUR - 1)) && !token.is_good(at(HOUR)));
}

/// Only the newest token of a purpose is good; those of others stay.
pub fn a_new_token_takes_the_place_of_the_one_before(stores: &Stores) {
    let user = given::stored_user(stores);
    let first = own(stores, user, MailPurpose::Reset, at(0));
    let other = own(stores, user, MailPurpose::Verification, at(1));
    let second = own(stores, user, MailPurpose::Reset, at(2));
    let ended = |token: &MailToken| stores.mail_tokens.by_hash(&token.hash).unwrap().unwrap().ended_at;
    assert_eq!((ended(&first), ended(&other), ended(&second)), (Some(at(2)), None, None));

    let nobodys = given::mail_token(MailPurpose::Reset, at(0));
    let again = MailToken { address: nobodys.address, ..given::mail_token(MailPurpose::Reset, at(1)) };
    let (nobodys, again) = (issued(stores, nobodys), issued(stores, again));
    assert_eq!((ended(&nobodys), ended(&again)), (Some(at(1)), None));
}

/// Known and unknown alike: at most so many in any hour, by user and by address, however many ask at once.
pub fn tokens_are_counted_by_user_and_address(stores: &Stores) {
    let user = given::stored_user(stores);
    let (same, purpose) = (given::mail_token(MailPurpose::Reset, at(0)).address, MailPurpose::Reset);
    for (user, address) in [(Some(user), None), (None, Some(same))] {
        let barrier = Barrier::new(AT_ONCE);
        let made = thread::scope(|scope| {
            let ask = || {
                let fresh = given::mail_token(purpose, at(0));
                let token = MailToken { user, address: address.unwrap_or(fresh.address), ..fresh };
                barrier.wait();
                stores.mail_tokens.issue(&issue(token)).unwrap()
            };
            let asking: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).filter(|made| *made).count()
        });
        assert_eq!(u32::try_from(made).unwrap(), MAX, "{user:?}");
    }
    assert_eq!(stores.mails.waiting().unwrap(), u64::from(2 * MAX));
    let late = |seconds| {
        let token = MailToken { address: same, ..given::mail_token(purpose, at(seconds)) };
        stores.mail_tokens.issue(&issue(token)).unwrap()
    };
    assert!(!late(HOUR - 1));
    assert!(late(HOUR));
}

/// Nothing else counts an invitation, and nothing takes its place.
pub fn invitations_stand_beside_the_others(stores: &Stores) {
    let address = given::mail_token(MailPurpose::Reset, at(0)).address;
    for _ in 0..=MAX {
        issued(stores, MailToken { address, ..given::mail_token(MailPurpose::Invitation, at(0)) });
    }
    issued(stores, MailToken { address, ..given::mail_token(MailPurpose::Reset, at(1)) });
}

/// A password is set once, sessions end, the mail is queued.
pub fn a_reset_sets_the_password_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let session = given::session(user);
    stores.sessions.open(&session).unwrap();
    let (token, pending) =
        (own(stores, user, MailPurpose::Reset, at(0)), own(stores, user, MailPurpose::NewAddress, at(0)));
    let before = stores.changes.latest().unwrap();
    assert!(stores.mail_tokens.reset_password(&reset(&token, user, at(1)), &told()).unwrap());
    assert_eq!(password(stores, user).as_deref(), Some("$2b$12$reset"));
    assert!(!stores.sessions.by_id(session.session.id).unwrap().unwrap().is_open(at(1)));
    let changed = stores.changes.since(before, 10).unwrap().changes;
    assert!(changed.contains(&Change::User(user)) && changed.contains(&Change::Session(session.session.id)));
    assert_eq!(stores.mails.waiting().unwrap(), 3);
    // Used, or ended with it.
    for spent in [&token, &pending] {
        assert!(!stores.mail_tokens.reset_password(&reset(spent, user, at(2)), &told()).unwrap());
        assert!(!stores.mail_tokens.by_hash(&spent.hash).unwrap().unwrap().is_good(at(2)));
    }
    assert_eq!(stores.mails.waiting().unwrap(), 3);
}

/// A token of another purpose, of another user, of an address that was given up, or that is too old, sets nothing.
pub fn only_the_right_token_sets_a_password(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let verification = own(stores, user, MailPurpose::Verification, at(0));
    let foreign = own(stores, other, MailPurpose::Reset, at(0));
    let old = own(stores, user, MailPurpose::Reset, at(0));
    for (token, now) in [(&verification, at(1)), (&foreign, at(1)), (&old, at(HOUR))] {
        assert!(!stores.mail_tokens.reset_password(&reset(token, user, now), &told()).unwrap(), "{token:?}");
    }
    let moved = std::sync::Arc::new(|user: &mut User| user.email = Some(given::email("moved@example.com")));
    stores.users.edit(user, moved, at(1), &[]).unwrap();
    assert!(!stores.mail_tokens.reset_password(&reset(&old, user, at(2)), &told()).unwrap());
    assert_eq!(password(stores, user).as_deref(), Some("$2b$12$hash"));
}

/// Of resets with one token at once, one counts.
pub fn of_resets_at_once_one_counts(stores: &Stores) {
    let user = given::stored_user(stores);
    let token = own(stores, user, MailPurpose::Reset, at(0));
    let barrier = Barrier::new(AT_ONCE);
    let done = thread::scope(|scope| {
        let set = || {
            barrier.wait();
            stores.mail_tokens.reset_password(&reset(&token, user, at(1)), &told()).unwrap()
        };
        let setting: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(set)).collect();
        setting.into_iter().map(|one| one.join().unwrap()).filter(|done| *done).count()
    });
    assert_eq!(done, 1);
    assert_eq!(stores.mails.waiting().unwrap(), 2);
}

/// Somebody else may have made an account that was never confirmed: keys end with its first reset, and of one that was
/// only where it is asked for.
pub fn a_reset_of_an_account_that_was_never_confirmed_ends_its_keys(stores: &Stores) {
    let revoked = |stores: &Stores, key| stores.keys.by_id(key).unwrap().unwrap().key.revoked_at.is_some();
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let token = own(stores, user, MailPurpose::Reset, at(0));
    assert!(stores.mail_tokens.reset_password(&reset(&token, user, at(1)), &told()).unwrap());
    assert!(revoked(stores, key) && known(stores, user).is_verified);

    for revoke_keys in [false, true] {
        let key = given::stored_key(stores, user);
        let token = own(stores, user, MailPurpose::Reset, at(2));
        let wish = PasswordReset { revoke_keys, ..reset(&token, user, at(3)) };
        assert!(stores.mail_tokens.reset_password(&wish, &told()).unwrap());
        assert_eq!(revoked(stores, key), revoke_keys);
    }
}

/// A sign-up makes the user, the token and the mail; one with a taken address writes as much.
pub fn a_sign_up_makes_a_user_or_tells_the_owner(stores: &Stores) {
    let wish = sign_up();
    assert_eq!(stores.mail_tokens.sign_up(&wish).unwrap(), SignedUp::Made);
    assert_eq!(known(stores, wish.user.user.id), wish.user.user);
    assert_eq!(stores.mail_tokens.by_hash(&wish.token.hash).unwrap().as_ref(), Some(&wish.token));
    assert_eq!(stores.mails.waiting().unwrap(), 1);

    let second = again(&wish);
    assert_eq!(stores.mail_tokens.sign_up(&second).unwrap(), SignedUp::Taken);
    assert_eq!(stores.users.by_id(second.user.user.id).unwrap(), None);
    let token = stores.mail_tokens.by_hash(&second.token.hash).unwrap().unwrap();
    assert_eq!((token.user, token.email), (None, None), "it proves nothing");
    assert!(
        stores.mail_tokens.by_hash(&wish.token.hash).unwrap().unwrap().is_good(at(1)),
        "the first one's holds"
    );
    assert_eq!(stores.mails.waiting().unwrap(), 2);

    let told = SignUp { taken: None, ..again(&wish) };
    assert_eq!(stores.mail_tokens.sign_up(&told).unwrap(), SignedUp::Taken);
    assert_eq!(stores.mails.waiting().unwrap(), 2);
}

/// Of sign-ups with one address at once, one makes a user; the others are told so or fail as a conflict.
pub fn of_sign_ups_at_once_one_counts(stores: &Stores) {
    let first = sign_up();
    let wishes: Vec<_> = (0..AT_ONCE).map(|_| again(&first)).collect();
    let barrier = Barrier::new(AT_ONCE);
    let made = thread::scope(|scope| {
        let sign = |wish| {
            barrier.wait();
            stores.mail_tokens.sign_up(wish)
        };
        let signing: Vec<_> = wishes.iter().map(|wish| scope.spawn(move || sign(wish))).collect();
        signing
            .into_iter()
            .map(|one| one.join().unwrap())
            .filter(|one| matches!(one, Ok(SignedUp::Made)))
            .count()
    });
    assert_eq!(made, 1);
}

/// An invitation is good for one account, and for the address that it names.
pub fn an_invitation_is_good_once(stores: &Stores) {
    let invitation = issued(stores, given::mail_token(MailPurpose::Invitation, at(0)));
    let wish = SignUp { invitation: Some(invitation.hash), ..sign_up() };
    assert_eq!(stores.mail_tokens.sign_up(&wish).unwrap(), SignedUp::Made);
    let second = SignUp { invitation: Some(invitation.hash), ..sign_up() };
    assert_eq!(stores.mail_tokens.sign_up(&second).unwrap(), SignedUp::NotInvited);
    assert_eq!(stores.users.by_id(second.user.user.id).unwrap(), None);

    let named = MailToken {
        email: Some(given::email("invited@example.com")),
        ..given::mail_token(MailPurpose::Invitation, at(0))
    };
    let named = issued(stores, named);
    let other = SignUp { invitation: Some(named.hash), ..sign_up() };
    assert_eq!(stores.mail_tokens.sign_up(&other).unwrap(), SignedUp::NotInvited);
    let mut invited = SignUp { invitation: Some(named.hash), ..sign_up() };
    invited.user.user.email.clone_from(&named.email);
    assert_eq!(stores.mail_tokens.sign_up(&invited).unwrap(), SignedUp::Made);
    let reset = own(stores, invited.user.user.id, MailPurpose::Reset, at(0));
    let wrong = SignUp { invitation: Some(reset.hash), ..sign_up() };
    assert_eq!(stores.mail_tokens.sign_up(&wrong).unwrap(), SignedUp::NotInvited);
}

/// An address is confirmed once; who never had a key gets the first one.
pub fn a_confirmation_makes_the_first_key_once(stores: &Stores) {
    let wish = sign_up();
    stores.mail_tokens.sign_up(&wish).unwrap();
    let user = wish.user.user.id;
    let confirm = confirmation(&wish.token, user, at(1));
    let Confirmed::Done { user: now, with_key } = stores.mail_tokens.confirm(&confirm).unwrap() else {
        unreachable!("it was refused");
    };
    assert!(now.is_verified && with_key);
    assert_eq!(*now, known(stores, user));
    let NewKey { key, .. } = &confirm.first_key;
    assert_eq!(&stores.keys.by_id(key.id).unwrap().unwrap().key, key);
    assert_eq!(stores.mails.waiting().unwrap(), 1, "no address was given up");
    let again = confirmation(&wish.token, user, at(2));
    assert_eq!(stores.mail_tokens.confirm(&again).unwrap(), Confirmed::Refused);

    let later = own(stores, user, MailPurpose::Verification, at(3));
    let confirm = confirmation(&later, user, at(4));
    let done = stores.mail_tokens.confirm(&confirm).unwrap();
    assert!(matches!(done, Confirmed::Done { with_key: false, .. }), "{done:?}");
}

/// A user's new address is theirs once it is confirmed, unless it is somebody else's by then.
pub fn a_new_address_is_confirmed_or_taken(stores: &Stores) {
    let user = given::stored_user(stores);
    let (new, taken) = (given::email("new@example.com"), address(stores, given::stored_user(stores)));
    let to = |email: &Email| {
        let token = given::mail_token(MailPurpose::NewAddress, at(0));
        issued(stores, MailToken { user: Some(user), email: Some(email.clone()), ..token })
    };
    let token = to(&taken);
    let confirm = confirmation(&token, user, at(1));
    assert_eq!(stores.mail_tokens.confirm(&confirm).unwrap(), Confirmed::Taken);
    let token = to(&new);
    let reset = own(stores, user, MailPurpose::Reset, at(0));
    let waiting = stores.mails.waiting().unwrap();
    let done = stores.mail_tokens.confirm(&confirmation(&token, user, at(1))).unwrap();
    assert!(matches!(done, Confirmed::Done { with_key: false, .. }), "{done:?}");
    assert_eq!(address(stores, user), new);
    assert!(known(stores, user).is_verified);
    assert_eq!(stores.mails.waiting().unwrap(), waiting + 1, "the address before is told");
    assert!(!stores.mail_tokens.by_hash(&reset.hash).unwrap().unwrap().is_good(at(1)));
}

/// An account that was never confirmed is gone at a word of the address's owner; one that was stays.
pub fn who_owns_the_address_ends_what_others_made(stores: &Stores) {
    let wish = sign_up();
    stores.mail_tokens.sign_up(&wish).unwrap();
    let user = wish.user.user.id;
    let key = given::stored_key(stores, user);
    let before = stores.changes.latest().unwrap();
    assert!(stores.mail_tokens.disown(&wish.token.hash, at(1), &[]).unwrap());
    assert_eq!(stores.users.by_id(user).unwrap(), None);
    let changed = stores.changes.since(before, 10).unwrap().changes;
    assert!(changed.contains(&Change::User(user)) && changed.contains(&Change::Key(key)), "{changed:?}");
    assert!(!stores.mail_tokens.disown(&wish.token.hash, at(1), &[]).unwrap());

    let wish = sign_up();
    stores.mail_tokens.sign_up(&wish).unwrap();
    let user = wish.user.user.id;
    stores.mail_tokens.confirm(&confirmation(&wish.token, user, at(1))).unwrap();
    let later = own(stores, user, MailPurpose::Verification, at(2));
    assert!(!stores.mail_tokens.disown(&later.hash, at(3), &[]).unwrap());
    assert!(known(stores, user).is_verified);
    let change = own(stores, user, MailPurpose::NewAddress, at(4));
    assert!(stores.mail_tokens.disown(&change.hash, at(5), &[]).unwrap());
    assert!(matches!(
        stores.mail_tokens.confirm(&confirmation(&change, user, at(6))),
        Ok(Confirmed::Refused)
    ));
    assert!(known(stores, user).is_verified);
}

/// What has expired is forgotten in pieces.
pub fn expired_tokens_are_forgotten(stores: &Stores) {
    let tokens: Vec<_> =
        (0..3).map(|_| issued(stores, given::mail_token(MailPurpose::Reset, at(0)))).collect();
    assert_eq!(stores.mail_tokens.forget(at(HOUR), 10).unwrap(), 0);
    assert_eq!(stores.mail_tokens.forget(at(HOUR + 1), 2).unwrap(), 2);
    assert_eq!(stores.mail_tokens.forget(at(HOUR + 1), 2).unwrap(), 1);
    for token in tokens {
        assert_eq!(stores.mail_tokens.by_hash(&token.hash).unwrap(), None);
    }
    // A user who is gone meanwhile needs no token.
    let gone =
        MailToken { user: Some(given::user().user.id), ..given::mail_token(MailPurpose::Reset, at(0)) };
    let kept: Result<bool, StoreError> = stores.mail_tokens.issue(&issue(gone));
    assert!(kept.unwrap());
}
