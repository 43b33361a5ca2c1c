//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy can check.
//!
//! One file a rule. A rule is a function from plain data to a list of problems, so that its tests can show it a
//! bad sample. All problems are reported at once, each with its place and a remedy.

mod edges;
mod exceptions;
mod fronts;
mod manifests;
mod migrations;
mod outside;
mod rings;
mod sizes;
mod sources;

use std::fmt;
use std::fs;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The list of what may be longer than the limits, relative to the root.
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

/// Something against a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file, relative to the root.
    place: String,
    /// What is wrong there.
    what: String,
    /// What to do about it.
    remedy: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.what, self.remedy)
    }
}

/// Runs every rule and prints what is against one.
///
/// # Errors
/// Any problem at all, or a file that cannot be read.
pub fn run(workspace: &Workspace) -> Result<(), Failure> {
    let problems = problems(workspace)?;
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() {
        println!("tidy: {} crates, nothing to tidy", workspace.crates.len());
        return Ok(());
    }
    Err(Failure::failed(format!("tidy: {} to put right", count(problems.len(), "problem"))))
}

fn problems(workspace: &Workspace) -> Result<Vec<Problem>, Failure> {
    let sources = sources::load(workspace)?;
    let exceptions = workspace.root.join(EXCEPTIONS);
    let exceptions = fs::read_to_string(&exceptions).map_err(|error| Failure::io(&exceptions, &error))?;
    let mut problems = rings::check(&workspace.crates);
    problems.extend(edges::check(&workspace.crates));
    problems.extend(outside::check(&workspace.crates));
    problems.extend(outside::check_server_program(&sources));
    problems.extend(manifests::check(workspace)?);
    problems.extend(sizes::check(&sources, &exceptions));
    problems.extend(fronts::check(&sources));
    problems.extend(migrations::check(&workspace.root.join("migrations"))?);
    Ok(problems)
}

/// `1 problem`, `2 problems`.
fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
