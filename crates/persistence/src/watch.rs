//! Work that may take as long as it needs, as long as the database answers at all: opening, migrating, waiting
//! for a lock.

use std::{
    panic::resume_unwind,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{
    both::batch,
    open::{OpenError, connect},
    settings::Url,
    sqlite::Access,
};

/// How often a database that is waited for is asked whether it still answers.
const EVERY: Duration = Duration::from_secs(5);
/// How long its answer may take: connecting has a bound of its own, the first statement after it has none.
const ANSWER: Duration = Duration::from_secs(5);

/// Does `work` on the database at `url`, however long it takes. On Postgres that is on a thread of its own,
/// which is given up when the server does not even answer a new connection.
///
/// # Errors
/// The work's; [`OpenError::Away`] where it was given up.
pub fn while_it_answers<T, E>(url: &Url, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<OpenError> + Send + 'static,
{
    if let Url::Sqlite(_) = url {
        return work();
    }
    let (done, ended) = mpsc::sync_channel(1);
    let working = thread::Builder::new().name("opening".to_owned()).spawn(move || {
        // Whoever waited may have given up; what was opened is closed then.
        done.send(work()).ok();
    });
    let working = working.map_err(OpenError::Thread)?;
    loop {
        match ended.recv_timeout(EVERY) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if answers(url) => {}
            Err(RecvTimeoutError::Timeout) => {
                let reason = "it hangs".to_owned();
                return Err(OpenError::Away { at: url.to_string(), reason }.into());
            }
            Err(RecvTimeoutError::Disconnected) => {
                if let Err(panic) = working.join() {
                    resume_unwind(panic);
                }
                return Err(OpenError::Thread(std::io::ErrorKind::Other.into()).into());
            }
        }
    }
}

/// Whether a new connection is answered, if only by a refusal.
fn answers(url: &Url) -> bool {
    let (answer, answered) = mpsc::sync_channel(1);
    let url = url.clone();
    let ask = move || {
        let answers = match connect(&url, Access::Read) {
            Ok(mut conn) => batch(&mut conn, "SELECT 1").is_ok(),
            Err(OpenError::Away { reason, .. }) => reason.contains("FATAL:"),
            Err(_refused) => true,
        };
        // Nobody waits for a late answer.
        answer.send(answers).ok();
    };
    let asked = thread::Builder::new().name("asking".to_owned()).spawn(ask);
    asked.is_ok() && answered.recv_timeout(ANSWER).unwrap_or(false)
}
