//! `cargo xtask torture`: the long form of two end-to-end tests. The server is killed again and again, and the
//! database is taken away from it; each time all that clients were answered is compared with what was recorded.

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::test::e2e::{self, Programs};
use crate::test::{Step, machine, needs, postgres::Postgres};
use crate::workspace::Workspace;

/// What is done, and how often.
#[derive(Args)]
pub struct Options {
    /// How often the server is killed, on each database
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// On this database only
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// For how long the database is away, in seconds; 0 leaves the outages out
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    outage: u32,
    /// The seed that a failed run has printed
    #[arg(long)]
    seed: Option<String>,
}

/// A database under the server.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Database {
    /// The embedded one
    Sqlite,
    /// A private server
    Postgres,
}

/// Builds the programs, then runs the rounds.
///
/// # Errors
/// With code 2 where something is missing; with code 1 where an event is lost, doubled or wrong.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    needs::meet(workspace, &[Step::E2e], false)?;
    let api = e2e::build_with_points(workspace)?;
    machine::run(machine::cargo(&workspace.root).args(["build", "--workspace", "--bin", "tollgate-admin"]))?;
    let admin = workspace.target.join("debug/tollgate-admin");
    let programs = Programs { with_points: api.clone(), guard: api.clone(), api, admin };
    let postgres = Postgres::start()?;
    let mut scripts = vec!["torture.py"];
    if options.outage > 0 {
        scripts.push("outages.py");
    }
    for name in databases(options.database) {
        for script in &scripts {
            println!("\n==> {script} on {name}");
            let mut test = e2e::command(workspace, &programs, Some(&postgres), name, script.as_ref());
            test.env("TOLLGATE_TORTURE_ROUNDS", options.rounds.to_string());
            test.env("TOLLGATE_OUTAGE_SECONDS", options.outage.to_string());
            if let Some(seed) = &options.seed {
                test.env("TOLLGATE_TORTURE_SEED", seed);
            }
            machine::run(&mut test)?;
        }
    }
    Ok(())
}

/// Their names, as the tests know them.
pub fn databases(only: Option<Database>) -> &'static [&'static str] {
    match only {
        None => &e2e::DATABASES,
        Some(Database::Sqlite) => &["sqlite"],
        Some(Database::Postgres) => &["postgres"],
    }
}
