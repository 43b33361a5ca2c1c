//! What accounts leave behind and nobody needs any more: each kind is forgotten on a timer of its own.

use std::{sync::Arc, time::Duration};

use tollgate_accounts::{Accounts, AccountsError};
use tollgate_domain::{Clock, Time};

use crate::jobs::Jobs;

/// One kind.
struct Upkeep {
    /// What it is called.
    name: &'static str,
    /// How often it is looked for.
    pause: Duration,
    step: fn(&Accounts, Time) -> Result<(), AccountsError>,
    /// What the log says where that fails.
    failed: &'static str,
}

const ALL: [Upkeep; 9] = [
    Upkeep {
        name: "expiring-keys",
        pause: Duration::from_secs(60),
        step: Accounts::tell_of_expiring_keys,
        failed: "owners could not be told of keys that expire soon",
    },
    Upkeep {
        name: "outbox",
        pause: Duration::from_secs(60),
        step: |accounts, now| accounts.forget_outbox(now).map(drop),
        failed: "events that nobody took in time could not be forgotten",
    },
    Upkeep {
        name: "sessions",
        pause: Duration::from_secs(10),
        step: |accounts, now| accounts.forget_sessions(now).map(drop),
        failed: "sessions that are over could not be forgotten",
    },
    Upkeep {
        name: "mfa-tokens",
        pause: Duration::from_secs(10),
        step: |accounts, now| accounts.forget_mfa_tokens(now).map(drop),
        failed: "unfinished sign-ins could not be forgotten",
    },
    Upkeep {
        name: "attempts",
        pause: Duration::from_secs(60),
        step: |accounts, now| accounts.forget_attempts(now).map(drop),
        failed: "attempts that count nowhere any more could not be forgotten",
    },
    Upkeep {
        name: "erasures",
        pause: Duration::from_secs(30),
        step: |accounts, now| accounts.erase_deleted(now).map(drop),
        failed: "what is left of deleted users could not be erased",
    },
    Upkeep {
        name: "idempotency",
        pause: Duration::from_secs(60),
        step: |accounts, now| accounts.forget_idempotent_calls(now).map(drop),
        failed: "answers that are told again no more could not be forgotten",
    },
    Upkeep {
        name: "devices",
        pause: Duration::from_secs(60),
        step: |accounts, now| accounts.forget_devices(now).map(drop),
        failed: "devices that asked for too long could not be forgotten",
    },
    Upkeep {
        name: "mail-tokens",
        pause: Duration::from_secs(60),
        step: |accounts, now| accounts.forget_mail_tokens(now).map(drop),
        failed: "links of mails that have expired could not be forgotten",
    },
];

/// Looks after all of them from now on.
///
/// # Errors
/// When no thread can be had.
pub fn start(jobs: &mut Jobs, accounts: &Arc<Accounts>, clock: &Arc<dyn Clock>) -> std::io::Result<()> {
    for Upkeep { name, pause, step, failed } in ALL {
        let (accounts, clock) = (Arc::clone(accounts), Arc::clone(clock));
        jobs.every(name, pause, move || {
            if let Err(error) = step(&accounts, clock.now()) {
                tracing::warn!(cause = ?error, "{failed}");
            }
        })?;
    }
    Ok(())
}
