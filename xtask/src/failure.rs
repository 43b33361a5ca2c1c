//! How a task ends when it does not end well.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// A message for people, and the exit code that programs look at.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The work was done and something in it is wrong: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The work cannot be begun here, something is missing: exit code 2.
    pub fn unprepared(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// A file or folder that could not be worked with.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        Self::failed(format!("{}: {error}", path.display()))
    }

    /// The code with which the process ends.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
