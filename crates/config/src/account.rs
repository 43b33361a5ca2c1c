//! `tokens`, `lockout`, `password` and `registration`: the rules of accounts.

use crate::section::Section;

const MINUTES_OF_A_YEAR: u64 = 366 * 24 * 60;

/// How long tokens are good for.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// `ACCESS_TOKEN_EXPIRE_MINUTES`.
    pub access_minutes: u32,
    /// `REFRESH_TOKEN_EXPIRE_DAYS`: the absolute end of a session, counted from the login.
    pub refresh_days: u32,
}

/// When failed logins lock.
#[derive(Debug, Clone)]
pub struct Lockout {
    /// `MAX_LOGIN_ATTEMPTS`: refusals after which further ones are 429.
    pub max_attempts: u32,
    /// `LOCKOUT_DURATION_MINUTES`.
    pub minutes: u32,
}

/// What passwords must be, and how they are hashed.
#[derive(Debug, Clone)]
pub struct Password {
    /// Fewest characters.
    pub min_length: usize,
    /// `BCRYPT_ROUNDS`: the cost, a power of two.
    pub bcrypt_rounds: u32,
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Everybody.
    Open,
    /// Those with an invitation.
    Invite,
    /// Nobody; administrators make users.
    Closed,
}

/// Who may sign up, and what must come first.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who may sign up.
    pub mode: RegistrationMode,
    /// Whether an address must be verified before its account works. In production the default is true.
    pub require_verified_email: bool,
}

pub(crate) fn tokens(root: &mut Section<'_, '_>) -> Tokens {
    root.section("tokens", |section| Tokens {
        access_minutes: section.integer(
            ("access_minutes", "ACCESS_TOKEN_EXPIRE_MINUTES"),
            30,
            1..=MINUTES_OF_A_YEAR,
        ),
        refresh_days: section.integer(("refresh_days", "REFRESH_TOKEN_EXPIRE_DAYS"), 7, 1..=366),
    })
}

pub(crate) fn lockout(root: &mut Section<'_, '_>) -> Lockout {
    root.section("lockout", |section| Lockout {
        max_attempts: section.integer(("max_attempts", "MAX_LOGIN_ATTEMPTS"), 5, 1..=1_000),
        minutes: section.integer(("minutes", "LOCKOUT_DURATION_MINUTES"), 30, 1..=MINUTES_OF_A_YEAR),
    })
}

pub(crate) fn password(root: &mut Section<'_, '_>, production: bool) -> Password {
    let fewest_rounds = if production { 10 } else { 4 };
    root.section("password", |section| Password {
        min_length: section.integer("min_length", 8, 8..=128),
        bcrypt_rounds: section.integer(("bcrypt_rounds", "BCRYPT_ROUNDS"), 12, fewest_rounds..=20),
    })
}

pub(crate) fn registration(root: &mut Section<'_, '_>, production: bool) -> Registration {
    let modes = [
        ("open", RegistrationMode::Open),
        ("invite", RegistrationMode::Invite),
        ("closed", RegistrationMode::Closed),
    ];
    root.section("registration", |section| Registration {
        mode: section.choice("mode", RegistrationMode::Open, &modes),
        require_verified_email: section.boolean("require_verified_email", production),
    })
}
