//! Second factors: what they ask for, of whom, and how often.

use std::{collections::HashMap, sync::Barrier, thread};

use secrecy::SecretString;
use tollgate_domain::AuditAction;
use tollgate_store::{AuditFilter, SecondFactor};
use totp_rs::{Builder, Secret};

use super::*;
use crate::{
    AttemptLimits,
    device::DeviceRefusal,
    external::{ExternalIdentity, IdentityError, IdentityVerifier},
    mail::{MailTransport, Message, TransportError},
    second_factor::{BACKUP_CODES, MAX_WRONG_CODES, SetUp, TOKEN_LIFETIME},
};

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "testpass123";
const PAUSE: TimeDelta = TimeDelta::minutes(30);
const STEP: TimeDelta = TimeDelta::seconds(30);

/// What a user's authenticator and drawer hold.
struct Held {
    session: Identity,
    set_up: SetUp,
    backup_codes: Vec<SecretString>,
}

impl Held {
    fn code(&self, at: Time) -> SecretString {
        code(&self.set_up, at)
    }
}

/// What an authenticator shows.
fn code(set_up: &SetUp, at: Time) -> SecretString {
    let secret = Secret::try_from_base32(set_up.secret.expose_secret()).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(at.timestamp()).unwrap()).to_string().into()
}

/// A code that is none of those around `at`.
fn wrong(held: &Held, at: Time) -> SecretString {
    let good: Vec<_> = (-2..=2).map(|steps| held.code(at + STEP * steps)).collect();
    let is_good = |code: &str| good.iter().any(|good| good.expose_secret() == code);
    (0..10).map(|digit| digit.to_string().repeat(6)).find(|code| !is_good(code)).unwrap().into()
}

impl House {
    /// Signs up and switches a second factor on; the code that did is of a step that is past.
    fn with_factor(&self, email: &str) -> Held {
        self.register(email);
        let session = self.session(&self.login(email, PASSWORD).unwrap());
        let set_up = self.accounts.set_up_second_factor(&session).unwrap();
        let now = self.clock.now();
        let backup_codes = self.accounts.enable_second_factor(&session, &code(&set_up, now)).unwrap();
        self.clock.advance(STEP);
        Held { session, set_up, backup_codes }
    }

    /// The same installation where attempts with passwords are no matter.
    fn lenient(&self) -> Accounts {
        let attempts =
            AttemptLimits { max_attempts: 1_000, failed_logins_per_hour: 1_000, ..AttemptLimits::default() };
        self.again(AccountsSettings { attempts, ..fixture::settings() })
    }

    fn verify(&self, token: &SecretString, code: &SecretString) -> Result<LoggedIn, AccountsError> {
        self.accounts.verify_second_factor(token, code, &client())
    }

    fn actions(&self) -> Vec<String> {
        let listed = self.stores.audit.list(None, 1_000, &AuditFilter::default()).unwrap();
        listed.into_iter().rev().map(|entry| entry.row.action).collect()
    }

    fn count(&self, action: AuditAction) -> usize {
        self.actions().iter().filter(|told| *told == action.as_str()).count()
    }
}

/// Brings the password; gives what stands for it.
fn ask(accounts: &Accounts, email: &str) -> SecretString {
    let login = Login { email: email.into(), password: PASSWORD.into() };
    token_of(accounts.login(&login, &client()))
}

fn token_of<T: std::fmt::Debug>(refused: Result<T, AccountsError>) -> SecretString {
    match refused {
        Err(AccountsError::MfaRequired { mfa_token }) => mfa_token,
        other => panic!("{other:?}"),
    }
}

