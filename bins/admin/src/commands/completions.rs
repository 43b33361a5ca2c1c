//! `completions`: a script that completes commands and flags in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Cli, error::AdminError, output};

/// Prints the script for `shell`.
pub fn run(shell: Shell) -> Result<(), AdminError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tollgate-admin", &mut script);
    output::line(&String::from_utf8_lossy(&script).trim_end())
}
