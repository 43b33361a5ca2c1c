//! Promises of [`SecondFactorStore`](crate::SecondFactorStore).

use tollgate_domain::{AuditAction, AuditActor, AuditEntry, AuditId, AuditSubject, Personal, UserId, random};

use super::given::{self, at};
use crate::{
    AuditFilter, CodeAttempt, ConfirmedChange, FactorChange, FactorReset, NewChallenge, NewSecondFactor,
    NewSession, PageRequest, ProvedPassword, SecondFactor, Stores, Verdict,
};

/// The sealed secret of every factor here; the store does not look inside.
const SECRET: &[u8] = b"sealed";

/// A user whose second factor is on, since step 100.
pub(super) fn with_factor(stores: &Stores) -> (UserId, NewSecondFactor) {
    let user = given::stored_user(stores);
    assert!(stores.second_factors.propose(user, SECRET, &[]).unwrap());
    let new = given::second_factor(user, SECRET);
    assert!(stores.second_factors.enable(&new).unwrap());
    (user, new)
}

pub(super) fn challenge(stores: &Stores, user: UserId, second: i64) -> NewChallenge {
    let new = given::challenge(user, at(second));
    assert!(stores.second_factors.challenge(&new).unwrap());
    new
}

/// The code of a step.
pub(super) fn code(user: UserId, step: i64, second: i64) -> CodeAttempt {
    CodeAttempt { step: Some(step), ..given::code_attempt(user, SECRET, at(second)) }
}

pub(super) fn backup(user: UserId, hash: [u8; 32], second: i64) -> CodeAttempt {
    // As with an older pepper behind a newer one.
    let backup_code = vec![random::bytes(&given::Numbers), hash];
    CodeAttempt { backup_code, ..given::code_attempt(user, SECRET, at(second)) }
}

pub(super) fn wrong(user: UserId, second: i64) -> CodeAttempt {
    given::code_attempt(user, SECRET, at(second))
}

pub(super) fn sign_in(stores: &Stores, challenge: &NewChallenge, attempt: &CodeAttempt) -> Verdict {
    let session = given::session(challenge.user);
    let verdict = stores.second_factors.sign_in(&session, &challenge.token, attempt).unwrap();
    let opened = stores.sessions.by_id(session.session.id).unwrap().is_some();
    assert_eq!(opened, verdict == Verdict::Done);
    verdict
}

pub(super) fn change(attempt: CodeAttempt, change: FactorChange) -> ConfirmedChange {
    let password = Some(ProvedPassword { hash: "$2b$12$hash".to_owned(), replacement: None });
    ConfirmedChange { attempt, password, change, audit: Vec::new(), mail: None }
}

/// Uses a code for something that changes nothing else.
pub(super) fn confirm(stores: &Stores, attempt: CodeAttempt) -> Verdict {
    let codes = (0..3).map(|_| random::bytes(&given::Numbers)).collect();
    stores.second_factors.confirm(&change(attempt, FactorChange::BackupCodes(codes))).unwrap()
}

pub(super) fn of_user(stores: &Stores, user: UserId) -> SecondFactor {
    stores.second_factors.of_user(user).unwrap()
}

fn is_good(stores: &Stores, challenge: &NewChallenge, second: i64) -> bool {
    let tokens = [random::bytes(&given::Numbers), challenge.token];
    let found = stores.second_factors.challenged(&tokens, at(second)).unwrap();
    assert!(found.is_none_or(|found| found == (challenge.token, challenge.user)));
    found.is_some()
}

fn entry(user: UserId, action: AuditAction) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(at(2), &given::Numbers),
        at: at(2),
        actor: AuditActor::User(user),
        action,
        subject: AuditSubject::User(user),
        personal: Personal::default(),
        run: None,
    }
}

fn told(stores: &Stores) -> Vec<String> {
    let listed = stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
    listed.into_iter().rev().map(|entry| entry.row.action).collect()
}