/// What came of it, in a word.
fn word<T: std::fmt::Debug>(result: Result<T, AccountsError>) -> &'static str {
    match result {
        Ok(_) => "in",
        Err(AccountsError::WrongCode) => "wrong code",
        Err(AccountsError::InvalidMfaToken) => "no token",
        Err(AccountsError::InvalidToken) => "ended",
        Err(AccountsError::TooManyAttempts { .. }) => "paused",
        Err(AccountsError::WrongPassword) => "wrong password",
        Err(AccountsError::InvalidCredentials) => "wrong pair",
        Err(AccountsError::MfaRequired { .. }) => "asked",
        Err(AccountsError::SecondFactorOn) => "on",
        Err(AccountsError::SecondFactorOff) => "off",
        Err(AccountsError::SecondFactorNotSetUp) => "not set up",
        Err(AccountsError::UserDisabled) => "disabled",
        Err(AccountsError::Invalid(faults)) => faults[0].field,
        Err(other) => panic!("{other:?}"),
    }
}

/// Runs `work` on as many threads at once; gives what came of each, sorted.
fn at_once(threads: usize, work: impl Fn(usize) -> &'static str + Sync) -> Vec<&'static str> {
    let start = Barrier::new(threads);
    let (start, work) = (&start, &work);
    let mut words: Vec<_> = thread::scope(|scope| {
        let run = |place| {
            scope.spawn(move || {
                start.wait();
                work(place)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    words.sort_unstable();
    words
}

fn ins(words: &[&str]) -> usize {
    words.iter().filter(|word| **word == "in").count()
}

#[test]
fn what_is_set_up_asks_for_nothing_until_its_code_switches_it_on() {
    on_each(|house| {
        house.register(ANN);
        let by = house.session(&house.login(ANN, PASSWORD).unwrap());
        let now = house.clock.now();
        let enable = |code: &SecretString| house.accounts.enable_second_factor(&by, code);
        assert_eq!(word(enable(&"123456".into())), "not set up");
        let first = house.accounts.set_up_second_factor(&by).unwrap();
        let second = house.accounts.set_up_second_factor(&by).unwrap();
        assert_ne!(first.secret.expose_secret(), second.secret.expose_secret());
        let secret = second.secret.expose_secret();
        assert_eq!(secret.len(), 32);
        assert_eq!(
            second.otpauth_url.expose_secret(),
            format!(
                "otpauth://totp/Tollgate:ann%40example.com?secret={secret}&issuer=Tollgate&algorithm=SHA1&digits=6\
                 &period=30"
            )
        );
        assert!(second.qr_code.expose_secret().starts_with("data:image/png;base64,iVBORw0KGgo"));
        assert_eq!(word(house.login(ANN, PASSWORD)), "in");
        // Neither what was replaced nor what is no code.
        for none in [code(&first, now), "".into(), "abc".into(), first.secret] {
            assert_eq!(word(enable(&none)), "code");
        }
        assert_eq!(word(house.login(ANN, PASSWORD)), "in");
        // A session that never brought a code lets nobody in once one is asked for, a device as little as itself.
        let old = house.session(&house.login(ANN, PASSWORD).unwrap());
        let waiting = house.accounts.begin_device(None, &client()).unwrap();
        house.accounts.decide_device(&old, waiting.user_code, true).unwrap();
        let codes = enable(&code(&second, now)).unwrap();
        let let_in = house.accounts.poll_device(&waiting.device_code, None, &client());
        assert!(matches!(let_in, Err(AccountsError::Device(DeviceRefusal::AccessDenied))), "{let_in:?}");
        let its = crate::token::Access { user_id: old.user.id, session_id: old.session.id };
        assert_eq!(word(house.accounts.load(its, &Client::default())), "ended");
        assert_eq!(codes.len(), BACKUP_CODES);
        let different: HashMap<_, _> = codes.iter().map(|code| (code.expose_secret(), ())).collect();
        assert_eq!(different.len(), BACKUP_CODES);
        assert!(codes.iter().all(|code| code.expose_secret().split('-').all(|group| group.len() == 4)));
        assert_eq!(word(house.login(ANN, PASSWORD)), "asked");
        // What is on is replaced by nobody, and the session goes on.
        assert_eq!(word(house.accounts.set_up_second_factor(&by)), "on");
        assert_eq!(word(enable(&code(&second, now))), "on");
        let access = crate::token::Access { user_id: by.user.id, session_id: by.session.id };
        house.accounts.load(access, &Client::default()).unwrap();
        let on = [AuditAction::SecondFactorSetUp, AuditAction::SecondFactorEnabled];
        assert_eq!(on.map(|action| house.count(action)), [2, 1]);
    });
}

#[test]
fn a_session_takes_the_code_and_a_code_and_a_token_are_good_once() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let now = house.clock.now();
        let (one, two) = (ask(&house.accounts, ANN), ask(&house.accounts, ANN));
        assert_eq!(word(house.verify(&one, &wrong(&held, now))), "wrong code");
        let logged_in = house.verify(&one, &held.code(now)).unwrap();
        house.check(&logged_in).unwrap();
        assert_eq!(logged_in.user.id, held.session.user.id);
        let session = house.stores.sessions.by_id(logged_in.session.id).unwrap().unwrap();
        assert_eq!(session.ip.as_deref(), Some("203.0.113.9"));
        house.accounts.refresh(&logged_in.tokens.refresh_token, &client()).unwrap();

        assert_eq!(word(house.verify(&one, &held.code(now))), "no token");
        assert_eq!(word(house.verify(&two, &held.code(now))), "wrong code");
        house.clock.advance(STEP);
        assert_eq!(word(house.verify(&one, &held.code(now + STEP))), "no token");
        house.check(&house.verify(&two, &held.code(now + STEP)).unwrap()).unwrap();
        let told = house.actions();
        assert_eq!(
            told[told.len() - 6..],
            [
                "session.mfa_required",
                "session.mfa_required",
                "second_factor.failed",
                "session.login",
                "second_factor.failed",
                "session.login",
            ]
        );
    });
}

#[test]
fn a_clock_may_be_one_step_behind_or_ahead_and_a_later_code_ends_earlier_ones() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let accounts = house.lenient();
        house.clock.advance(STEP * 10);
        let now = house.clock.now();
        let with = |steps: i32| {
            word(accounts.verify_second_factor(
                &ask(&accounts, ANN),
                &held.code(now + STEP * steps),
                &client(),
            ))
        };
        assert_eq!([-3, -2, 2, 3].map(with), ["wrong code"; 4]);
        assert_eq!(
            [-1, 0, -1, 0, 1, 0, 1].map(with),
            ["in", "in", "wrong code", "wrong code", "in", "wrong code", "wrong code"]
        );
        // A clock that is set back gives no code a second time.
        house.clock.advance(STEP * -1);
        assert_eq!([0, 0].map(with), ["wrong code"; 2]);
        house.clock.advance(STEP * 2);
        assert_eq!(with(2), "in");
    });
}

