//! The steps themselves.

use std::process::Command;

use super::e2e::{self, Programs};
use super::{Bench, Step, machine};
use crate::failure::Failure;
use crate::tidy;

/// The crates that other services link.
const LINKED: [&str; 2] = ["billing", "domain"];

/// Set by build servers: every failure is wanted then, not only the first.
const ON_BUILD_SERVER: &str = "CI";

/// Set where nobody wants to wait until cargo-deny is compiled.
const SKIP_DENY: &str = "TOLLGATE_SKIP_DENY";

/// What to say about a step that went well.
const DONE: &str = "";

impl Bench<'_> {
    /// Runs one step; gives back a note for the table at the end.
    pub fn run(&self, step: Step, install: bool) -> Result<&'static str, Failure> {
        match step {
            Step::Fmt => self.cargo(&["fmt", "--all", "--check"]),
            Step::Clippy => self.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Step::Tidy => tidy::run(self.workspace).map(|()| DONE),
            Step::Deny => self.deny(install),
            Step::Test => self.test(),
            Step::Doctest => self.cargo(&["test", "--doc", "--workspace"]),
            Step::Examples => self.examples(),
            Step::Doc => self.doc(),
            Step::Build => self.cargo(&["build", "--release", "-p", "tollgate-api", "-p", "tollgate-admin"]),
            Step::E2e => self.end_to_end(),
        }
    }

    fn cargo(&self, words: &[&str]) -> Result<&'static str, Failure> {
        machine::run(machine::cargo(&self.workspace.root).args(words)).map(|()| DONE)
    }

    fn deny(&self, install: bool) -> Result<&'static str, Failure> {
        if !machine::has_program("cargo-deny") {
            if !install {
                return Ok("skipped: cargo-deny is not installed");
            }
            if machine::variable(SKIP_DENY).is_some() {
                return Ok("skipped: cargo-deny is not installed, TOLLGATE_SKIP_DENY is set");
            }
            self.cargo(&["install", "cargo-deny", "--locked"])?;
        }
        self.cargo(&["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
    }

    fn test(&self) -> Result<&'static str, Failure> {
        let mut tests = machine::cargo(&self.workspace.root);
        if machine::has_program("cargo-nextest") {
            tests.args(["nextest", "run", "--workspace"]);
            if machine::variable(ON_BUILD_SERVER).is_some() {
                tests.args(["--profile", "ci"]);
            }
        } else {
            tests.args(["test", "--workspace", "--all-targets"]);
        }
        self.with_postgres(&mut tests);
        machine::run(&mut tests).map(|()| DONE)
    }

    /// Those of the crates that other services link; a testkit's example may be a server that runs for ever.
    fn examples(&self) -> Result<&'static str, Failure> {
        let linked = self.workspace.crates.iter().filter(|member| LINKED.contains(&member.name.as_str()));
        for member in linked {
            for example in &member.examples {
                self.cargo(&["run", "--quiet", "-p", &member.package, "--example", example])?;
            }
        }
        Ok(DONE)
    }

    fn doc(&self) -> Result<&'static str, Failure> {
        let mut doc = machine::cargo(&self.workspace.root);
        doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        machine::run(&mut doc).map(|()| DONE)
    }

    fn end_to_end(&self) -> Result<&'static str, Failure> {
        let (api, admin) = (self.release().join("tollgate-api"), self.release().join("tollgate-admin"));
        let with_points = e2e::build_with_points(self.workspace)?;
        let programs = Programs { api, admin, with_points, guard: e2e::build_guard(self.workspace)? };
        let scripts = e2e::scripts(self.workspace)?;
        for database in e2e::DATABASES {
            for script in &scripts {
                println!("\n==> e2e on {database}: {}", script.display());
                let postgres = self.postgres.as_ref();
                machine::run(&mut e2e::command(
                    self.workspace,
                    &programs,
                    postgres,
                    database,
                    script.as_os_str(),
                ))?;
            }
        }
        Ok(DONE)
    }

    fn with_postgres(&self, command: &mut Command) {
        if let Some(server) = &self.postgres {
            server.tell(command);
        }
    }
}
