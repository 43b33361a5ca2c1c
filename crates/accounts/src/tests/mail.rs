//! What mails allow: setting passwords, confirming addresses, signing up, deleting; and how they are sent.

use std::{
    sync::{Barrier, Mutex},
    thread,
};

use chrono::TimeDelta;
use secrecy::SecretString;

use super::*;
use crate::{
    Client,
    delete_account::{Deleting, DeletionWish},
    fixture,
    mail::{MailTransport, Message, Sent, TransportError},
    profile::ProfileChanges,
};

const ANN: &str = "ann@example.com";
const OLD: &str = "testpass123";
const NEW: &str = "another pass 456";

/// What was sent, unless it fails.
#[derive(Default)]
struct Post {
    sent: Mutex<Vec<Message>>,
    fails: Mutex<Option<fn() -> TransportError>>,
}

impl MailTransport for Post {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        if let Some(failure) = *self.fails.lock().unwrap() {
            return Err(failure());
        }
        self.sent.lock().unwrap().push(message.clone());
        Ok(())
    }
}

impl House {
    /// Sends what is due; gives what was sent to this address.
    fn mails_to(&self, accounts: &Accounts, to: &str) -> Vec<Message> {
        let post = Post::default();
        accounts.send_mails(&post).unwrap();
        post.sent.into_inner().unwrap().into_iter().filter(|mail| mail.to.as_str() == to).collect()
    }

    /// The token of the one mail that is sent to this address.
    fn token_to(&self, accounts: &Accounts, to: &str) -> SecretString {
        let mails = self.mails_to(accounts, to);
        assert_eq!(mails.len(), 1, "{mails:?}");
        token(&mails[0])
    }

    fn request_reset(&self, email: &str) {
        self.accounts.request_password_reset(email, &client()).unwrap();
    }

    fn reset(&self, token: &SecretString, new: &str) -> Result<(), AccountsError> {
        self.accounts.reset_password(token, &new.into(), false, &client())
    }

    /// The same installation where addresses must be confirmed first.
    fn strict(&self) -> Accounts {
        self.again(AccountsSettings { require_verified_email: true, ..fixture::settings() })
    }
}

fn token(mail: &Message) -> SecretString {
    let link = mail.text.lines().find_map(|line| line.split_once("token=")).expect("no link in the mail");
    link.1.into()
}