/// What is set up replaces what was set up before, and asks for nothing until its code switches it on; then the session
/// that brought the code is the only one of that user.
pub fn a_second_factor_is_set_up_and_then_on(stores: &Stores) {
    let user = given::stored_user(stores);
    let other = given::stored_user(stores);
    let [own, old, theirs] = [user, user, other].map(given::session);
    for session in [&own, &old, &theirs] {
        assert!(stores.sessions.open(session).unwrap());
    }
    assert_eq!(of_user(stores, user), SecondFactor::default());
    for pending in [b"first".as_slice(), SECRET] {
        assert!(stores.second_factors.propose(user, pending, &[]).unwrap());
        let proposed = SecondFactor { pending: Some(pending.to_vec()), ..SecondFactor::default() };
        assert_eq!(of_user(stores, user), proposed);
    }
    // Nothing is on by it.
    let is_open = |session: &NewSession| {
        stores.sessions.by_id(session.session.id).unwrap().is_some_and(|session| session.is_open(at(1)))
    };
    assert!(stores.sessions.open(&given::session(user)).unwrap());
    assert!(!stores.second_factors.challenge(&given::challenge(user, at(0))).unwrap());
    assert!(!stores.second_factors.enable(&given::second_factor(user, b"first")).unwrap());
    assert!(is_open(&own) && is_open(&old));
    let new = NewSecondFactor { session: own.session.id, ..given::second_factor(user, SECRET) };
    assert!(stores.second_factors.enable(&new).unwrap());
    assert_eq!([&own, &old, &theirs].map(is_open), [true, false, true]);
    let on = SecondFactor { secret: Some(SECRET.to_vec()), pending: None, backup_codes: 3 };
    assert_eq!(of_user(stores, user), on);
    // What is on is not replaced.
    assert!(!stores.second_factors.propose(user, b"other", &[]).unwrap());
    assert!(!stores.second_factors.enable(&given::second_factor(user, SECRET)).unwrap());
    assert_eq!(of_user(stores, user), on);
    assert_eq!(of_user(stores, other), SecondFactor::default());
    assert!(!stores.second_factors.enable(&given::second_factor(other, SECRET)).unwrap());
}

/// Neither a password nor somebody else's token opens a session, and a good one opens one.
pub fn while_it_is_on_no_session_opens_without_it(stores: &Stores) {
    let (user, _) = with_factor(stores);
    let (other, _) = with_factor(stores);
    let by_password = NewSession {
        password: Some(ProvedPassword { hash: "$2b$12$hash".to_owned(), replacement: None }),
        ..given::session(user)
    };
    for new in [given::session(user), by_password] {
        assert!(!stores.sessions.open(&new).unwrap());
        assert_eq!(stores.sessions.by_id(new.session.id).unwrap(), None);
    }
    let (mine, theirs) = (challenge(stores, user, 0), challenge(stores, other, 0));
    assert!(is_good(stores, &mine, 299) && !is_good(stores, &mine, 300));
    // A token that nobody was given, one of somebody else, one that has expired.
    let unknown = given::challenge(user, at(0));
    let stolen = NewChallenge { user, ..theirs.clone() };
    for refused in [&unknown, &stolen] {
        assert_eq!(sign_in(stores, refused, &code(user, 101, 0)), Verdict::Stale);
    }
    assert_eq!(sign_in(stores, &mine, &code(user, 101, 300)), Verdict::Stale);
    assert_eq!(sign_in(stores, &mine, &code(other, 101, 0)), Verdict::Stale);
    assert_eq!(sign_in(stores, &mine, &code(user, 101, 299)), Verdict::Done);
    // It is used up.
    assert!(!is_good(stores, &mine, 0));
    assert_eq!(sign_in(stores, &mine, &code(user, 102, 0)), Verdict::Stale);
    assert!(is_good(stores, &theirs, 0));
}

/// A password is as it was checked when its token is kept, and outdated hashes are replaced with it.
pub fn a_first_factor_that_is_none_any_more_asks_for_nothing(stores: &Stores) {
    let (user, _) = with_factor(stores);
    let by = |hash: &str, replacement: Option<&str>| NewChallenge {
        password: Some(ProvedPassword { hash: hash.to_owned(), replacement: replacement.map(str::to_owned) }),
        ..given::challenge(user, at(0))
    };
    assert!(!stores.second_factors.challenge(&by("$2b$12$other", None)).unwrap());
    let replacing = by("$2b$12$hash", Some("$2b$12$newer"));
    assert!(stores.second_factors.challenge(&replacing).unwrap());
    assert!(!stores.second_factors.challenge(&by("$2b$12$hash", None)).unwrap());
    let newer = by("$2b$12$newer", None);
    assert!(stores.second_factors.challenge(&newer).unwrap());
    for challenge in [&replacing, &newer] {
        assert!(is_good(stores, challenge, 0));
    }
}

