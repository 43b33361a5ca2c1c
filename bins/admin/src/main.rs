//! The administrator's command line: on the same configuration and database as the server's, or over its API.

mod cli;
mod commands;
mod confirm;
mod error;
mod find;
mod import;
mod installation;
mod json;
mod output;
mod password;
mod progress;
mod server;
mod table;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            error.exit_code()
        }
    }
}