fn subjects(mails: &[Message]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

/// The field that was refused.
fn field<T: std::fmt::Debug>(refused: Result<T, AccountsError>) -> &'static str {
    match refused {
        Err(AccountsError::Invalid(faults)) => faults[0].field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forgotten_password_is_set_by_mail() {
    on_each(|house| {
        house.register(ANN);
        house.mails_to(&house.accounts, ANN);
        let session = house.login(ANN, OLD).unwrap();
        house.request_reset(" ANN@example.com ");
        let token = house.token_to(&house.accounts, ANN);
        assert!(house.accounts.may_reset_password(&token).unwrap());
        assert_eq!(field(house.reset(&token, "short")), "new_password");
        assert_eq!(field(house.reset(&token, ANN)), "new_password");
        // Neither looking nor a password that is no good uses it up.
        house.reset(&token, NEW).unwrap();
        assert!(matches!(house.check(&session), Err(AccountsError::InvalidToken)));
        assert!(matches!(house.login(ANN, OLD), Err(AccountsError::InvalidCredentials)));
        house.login(ANN, NEW).unwrap();
        assert_eq!(subjects(&house.mails_to(&house.accounts, ANN)), ["Your password was changed"]);
        assert_eq!(field(house.reset(&token, NEW)), "token");
        assert!(!house.accounts.may_reset_password(&token).unwrap());
    });
}

#[test]
fn only_the_latest_link_is_good_and_for_an_hour() {
    on_each(|house| {
        house.register(ANN);
        house.mails_to(&house.accounts, ANN);
        house.request_reset(ANN);
        let first = house.token_to(&house.accounts, ANN);
        house.request_reset(ANN);
        let second = house.token_to(&house.accounts, ANN);
        assert_eq!(field(house.reset(&first, NEW)), "token");
        house.clock.advance(TimeDelta::minutes(60));
        assert_eq!(field(house.reset(&second, NEW)), "token");
        house.request_reset(ANN);
        let third = house.token_to(&house.accounts, ANN);
        house.clock.advance(TimeDelta::minutes(59));
        house.reset(&third, NEW).unwrap();
    });
}

#[test]
fn no_token_is_taken_for_one_of_another_kind() {
    on_each(|house| {
        house.register(ANN);
        let verification = house.token_to(&house.accounts, ANN);
        house.request_reset(ANN);
        let reset = house.token_to(&house.accounts, ANN);
        let session = house.login(ANN, OLD).unwrap();
        let invitation = house.accounts.invite(&By::program(), None).unwrap().token;
        let others = [
            &verification,
            &invitation,
            &session.tokens.refresh_token,
            &session.tokens.access_token,
            &SecretString::from(""),
            &SecretString::from("x".repeat(5_000)),
            &SecretString::from("\0'\"<é>"),
        ];
        for other in others {
            assert_eq!(field(house.reset(other, NEW)), "token");
        }
        for other in [&reset, &invitation, &session.tokens.refresh_token] {
            assert_eq!(field(house.accounts.verify_email(other, &client())), "token");
            assert_eq!(field(house.accounts.disown_email(other, &client())), "token");
            assert_eq!(house.accounts.confirmable(other).unwrap(), None);
        }
        for other in [&reset, &verification, &invitation] {
            let refreshed = house.accounts.refresh(other, &client());
            assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
        }
        let invited = house
            .again(AccountsSettings { registration: RegistrationPolicy::InviteOnly, ..fixture::settings() });
        for other in [&reset, &verification] {
            let wish = Registration { invite: Some(other.clone()), ..registration("bob@example.com") };
            assert_eq!(field(invited.register(&wish, &client())), "invite");
        }
        house.reset(&reset, NEW).unwrap();
    });
}

#[test]
fn a_reset_ends_a_lockout_and_what_strangers_left_in_an_account() {
    on_each(|house| {
        let ann = house.register(ANN);
        house.mails_to(&house.accounts, ANN);
        let locked = loop {
            match house.login(ANN, "wrong") {
                Err(AccountsError::InvalidCredentials) => {}
                other => break other,
            }
        };
        assert!(matches!(locked, Err(AccountsError::TooManyAttempts { .. })), "{locked:?}");
        house.request_reset(ANN);
        let token = house.token_to(&house.accounts, ANN);
        house.reset(&token, NEW).unwrap();
        house.login(ANN, NEW).unwrap();
        // Ann's address had never been confirmed: who signed up may have been somebody else.
        let key = house.stores.keys.by_id(ann.key.id).unwrap().unwrap().key;
        assert!(key.revoked_at.is_some());
        assert!(house.stores.users.by_id(ann.user.id).unwrap().unwrap().is_verified);
    });
}

#[test]
fn what_is_queued_for_nobody_is_thrown_away() {
    on_each(|house| {
        house.request_reset("nobody@example.com");
        assert_eq!(house.stores.mails.waiting().unwrap(), 1);
        let post = Post::default();
        assert_eq!(house.accounts.send_mails(&post).unwrap(), Sent { discarded: 1, ..Sent::default() });
        assert!(post.sent.lock().unwrap().is_empty());
        assert_eq!(field(house.accounts.request_password_reset("nobody", &client())), "email");
        assert_eq!(field(house.accounts.resend_verification("a@b\r\nBcc: c@d.ef", &client())), "email");
    });
}

#[test]
fn an_account_gets_at_most_five_mails_an_hour_known_or_not() {
    on_each(|house| {
        house.register(ANN);
        for email in [ANN, "nobody@example.com"] {
            let before = house.stores.mails.waiting().unwrap();
            for _ in 0..8 {
                house.request_reset(email);
            }
            let already = u64::from(email == ANN);
            assert_eq!(house.stores.mails.waiting().unwrap() - before, 5 - already, "{email}");
        }
        let ann = house.stores.users.by_email(&ANN.parse().unwrap()).unwrap().unwrap().user;
        let refused = house.accounts.start_password_reset(&By::program(), ann.id);
        assert!(matches!(refused, Err(AccountsError::TooManyMails)), "{refused:?}");
        house.clock.advance(TimeDelta::hours(1));
        house.accounts.start_password_reset(&By::program(), ann.id).unwrap();
    });
}

#[test]
fn an_administrator_starts_a_reset_where_a_mail_can_go() {
    on_each(|house| {
        let ann = house.register(ANN).user;
        house.mails_to(&house.accounts, ANN);
        house.accounts.start_password_reset(&By::program(), ann.id).unwrap();
        let mail = house.mails_to(&house.accounts, ANN).remove(0);
        assert!(mail.text.contains("administrator"), "{}", mail.text);
        house.login(ANN, OLD).unwrap();
        house.reset(&token(&mail), NEW).unwrap();
        let wish = ProvisionWish { user_id: Some("user-7".to_owned()), ..ProvisionWish::default() };
        let nameless = house.accounts.provision(&By::program(), &wish).unwrap().user;
        let refused = house.accounts.start_password_reset(&By::program(), nameless.id);
        assert!(matches!(refused, Err(AccountsError::NoEmail)), "{refused:?}");
    });
}

#[test]
fn an_address_is_confirmed_before_its_account_works() {
    on_each(|house| {
        let strict = house.strict();
        let log_in = |password: &str| {
            strict.login(&Login { email: ANN.into(), password: password.into() }, &Client::default())
        };
        for wish in [registration(ANN), Registration { password: NEW.into(), ..registration(ANN) }] {
            let made = strict.register(&wish, &Client::default()).unwrap();
            assert!(matches!(made, Registering::VerificationSent));
        }
        let mut mails = house.mails_to(&strict, ANN);
        mails.sort_by(|a, b| a.subject.cmp(&b.subject));
        assert_eq!(subjects(&mails), ["Confirm your email address", "Somebody used your email address"]);
        assert!(matches!(log_in(OLD), Err(AccountsError::EmailNotVerified)));
        assert!(matches!(log_in(NEW), Err(AccountsError::InvalidCredentials)));

        strict.resend_verification(ANN, &client()).unwrap();
        let link = house.token_to(&strict, ANN);
        assert_eq!(field(strict.verify_email(&token(&mails[0]), &client())), "token");
        assert_eq!(strict.confirmable(&link).unwrap().unwrap().email.as_str(), ANN);
        let verified = strict.verify_email(&link, &client()).unwrap();
        assert!(verified.user.is_verified);
        let (key, secret) = verified.first_key.unwrap();
        let hash = fixture::settings().pepper.hash(&secret);
        assert_eq!(house.stores.keys.by_hash(&hash).unwrap().unwrap().id, key.id);
        assert_eq!(key.name, "Primary API Key");
        log_in(OLD).unwrap();
        assert_eq!(field(strict.verify_email(&link, &client())), "token");
        strict.resend_verification(ANN, &client()).unwrap();
        assert!(house.mails_to(&strict, ANN).is_empty(), "it is confirmed");
    });
}

#[test]
fn who_did_not_sign_up_ends_the_account() {
    on_each(|house| {
        let ann = house.register(ANN);
        let link = house.token_to(&house.accounts, ANN);
        let session = house.login(ANN, OLD).unwrap();
        house.check(&session).unwrap();
        house.accounts.disown_email(&link, &client()).unwrap();
        assert!(matches!(house.check(&session), Err(AccountsError::InvalidToken)));
        assert!(house.stores.users.by_id(ann.user.id).unwrap().is_none());
        assert_eq!(field(house.accounts.disown_email(&link, &client())), "token");
        house.register(ANN);
    });
}

#[test]
fn an_invitation_signs_one_account_up() {
    on_each(|house| {
        let settings =
            AccountsSettings { registration: RegistrationPolicy::InviteOnly, ..fixture::settings() };
        let invited = house.again(settings);
        let sign_up = |email: &str, invite: Option<&SecretString>| {
            let wish = Registration { invite: invite.cloned(), ..registration(email) };
            invited.register(&wish, &Client::default())
        };
        let refused = sign_up(ANN, None);
        assert!(matches!(refused, Err(AccountsError::RegistrationClosed(_))), "{refused:?}");
        let open = invited.invite(&By::program(), None).unwrap();
        assert!(open.url.ends_with(open.token.expose_secret()) && !open.id.is_empty());
        sign_up(ANN, Some(&open.token)).unwrap();
        assert_eq!(field(sign_up("bob@example.com", Some(&open.token))), "invite");

        let named = invited.invite(&By::program(), Some("Bob@Example.com")).unwrap();
        let mails = house.mails_to(&invited, "bob@example.com");
        assert_eq!(subjects(&mails), ["You are invited"]);
        assert!(mails[0].text.contains(named.token.expose_secret()));
        assert_eq!(field(sign_up("eve@example.com", Some(&named.token))), "invite");
        let Registering::Done(bob) = sign_up("bob@example.com", Some(&named.token)).unwrap() else {
            panic!("an invitation signs up at once");
        };
        assert!(!bob.user.is_verified, "whoever invited knows the invitation too");

        let late = invited.invite(&By::program(), None).unwrap();
        house.clock.advance(TimeDelta::days(7));
        assert_eq!(field(sign_up("cyd@example.com", Some(&late.token))), "invite");
        assert_eq!(field(invited.invite(&By::program(), Some("no address"))), "email");
    });
}

#[test]
fn another_address_acts_once_it_is_confirmed() {
    on_each(|house| {
        house.register(ANN);
        house.register("bob@example.com");
        house.mails_to(&house.accounts, "");
        let caller = house.session(&house.login(ANN, OLD).unwrap());
        let to = |email: &str, password: Option<&str>| {
            let (email, password) = (Some(email.to_owned()), password.map(SecretString::from));
            house
                .accounts
                .edit_profile(&caller, ProfileChanges { email, password, ..ProfileChanges::default() })
        };
        assert_eq!(field(to("new@example.com", None)), "password");
        assert_eq!(field(to("new", Some(OLD))), "email");
        let wrong = to("new@example.com", Some("wrong"));
        assert!(matches!(wrong, Err(AccountsError::WrongPassword)), "{wrong:?}");
        assert!(!to(" ANN@example.com", None).unwrap().email_pending, "it has that one");

        // A taken address: the same answer; its owner is told.
        assert!(to("bob@example.com", Some(OLD)).unwrap().email_pending);
        let post = Post::default();
        house.accounts.send_mails(&post).unwrap();
        let mut told = post.sent.into_inner().unwrap();
        told.sort_by(|a, b| a.to.cmp(&b.to));
        assert_eq!(
            subjects(&told),
            ["Your email address is about to change", "Somebody used your email address"]
        );

        assert!(to("new@example.com", Some(OLD)).unwrap().email_pending);
        house.request_reset(ANN);
        let post = Post::default();
        house.accounts.send_mails(&post).unwrap();
        let sent = post.sent.into_inner().unwrap();
        let find = |subject: &str| token(sent.iter().find(|mail| mail.subject == subject).unwrap());
        let (link, reset) = (find("Confirm your new email address"), find("Set a new password"));
        house.login(ANN, OLD).unwrap();
        let verified = house.accounts.verify_email(&link, &client()).unwrap();
        assert!(verified.first_key.is_none() && verified.user.is_verified);
        assert!(matches!(house.login(ANN, OLD), Err(AccountsError::InvalidCredentials)));
        house.login("new@example.com", OLD).unwrap();
        assert_eq!(subjects(&house.mails_to(&house.accounts, ANN)), ["Your email address was changed"]);
        assert_eq!(field(house.reset(&reset, NEW)), "token", "what went to the old address is over");
    });
}

#[test]
fn a_changed_password_ends_what_was_asked_for_with_the_one_before() {
    on_each(|house| {
        house.register(ANN);
        let verification = house.token_to(&house.accounts, ANN);
        let (ann, eve) = (house.login(ANN, OLD).unwrap(), house.login(ANN, OLD).unwrap());
        // Eve knows the password. Ann is told what it is used for, and does what the mail says.
        let moving = ProfileChanges {
            email: Some("eve@example.com".to_owned()),
            password: Some(OLD.into()),
            ..ProfileChanges::default()
        };
        house.accounts.edit_profile(&house.session(&eve), moving).unwrap();
        let link = house.token_to(&house.accounts, "eve@example.com");
        house.request_reset(ANN);
        let reset = house.token_to(&house.accounts, ANN);
        house.accounts.change_password(&house.session(&ann), &OLD.into(), &NEW.into()).unwrap();
        assert_eq!(field(house.accounts.verify_email(&link, &client())), "token");
        assert_eq!(field(house.reset(&reset, OLD)), "token");
        house.accounts.verify_email(&verification, &client()).unwrap();
        house.login(ANN, NEW).unwrap();
    });
}

#[test]
fn of_two_who_confirm_the_same_address_at_once_one_is_told_that_it_is_taken() {
    on_each(|house| {
        for round in 0..5 {
            let wanted = format!("wanted-{round}@example.com");
            let links = ["ann", "bob"].map(|name| {
                let email = format!("{name}-{round}@example.com");
                house.register(&email);
                let changes = ProfileChanges {
                    email: Some(wanted.clone()),
                    password: Some(OLD.into()),
                    ..ProfileChanges::default()
                };
                let caller = house.session(&house.login(&email, OLD).unwrap());
                house.accounts.edit_profile(&caller, changes).unwrap();
                house.token_to(&house.accounts, &wanted)
            });
            let start = Barrier::new(links.len());
            let confirm = |link: &SecretString| {
                start.wait();
                house.accounts.verify_email(link, &client()).map(drop)
            };
            let confirmed: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = links.iter().map(|link| scope.spawn(|| confirm(link))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let good = confirmed.iter().filter(|confirmed| confirmed.is_ok()).count();
            let taken = confirmed.iter().filter(|one| matches!(one, Err(AccountsError::EmailTaken))).count();
            assert_eq!((good, taken), (1, 1), "{confirmed:?}");
        }
    });
}

#[test]
fn a_profile_changes_what_is_named() {
    on_each(|house| {
        house.register(ANN);
        let caller = house.session(&house.login(ANN, OLD).unwrap());
        let notes = serde_json::json!({"team": "x"}).as_object().cloned();
        let changes = ProfileChanges {
            name: Some(Some(" Ann ".to_owned())),
            metadata: notes,
            ..ProfileChanges::default()
        };
        let edited = house.accounts.edit_profile(&caller, changes).unwrap();
        assert_eq!(edited.user.name.as_deref(), Some("Ann"));
        assert_eq!(edited.user.metadata, "{\"team\":\"x\"}");
        let changes = ProfileChanges { name: Some(None), ..ProfileChanges::default() };
        let edited = house.accounts.edit_profile(&caller, changes).unwrap();
        assert_eq!((edited.user.name.as_deref(), edited.user.metadata.as_str()), (None, "{\"team\":\"x\"}"));
        let changes = ProfileChanges { name: Some(Some("a\r\nb".to_owned())), ..ProfileChanges::default() };
        assert_eq!(field(house.accounts.edit_profile(&caller, changes)), "name");
    });
}

#[test]
fn an_account_is_deleted_with_its_password() {
    on_each(|house| {
        let ann = house.register(ANN);
        house.mails_to(&house.accounts, ANN);
        let session = house.login(ANN, OLD).unwrap();
        let caller = house.session(&session);
        let with = |password: Option<&str>| {
            let wish = DeletionWish { password: password.map(SecretString::from), ..DeletionWish::default() };
            house.accounts.delete_account(&caller, &wish)
        };
        assert_eq!(field(with(None)), "password");
        let wrong = with(Some("wrong"));
        assert!(matches!(wrong, Err(AccountsError::WrongPassword)), "{wrong:?}");
        assert_eq!(with(Some(OLD)).unwrap(), Deleting::Done);
        assert!(matches!(house.check(&session), Err(AccountsError::InvalidToken)));
        assert!(house.stores.keys.by_id(ann.key.id).unwrap().is_none());
        assert_eq!(subjects(&house.mails_to(&house.accounts, ANN)), ["Your account was deleted"]);
        let bob = house.register("bob@example.com").user;
        house.accounts.delete_user(&By::program(), bob.id).unwrap();
        let gone = house.accounts.delete_user(&By::program(), bob.id);
        assert!(matches!(gone, Err(AccountsError::NotFound("user"))), "{gone:?}");
    });
}

#[test]
fn without_a_password_a_mailed_code_deletes() {
    on_each(|house| {
        house.register(ANN);
        house.mails_to(&house.accounts, ANN);
        let caller = house.session(&house.login(ANN, OLD).unwrap());
        house.tamper("UPDATE users SET password_hash = NULL");
        let with = |code: Option<&str>| {
            let wish = DeletionWish { code: code.map(SecretString::from), ..DeletionWish::default() };
            house.accounts.delete_account(&caller, &wish)
        };
        assert_eq!(field(with(Some("guess"))), "code");
        assert_eq!(with(None).unwrap(), Deleting::CodeSent);
        let mail = house.mails_to(&house.accounts, ANN).remove(0);
        let code = mail.text.lines().find(|line| line.len() == 43 && !line.contains(' ')).unwrap();
        assert_eq!(with(Some(code)).unwrap(), Deleting::Done);
        assert!(house.stores.users.by_id(caller.user.id).unwrap().is_none());
    });
}

#[test]
fn a_mail_waits_sealed_until_it_can_be_sent() {
    on_each(|house| {
        house.register(ANN);
        let now = house.clock.now();
        let due = house.stores.mails.take(now, now).unwrap().unwrap();
        for word in ["ann@", "verify-email", "token"] {
            assert!(!due.sealed.windows(word.len()).any(|bytes| bytes == word.as_bytes()), "{word}");
        }
        let post = Post::default();
        *post.fails.lock().unwrap() = Some(|| TransportError::Away("it is away".to_owned()));
        let failed = Sent { failed: 1, ..Sent::default() };
        assert_eq!(house.accounts.send_mails(&post).unwrap(), failed);
        assert_eq!(house.accounts.send_mails(&post).unwrap(), Sent::default(), "not at once");
        house.clock.advance(TimeDelta::minutes(1));
        assert_eq!(house.accounts.send_mails(&post).unwrap(), failed);
        *post.fails.lock().unwrap() = None;
        house.clock.advance(TimeDelta::minutes(1));
        assert_eq!(house.accounts.send_mails(&post).unwrap(), Sent { sent: 1, ..Sent::default() });
        assert_eq!(house.stores.mails.waiting().unwrap(), 0);
    });
}

#[test]
fn a_mail_is_given_up_when_it_is_of_no_use_any_more() {
    on_each(|house| {
        house.register(ANN);
        let post = Post::default();
        *post.fails.lock().unwrap() = Some(|| TransportError::Away("it is away".to_owned()));
        house.accounts.send_mails(&post).unwrap();
        house.clock.advance(TimeDelta::hours(24));
        let given_up = Sent { given_up: 1, ..Sent::default() };
        assert_eq!(house.accounts.send_mails(&post).unwrap(), given_up);

        house.accounts.resend_verification(ANN, &client()).unwrap();
        *post.fails.lock().unwrap() = Some(|| TransportError::Impossible("no such address".to_owned()));
        assert_eq!(house.accounts.send_mails(&post).unwrap(), given_up);

        house.accounts.resend_verification(ANN, &client()).unwrap();
        let lost = house
            .again(AccountsSettings { encryption_secrets: vec!["another".into()], ..fixture::settings() });
        assert_eq!(lost.send_mails(&post).unwrap(), given_up);
        assert!(post.sent.lock().unwrap().is_empty());
        assert_eq!(house.stores.mails.waiting().unwrap(), 0);
    });
}
