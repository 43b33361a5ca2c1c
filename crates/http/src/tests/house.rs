//! The edge over a database of its own, and an issuer of identity tokens.

use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret;
use tollgate_accounts::{
    AccountsError, Client,
    login::Login,
    mail::{MailTransport, Message, TransportError},
    register::Registration,
    session::{Checked, Identity},
    sign_in::LoggedIn,
};
use tollgate_domain::Clock;
use tollgate_identity::{Issuer, Issuers};
use tollgate_persistence::testing::TestDb;
use tollgate_store::Directory;
use tollgate_testkit::{Faulty, FixedClock, PlayableIssuer, SeededRandomness, SigningKey};
use totp_rs::{Builder, Secret};

use super::*;

pub const PASSWORD: &str = "correct horse battery";
/// What identity tokens here are for.
pub const AUDIENCE: &str = "tollgate-web";

/// The texts of mails that were sent.
#[derive(Default)]
struct Post(Mutex<Vec<String>>);

impl MailTransport for Post {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        self.0.lock().unwrap().push(message.text.clone() + "\n");
        Ok(())
    }
}

pub struct House {
    pub state: State,
    /// Makes its stores fail.
    pub faulty: Faulty,
    pub clock: Arc<FixedClock>,
    pub issuer: PlayableIssuer,
    /// What the issuer signs with.
    pub key: SigningKey,
    /// Goes last.
    #[expect(dead_code, reason = "held for its removal")]
    db: TestDb,
}

impl House {
    pub fn new() -> Self {
        Self::from_seed(1)
    }

    /// Another seed makes another installation's ids and tokens.
    pub fn from_seed(seed: u64) -> Self {
        let (db, clock, issuer) =
            (TestDb::sqlite(), Arc::new(FixedClock::default()), PlayableIssuer::start());
        let key = SigningKey::rsa("a", 0);
        issuer.publish(&[&key]);
        let known = Issuer {
            name: "test".into(),
            issuer: issuer.url(),
            audience: Some(AUDIENCE.into()),
            authorized_parties: Vec::new(),
        };
        let issuers = Arc::new(Issuers::new(vec![known]).unwrap());
        let settings = HttpSettings { max_body_bytes: 64 * 1024, ..away::settings() };
        let random = Arc::new(SeededRandomness::new(seed));
        let complete = |accounts: tollgate_accounts::Accounts| accounts.with_identities(issuers);
        let directory = Arc::new(Directory::new(1 << 20));
        let opened = db.open(directory.clone(), clock.clone());
        let (faulty, stores) = Faulty::wrap(&opened.stores());
        let state = away::over(stores, directory, clock.clone(), random, settings, complete);
        Self { state, faulty, clock, issuer, key, db }
    }

    /// A user who has logged in.
    pub fn user(&self, email: &str) -> LoggedIn {
        let wish = Registration {
            email: email.into(),
            password: PASSWORD.into(),
            confirm_password: None,
            name: None,
            invite: None,
        };
        self.state.accounts.register(&wish, &Client::default()).unwrap();
        let login = Login { email: email.into(), password: PASSWORD.into() };
        self.state.accounts.login(&login, &Client::default()).unwrap()
    }

    /// The tokens that were mailed to a new user: of the sign-up, and of a reset that is asked for.
    pub fn mailed(&self, email: &str) -> (String, String) {
        let post = Post::default();
        self.state.accounts.request_password_reset(email, &Client::default()).unwrap();
        assert_eq!(self.state.accounts.send_mails(&post).unwrap().sent, 2);
        let sent = post.0.into_inner().unwrap().concat();
        let token = |path: &str| {
            let (_, rest) = sent.split_once(&format!("{path}?token=")).expect("no such link");
            rest.split_whitespace().next().unwrap().to_owned()
        };
        (token("/verify-email"), token("/reset-password"))
    }

    /// What a new user with a second factor is asked for it with, and a code that answers.
    pub fn challenged(&self, email: &str) -> (String, String) {
        let caller = self.identity(&self.user(email));
        let accounts = &self.state.accounts;
        let set_up = accounts.set_up_second_factor(&caller).unwrap();
        let secret = Secret::try_from_base32(set_up.secret.expose_secret()).unwrap();
        let totp = Builder::new().with_secret(secret).build().unwrap();
        let code = || totp.generate(u64::try_from(self.clock.now().timestamp()).unwrap()).to_string();
        accounts.enable_second_factor(&caller, &code().into()).unwrap();
        // A code is good once.
        self.clock.advance(chrono::TimeDelta::seconds(30));
        let login = Login { email: email.into(), password: PASSWORD.into() };
        match accounts.login(&login, &Client::default()) {
            Err(AccountsError::MfaRequired { mfa_token }) => (mfa_token.expose_secret().to_owned(), code()),
            other => panic!("{other:?}"),
        }
    }

    pub fn identity(&self, logged_in: &LoggedIn) -> Identity {
        let now = self.clock.now();
        match self.state.accounts.check(access(logged_in), &Client::default(), now) {
            Checked::Good(identity) => identity,
            Checked::Refused(refusal) => panic!("{refusal:?}"),
            Checked::Ask(access) => self.state.accounts.load(access, &Client::default()).unwrap(),
        }
    }

    /// What a good identity token says now.
    pub fn claims(&self, subject: &str) -> Value {
        let at = self.clock.now().timestamp();
        json!({"iss": self.issuer.url(), "aud": AUDIENCE, "sub": subject, "iat": at, "exp": at + 60})
    }

    pub async fn answer(&self, request: TestRequest) -> Answer {
        answer_of(&self.state, request).await
    }

    /// What a call with this credential is answered.
    pub async fn with(&self, method: &str, path: &str, credential: &str) -> Answer {
        let request = any(method, path).insert_header(("authorization", format!("Bearer {credential}")));
        self.answer(request).await
    }
}

/// The text of an access token.
pub fn access(logged_in: &LoggedIn) -> &str {
    logged_in.tokens.access_token.expose_secret()
}

/// The text of a refresh token.
pub fn refresh(logged_in: &LoggedIn) -> &str {
    logged_in.tokens.refresh_token.expose_secret()
}