/// A changed password, a closed account and a second factor that is off end the tokens.
pub fn what_stands_for_the_first_factor_ends_with_it(stores: &Stores) {
    let (user, _) = with_factor(stores);
    let (other, _) = with_factor(stores);
    let theirs = challenge(stores, other, 0);
    let ends = |what: &str, end: &dyn Fn()| {
        let token = challenge(stores, user, 0);
        end();
        assert!(!is_good(stores, &token, 0), "{what}");
        assert_eq!(sign_in(stores, &token, &code(user, 101, 0)), Verdict::Stale, "{what}");
    };
    // Whose session changes the password.
    let own = given::session(user);
    let before = challenge(stores, user, 0);
    assert_eq!(
        stores.second_factors.sign_in(&own, &before.token, &code(user, 101, 0)).unwrap(),
        Verdict::Done
    );
    ends("the password is changed", &|| {
        let change = given::password_change(user, own.session.id, at(1));
        assert!(stores.users.change_password(&change).unwrap());
    });
    ends("another password is set", &|| {
        assert!(stores.users.set_password(user, "$2b$12$hash", at(1), &[]).unwrap());
    });
    let active = |is_active: bool| {
        let edit = std::sync::Arc::new(move |user: &mut tollgate_domain::User| user.is_active = is_active);
        stores.users.edit(user, edit, at(1), &[]).unwrap().unwrap();
    };
    ends("the account is closed", &|| active(false));
    active(true);
    let token = challenge(stores, user, 0);
    active(true);
    assert!(is_good(stores, &token, 0) && is_good(stores, &theirs, 0));
    ends("it is switched off", &|| {
        let off = change(code(user, 105, 1), FactorChange::Off);
        assert_eq!(stores.second_factors.confirm(&off).unwrap(), Verdict::Done);
    });
}

/// Both must be right; nothing of it is left to the next one.
pub fn it_ends_by_password_and_code_with_all_that_belongs_to_it(stores: &Stores) {
    let (user, new) = with_factor(stores);
    let [first, ..] = *new.backup_codes else { unreachable!("there are three") };
    let token = challenge(stores, user, 0);
    let off = |attempt: CodeAttempt, hash: Option<&str>| {
        let password = hash.map(|hash| ProvedPassword { hash: hash.to_owned(), replacement: None });
        let wish = ConfirmedChange { password, ..change(attempt, FactorChange::Off) };
        stores.second_factors.confirm(&wish).unwrap()
    };
    // A password that is none any more uses up and counts nothing.
    for hash in [Some("$2b$12$other"), None] {
        for _ in 0..6 {
            assert_eq!(off(backup(user, first, 0), hash), Verdict::Stale);
        }
    }
    assert_eq!(off(backup(user, first, 0), Some("$2b$12$hash")), Verdict::Done);
    assert_eq!(of_user(stores, user), SecondFactor::default());
    assert!(!is_good(stores, &token, 0));
    assert_eq!(off(code(user, 105, 0), Some("$2b$12$hash")), Verdict::Stale);
    assert!(stores.sessions.open(&given::session(user)).unwrap());
    // The next one begins with nothing of it.
    assert!(stores.second_factors.propose(user, SECRET, &[]).unwrap());
    assert!(stores.second_factors.enable(&given::second_factor(user, SECRET)).unwrap());
    assert_eq!(off(backup(user, first, 0), Some("$2b$12$hash")), Verdict::WrongCode);
    // Who has no password needs none.
    let mut bare = given::user();
    bare.password_hash = None;
    let bare_id = bare.user.id;
    stores.users.create(&bare, None, &[]).unwrap();
    assert!(stores.second_factors.propose(bare_id, SECRET, &[]).unwrap());
    assert!(stores.second_factors.enable(&given::second_factor(bare_id, SECRET)).unwrap());
    assert_eq!(off(code(bare_id, 101, 0), Some("$2b$12$hash")), Verdict::Stale);
    assert_eq!(off(code(bare_id, 101, 0), None), Verdict::Done);
}

/// An administrator's reset ends the factor and the sessions of that user alone.
pub fn a_reset_ends_it_and_every_session(stores: &Stores) {
    let user = given::stored_user(stores);
    let session = given::session(user);
    assert!(stores.sessions.open(&session).unwrap());
    let reset = |user| {
        let mail = Some(given::mail(at(0)));
        stores.second_factors.reset(&FactorReset { user, now: at(1), audit: Vec::new(), mail }).unwrap()
    };
    let page = PageRequest { limit: 10, after: None };
    let open = |user| stores.sessions.list(user, &page, at(2)).unwrap().items.len();
    // Where there is none, nothing happens.
    assert!(!reset(user));
    assert_eq!((open(user), stores.mails.waiting().unwrap()), (1, 0));
    assert!(stores.second_factors.propose(user, SECRET, &[]).unwrap());
    assert!(stores.second_factors.enable(&given::second_factor(user, SECRET)).unwrap());
    let (other, _) = with_factor(stores);
    assert_eq!(sign_in(stores, &challenge(stores, other, 0), &code(other, 101, 0)), Verdict::Done);
    let token = challenge(stores, user, 0);
    let waiting = stores.mails.waiting().unwrap();
    assert!(reset(user));
    assert_eq!((open(user), open(other), stores.mails.waiting().unwrap()), (0, 1, waiting + 1));
    assert_eq!(of_user(stores, user), SecondFactor::default());
    assert!(of_user(stores, other).secret.is_some() && !is_good(stores, &token, 0));
}

