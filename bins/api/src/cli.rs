//! The command line of the server.

use std::{fmt::Display, path::PathBuf, process::ExitCode};

use clap::Parser;
use tollgate_config::Loaded;

/// The Tollgate server: sign-up, API keys, limits, quota and exact recording in front of model providers.
/// Without arguments it starts with an embedded database under ./data and says what to try next.
#[derive(Debug, Parser)]
#[command(name = "tollgate-api", version)]
pub struct Cli {
    /// The configuration file, in place of config.yaml in the working directory.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Checks the configuration, lists every problem with its remedy, and exits.
    #[arg(long)]
    pub check: bool,
}

/// The last words of a program that ends with `code`.
#[expect(clippy::print_stderr, reason = "the last words are for whoever started it")]
pub fn end(code: u8, words: &dyn Display) -> ExitCode {
    eprintln!("tollgate-api: {words}");
    ExitCode::from(code)
}

/// What `--check` says of a configuration without problems.
pub fn checked(loaded: &Loaded) -> String {
    let warnings = loaded.warnings.iter().map(|warning| format!("\n  warning: {warning}"));
    format!("the configuration is good{}", warnings.collect::<String>())
}
