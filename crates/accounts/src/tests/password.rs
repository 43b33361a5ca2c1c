//! Changing passwords, and hashes that sign-ins replace.

use std::thread;

use secrecy::SecretString;

use super::*;
use crate::{password::IMPORTED, session::Identity};

const OLD: &str = "testpass123";
const NEW: &str = "newsecurepassword";

impl House {
    fn change(&self, by: &Identity, present: &str, new: &str) -> Result<(), AccountsError> {
        self.accounts.change_password(by, &present.into(), &new.into())
    }

    fn stored_hash(&self, user: &User) -> Option<String> {
        self.stores.users.credentials(user.id).unwrap().unwrap().password_hash
    }
}

fn wrong<T: std::fmt::Debug>(refused: Result<T, AccountsError>) {
    assert!(matches!(refused, Err(AccountsError::InvalidCredentials)), "{refused:?}");
}

fn codes(refused: Result<(), AccountsError>) -> Vec<(&'static str, &'static str)> {
    match refused {
        Err(AccountsError::Invalid(faults)) => {
            faults.into_iter().map(|fault| (fault.field, fault.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_password_is_the_only_one_and_ends_the_other_sessions() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let (mine, other) =
            (house.login("ann@example.com", OLD).unwrap(), house.login("ann@example.com", OLD).unwrap());
        let bob = house.register("bob@example.com").user;
        let theirs = house.login("bob@example.com", OLD).unwrap();
        for login in [&mine, &other, &theirs] {
            house.check(login).unwrap();
        }
        house.clock.advance(TimeDelta::seconds(1));
        house.change(&house.session(&mine), OLD, NEW).unwrap();

        house.check(&mine).unwrap();
        assert!(matches!(house.check(&other), Err(AccountsError::InvalidToken)));
        let refreshed = house.accounts.refresh(&other.tokens.refresh_token, &Client::default());
        assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
        house.accounts.refresh(&mine.tokens.refresh_token, &Client::default()).unwrap();
        house.check(&theirs).unwrap();
        wrong(house.login("ann@example.com", OLD));
        house.login("ann@example.com", NEW).unwrap();
        house.login("bob@example.com", OLD).unwrap();
        assert_eq!(house.stores.users.by_id(user.id).unwrap().unwrap().updated_at, house.clock.now());
        assert_ne!(house.stores.users.by_id(bob.id).unwrap().unwrap().updated_at, house.clock.now());
    });
}

#[test]
fn a_wrong_present_password_changes_nothing() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let (mine, other) =
            (house.login("ann@example.com", OLD).unwrap(), house.login("ann@example.com", OLD).unwrap());
        let before = house.stored_hash(&user);
        let by = house.session(&mine);
        for present in ["", "TESTPASS123", "testpass123 ", "testpass123\0", NEW] {
            let refused = house.change(&by, present, NEW);
            assert!(matches!(refused, Err(AccountsError::WrongPassword)), "{present:?} {refused:?}");
        }
        house.check(&other).unwrap();
        assert_eq!(house.stored_hash(&user), before);
    });
}

#[test]
fn a_new_password_follows_the_rules_that_every_password_does() {
    on_each(|house| {
        let user = house.register("ann.longname@example.com").user;
        let mine = house.login("ann.longname@example.com", OLD).unwrap();
        let by = house.session(&mine);
        let before = house.stored_hash(&user);
        let long = "x".repeat(257);
        for (new, code) in [
            ("short", "too_short"),
            ("Password123", "too_common"),
            ("Ann.LongName@example.com", "same_as_email"),
            (long.as_str(), "too_long"),
        ] {
            // Whether or not the present one is right.
            for present in [OLD, "testpass124"] {
                assert_eq!(codes(house.change(&by, present, new)), [("new_password", code)]);
            }
        }
        assert_eq!(house.stored_hash(&user), before);
        for (present, new) in [(OLD, "😀😀😀😀😀😀😀😀"), ("😀😀😀😀😀😀😀😀", "nul\0 nul\0 nul")]
        {
            house.change(&by, present, new).unwrap();
            house.login("ann.longname@example.com", new).unwrap();
            wrong(house.login("ann.longname@example.com", present));
        }
    });
}

#[test]
fn every_way_to_a_password_has_the_same_rules() {
    on_each(|house| {
        for weak in ["password1", "ann@example.com", "seven77"] {
            let refused = house.accounts.register(
                &Registration { password: weak.into(), ..registration("ann@example.com") },
                &Client::default(),
            );
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{weak} {refused:?}");
            let admin = NewAdmin { email: "ann@example.com".into(), password: weak.into(), name: None };
            let refused = house.accounts.create_admin(&By::program(), &admin);
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{weak} {refused:?}");
        }
        let strict = house.again(AccountsSettings { min_password_chars: 15, ..fixture::settings() });
        let refused = strict.register(&registration("ann@example.com"), &Client::default());
        assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{refused:?}");
    });
}

