//! Lockouts, what an address may do, and who is never locked out.

use std::{net::IpAddr, thread};

use tollgate_store::AuditFilter;

use super::*;
use crate::AttemptLimits;

const PASSWORD: &str = "testpass123";
const WRONG: &str = "testpass124";
const MAX: u32 = 5;
const LOCK: TimeDelta = TimeDelta::minutes(30);

fn from(ip: &str) -> Client {
    Client { ip: Some(ip.parse().unwrap()), ..Client::default() }
}

/// A stranger's address, each another one.
fn stranger(number: u32) -> Client {
    Client { ip: Some(IpAddr::V4((0xCB00_7100 + number).into())), ..Client::default() }
}

fn log_in(
    accounts: &Accounts,
    email: &str,
    password: &str,
    client: &Client,
) -> Result<LoggedIn, AccountsError> {
    accounts.login(&Login { email: email.into(), password: password.into() }, client)
}

/// What came of a login, in a word.
fn word(login: &Result<LoggedIn, AccountsError>) -> &'static str {
    match login {
        Ok(_) => "in",
        Err(AccountsError::InvalidCredentials) => "wrong",
        Err(AccountsError::TooManyAttempts { .. }) => "locked",
        Err(AccountsError::AddressLimit { .. }) => "address",
        Err(other) => panic!("{other:?}"),
    }
}

impl House {
    fn tried(&self, email: &str, password: &str, client: &Client) -> &'static str {
        word(&log_in(&self.accounts, email, password, client))
    }

    fn told(&self, action: &str) -> usize {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        self.stores.audit.list(None, 2_000, &filter).unwrap().len()
    }
}

#[test]
fn who_is_refused_with_the_right_password_stands_in_the_audit_log_too() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let off = UserChanges { is_active: Some(false), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), user.id, off).unwrap();
        for number in 0..MAX {
            let refused = log_in(&house.accounts, "ann@example.com", PASSWORD, &stranger(number));
            assert!(matches!(refused, Err(AccountsError::UserDisabled)), "{refused:?}");
        }
        assert_eq!((house.told("session.login_failed"), house.told("user.locked")), (5, 1));
    });
}

#[test]
fn wrong_passwords_lock_known_and_unknown_addresses_alike() {
    on_each(|house| {
        house.register("ann@example.com");
        for email in ["ann@example.com", "nobody@example.com", "no address"] {
            let tries: Vec<_> = (0..7).map(|number| house.tried(email, WRONG, &stranger(number))).collect();
            assert_eq!(tries, ["wrong", "wrong", "wrong", "wrong", "wrong", "locked", "locked"], "{email}");
        }
        house.clock.advance(TimeDelta::seconds(10));
        let refusals = ["ann@example.com", "nobody@example.com"].map(|email| {
            let refused = log_in(&house.accounts, email, PASSWORD, &stranger(9));
            // The right one too, and in the same words.
            format!("{refused:?}")
        });
        assert_eq!(refusals[0], refusals[1]);
        assert_eq!(refusals[0], "Err(TooManyAttempts { retry_after: 1790 })");
        assert_eq!((house.told("user.locked"), house.told("session.login_failed")), (3, 15));

        // When it is over, one more at a time; only a session counts from nothing again.
        house.clock.advance(LOCK - TimeDelta::seconds(10));
        for email in ["ann@example.com", "nobody@example.com"] {
            let tries: Vec<_> = (0..2).map(|_| house.tried(email, WRONG, &stranger(9))).collect();
            assert_eq!(tries, ["wrong", "locked"], "{email}");
        }
        house.clock.advance(LOCK);
        assert_eq!(house.tried("ann@example.com", PASSWORD, &stranger(9)), "in");
        let tries: Vec<_> = (0..6).map(|_| house.tried("ann@example.com", WRONG, &stranger(8))).collect();
        assert_eq!(tries, ["wrong", "wrong", "wrong", "wrong", "wrong", "locked"]);
    });
}

#[test]
fn an_open_session_goes_on_during_a_lockout() {
    on_each(|house| {
        house.register("ann@example.com");
        let login = house.login("ann@example.com", PASSWORD).unwrap();
        for number in 0..10 {
            house.tried("ann@example.com", WRONG, &stranger(number));
        }
        house.check(&login).unwrap();
        let by = house.session(&login);
        house.accounts.change_password(&by, &PASSWORD.into(), &"another password".into()).unwrap();
        house.accounts.refresh(&login.tokens.refresh_token, &Client::default()).unwrap();
    });
}

