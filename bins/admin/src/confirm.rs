//! Asking before something is destroyed.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::error::AdminError;

/// The most bytes of an answer that are read.
const MAX_ANSWER_BYTES: u64 = 64;

/// Asks `question` at the terminal and goes on only after a yes. `force` is a yes given beforehand.
///
/// # Errors
/// [`AdminError::NotConfirmed`] without a terminal, without an answer, and for any other answer.
pub fn confirm(question: &str, force: bool) -> Result<(), AdminError> {
    if force {
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(AdminError::NotConfirmed("nobody is there to be asked"));
    }
    let mut prompt = io::stderr().lock();
    let asked = write!(prompt, "{question} Type yes to go on: ").and_then(|()| prompt.flush());
    let mut answer = String::new();
    let answered = asked.and_then(|()| stdin.lock().take(MAX_ANSWER_BYTES).read_line(&mut answer));
    match answered {
        Ok(_) if is_yes(&answer) => Ok(()),
        Ok(_) => Err(AdminError::NotConfirmed("the answer was not yes")),
        Err(_unreadable) => Err(AdminError::NotConfirmed("there was no answer")),
    }
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("yes") || answer.eq_ignore_ascii_case("y")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        for yes in ["yes\n", " YES\r\n", "y"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "no", "yess", "ye", "1", "true"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
