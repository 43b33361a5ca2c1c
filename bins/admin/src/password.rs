//! Where a new password comes from: the command line, standard input, or a person who types it twice.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use dialoguer::Password;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{cli::CreateAdmin, error::AdminError};

/// The most bytes of a password that are read: 256 characters of four bytes, and the end of the line.
const MAX_LINE_BYTES: u64 = 1_026;

/// The password that `flags` give, or ask for.
///
/// # Errors
/// [`AdminError::Usage`] where nobody can be asked, [`AdminError::Password`] where none came.
pub fn obtain(flags: &CreateAdmin) -> Result<SecretString, AdminError> {
    if let Some(password) = &flags.password {
        return Ok(password.clone());
    }
    if flags.password_stdin {
        return first_line(io::stdin().lock());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text = "no password was given, and nobody is there to be asked: give --password-stdin";
        return Err(AdminError::Usage(text.to_owned()));
    }
    Password::new()
        .with_prompt("Password")
        .with_confirmation("The same again", "The two differ; once more")
        .report(false)
        .interact()
        .map(SecretString::from)
        .map_err(|error| AdminError::Password(format!("the password could not be read: {error}")))
}

fn first_line(input: impl Read) -> Result<SecretString, AdminError> {
    let mut line = Zeroizing::new(String::new());
    BufReader::new(input.take(MAX_LINE_BYTES)).read_line(&mut line).map_err(|error| {
        AdminError::Password(format!("the password could not be read from standard input: {error}"))
    })?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(AdminError::Password("standard input has no password in its first line".to_owned())),
        password => Ok(SecretString::from(password)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for input in ["s3cret word\n", "s3cret word\r\nmore", "s3cret word"] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose_secret(), "s3cret word");
        }
        for input in ["".as_bytes(), b"\n", b"\xff\xfe\n"] {
            assert!(matches!(first_line(input), Err(AdminError::Password(_))));
        }
    }
}
