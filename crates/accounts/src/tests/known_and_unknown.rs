//! Calls that must not tell whether an email address is known do the same work for both: as many hashes, the same calls
//! of the store, each of which is a commit or a read, as many queued mails, as many entries of the audit log.

use std::collections::BTreeMap;

use tollgate_testkit::Faulty;

use super::*;
use crate::password::tests::working;

/// What a call did.
#[derive(Debug, PartialEq, Eq)]
struct Work {
    /// What bcrypt did.
    hashing: u64,
    calls: BTreeMap<&'static str, u64>,
    mails: u64,
    entries: i64,
}

/// Does `call` for each of `emails`, and says what work each was.
fn works(house: &House, emails: &[&str], call: impl Fn(&Accounts, &str)) -> Vec<Work> {
    let settings = AccountsSettings { require_verified_email: true, ..fixture::settings() };
    let worked = emails.iter().map(|email| {
        let (faulty, stores) = Faulty::wrap(&house.stores);
        let accounts = House::over(stores, settings.clone(), &house.clock);
        accounts.warm_up();
        let mails = house.stores.mails.waiting().unwrap();
        let entries = house.stores.audit.head().unwrap().seq;
        let ((), hashing) = working(|| call(&accounts, email));
        Work {
            hashing,
            calls: faulty.all_calls(),
            mails: house.stores.mails.waiting().unwrap() - mails,
            entries: house.stores.audit.head().unwrap().seq - entries,
        }
    });
    worked.collect()
}

fn all_the_same(works: &[Work]) {
    for work in works {
        assert_eq!(work, &works[0]);
    }
}

/// Users of every kind there is, and an address that nobody has, which comes last.
fn emails(house: &House) -> [&'static str; 5] {
    let unverified = house.register("unverified@example.com").user;
    let verified = house.register("verified@example.com").user;
    let deactivated = house.register("deactivated@example.com").user;
    let verify = |user: &mut User| user.is_verified = true;
    house.stores.users.edit(verified.id, Arc::new(verify), house.clock.now(), &[]).unwrap();
    let off = UserChanges { is_active: Some(false), ..UserChanges::default() };
    house.accounts.edit_user(&By::program(), deactivated.id, off).unwrap();
    assert!(unverified.is_active);
    let wish = ProvisionWish { email: Some("bare@example.com".into()), ..ProvisionWish::default() };
    house.accounts.provision(&By::program(), &wish).unwrap();
    [
        "unverified@example.com",
        "verified@example.com",
        "deactivated@example.com",
        "bare@example.com",
        "nobody@example.com",
    ]
}

#[test]
fn a_wrong_login() {
    on_each(|house| {
        let worked = works(house, &emails(house), |accounts, email| {
            let wish = Login { email: email.into(), password: "wrong-password".into() };
            let refused = accounts.login(&wish, &client());
            assert!(matches!(refused, Err(AccountsError::InvalidCredentials)), "{refused:?}");
        });
        assert_eq!((worked[0].hashing, worked[0].entries), (1 << 4, 1));
        all_the_same(&worked);
    });
}

#[test]
fn a_login_that_locks_and_one_that_is_locked() {
    on_each(|house| {
        let emails = emails(house);
        let wish = |email: &str| Login { email: email.into(), password: "wrong-password".into() };
        for _ in 0..4 {
            for email in emails {
                house.accounts.login(&wish(email), &client()).unwrap_err();
            }
        }
        let locks = works(house, &emails, |accounts, email| {
            let refused = accounts.login(&wish(email), &client());
            assert!(matches!(refused, Err(AccountsError::InvalidCredentials)), "{refused:?}");
        });
        assert_eq!((locks[0].hashing, locks[0].entries), (1 << 4, 2));
        all_the_same(&locks);
        let locked = works(house, &emails, |accounts, email| {
            let refused = accounts.login(&wish(email), &client());
            assert!(matches!(refused, Err(AccountsError::TooManyAttempts { .. })), "{refused:?}");
        });
        assert_eq!((locked[0].hashing, locked[0].entries), (0, 0));
        assert_eq!(locked[0].calls, [("attempts.begin", 1)].into());
        all_the_same(&locked);
    });
}

#[test]
fn a_sign_up_where_addresses_must_be_verified() {
    on_each(|house| {
        let worked = works(house, &emails(house), |accounts, email| {
            let told = accounts.register(&registration(email), &client());
            assert!(matches!(told, Ok(Registering::VerificationSent)), "{told:?}");
        });
        assert_eq!((worked[0].hashing, worked[0].mails), (1 << 4, 1));
        all_the_same(&worked);
    });
}

#[test]
fn a_wish_for_a_mail() {
    on_each(|house| {
        let emails = emails(house);
        let reset = works(house, &emails, |accounts, email| {
            accounts.request_password_reset(email, &client()).unwrap();
        });
        let verification = works(house, &emails, |accounts, email| {
            accounts.resend_verification(email, &client()).unwrap();
        });
        for worked in [reset, verification] {
            assert_eq!((worked[0].hashing, worked[0].mails), (0, 1));
            all_the_same(&worked);
        }
    });
}
