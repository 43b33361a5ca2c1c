//! What can go wrong, in words that say what happened and what to do.

use std::{error::Error, fmt::Write as _, io, path::PathBuf, process::ExitCode};

use tollgate_accounts::{AccountsError, audit::verify::Fault};
use tollgate_config::Problems;
use tollgate_persistence::OpenError;
use tollgate_store::StoreError;

use crate::{output, server::ServerError};

/// The exit code of a command line or a configuration that is wrong.
pub const USAGE: u8 = 2;
/// The exit code of everything else that went wrong.
const FAILED: u8 = 1;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Flags that do not go together or are missing.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(#[from] Problems),
    /// The process has no working directory.
    #[error("the working directory cannot be read: {0}\nGo to a directory that exists.")]
    WorkingDirectory(io::Error),
    /// The database cannot be opened.
    #[error("{0}\nThe database is the one of `tollgate-admin config show`, database.url.")]
    Open(#[from] OpenError),
    /// The database of an import cannot be read.
    #[error("{0}")]
    Source(OpenError),
    /// There is no database yet.
    #[error(
        "there is no database at {at} yet\nRun `tollgate-admin db migrate`, or start `tollgate-api`: both make it."
    )]
    NoDatabase {
        /// Where it would be.
        at: String,
    },
    /// A use case refused.
    #[error("{}", refusal(.0))]
    Accounts(AccountsError),
    /// No user is known by this.
    #[error(
        "there is no user with the id, external id or email `{given}`{}",
        listed("The nearest are:", nearest)
    )]
    NoSuchUser {
        /// What was given.
        given: String,
        /// Users like that.
        nearest: Vec<String>,
    },
    /// No key has this id. What was given may be a key's secret and is not repeated.
    #[error(
        "there is no key with that id{}\n`tollgate-admin list --include-inactive` shows all.",
        listed("The nearest are:", nearest)
    )]
    NoSuchKey {
        /// Ids that begin likewise.
        nearest: Vec<String>,
    },
    /// Several keys' ids begin so.
    #[error(
        "several keys' ids begin with `{prefix}`: give more of it{}",
        listed("They are, among others:", matches)
    )]
    AmbiguousKey {
        /// The digits that were given.
        prefix: String,
        /// Some of the ids.
        matches: Vec<String>,
    },
    /// Nobody said yes.
    #[error("{0}: nothing was changed\nAnswer yes at a terminal, or give --force.")]
    NotConfirmed(&'static str),
    /// No password could be had.
    #[error("{0}")]
    Password(String),
    /// The head of the audit log outside the database cannot be read.
    #[error("the head of the audit log cannot be read from {at}: {error}")]
    OutsideHead {
        /// The file.
        at: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The audit log is not as it was written.
    #[error(
        "{fault}; the {good} rows before it are as they were written\nSomebody changed the database behind Tollgate's back, or it is an older backup."
    )]
    AuditBroken {
        /// The first row that is not.
        fault: Fault,
        /// Rows before it.
        good: i64,
    },
    /// A file cannot be read.
    #[error("{at}: {error}")]
    File {
        /// Which.
        at: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no such table.
    #[error(
        "{at} has no table {names} with a column {columns} that is another system's\nName it by --table, or a file by --file."
    )]
    NoTable {
        /// Where it was looked for.
        at: String,
        /// What was looked for.
        names: String,
        /// What it must have.
        columns: String,
    },
    /// Some of what was to be imported was not.
    #[error("{skipped} {what} were skipped; the report says why, and the import can be repeated")]
    Skipped {
        /// How many.
        skipped: u64,
        /// Of what.
        what: &'static str,
    },
    /// A server did not do what it was asked.
    #[error("{0}")]
    Server(#[from] ServerError),
    /// A server's list does not end.
    #[error("the server's list goes in a circle: not all of it was shown")]
    EndlessList,
    /// Standard output does not take the result.
    #[error("the output could not be written: {0}")]
    Output(io::Error),
}

impl AdminError {
    /// 2 where the command line or the configuration is wrong, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Configuration(_) | Self::Accounts(AccountsError::Invalid(_)) => USAGE,
            Self::Open(error) | Self::Source(error) if error.is_misconfiguration() => USAGE,
            _ => FAILED,
        })
    }
}

impl From<AccountsError> for AdminError {
    fn from(error: AccountsError) -> Self {
        Self::Accounts(error)
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Accounts(error.into())
    }
}

fn refusal(error: &AccountsError) -> String {
    match error {
        AccountsError::Invalid(faults) => {
            named_by_flags(faults.iter().map(|fault| (fault.field, fault.message.as_str())))
        }
        AccountsError::EmailTaken => {
            "another user has this email address: leave it out, or give that user's id".to_owned()
        }
        AccountsError::Store(StoreError::Conflict { entity, field }) => {
            format!("another {entity} got this {field} at the same time: run the command again")
        }
        AccountsError::Store(error) => {
            format!("{}\n`tollgate-admin db check` tells how the database is.", with_causes(error))
        }
        other => other.to_string(),
    }
}

/// What is wrong with fields, each named by its flag.
pub fn named_by_flags<'a>(faults: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = "the command line cannot be taken:".to_owned();
    for (field, message) in faults {
        let flag = match field {
            "key_name" => "name".to_owned(),
            field => output::printable(field).replace('_', "-"),
        };
        let _infallible = write!(text, "\n  --{flag} {}", output::printable(message));
    }
    text
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _infallible = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}

fn listed(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{heading}\n  {}", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use tollgate_accounts::FieldError;

    use super::*;

    #[test]
    fn every_fault_is_named_by_its_flag() {
        let fault = |field| FieldError { field, code: "out_of_range", message: "must be 1 to 9".into() };
        let error = AdminError::from(AccountsError::Invalid(vec![fault("hourly_limit"), fault("name")]));
        let text = error.to_string();
        assert!(text.contains("--hourly-limit must be 1 to 9") && text.contains("--name must be"), "{text}");
        assert_eq!(error.exit_code(), ExitCode::from(USAGE));
    }

    #[test]
    fn a_failing_database_is_told_with_its_cause() {
        let error = AdminError::from(StoreError::unavailable("disk full"));
        assert!(error.to_string().starts_with("the database is not available: disk full\n"));
        assert_eq!(error.exit_code(), ExitCode::from(FAILED));
    }
}
