//! Mails.

use tollgate_domain::{MailId, Time};
use tollgate_store::{DueMail, MailStore, NewMail, StoreError};

use super::Wrapped;

impl MailStore for Wrapped<dyn MailStore> {
    fn queue(&self, mail: &NewMail) -> Result<(), StoreError> {
        self.call("mails.queue", |inner| inner.queue(mail))
    }

    fn take(&self, now: Time, until: Time) -> Result<Option<DueMail>, StoreError> {
        self.call("mails.take", |inner| inner.take(now, until))
    }

    fn remove(&self, id: MailId) -> Result<(), StoreError> {
        self.call("mails.remove", |inner| inner.remove(id))
    }

    fn retry(&self, id: MailId, at: Time) -> Result<(), StoreError> {
        self.call("mails.retry", |inner| inner.retry(id, at))
    }

    fn waiting(&self) -> Result<u64, StoreError> {
        self.call("mails.waiting", |inner| inner.waiting())
    }
}
