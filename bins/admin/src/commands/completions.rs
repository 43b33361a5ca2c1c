//! `completions`: a script that completes commands and flags in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Cli, error::AdminError, output};

/// This program, as a person calls it.
const PROGRAM: &str = "tollgate-admin";
/// The two names that the script for bash has for it. Its own commands, it looks for under the first.
const IN_BASH: [&str; 2] = ["tollgate__admin", "tollgate__subcmd__admin"];

/// Prints the script for `shell`.
pub fn run(shell: Shell) -> Result<(), AdminError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        // The generator takes a hyphen in a program's name now for one thing, now for another.
        let [looked_for, written] = IN_BASH;
        script = script.replace(written, looked_for);
    }
    output::until_hung_up(output::line(&script.trim_end()))
}
