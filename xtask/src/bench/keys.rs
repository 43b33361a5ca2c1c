//! `cargo xtask bench keys`: what many keys cost. A database with a thousand keys and one with a million, side by side:
//! import, looking keys up, lists, memory. What is printed is a reading, not a verdict.

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
    /// How many keys there are, one measurement after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 1_000_000])]
    keys: Vec<u32>,
    /// How many different keys are used before the memory is looked at
    #[arg(long, default_value_t = 100_000)]
    seen: u32,
    /// Calls of each kind
    #[arg(long, default_value_t = 2_000)]
    calls: u32,
    /// On this database only
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// The folder with both programs, in place of a release that is built first
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// Builds the programs unless they are given, then measures.
///
/// # Errors
/// With code 2 where something is missing; with code 1 where a call is not answered as it must be.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    needs::meet(workspace, &[Step::E2e], false)?;
    let folder = match &options.programs {
        Some(folder) => folder.clone(),
        None => {
            let words = ["build", "--release", "-p", "tollgate-api", "-p", "tollgate-admin"];
            machine::run(machine::cargo(&workspace.root).args(words))?;
            workspace.target.join("release")
        }
    };
    let api = folder.join("tollgate-api");
    let admin = folder.join("tollgate-admin");
    let programs = Programs { admin, with_points: api.clone(), guard: api.clone(), api };
    let postgres = Postgres::start_durable()?;
    let sizes: Vec<_> = options.keys.iter().map(ToString::to_string).collect();
    for name in databases(options.database) {
        println!("\n==> {name}");
        let mut measure = e2e::program(workspace, &programs, Some(&postgres), name);
        measure.arg("_scale.py");
        measure.env("TOLLGATE_SCALE_KEYS", sizes.join(","));
        measure.env("TOLLGATE_SCALE_SEEN", options.seen.to_string());
        measure.env("TOLLGATE_SCALE_CALLS", options.calls.to_string());
        machine::run(&mut measure)?;
    }
    Ok(())
}
