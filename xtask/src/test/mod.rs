//! `cargo xtask test`: every check and every test, in order, ended by the first failure.
//!
//! It finds what the tests need, starts a PostgreSQL of its own, and leaves nothing behind.

pub(crate) mod e2e;
pub(crate) mod machine;
pub(crate) mod needs;
pub(crate) mod postgres;
mod python;
mod steps;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::postgres::Postgres;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// What the caller asked for.
#[derive(Args)]
pub struct Options {
    /// Install what is missing from the system's packages instead of listing it
    #[arg(long)]
    install: bool,
    /// Only these steps, in the usual order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP,…")]
    only: Vec<Step>,
}

impl Options {
    /// All steps, and whatever is missing installed.
    pub fn everything() -> Self {
        Self { install: true, only: Vec::new() }
    }
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Step {
    /// The format of the sources
    Fmt,
    /// Clippy, warnings are errors
    Clippy,
    /// The rules of the house
    Tidy,
    /// Bans, licences and sources of the dependencies
    Deny,
    /// The tests, on SQLite and PostgreSQL
    Test,
    /// The examples in the documentation
    Doctest,
    /// The example programs
    Examples,
    /// The documentation itself, warnings are errors
    Doc,
    /// The programs, optimised
    Build,
    /// The programs from outside, on SQLite and PostgreSQL
    E2e,
}

/// What the steps work with.
struct Bench<'a> {
    workspace: &'a Workspace,
    /// The private server, where a step needs one.
    postgres: Option<Postgres>,
}

/// How long a step took.
struct Timing {
    step: Step,
    took: Duration,
    note: &'static str,
}

/// Runs the steps asked for.
///
/// # Errors
/// With code 2 where something is missing; with code 1 where a step fails.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let steps = chosen(&options.only);
    needs::meet(workspace, &steps, options.install)?;
    let on_postgres = steps.iter().any(|step| matches!(step, Step::Test | Step::E2e));
    let postgres = if on_postgres { Some(Postgres::start()?) } else { None };
    let bench = Bench { workspace, postgres };
    let mut timings = Vec::new();
    let mut outcome = Ok(());
    for step in in_order(&steps, options.install) {
        println!("\n==> {}", name(step));
        let start = Instant::now();
        let ended = bench.run(step, options.install);
        let note = *ended.as_ref().unwrap_or(&"FAILED");
        timings.push(Timing { step, took: start.elapsed(), note });
        if let Err(failure) = ended {
            outcome = Err(Failure::failed(format!("{} failed: {failure}", name(step))));
            break;
        }
    }
    drop(bench);
    print_table(&timings);
    outcome
}

/// The steps asked for with what they need before them; all where none was named.
fn chosen(only: &[Step]) -> Vec<Step> {
    let mut steps = if only.is_empty() { Step::value_variants().to_vec() } else { only.to_vec() };
    if steps.contains(&Step::E2e) {
        steps.push(Step::Build);
    }
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// cargo-deny compiles for minutes; where it must be installed first it comes last.
fn in_order(steps: &[Step], install: bool) -> Vec<Step> {
    let mut steps = steps.to_vec();
    if install && !machine::has_program("cargo-deny") {
        steps.sort_by_key(|step| *step == Step::Deny);
    }
    steps
}

fn name(step: Step) -> String {
    step.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn print_table(timings: &[Timing]) {
    println!("\nstep        seconds");
    for timing in timings {
        println!("{:<10} {:>8.1}  {}", name(timing.step), timing.took.as_secs_f64(), timing.note);
    }
}

impl Bench<'_> {
    /// The folder in which cargo puts release builds.
    fn release(&self) -> PathBuf {
        self.workspace.target.join("release")
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, chosen};

    #[test]
    fn all_steps_run_where_none_is_named() {
        let steps = chosen(&[]);
        assert_eq!(steps.first(), Some(&Step::Fmt));
        assert_eq!(steps.last(), Some(&Step::E2e));
        assert_eq!(steps.len(), 10);
    }

    #[test]
    fn steps_run_once_in_their_order_and_bring_what_they_need() {
        assert_eq!(chosen(&[Step::E2e, Step::Fmt, Step::E2e]), [Step::Fmt, Step::Build, Step::E2e]);
    }
}