#[test]
fn a_backup_code_stands_for_a_code_once_however_it_is_written() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let accounts = house.lenient();
        let with =
            |code: &str| word(accounts.verify_second_factor(&ask(&accounts, ANN), &code.into(), &client()));
        let [first, second, third, ..] = held.backup_codes.as_slice() else { panic!("there are ten") };
        let (first, second, third) = (first.expose_secret(), second.expose_secret(), third.expose_secret());
        assert_eq!([with(first), with(first)], ["in", "wrong code"]);
        assert_eq!(with(&second.to_lowercase().replace('-', "")), "in");
        assert_eq!(with(&format!("  {}\t", third.replace('-', " - "))), "in");
        assert_eq!([with(second), with(third)], ["wrong code"; 2]);
        let factor = house.stores.second_factors.of_user(held.session.user.id).unwrap();
        assert_eq!(factor.backup_codes, 7);
        assert_eq!(house.count(AuditAction::BackupCodeUsed), 3);
        let post = Post::default();
        house.accounts.send_mails(&post).unwrap();
        let left: Vec<_> = post.0.into_inner().unwrap().into_iter().map(|mail| mail.text).collect();
        for count in [9, 8, 7] {
            assert!(left.iter().any(|text| text.contains(&count.to_string())), "{left:?}");
        }
        // Nobody else's.
        let bob = house.with_factor("bob@example.com");
        let theirs = bob.backup_codes[0].expose_secret();
        assert_eq!(with(theirs), "wrong code");
    });
}

