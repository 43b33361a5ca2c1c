//! The steps themselves.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Bench, Step, machine, python};
use crate::failure::Failure;
use crate::tidy;

/// The crates that other services link.
const LINKED: [&str; 2] = ["billing", "domain"];

/// Where tests find the private server.
const POSTGRES_URL: &str = "TOLLGATE_TEST_POSTGRES_URL";

/// With it a test that finds no server fails; without it, it says that it did nothing.
const REQUIRE_POSTGRES: &str = "REQUIRE_PG";

/// Set by build servers: every failure is wanted then, not only the first.
const ON_BUILD_SERVER: &str = "CI";

/// Set where nobody wants to wait until cargo-deny is compiled.
const SKIP_DENY: &str = "TOLLGATE_SKIP_DENY";

/// The end-to-end tests: plain `unittest` files. Those whose names start with `_` are shared by the others.
const END_TO_END: &str = "bins/api/tests/e2e";

/// The databases on which the programs are tested from outside.
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

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
        let scripts = self.scripts()?;
        if scripts.is_empty() {
            return Err(Failure::failed(format!("there are no end-to-end tests in {END_TO_END}")));
        }
        for database in DATABASES {
            for script in &scripts {
                println!("\n==> e2e on {database}: {}", script.display());
                let mut test = Command::new(python::interpreter(self.workspace));
                test.args(["-m", "unittest", "-v"]).args(script.file_name());
                test.current_dir(self.workspace.root.join(END_TO_END));
                test.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
                test.env("TOLLGATE_API_BIN", self.release().join("tollgate-api"));
                test.env("TOLLGATE_ADMIN_BIN", self.release().join("tollgate-admin"));
                test.env("TOLLGATE_E2E_DATABASE", database);
                self.with_postgres(&mut test);
                machine::run(&mut test)?;
            }
        }
        Ok(DONE)
    }

    /// The end-to-end tests in order.
    fn scripts(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.workspace.root.join(END_TO_END);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let failure = |error| Failure::io(&folder, &error);
        let mut scripts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failure)? {
            let path = entry.map_err(failure)?.path();
            let shared = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'));
            if path.extension() == Some(OsStr::new("py")) && !shared {
                scripts.push(path);
            }
        }
        scripts.sort();
        Ok(scripts)
    }

    fn with_postgres(&self, command: &mut Command) {
        if let Some(server) = &self.postgres {
            command.env(POSTGRES_URL, server.url()).env(REQUIRE_POSTGRES, "1");
        }
    }
}
