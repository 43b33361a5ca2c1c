//! How mails leave, and the job that sends them.

use std::{sync::Arc, time::Duration};

use tollgate_accounts::{Accounts, mail::MailTransport};
use tollgate_config::Config;
use tollgate_notify::{FileTransport, Sender, SmtpTransport};

use crate::{error::StartError, jobs::Jobs};

/// How often mails that are due are looked for.
const MAILS: Duration = Duration::from_secs(1);
/// Where mails are written without a mail server, in the data directory.
const FOLDER: &str = "mail";

/// The way of mails out of here.
///
/// # Errors
/// [`StartError::Sender`] or [`StartError::MailServer`].
pub fn transport(config: &Config) -> Result<Arc<dyn MailTransport>, StartError> {
    let sender = Sender::new(&config.mail.from)?;
    Ok(match &config.mail.smtp_url {
        Some(url) => Arc::new(SmtpTransport::new(url, sender)?),
        None => Arc::new(FileTransport::new(config.server.data_dir.join(FOLDER), sender)),
    })
}

/// Sends mails from now on.
///
/// # Errors
/// When no thread can be had.
pub fn start(
    jobs: &mut Jobs,
    accounts: &Arc<Accounts>,
    transport: &Arc<dyn MailTransport>,
) -> std::io::Result<()> {
    let (accounts, transport) = (Arc::clone(accounts), Arc::clone(transport));
    let mut in_trouble = false;
    jobs.every("mails", MAILS, move || match accounts.send_mails(&*transport) {
        Ok(_) => in_trouble = false,
        // Once, not every second.
        Err(error) if !in_trouble => {
            in_trouble = true;
            tracing::warn!(cause = ?error, "mails wait: they could not be read");
        }
        Err(_) => {}
    })
}