/// What was sent.
#[derive(Default)]
struct Post(Mutex<Vec<Message>>);

impl MailTransport for Post {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        self.0.lock().unwrap().push(message.clone());
        Ok(())
    }
}

#[test]
fn five_wrong_codes_make_a_pause_whichever_tokens_they_come_with() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let bob = house.with_factor("bob@example.com");
        let accounts = house.lenient();
        let verify =
            |token: &SecretString, code: &SecretString| accounts.verify_second_factor(token, code, &client());
        let early = ask(&accounts, ANN);
        for _ in 0..MAX_WRONG_CODES {
            assert_eq!(word(verify(&ask(&accounts, ANN), &wrong(&held, house.clock.now()))), "wrong code");
        }
        let now = house.clock.now();
        // Not the right one either, with an old token or a new one, nor to switch it off; a login changes nothing.
        for token in [&early, &ask(&accounts, ANN)] {
            for code in [held.code(now), held.backup_codes[0].clone()] {
                match verify(token, &code) {
                    Err(AccountsError::TooManyAttempts { retry_after }) => assert_eq!(retry_after, 1_800),
                    other => panic!("{other:?}"),
                }
            }
        }
        let off = accounts.disable_second_factor(&held.session, Some(&PASSWORD.into()), &held.code(now));
        assert_eq!(word(off), "paused");
        assert_eq!(house.count(AuditAction::SecondFactorFailed), 5);
        assert_eq!(word(verify(&ask(&accounts, "bob@example.com"), &bob.code(now))), "in");
        let post = Post::default();
        house.accounts.send_mails(&post).unwrap();
        let warned =
            post.0.into_inner().unwrap().iter().filter(|mail| mail.text.contains("wrong codes")).count();
        assert_eq!(warned, 1);
        house.clock.advance(PAUSE - TimeDelta::seconds(1));
        let late = ask(&accounts, ANN);
        assert_eq!(word(verify(&late, &held.code(house.clock.now()))), "paused");
        house.clock.advance(TimeDelta::seconds(1));
        assert_eq!(word(verify(&late, &held.code(house.clock.now()))), "in");
        // After the pause each further wrong one begins another.
        for _ in 0..MAX_WRONG_CODES {
            assert_eq!(word(verify(&ask(&accounts, ANN), &wrong(&held, house.clock.now()))), "wrong code");
        }
        house.clock.advance(PAUSE);
        let late = ask(&accounts, ANN);
        assert_eq!(word(verify(&late, &wrong(&held, house.clock.now()))), "wrong code");
        assert_eq!(word(verify(&late, &held.code(house.clock.now()))), "paused");
        // Unless an administrator ends it.
        house.accounts.unlock_user(&By::program(), held.session.user.id).unwrap();
        assert_eq!(word(verify(&late, &held.code(house.clock.now()))), "in");
        // A complete sign-in begins anew, and nothing else of the user's does.
        for _ in 0..2 {
            for _ in 0..MAX_WRONG_CODES - 1 {
                assert_eq!(
                    word(verify(&ask(&accounts, ANN), &wrong(&held, house.clock.now()))),
                    "wrong code"
                );
            }
            house.clock.advance(STEP * 2);
            assert_eq!(word(verify(&ask(&accounts, ANN), &held.code(house.clock.now()))), "in");
        }
    });
}

#[test]
fn the_count_of_wrong_passwords_ends_with_the_second_factor_only() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        for _ in 0..4 {
            assert_eq!(word(house.login(ANN, "testpass124")), "wrong pair");
        }
        let token = ask(&house.accounts, ANN);
        assert_eq!(word(house.login(ANN, PASSWORD)), "paused");
        house.verify(&token, &held.code(house.clock.now())).unwrap();
        assert_eq!(word(house.login(ANN, "testpass124")), "wrong pair");
        assert_eq!(word(house.login(ANN, PASSWORD)), "asked");
    });
}

