//! What developers of Tollgate repeat: `cargo xtask test`, `tidy`, `bench`, `torture`, `timing` and `ci`.
//!
//! It names no other crate of the workspace, so that it compiles in seconds and runs while they do not.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

mod bench;
mod failure;
mod test;
mod tidy;
mod timing;
mod torture;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// What developers of Tollgate repeat.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Every check and every test, on SQLite and on a private PostgreSQL
    Test(test::Options),
    /// The rules of the house: rings, who may use what, sizes, migrations, manifests
    Tidy,
    /// Requests a second and added latency beside nginx, on SQLite and on PostgreSQL; or what many keys cost
    Bench(bench::Options),
    /// Kills the server and takes its database away, again and again, and compares what was recorded
    Torture(torture::Options),
    /// How well the time of an answer tells whether an email address is known
    Timing(timing::Options),
    /// What the build server runs: the same as `test --install`
    Ci,
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            failure.exit_code()
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let workspace = Workspace::load()?;
    match task {
        Task::Test(options) => test::run(&workspace, &options),
        Task::Tidy => tidy::run(&workspace),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Torture(options) => torture::run(&workspace, &options),
        Task::Timing(options) => timing::run(&workspace, &options),
        Task::Ci => test::run(&workspace, &test::Options::everything()),
    }
}
