//! What unit tests of this crate share.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use tollgate_domain::{Pepper, Permissions, Randomness, Tiers};

use crate::{AccountsSettings, AttemptLimits, RegistrationPolicy};

/// Randomness that counts up: different at every call, the same in every run.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for bytes in buffer.chunks_mut(size_of::<u64>()) {
            let count = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            bytes.copy_from_slice(&count[..bytes.len()]);
        }
    }
}

/// Settings with bcrypt at its cheapest.
pub fn settings() -> AccountsSettings {
    AccountsSettings {
        public_url: "http://localhost:8000".into(),
        jwt_secrets: vec!["j".repeat(32).into()],
        pepper: Pepper::new(&["pepper"]).unwrap(),
        encryption_secrets: vec!["sealing".into()],
        access_token_lifetime: TimeDelta::minutes(30),
        session_lifetime: TimeDelta::days(7),
        bcrypt_rounds: 4,
        min_password_chars: 8,
        default_permissions: Permissions::defaults(),
        key_prefix: None,
        max_keys_per_user: 100,
        tiers: Tiers::default(),
        registration: RegistrationPolicy::Open,
        attempts: AttemptLimits::default(),
        require_verified_email: false,
    }
}
