//! Refreshing, and the ends of sessions.

use secrecy::SecretString;
use tollgate_store::ListedSession;
use tollgate_testkit::{Fault, Faulty};

use super::*;
use crate::{
    refresh::{FORGIVEN_FOR, Tokens},
    session::Identity,
};

impl House {
    fn ann(&self) -> LoggedIn {
        self.register("ann@example.com");
        self.ann_again()
    }

    fn ann_again(&self) -> LoggedIn {
        self.login("ann@example.com", "testpass123").unwrap()
    }

    fn refresh(&self, tokens: &Tokens) -> Result<Tokens, AccountsError> {
        self.accounts.refresh(&tokens.refresh_token, &Client::default())
    }

    fn identity(&self, tokens: &Tokens) -> Result<Identity, AccountsError> {
        match self.accounts.check(tokens.access_token.expose_secret(), &Client::default(), self.clock.now()) {
            Checked::Good(identity) => Ok(identity),
            Checked::Refused(refusal) => Err(refusal),
            Checked::Ask(access) => self.accounts.load(access, &Client::default()),
        }
    }

    fn is_good(&self, tokens: &Tokens) -> bool {
        match self.identity(tokens) {
            Ok(_) => true,
            Err(AccountsError::InvalidToken) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn sessions(&self, user: &User) -> Vec<ListedSession> {
        self.accounts.list_sessions(user.id, &PageRequest::default()).unwrap().items
    }
}

fn texts(tokens: &Tokens) -> (String, String, i64) {
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    (text(&tokens.access_token), text(&tokens.refresh_token), tokens.expires_in)
}

fn invalid<T: std::fmt::Debug>(refused: Result<T, AccountsError>) {
    assert!(matches!(refused, Err(AccountsError::InvalidRefreshToken)), "{refused:?}");
}

fn reused<T: std::fmt::Debug>(refused: Result<T, AccountsError>) {
    assert!(matches!(refused, Err(AccountsError::RefreshReused)), "{refused:?}");
}

#[test]
fn each_refresh_gives_a_new_pair_of_the_same_session() {
    on_each(|house| {
        let login = house.ann();
        let session = house.identity(&login.tokens).unwrap().session.id;
        let mut tokens = login.tokens;
        for _ in 0..3 {
            house.clock.advance(TimeDelta::minutes(30));
            assert!(!house.is_good(&tokens));
            let next = house.refresh(&tokens).unwrap();
            assert_ne!(next.refresh_token.expose_secret(), tokens.refresh_token.expose_secret());
            let identity = house.identity(&next).unwrap();
            assert_eq!((identity.session.id, identity.user.id), (session, login.user.id));
            assert_eq!(next.expires_in, 1_800);
            tokens = next;
        }
        let [listed] = <[_; 1]>::try_from(house.sessions(&login.user)).unwrap();
        assert_eq!(listed.last_seen_at - listed.session.created_at, TimeDelta::minutes(90));
    });
}

#[test]
fn a_lost_answer_is_given_again_for_ten_seconds_and_logs_nobody_out() {
    on_each(|house| {
        let login = house.ann();
        let lost = house.refresh(&login.tokens).unwrap();
        house.clock.advance(FORGIVEN_FOR - TimeDelta::milliseconds(1));
        let again = house.refresh(&login.tokens).unwrap();
        assert_eq!(texts(&again), texts(&lost));
        assert!(house.is_good(&again));
        house.refresh(&again).unwrap();
    });
}

#[test]
fn a_refresh_whose_verdict_got_lost_can_be_tried_again() {
    on_each(|house| {
        let mut tokens = house.ann().tokens;
        let (faulty, stores) = Faulty::wrap(&house.stores);
        let accounts = House::over(stores, fixture::settings(), &house.clock);
        for (fault, calls) in [(Fault::FailBefore, 2), (Fault::FailAfter, 4)] {
            faulty.inject_times("sessions.rotate", fault, 1);
            let refused = accounts.refresh(&tokens.refresh_token, &Client::default());
            assert!(matches!(refused, Err(AccountsError::Store(_))), "{refused:?}");
            tokens = accounts.refresh(&tokens.refresh_token, &Client::default()).unwrap();
            assert!(house.is_good(&tokens));
            assert_eq!(faulty.calls("sessions.rotate"), calls);
        }
        house.refresh(&tokens).unwrap();
    });
}

#[test]
fn a_token_spent_ten_seconds_ago_ends_the_session_at_once() {
    on_each(|house| {
        let login = house.ann();
        let next = house.refresh(&login.tokens).unwrap();
        assert!(house.is_good(&next));
        house.clock.advance(FORGIVEN_FOR);
        reused(house.refresh(&login.tokens));
        assert!(!house.is_good(&next) && !house.is_good(&login.tokens));
        invalid(house.refresh(&next));
        invalid(house.refresh(&login.tokens));
        assert_eq!(house.sessions(&login.user), []);
    });
}

#[test]
fn two_who_refresh_in_turn_are_caught_at_the_first_replay() {
    on_each(|house| {
        let login = house.ann();
        let (_, bystander) = (house.ann_again(), house.ann_again());
        let thief = house.refresh(&login.tokens).unwrap();
        let thief = house.refresh(&thief).unwrap();
        reused(house.refresh(&login.tokens));
        assert!(!house.is_good(&thief));
        invalid(house.refresh(&thief));
        assert!(house.is_good(&bystander.tokens), "another session has ended too");
    });
}

#[test]
fn refreshing_never_moves_the_absolute_end() {
    on_each(|house| {
        let login = house.ann();
        let mut tokens = login.tokens.clone();
        for _ in 0..6 {
            house.clock.advance(TimeDelta::days(1));
            tokens = house.refresh(&tokens).unwrap();
        }
        house.clock.advance(TimeDelta::days(1) - TimeDelta::seconds(1));
        tokens = house.refresh(&tokens).unwrap();
        assert!(house.is_good(&tokens));
        house.clock.advance(TimeDelta::seconds(1));
        // The access token would have been good for half an hour more.
        assert!(!house.is_good(&tokens));
        invalid(house.refresh(&tokens));
        assert_eq!(house.sessions(&login.user), []);
    });
}

#[test]
fn no_token_of_another_kind_is_a_refresh_token_or_an_access_token() {
    on_each(|house| {
        let login = house.ann();
        let (access, refresh, _) = texts(&login.tokens);
        let key = house.accounts.create_key(&house.actor(&login.user, None), &named("k")).unwrap().secret;
        let cut = refresh[..refresh.len() - 1].to_owned();
        for text in [&access, key.expose(), &cut, &format!("{refresh} "), "", "\0", &"x".repeat(1 << 20)] {
            invalid(house.accounts.refresh(&SecretString::from(text), &Client::default()));
        }
        let refused = house.accounts.check(&refresh, &Client::default(), house.clock.now());
        assert!(matches!(refused, Checked::Refused(AccountsError::InvalidToken)));
        // Nothing of that has spent it.
        house.refresh(&login.tokens).unwrap();
    });
}

#[test]
fn a_refresh_token_of_the_pepper_before_is_good_and_one_of_another_installation_is_not() {
    on_each(|house| {
        let login = house.ann();
        let with = |peppers: &[&str]| {
            let pepper = tollgate_domain::Pepper::new(peppers).unwrap();
            house.again(AccountsSettings { pepper, ..fixture::settings() })
        };
        invalid(with(&["another"]).refresh(&login.tokens.refresh_token, &Client::default()));
        let rotated = with(&["newer", "pepper"]);
        let next = rotated.refresh(&login.tokens.refresh_token, &Client::default()).unwrap();
        // Its successor is of the newer pepper alone.
        invalid(house.refresh(&next));
        rotated.refresh(&next.refresh_token, &Client::default()).unwrap();
    });
}

#[test]
fn who_is_deactivated_refreshes_nothing_until_active_again() {
    on_each(|house| {
        let login = house.ann();
        let active = |is_active| {
            let changes = UserChanges { is_active: Some(is_active), ..UserChanges::default() };
            house.accounts.edit_user(&By::program(), login.user.id, changes).unwrap();
        };
        active(false);
        let refused = house.refresh(&login.tokens);
        assert!(matches!(refused, Err(AccountsError::UserDisabled)), "{refused:?}");
        active(true);
        house.refresh(&login.tokens).unwrap();
    });
}

#[test]
fn logging_out_ends_this_session_or_all_of_the_users_and_nobody_elses() {
    on_each(|house| {
        let (first, second, third) = (house.ann(), house.ann_again(), house.ann_again());
        house.register("bob@example.com");
        let bob = house.login("bob@example.com", "testpass123").unwrap();
        let identity = house.identity(&first.tokens).unwrap();
        house.accounts.log_out(&identity, false).unwrap();
        house.accounts.log_out(&identity, false).unwrap();
        assert!(!house.is_good(&first.tokens));
        assert!(house.is_good(&second.tokens));
        invalid(house.refresh(&first.tokens));
        house.accounts.log_out(&house.identity(&second.tokens).unwrap(), true).unwrap();
        assert!(!house.is_good(&second.tokens) && !house.is_good(&third.tokens));
        assert!(house.is_good(&bob.tokens));
        assert_eq!(house.sessions(&first.user), []);
    });
}

#[test]
fn a_user_ends_open_sessions_of_their_own_once() {
    on_each(|house| {
        let login = house.ann();
        house.clock.advance(TimeDelta::seconds(1));
        let other = house.ann_again();
        let bob = house.register("bob@example.com").user;
        let ids: Vec<_> = house.sessions(&login.user).iter().map(|listed| listed.session.id).collect();
        let [newest, oldest] = <[_; 2]>::try_from(ids).unwrap();
        let missing = |refused: Result<(), AccountsError>| {
            assert!(matches!(refused, Err(AccountsError::NotFound("session"))), "{refused:?}");
        };
        let mine = house.identity(&login.tokens).unwrap();
        let theirs = Identity { user: bob, ..mine.clone() };
        missing(house.accounts.end_session(&theirs, newest));
        assert!(house.is_good(&other.tokens));
        house.accounts.end_session(&mine, newest).unwrap();
        assert!(!house.is_good(&other.tokens) && house.is_good(&login.tokens));
        missing(house.accounts.end_session(&mine, newest));
        let left: Vec<_> = house.sessions(&login.user).iter().map(|listed| listed.session.id).collect();
        assert_eq!(left, [oldest]);
    });
}

#[test]
fn what_is_over_is_forgotten_and_what_is_open_is_not() {
    on_each(|house| {
        let (open, ended) = (house.ann(), house.ann_again());
        let next = house.refresh(&open.tokens).unwrap();
        house.accounts.log_out(&house.identity(&ended.tokens).unwrap(), false).unwrap();
        let forget = || house.accounts.forget_sessions(house.clock.now()).unwrap();
        assert_eq!(forget(), 0);
        house.clock.advance(FORGIVEN_FOR + TimeDelta::seconds(1));
        // The answer.
        assert_eq!(forget(), 1);
        house.clock.advance(TimeDelta::days(1));
        // The session and its token.
        assert_eq!(forget(), 2);
        assert_eq!(forget(), 0);
        house.refresh(&next).unwrap();
        // The first token is remembered as long as its session is.
        reused(house.refresh(&open.tokens));
        house.clock.advance(TimeDelta::days(2));
        assert_eq!(forget(), 5);
        invalid(house.refresh(&open.tokens));
    });
}
