//! `cargo xtask timing`: how well the time of an answer tells whether an email address is known. What is printed is a
//! reading, not a verdict: nothing is asserted. That both do the same work is asserted by the tests of `accounts`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::test::e2e::{self, Programs};
use crate::test::{Step, machine, needs, postgres::Postgres};
use crate::torture::{Database, databases};
use crate::workspace::Workspace;

/// What is measured.
#[derive(Args)]
pub struct Options {
    /// Calls a side at bcrypt's cost 4
    #[arg(long, default_value_t = 2_000)]
    calls: u32,
    /// Calls a side at bcrypt's cost 12
    #[arg(long, default_value_t = 50)]
    slow_calls: u32,
    /// On this database only
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// This server in place of a release that is built first
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
}

/// Builds the server unless one is given, then measures.
///
/// # Errors
/// With code 2 where something is missing; with code 1 where a call is not answered as it must be.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    needs::meet(workspace, &[Step::E2e], false)?;
    let api = match &options.server {
        Some(server) => server.clone(),
        None => {
            let words = ["build", "--release", "-p", "tollgate-api"];
            machine::run(machine::cargo(&workspace.root).args(words))?;
            workspace.target.join("release/tollgate-api")
        }
    };
    // Nothing here asks for an administrator, a server that ends on command, or another service.
    let programs = Programs { admin: api.clone(), with_points: api.clone(), guard: api.clone(), api };
    let postgres = Postgres::start_durable()?;
    for name in databases(options.database) {
        println!("\n==> {name}");
        let mut measure = e2e::program(workspace, &programs, Some(&postgres), name);
        measure.arg("_timing.py");
        measure.env("TOLLGATE_TIMING_CALLS", options.calls.to_string());
        measure.env("TOLLGATE_TIMING_SLOW_CALLS", options.slow_calls.to_string());
        machine::run(&mut measure)?;
    }
    Ok(())
}
