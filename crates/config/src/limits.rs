//! `address_limits`, `management_limits` and `keys`: bounds of what one address or one user may do.

use tollgate_domain::Environment;

use crate::section::Section;
use crate::tier::MAX_LIMIT;

/// Longest configured prefix of keys.
const MAX_PREFIX_CHARS: usize = 32;
/// How access tokens begin.
const JWT: &str = "eyJ";

/// Per address and hour; an address is an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone)]
pub struct AddressLimits {
    /// Failed logins.
    pub failed_logins: u64,
    /// Sign-ups.
    pub sign_ups: u64,
    /// Mails that reset or verify.
    pub reset_mails: u64,
    /// Requests with a key that nobody has.
    pub unknown_keys: u64,
}

/// Per user, outside the gate.
#[derive(Debug, Clone)]
pub struct ManagementLimits {
    /// Calls a minute.
    pub per_minute: u64,
    /// Exports an hour.
    pub exports_per_hour: u64,
}

/// How keys look and how many a user may have.
#[derive(Debug, Clone)]
pub struct Keys {
    /// What new keys begin with, in place of `sk_live_tg_` and `sk_test_tg_`.
    pub prefix: Option<String>,
    /// Most keys that a user may have.
    pub max_per_user: u32,
}

pub(crate) fn address(root: &mut Section<'_, '_>) -> AddressLimits {
    root.section("address_limits", |section| AddressLimits {
        failed_logins: section.integer("failed_logins", 100, 1..=MAX_LIMIT),
        sign_ups: section.integer("sign_ups", 300, 1..=MAX_LIMIT),
        reset_mails: section.integer("reset_mails", 30, 1..=MAX_LIMIT),
        unknown_keys: section.integer("unknown_keys", 1_000, 1..=MAX_LIMIT),
    })
}

pub(crate) fn management(root: &mut Section<'_, '_>) -> ManagementLimits {
    root.section("management_limits", |section| ManagementLimits {
        per_minute: section.integer("per_minute", 600, 1..=MAX_LIMIT),
        exports_per_hour: section.integer("exports_per_hour", 10, 1..=MAX_LIMIT),
    })
}

pub(crate) fn keys(root: &mut Section<'_, '_>) -> Keys {
    root.section("keys", |section| {
        let remedy = "give 1 to 32 letters, digits, `-` or `_`, such as qwen-";
        let prefix = section.parsed("prefix", remedy, |found| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if found.text.is_empty()
                || found.text.len() > MAX_PREFIX_CHARS
                || !found.text.chars().all(allowed)
            {
                return Err("is not a prefix that keys can begin with".to_owned());
            }
            // Under a built-in prefix the environment is read off a key, and access tokens begin with `eyJ`.
            let built_in = [Environment::Live, Environment::Test].map(Environment::built_in_prefix);
            let taken = built_in
                .iter()
                .chain(&[JWT])
                .any(|taken| taken.starts_with(&found.text) || found.text.starts_with(taken));
            if taken {
                return Err("begins like the built-in prefixes or like access tokens".to_owned());
            }
            Ok(found.text.clone())
        });
        section.show_default("prefix", "sk_live_tg_, sk_test_tg_");
        Keys { prefix, max_per_user: section.integer("max_per_user", 100, 1..=1_000_000) }
    })
}