#[test]
fn of_twenty_at_once_with_one_code_one_is_let_in() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let accounts = house.lenient();
        let tokens: Vec<_> = (0..20).map(|_| ask(&accounts, ANN)).collect();
        let now = house.clock.now();
        let words = at_once(20, |place| {
            word(accounts.verify_second_factor(&tokens[place], &held.code(now), &client()))
        });
        assert_eq!(ins(&words), 1, "{words:?}");
    });
}

#[test]
fn of_twenty_at_once_with_one_backup_code_one_is_let_in() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let accounts = house.lenient();
        let tokens: Vec<_> = (0..20).map(|_| ask(&accounts, ANN)).collect();
        let code = &held.backup_codes[0];
        let words = at_once(20, |place| word(accounts.verify_second_factor(&tokens[place], code, &client())));
        assert_eq!(ins(&words), 1, "{words:?}");
        let left = house.stores.second_factors.of_user(held.session.user.id).unwrap().backup_codes;
        assert_eq!(left, 9);
    });
}

#[test]
fn of_twenty_at_once_with_one_token_one_is_let_in() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let token = ask(&house.accounts, ANN);
        let words = at_once(20, |place| {
            let code = &held.backup_codes[place % BACKUP_CODES];
            word(house.verify(&token, code))
        });
        assert_eq!((ins(&words), words.iter().filter(|word| **word == "no token").count()), (1, 19));
        let left = house.stores.second_factors.of_user(held.session.user.id).unwrap().backup_codes;
        assert_eq!(left, 9);
    });
}

#[test]
fn one_code_does_one_thing_whatever_asks_for_it_at_once() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let accounts = house.lenient();
        let tokens: Vec<_> = (0..20).map(|_| ask(&accounts, ANN)).collect();
        let code = held.code(house.clock.now());
        let words = at_once(20, |place| match place % 2 {
            0 => word(accounts.verify_second_factor(&tokens[place], &code, &client())),
            _ => word(accounts.renew_backup_codes(&held.session, Some(&PASSWORD.into()), &code)),
        });
        assert_eq!(ins(&words), 1, "{words:?}");
    });
}

#[test]
fn a_token_is_good_for_five_minutes_and_nothing_else() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let now = || house.clock.now();
        let token = ask(&house.accounts, ANN);
        house.clock.advance(TOKEN_LIFETIME);
        assert_eq!(word(house.verify(&token, &held.code(now()))), "no token");
        assert_eq!(house.accounts.forget_mfa_tokens(now()).unwrap(), 0);
        house.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(house.accounts.forget_mfa_tokens(now()).unwrap(), 1);
        let token = ask(&house.accounts, ANN);
        house.clock.advance(TOKEN_LIFETIME - TimeDelta::milliseconds(2));
        let logged_in = house.verify(&token, &held.code(now())).unwrap();

        let token = ask(&house.accounts, ANN);
        let refreshed = house.accounts.refresh(&token, &client());
        assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
        let checked = house.accounts.check(token.expose_secret(), &client(), now());
        assert!(matches!(checked, Checked::Refused(AccountsError::InvalidToken)), "{checked:?}");
        let reset = house.accounts.reset_password(&token, &"another password".into(), false, &client());
        assert_eq!(word(reset), "token");
        assert!(house.accounts.by_cookie(token.expose_secret(), &client()).is_err());
        let others = [
            logged_in.tokens.refresh_token,
            logged_in.tokens.access_token,
            held.backup_codes[0].clone(),
            format!("{} ", token.expose_secret()).into(),
            "".into(),
            "x".repeat(100_000).into(),
        ];
        house.clock.advance(STEP);
        for other in others {
            assert_eq!(word(house.verify(&other, &held.code(now()))), "no token");
        }
        assert_eq!(word(house.verify(&token, &held.code(now()))), "in");
    });
}

