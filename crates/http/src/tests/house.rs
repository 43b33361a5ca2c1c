//! The edge over a database of its own, and an issuer of identity tokens.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tollgate_accounts::{Client, login::Login, register::Registration, sign_in::LoggedIn};
use tollgate_domain::Clock;
use tollgate_identity::{Issuer, Issuers};
use tollgate_persistence::testing::TestDb;
use tollgate_store::Directory;
use tollgate_testkit::{FixedClock, PlayableIssuer, SeededRandomness, SigningKey};

use super::*;

pub const PASSWORD: &str = "correct horse battery";
/// What identity tokens here are for.
pub const AUDIENCE: &str = "tollgate-web";

pub struct House {
    pub state: State,
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
        let state = away::over(opened.stores(), directory, clock.clone(), random, settings, complete);
        Self { state, clock, issuer, key, db }
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
