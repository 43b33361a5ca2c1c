//! Sessions of browsers.

use super::*;

impl House {
    fn browser(&self, logged_in: &LoggedIn) -> String {
        self.accounts.open_web_session(logged_in).unwrap().expose_secret().to_owned()
    }

    fn by_cookie(&self, cookie: &str) -> Result<Identity, AccountsError> {
        self.accounts.by_cookie(cookie, &Client::default())
    }
}

fn nobody(found: Result<Identity, AccountsError>) {
    assert!(matches!(found, Err(AccountsError::InvalidToken)), "{found:?}");
}

#[test]
fn a_cookie_stands_for_a_session_that_is_listed_and_ends() {
    on_each(|house| {
        house.register("ann@example.com");
        let login = || house.login("ann@example.com", "testpass123").unwrap();
        let (first, second) = (login(), login());
        let cookies = [house.browser(&first), house.browser(&second)];
        assert_ne!(cookies[0], cookies[1]);
        let ann = house.by_cookie(&cookies[0]).unwrap();
        assert_eq!((ann.session.id, ann.user.id), (first.session.id, first.user.id));
        let listed = house.accounts.list_sessions(ann.user.id, &PageRequest::default()).unwrap().items;
        assert_eq!(listed.len(), 2);
        house.accounts.end_session(&ann, first.session.id).unwrap();
        nobody(house.by_cookie(&cookies[0]));
        let ann = house.by_cookie(&cookies[1]).unwrap();
        house.accounts.log_out(&ann, true).unwrap();
        nobody(house.by_cookie(&cookies[1]));
        // What is over gets no cookie.
        let late = house.accounts.open_web_session(&second);
        assert!(matches!(late, Err(AccountsError::InvalidToken)), "{late:?}");
    });
}

#[test]
fn a_cookie_ends_with_a_changed_password_the_account_and_the_sessions_time() {
    on_each(|house| {
        house.register("ann@example.com");
        let login = || house.login("ann@example.com", "testpass123").unwrap();
        let (cookie, other) = (house.browser(&login()), login());
        let caller = house.session(&other);
        house.accounts.change_password(&caller, &"testpass123".into(), &"another-secret-1".into()).unwrap();
        nobody(house.by_cookie(&cookie));

        let login = || house.login("ann@example.com", "another-secret-1").unwrap();
        let cookie = house.browser(&login());
        let closed = |is_active| UserChanges { is_active: Some(is_active), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), caller.user.id, closed(false)).unwrap();
        let disabled = house.by_cookie(&cookie);
        assert!(matches!(disabled, Err(AccountsError::UserDisabled)), "{disabled:?}");
        house.accounts.edit_user(&By::program(), caller.user.id, closed(true)).unwrap();

        let cookie = house.browser(&login());
        house.by_cookie(&cookie).unwrap();
        house.clock.advance(house.accounts.settings().session_lifetime);
        nobody(house.by_cookie(&cookie));
    });
}

#[test]
fn a_sessions_tokens_go_when_a_cookie_stands_for_it() {
    on_each(|house| {
        house.register("ann@example.com");
        let logged_in = house.login("ann@example.com", "testpass123").unwrap();
        house.browser(&logged_in);
        let refreshed = house.accounts.refresh(&logged_in.tokens.refresh_token, &Client::default());
        assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
    });
}

#[test]
fn no_other_text_is_taken_for_a_cookie() {
    on_each(|house| {
        house.register("ann@example.com");
        let logged_in = house.login("ann@example.com", "testpass123").unwrap();
        let (refresh, access) =
            (logged_in.tokens.refresh_token.expose_secret(), logged_in.tokens.access_token.expose_secret());
        nobody(house.by_cookie(refresh));
        let cookie = house.browser(&logged_in);
        let form = house.accounts.form_token(&cookie);
        let fresh = house.accounts.new_cookie();
        let cut = &cookie[..42];
        let long = format!("{cookie}=");
        for other in
            [refresh, access, &form, fresh.expose_secret(), cut, &long, "", "\0", &"x".repeat(100_000)]
        {
            nobody(house.by_cookie(other));
        }
        // And a cookie opens nothing else.
        let checked = house.accounts.check(&cookie, &Client::default(), house.clock.now());
        assert!(matches!(checked, Checked::Refused(AccountsError::InvalidToken)), "{checked:?}");
        let refreshed = house.accounts.refresh(&cookie.clone().into(), &Client::default());
        assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
        house.by_cookie(&cookie).unwrap();
    });
}

#[test]
fn a_forms_token_belongs_to_one_cookie() {
    on_each(|house| {
        let cookies = [(); 2].map(|()| house.accounts.new_cookie().expose_secret().to_owned());
        let [first, second] = cookies.each_ref().map(|cookie| house.accounts.form_token(cookie));
        assert!(house.accounts.is_form_token(&cookies[0], &first));
        assert!(!house.accounts.is_form_token(&cookies[0], &second));
        for token in ["", "x", &cookies[0], &first[..42], &format!("{first}=")] {
            assert!(!house.accounts.is_form_token(&cookies[0], token), "{token}");
        }
        // Nobody makes a cookie whose token is known.
        assert!(!house.accounts.is_form_token("", &house.accounts.form_token("")));
        let pepper = tollgate_domain::Pepper::new(&["new", "pepper"]).unwrap();
        let rotated = house.again(AccountsSettings { pepper, ..fixture::settings() });
        assert!(rotated.is_form_token(&cookies[0], &first));
        assert_ne!(rotated.form_token(&cookies[0]), first);
    });
}