#[test]
fn a_first_factor_that_is_none_any_more_is_worth_nothing() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let id = held.session.user.id;
        let off = |is_active| UserChanges { is_active: Some(is_active), ..UserChanges::default() };
        let edit = |is_active| house.accounts.edit_user(&By::program(), id, off(is_active)).unwrap();
        let token = ask(&house.accounts, ANN);
        edit(false);
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");
        assert_eq!(word(house.login(ANN, PASSWORD)), "disabled");
        edit(true);
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");

        let token = ask(&house.accounts, ANN);
        let new = SecretString::from("another password");
        house.accounts.change_password(&held.session, &PASSWORD.into(), &new).unwrap();
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");
        house.accounts.change_password(&held.session, &new, &PASSWORD.into()).unwrap();

        let token = ask(&house.accounts, ANN);
        let code = &held.backup_codes[0];
        house.accounts.disable_second_factor(&held.session, Some(&PASSWORD.into()), code).unwrap();
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");
        assert_eq!(word(house.login(ANN, PASSWORD)), "in");
    });
}

#[test]
fn it_is_switched_off_and_its_codes_renewed_by_both_factors() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let (by, backup) = (&held.session, &held.backup_codes);
        let right = SecretString::from(PASSWORD);
        let off = |password: Option<&SecretString>, code: &SecretString| {
            word(house.accounts.disable_second_factor(by, password, code))
        };
        let renew = |password: Option<&SecretString>, code: &SecretString| {
            house.accounts.renew_backup_codes(by, password, code)
        };
        let now = house.clock.now();
        for call in
            [&off, &|password: Option<&SecretString>, code: &SecretString| word(renew(password, code))]
                as [&dyn Fn(Option<&SecretString>, &SecretString) -> &'static str; 2]
        {
            assert_eq!(call(None, &backup[0]), "password");
            assert_eq!(call(Some(&"testpass124".into()), &backup[0]), "wrong password");
            assert_eq!(call(Some(&right), &wrong(&held, now)), "wrong code");
        }
        assert_eq!(house.count(AuditAction::SecondFactorFailed), 4);
        // The right code beside a wrong password is not used up.
        let codes = renew(Some(&right), &backup[0]).unwrap();
        assert_eq!(codes.len(), BACKUP_CODES);
        assert_eq!(word(renew(Some(&right), &backup[1])), "wrong code");
        assert_eq!(word(renew(Some(&right), &codes[0])), "in");
        assert_eq!(off(Some(&right), &held.code(now)), "in");
        assert_eq!((off(Some(&right), &held.code(now)), word(renew(None, &codes[1]))), ("off", "off"));
        assert_eq!(house.stores.second_factors.of_user(by.user.id).unwrap(), SecondFactor::default());
        house.check(&house.login(ANN, PASSWORD).unwrap()).unwrap();
        let counts = [AuditAction::BackupCodesRenewed, AuditAction::SecondFactorDisabled];
        assert_eq!(counts.map(|action| house.count(action)), [2, 1]);
    });
}

#[test]
fn wrong_passwords_beside_a_code_are_counted() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let off = |password: &str| {
            let password = SecretString::from(password);
            word(house.accounts.disable_second_factor(&held.session, Some(&password), &held.backup_codes[0]))
        };
        for _ in 0..5 {
            assert_eq!(off("testpass124"), "wrong password");
        }
        assert_eq!(off(PASSWORD), "paused");
        // Whoever signs in is not locked out by that.
        assert_eq!(word(house.login(ANN, PASSWORD)), "asked");
    });
}