/// Every change is on the audit log and in its mail, and what was not done is not.
pub fn what_is_done_is_told_and_nothing_else(stores: &Stores) {
    use AuditAction::{
        BackupCodeUsed, BackupCodesRenewed, SecondFactorEnabled, SecondFactorFailed, SecondFactorRequired,
        SecondFactorSetUp, SessionLogin,
    };
    let user = given::stored_user(stores);
    let before = told(stores).len();
    let one = |action| vec![entry(user, action)];
    for _ in 0..2 {
        stores.second_factors.propose(user, SECRET, &one(SecondFactorSetUp)).unwrap();
    }
    let mail = Some(given::mail(at(0)));
    let new = given::second_factor(user, SECRET);
    let new = NewSecondFactor { audit: one(SecondFactorEnabled), mail, ..new };
    assert!(stores.second_factors.enable(&new).unwrap());
    assert!(!stores.second_factors.enable(&new).unwrap());
    let asking = NewChallenge { audit: one(SecondFactorRequired), ..given::challenge(user, at(0)) };
    assert!(stores.second_factors.challenge(&asking).unwrap());
    let [first, second, _] = *new.backup_codes else { unreachable!("there are three") };
    let with = |attempt| CodeAttempt {
        failed: one(SecondFactorFailed),
        backup_code_used: one(BackupCodeUsed),
        mail: Some(given::mail(at(0))),
        pausing: Some(given::mail(at(0))),
        ..attempt
    };
    let session = || NewSession { audit: one(SessionLogin), ..given::session(user) };
    let tries = [
        (wrong(user, 0), Verdict::WrongCode),
        (backup(user, first, 0), Verdict::Done),
        (backup(user, second, 0), Verdict::Stale),
    ];
    for (attempt, verdict) in tries {
        let came = stores.second_factors.sign_in(&session(), &asking.token, &with(attempt)).unwrap();
        assert_eq!(came, verdict);
    }
    let codes = vec![random::bytes(&given::Numbers)];
    let wish = change(with(backup(user, second, 0)), FactorChange::BackupCodes(codes));
    let wish = ConfirmedChange { audit: one(BackupCodesRenewed), mail: Some(given::mail(at(0))), ..wish };
    assert_eq!(stores.second_factors.confirm(&wish).unwrap(), Verdict::Done);
    for _ in 0..6 {
        confirm(stores, with(wrong(user, 1)));
    }
    let mut expected = vec![
        "second_factor.set_up",
        "second_factor.set_up",
        "second_factor.enabled",
        "session.mfa_required",
        "second_factor.failed",
        "second_factor.backup_code_used",
        "session.login",
        "second_factor.backup_code_used",
        "second_factor.backup_codes_renewed",
    ];
    // While none is taken, nothing is told.
    expected.extend(["second_factor.failed"; 5]);
    assert_eq!(told(stores).split_off(before), expected);
    // Switched on, twice a backup code, new ones, and a pause.
    assert_eq!(stores.mails.waiting().unwrap(), 5);
}

/// What has expired goes, what is good stays.
pub fn tokens_that_expired_are_forgotten_in_pieces(stores: &Stores) {
    let (user, _) = with_factor(stores);
    for second in [0, 0, 0, 100] {
        challenge(stores, user, second);
    }
    let kept = challenge(stores, user, 200);
    assert_eq!(stores.second_factors.forget(at(300), 10).unwrap(), 0);
    let pieces: Vec<_> = (0..3).map(|_| stores.second_factors.forget(at(401), 2).unwrap()).collect();
    assert_eq!(pieces, [2, 2, 0]);
    assert!(is_good(stores, &kept, 401));
    // Whoever is asked again gets rid of the own ones that expired.
    challenge(stores, user, 1_000);
    assert_eq!(stores.second_factors.forget(at(1_000), 10).unwrap(), 0);
}
