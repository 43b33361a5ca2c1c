//! Sending what is due.

use chrono::TimeDelta;
use tollgate_domain::Time;
use tollgate_store::DueMail;

use super::{Kept, MailTransport, Message, PURPOSE, TransportError, row};
use crate::{Accounts, AccountsError};

/// How long nobody else is given a mail that is being sent: longer than a transport waits for anything.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// The most mails of one step.
const MAX_MAILS: u32 = 100;
/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The longest pause.
const MAX_PAUSE: TimeDelta = TimeDelta::hours(1);
/// Doublings beyond which the pause is the longest anyhow.
const MAX_DOUBLINGS: u32 = 10;

/// What a step of sending did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Mails that were sent.
    pub sent: u32,
    /// Mails for nobody that were thrown away.
    pub discarded: u32,
    /// Mails that are tried again later.
    pub failed: u32,
    /// Mails that were given up: too old, impossible to send, or sealed with a secret that is gone.
    pub given_up: u32,
}

/// What became of one mail.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    Discarded,
    Failed,
    GivenUp,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Discarded => "discarded",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

impl Accounts {
    /// Sends the mails that are due, oldest first, until one fails: its server is probably away for the others too.
    /// A step of a background job.
    ///
    /// # Errors
    /// The store's; what was sent before stays so.
    pub fn send_mails(&self, transport: &dyn MailTransport) -> Result<Sent, AccountsError> {
        let mut done = Sent::default();
        for _ in 0..MAX_MAILS {
            let now = self.now();
            let Some(due) = self.stores.mails.take(now, now + LEASE)? else { break };
            let outcome = self.send_one(transport, &due, now)?;
            metrics::counter!("tollgate_mails_total", "outcome" => outcome.as_str()).increment(1);
            match outcome {
                Outcome::Sent => done.sent += 1,
                Outcome::Discarded => done.discarded += 1,
                Outcome::GivenUp => done.given_up += 1,
                Outcome::Failed => {
                    done.failed += 1;
                    break;
                }
            }
        }
        let waiting = u32::try_from(self.stores.mails.waiting()?).unwrap_or(u32::MAX);
        metrics::gauge!("tollgate_mails_waiting").set(f64::from(waiting));
        Ok(done)
    }

    fn send_one(
        &self,
        transport: &dyn MailTransport,
        due: &DueMail,
        now: Time,
    ) -> Result<Outcome, AccountsError> {
        let outcome = match self.opened_mail(due) {
            None => {
                tracing::error!(mail = %due.id, "a mail that no secret opens any more is given up");
                Outcome::GivenUp
            }
            Some(Addressed::Nobody) => Outcome::Discarded,
            Some(Addressed::To(_)) if now >= due.give_up_at => {
                tracing::error!(mail = %due.id, attempts = due.attempts, "a mail was not sent in time and is given up");
                Outcome::GivenUp
            }
            Some(Addressed::To(message)) => match transport.send(&message) {
                Ok(()) => Outcome::Sent,
                Err(TransportError::Impossible(reason)) => {
                    tracing::error!(mail = %due.id, reason, "a mail cannot be sent and is given up");
                    Outcome::GivenUp
                }
                Err(TransportError::Away(reason)) => {
                    let attempts = due.attempts;
                    tracing::warn!(mail = %due.id, attempts, reason, "a mail was not sent and is tried again");
                    self.stores.mails.retry(due.id, self.now() + pause(attempts))?;
                    return Ok(Outcome::Failed);
                }
            },
        };
        self.stores.mails.remove(due.id)?;
        Ok(outcome)
    }

    fn opened_mail(&self, due: &DueMail) -> Option<Addressed> {
        let plain = self.seal.open(PURPOSE, row(due.id), &due.sealed)?;
        let Kept { to, subject, text, html } = serde_json::from_slice(&plain).ok()?;
        Some(match to {
            None => Addressed::Nobody,
            Some(to) => {
                Addressed::To(Box::new(Message { id: due.id, to: to.parse().ok()?, subject, text, html }))
            }
        })
    }
}

/// Whom a mail is for.
enum Addressed {
    Nobody,
    To(Box<Message>),
}

/// How long to wait after so many attempts.
fn pause(attempts: u32) -> TimeDelta {
    let doublings = attempts.saturating_sub(1).min(MAX_DOUBLINGS);
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds = |attempts| pause(attempts).num_seconds();
        assert_eq!([0, 1, 2, 3, 10, 11, u32::MAX].map(seconds), [5, 5, 10, 20, 2_560, 3_600, 3_600]);
    }
}