#[test]
fn who_has_no_password_confirms_by_a_code() {
    on_each(|house| {
        house.register(ANN);
        let login = house.login(ANN, PASSWORD).unwrap();
        let bob = house.accounts.provision(
            &By::program(),
            &ProvisionWish { user_id: Some("bob".into()), ..ProvisionWish::default() },
        );
        let by = Identity { user: Arc::new(bob.unwrap().user), ..house.session(&login) };
        let set_up = house.accounts.set_up_second_factor(&by).unwrap();
        let label = format!("otpauth://totp/Tollgate:{}?", by.user.id);
        assert!(set_up.otpauth_url.expose_secret().starts_with(&label));
        let codes = house.accounts.enable_second_factor(&by, &code(&set_up, house.clock.now())).unwrap();
        for password in [None, Some(SecretString::from(PASSWORD))] {
            let wrong = house.accounts.renew_backup_codes(&by, password.as_ref(), &"000000".into());
            assert_eq!(word(wrong), "wrong code");
        }
        house.accounts.disable_second_factor(&by, None, &codes[0]).unwrap();
        assert_eq!(word(house.accounts.disable_second_factor(&by, None, &codes[1])), "off");
    });
}

#[test]
fn an_administrator_ends_one_that_is_lost() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let session = house.verify(&ask(&house.accounts, ANN), &held.backup_codes[0]).unwrap();
        house.check(&session).unwrap();
        let token = ask(&house.accounts, ANN);
        let id = held.session.user.id;
        house.accounts.reset_second_factor(&By::program(), id).unwrap();
        assert!(house.check(&session).is_err());
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");
        assert_eq!(word(house.login(ANN, PASSWORD)), "in");
        // Where there is none nothing happens, and nobody is told.
        let waiting = house.stores.mails.waiting().unwrap();
        house.accounts.reset_second_factor(&By::program(), id).unwrap();
        assert_eq!(
            (house.count(AuditAction::SecondFactorReset), house.stores.mails.waiting().unwrap()),
            (1, waiting)
        );
        let nobody = house.accounts.reset_second_factor(
            &By::program(),
            tollgate_domain::UserId::new(house.clock.now(), &fixture::Counting::default()),
        );
        assert!(matches!(nobody, Err(AccountsError::NotFound("user"))), "{nobody:?}");
    });
}

#[test]
fn a_secret_opens_for_its_own_user_only() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let factors = &house.stores.second_factors;
        let sealed = factors.of_user(held.session.user.id).unwrap().secret.unwrap();
        let plain = Secret::try_from_base32(held.set_up.secret.expose_secret()).unwrap();
        assert!(!sealed.windows(plain.as_bytes().len()).any(|window| window == plain.as_bytes()));
        house.register("bob@example.com");
        let bob = house.session(&house.login("bob@example.com", PASSWORD).unwrap());
        factors.propose(bob.user.id, &sealed, &[]).unwrap();
        let moved = house.accounts.enable_second_factor(&bob, &held.code(house.clock.now()));
        assert!(matches!(moved, Err(AccountsError::Internal(_))), "{moved:?}");
        assert_eq!(word(house.login("bob@example.com", PASSWORD)), "in");
    });
}

/// Every token means the one subject.
struct Means(Time);

impl IdentityVerifier for Means {
    fn verify(&self, _: &SecretString, _: Time) -> Result<ExternalIdentity, IdentityError> {
        Ok(ExternalIdentity {
            issuer: "https://login.example.com".into(),
            subject: "ann".into(),
            email: None,
            email_verified: false,
            name: None,
            issued_at: self.0,
        })
    }
}