#[test]
fn a_thousand_wrong_logins_at_once_are_a_thousand_and_the_owner_still_signs_in() {
    on_each(|house| {
        house.register("ann@example.com");
        let home = from("2001:db8:1:2::1");
        assert_eq!(house.tried("ann@example.com", PASSWORD, &home), "in");
        let tried: Vec<&str> = thread::scope(|scope| {
            let trying = |first: u32| {
                move || -> Vec<_> {
                    let numbers = first..first + 50;
                    numbers.map(|number| house.tried("ann@example.com", WRONG, &stranger(number))).collect()
                }
            };
            let threads: Vec<_> = (0..20).map(|number| scope.spawn(trying(number * 50))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let of = |word| tried.iter().filter(|tried| **tried == word).count();
        assert_eq!((of("wrong"), of("locked")), (5, 995));
        // Not even the right password, but for the owner, at any address of the same network.
        assert_eq!(house.tried("ann@example.com", PASSWORD, &stranger(2_000)), "locked");
        assert_eq!(house.tried("ann@example.com", PASSWORD, &from("2001:db8:1:2:3:4:5:6")), "in");

        // That all were counted shows when more are taken: a thousand and the one above, and two more.
        house.clock.advance(LOCK);
        let limits = AttemptLimits { max_attempts: 1_003, ..AttemptLimits::default() };
        let patient = house.again(AccountsSettings { attempts: limits, ..fixture::settings() });
        let tries: Vec<_> =
            (0..3).map(|_| word(&log_in(&patient, "ann@example.com", WRONG, &stranger(2_001)))).collect();
        assert_eq!(tries, ["wrong", "wrong", "locked"]);
    });
}

#[test]
fn a_known_address_has_its_own_attempts_and_no_more() {
    on_each(|house| {
        house.register("ann@example.com");
        house.register("bob@example.com");
        let home = from("198.51.100.7");
        assert_eq!(house.tried("ann@example.com", PASSWORD, &home), "in");
        let at_home: Vec<_> = (0..6).map(|_| house.tried("ann@example.com", WRONG, &home)).collect();
        assert_eq!(at_home, ["wrong", "wrong", "wrong", "wrong", "wrong", "locked"]);
        // Nothing of that counted for others, and the address is no known one elsewhere.
        assert_eq!(house.tried("ann@example.com", PASSWORD, &stranger(1)), "in");
        for number in 0..MAX {
            assert_eq!(house.tried("bob@example.com", WRONG, &stranger(number)), "wrong");
        }
        assert_eq!(house.tried("bob@example.com", PASSWORD, &home), "locked");
        // After ninety days it is a stranger's.
        house.clock.advance(TimeDelta::days(90));
        for number in 0..MAX {
            house.tried("ann@example.com", WRONG, &stranger(number + 10));
        }
        assert_eq!(house.tried("ann@example.com", PASSWORD, &home), "locked");
    });
}

#[test]
fn one_address_cannot_try_many_accounts() {
    on_each(|house| {
        let limits = AttemptLimits { failed_logins_per_hour: 10, ..AttemptLimits::default() };
        let accounts = house.again(AccountsSettings { attempts: limits, ..fixture::settings() });
        house.register("ann@example.com");
        let stuffing = "2001:db8:bad:1::";
        let tried: Vec<_> = (0..12)
            .map(|number| {
                let client = from(&format!("{stuffing}{number:x}"));
                word(&log_in(&accounts, &format!("user{number}@example.com"), WRONG, &client))
            })
            .collect();
        assert_eq!(tried.iter().filter(|word| **word == "wrong").count(), 10);
        assert_eq!(tried[10..], ["address", "address"]);
        let refused = log_in(&accounts, "ann@example.com", PASSWORD, &from(stuffing));
        assert!(matches!(refused, Err(AccountsError::AddressLimit { retry_after: 3_900 })), "{refused:?}");
        // What was refused has counted at no account, and others go on.
        assert_eq!(word(&log_in(&accounts, "ann@example.com", PASSWORD, &from("2001:db8:bad:2::"))), "in");
        assert_eq!(word(&log_in(&accounts, "ann@example.com", PASSWORD, &from("203.0.113.77"))), "in");
        house.clock.advance(TimeDelta::seconds(3_900));
        assert_eq!(word(&log_in(&accounts, "ann@example.com", PASSWORD, &from(stuffing))), "in");
    });
}

#[test]
fn an_office_behind_one_address_signs_in_all_day() {
    on_each(|house| {
        let limits = AttemptLimits { failed_logins_per_hour: 3, ..AttemptLimits::default() };
        let accounts = house.again(AccountsSettings { attempts: limits, ..fixture::settings() });
        house.register("ann@example.com");
        let office = from("::ffff:198.51.100.7");
        assert_eq!(word(&log_in(&accounts, "nobody@example.com", WRONG, &office)), "wrong");
        for _ in 0..20 {
            assert_eq!(word(&log_in(&accounts, "ann@example.com", PASSWORD, &from("198.51.100.7"))), "in");
        }
        // The one that failed is not made good by those that did not.
        let tries: Vec<_> =
            (0..3).map(|_| word(&log_in(&accounts, "nobody@example.com", WRONG, &office))).collect();
        assert_eq!(tries, ["wrong", "wrong", "address"]);
    });
}

#[test]
fn sign_ups_of_one_address_are_limited() {
    on_each(|house| {
        let limits = AttemptLimits { sign_ups_per_hour: 2, ..AttemptLimits::default() };
        let accounts = house.again(AccountsSettings { attempts: limits, ..fixture::settings() });
        let sign_up = |name: &str, client: &Client| {
            accounts.register(&registration(&format!("{name}@example.com")), client).map(drop)
        };
        sign_up("a", &stranger(1)).unwrap();
        sign_up("b", &stranger(1)).unwrap();
        let refused = sign_up("c", &stranger(1));
        assert!(matches!(refused, Err(AccountsError::AddressLimit { .. })), "{refused:?}");
        sign_up("c", &stranger(2)).unwrap();
    });
}

#[test]
fn who_has_only_a_session_does_not_guess_the_password() {
    on_each(|house| {
        house.register("ann@example.com");
        let by = house.session(&house.login("ann@example.com", PASSWORD).unwrap());
        let change =
            |present: &str| house.accounts.change_password(&by, &present.into(), &"another password".into());
        for _ in 0..3 {
            assert!(matches!(change(WRONG), Err(AccountsError::WrongPassword)));
        }
        change(PASSWORD).unwrap();
        for _ in 0..MAX {
            assert!(matches!(change(WRONG), Err(AccountsError::WrongPassword)));
        }
        let refused = change("another password");
        assert!(matches!(refused, Err(AccountsError::TooManyAttempts { retry_after: 1_800 })), "{refused:?}");
        // The owner signs in elsewhere, and that changes nothing of it.
        assert_eq!(house.tried("ann@example.com", "another password", &stranger(1)), "in");
        assert!(matches!(change("another password"), Err(AccountsError::TooManyAttempts { .. })));
        assert_eq!((house.told("password.change_failed"), house.told("user.locked")), (8, 1));
    });
}

#[test]
fn an_administrator_ends_a_lockout() {
    on_each(|house| {
        let ann = house.register("ann@example.com").user;
        let home = from("198.51.100.7");
        let by = house.session(&log_in(&house.accounts, "ann@example.com", PASSWORD, &home).unwrap());
        for number in 0..MAX {
            house.tried("ann@example.com", WRONG, &stranger(number));
            house.tried("ann@example.com", WRONG, &home);
            house.accounts.change_password(&by, &WRONG.into(), &"another password".into()).unwrap_err();
        }
        let at_both = || [&home, &stranger(9)].map(|client| house.tried("ann@example.com", WRONG, client));
        assert_eq!(at_both(), ["locked", "locked"]);
        house.accounts.unlock_user(&By::program(), ann.id).unwrap();
        assert_eq!(at_both(), ["wrong", "wrong"]);
        house.accounts.change_password(&by, &PASSWORD.into(), &"another password".into()).unwrap();
        assert_eq!(house.told("user.unlocked"), 1);
        let nobody = tollgate_domain::UserId::new(house.clock.now(), &fixture::Counting::default());
        let refused = house.accounts.unlock_user(&By::program(), nobody);
        assert!(matches!(refused, Err(AccountsError::NotFound("user"))), "{refused:?}");
    });
}

#[test]
fn counts_outlive_the_process_and_are_forgotten_a_day_later() {
    on_each(|house| {
        for number in 0..MAX {
            house.tried("ann@example.com", WRONG, &stranger(number));
        }
        let restarted = house.again(fixture::settings());
        assert_eq!(word(&log_in(&restarted, "ann@example.com", WRONG, &stranger(9))), "locked");
        house.clock.advance(TimeDelta::hours(23));
        // What the addresses did, not the account's count.
        assert_eq!(house.accounts.forget_attempts(house.clock.now()).unwrap(), 6);
        assert_eq!(house.tried("ann@example.com", WRONG, &stranger(9)), "wrong");
        assert_eq!(house.tried("ann@example.com", WRONG, &stranger(9)), "locked");
        house.clock.advance(TimeDelta::hours(25));
        assert!(house.accounts.forget_attempts(house.clock.now()).unwrap() > 0);
        assert_eq!(house.accounts.forget_attempts(house.clock.now()).unwrap(), 0);
        let tries: Vec<_> = (0..2).map(|_| house.tried("ann@example.com", WRONG, &stranger(9))).collect();
        assert_eq!(tries, ["wrong", "wrong"]);
    });
}