#[test]
fn who_has_no_password_has_none_to_change() {
    on_each(|house| {
        let wish = ProvisionWish { email: Some("bob@example.com".into()), ..ProvisionWish::default() };
        let bob = Arc::new(house.accounts.provision(&By::program(), &wish).unwrap().user);
        house.register("ann@example.com");
        let login = house.login("ann@example.com", OLD).unwrap();
        // What will open such a session is the login of another system.
        let by = Identity { user: bob.clone(), ..house.session(&login) };
        for present in ["", OLD] {
            let refused = house.change(&by, present, NEW);
            assert!(matches!(refused, Err(AccountsError::NoPassword)), "{refused:?}");
        }
        assert_eq!(house.stored_hash(&bob), None);
    });
}

#[test]
fn a_session_that_has_ended_changes_nothing() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let mine = house.login("ann@example.com", OLD).unwrap();
        let by = house.session(&mine);
        let before = house.stored_hash(&user);
        house.accounts.log_out(&by, false).unwrap();
        let refused = house.change(&by, OLD, NEW);
        assert!(matches!(refused, Err(AccountsError::WrongPassword)), "{refused:?}");
        assert_eq!(house.stored_hash(&user), before);
    });
}

#[test]
fn of_changes_at_once_one_counts_and_its_password_is_the_one() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let logins: Vec<_> = (0..4).map(|_| house.login("ann@example.com", OLD).unwrap()).collect();
        let sessions: Vec<_> = logins.iter().map(|login| house.session(login)).collect();
        let new = |place: usize| format!("new password {place}");
        let changed: Vec<_> = thread::scope(|scope| {
            let changing: Vec<_> = sessions
                .iter()
                .enumerate()
                .map(|(place, by)| scope.spawn(move || house.change(by, OLD, &new(place)).is_ok()))
                .collect();
            changing.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let first = changed.iter().position(|changed| *changed).unwrap();
        assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
        for (place, login) in logins.iter().enumerate() {
            assert_eq!(house.check(login).is_ok(), place == first);
            assert_eq!(house.login("ann@example.com", &new(place)).is_ok(), place == first);
        }
        wrong(house.login("ann@example.com", OLD));
        assert!(house.stored_hash(&user).is_some());
    });
}

#[test]
fn the_first_sign_in_replaces_an_outdated_hash() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let costly = house.again(AccountsSettings { bcrypt_rounds: 5, ..fixture::settings() });
        let log_in = |password: &str| {
            let (email, password) = ("ann@example.com".into(), SecretString::from(password));
            costly.login(&Login { email, password }, &client())
        };
        let there = bcrypt::hash_with_salt(OLD, 4, [1; 16]).unwrap();
        let imported = format!("{IMPORTED}{}", there.format_for_version(bcrypt::Version::TwoY));
        let own = house.stored_hash(&user).unwrap();
        for outdated in [own, imported] {
            house.stores.users.set_password(user.id, &outdated, house.clock.now(), &[]).unwrap();
            let earlier = house.login("ann@example.com", OLD);
            house.stores.users.set_password(user.id, &outdated, house.clock.now(), &[]).unwrap();
            // Not a wrong one, and not the right one of who may not sign in.
            wrong(log_in("testpass124"));
            let off = |is_active| UserChanges { is_active: Some(is_active), ..UserChanges::default() };
            house.accounts.edit_user(&By::program(), user.id, off(false)).unwrap();
            assert!(matches!(log_in(OLD), Err(AccountsError::UserDisabled)));
            assert_eq!(house.stored_hash(&user), Some(outdated.clone()));
            house.accounts.edit_user(&By::program(), user.id, off(true)).unwrap();

            log_in(OLD).unwrap();
            let replaced = house.stored_hash(&user).unwrap();
            assert!(replaced.starts_with("$2b$05$"), "{replaced}");
            log_in(OLD).unwrap();
            wrong(log_in("testpass124"));
            assert_eq!(house.stored_hash(&user), Some(replaced));
            house.check(&earlier.unwrap()).unwrap();
        }
    });
}

#[test]
fn sign_ins_at_once_with_an_outdated_hash_all_count() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let imported = format!("{IMPORTED}{}", bcrypt::hash_with_salt(OLD, 4, [1; 16]).unwrap());
        for _ in 0..5 {
            house.stores.users.set_password(user.id, &imported, house.clock.now(), &[]).unwrap();
            thread::scope(|scope| {
                let logins: Vec<_> =
                    (0..4).map(|_| scope.spawn(|| house.login("ann@example.com", OLD).map(drop))).collect();
                for login in logins {
                    login.join().unwrap().unwrap();
                }
            });
            assert!(house.stored_hash(&user).unwrap().starts_with("$2b$04$"));
        }
    });
}