#[test]
fn no_path_gives_a_session_without_the_second_factor() {
    on_each(|house| {
        let verifier = Arc::new(Means(house.clock.now()));
        let outside = house.lenient().with_identities(verifier);
        house.register(ANN);
        let by = house.session(&house.login(ANN, PASSWORD).unwrap());
        // Linked before: an identity token alone would do.
        let linked = outside.sign_in_externally(&"token".into(), Some(&by), &client()).unwrap();
        assert_eq!(linked.logged_in.user.id, by.user.id);
        let set_up = house.accounts.set_up_second_factor(&by).unwrap();
        let now = house.clock.now();
        house.accounts.enable_second_factor(&by, &code(&set_up, now)).unwrap();
        house.clock.advance(STEP);
        let page = PageRequest { limit: 100, after: None };
        let open = || house.stores.sessions.list(by.user.id, &page, house.clock.now()).unwrap().items.len();
        let before = open();

        // The password; an identity token, alone and with a session of the same user.
        let by_password = token_of(house.login(ANN, PASSWORD));
        let by_identity = token_of(outside.sign_in_externally(&"token".into(), None, &client()));
        let by_both = token_of(outside.sign_in_externally(&"token".into(), Some(&by), &client()));
        for token in [&by_password, &by_identity, &by_both] {
            let refreshed = outside.refresh(token, &client());
            assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
            assert!(matches!(
                outside.check(token.expose_secret(), &client(), house.clock.now()),
                Checked::Refused(AccountsError::InvalidToken)
            ));
            assert!(outside.by_cookie(token.expose_secret(), &client()).is_err());
            assert_eq!(word(outside.verify_second_factor(token, &"000000".into(), &client())), "wrong code");
        }
        // A device that nobody has let in, and the token as its code.
        let codes = outside.begin_device(None, &client()).unwrap();
        for code in [&codes.device_code, &by_password] {
            assert!(outside.poll_device(code, None, &client()).is_err());
        }
        // A session straight from the store.
        let (new, _) = house.accounts.new_session(&by.user, &client()).unwrap();
        assert!(!house.stores.sessions.open(&new).unwrap());
        assert_eq!(open(), before);

        // A new password by mail ends every session and opens none; the next login is asked as before.
        let post = Post::default();
        house.accounts.request_password_reset(ANN, &client()).unwrap();
        house.stores.users.edit(by.user.id, Arc::new(|user| user.is_verified = true), now, &[]).unwrap();
        house.accounts.send_mails(&post).unwrap();
        let mails = post.0.into_inner().unwrap();
        let link = mails
            .iter()
            .flat_map(|mail| mail.text.lines())
            .find_map(|line| line.split_once("reset-password?token="));
        let token = SecretString::from(link.unwrap().1.trim());
        house.accounts.reset_password(&token, &"another password".into(), false, &client()).unwrap();
        assert_eq!(open(), 0);
        let login = Login { email: ANN.into(), password: "another password".into() };
        let token = token_of(outside.login(&login, &client()));
        // What was asked for with the old password is worth nothing by now.
        for old in [&by_password, &by_identity, &by_both] {
            let code = code(&set_up, house.clock.now());
            assert_eq!(word(outside.verify_second_factor(old, &code, &client())), "no token");
        }
        assert_eq!(open(), 0);
        // With its code, each opens one.
        let code = code(&set_up, house.clock.now());
        outside.verify_second_factor(&token, &code, &client()).unwrap();
        assert_eq!(open(), 1);
    });
}

#[test]
fn a_reset_of_an_address_that_was_never_verified_ends_what_others_set_up() {
    on_each(|house| {
        let held = house.with_factor(ANN);
        let token = ask(&house.accounts, ANN);
        let post = Post::default();
        house.accounts.request_password_reset(ANN, &client()).unwrap();
        house.accounts.send_mails(&post).unwrap();
        let mails = post.0.into_inner().unwrap();
        let link = mails
            .iter()
            .flat_map(|mail| mail.text.lines())
            .find_map(|line| line.split_once("reset-password?token="));
        let reset = SecretString::from(link.unwrap().1.trim());
        house.accounts.reset_password(&reset, &"another password".into(), false, &client()).unwrap();
        assert_eq!(
            house.stores.second_factors.of_user(held.session.user.id).unwrap(),
            SecondFactor::default()
        );
        assert_eq!(word(house.verify(&token, &held.code(house.clock.now()))), "no token");
        assert_eq!(word(house.login(ANN, "another password")), "in");
    });
}
