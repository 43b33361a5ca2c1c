//! The end-to-end tests: plain `unittest` files that run the programs from outside.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{machine, postgres::Postgres, python};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Where they are. Those whose names start with `_` are shared by the others.
const FOLDER: &str = "bins/api/tests/e2e";

/// The databases on which the programs are tested.
pub const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// The programs that are tested.
pub struct Programs {
    /// The server.
    pub api: PathBuf,
    /// The administrator's program.
    pub admin: PathBuf,
    /// A server that can be told where to end.
    pub with_points: PathBuf,
    /// A service that asks the server about its callers.
    pub guard: PathBuf,
}

/// The command that runs one file.
pub fn command(
    workspace: &Workspace,
    programs: &Programs,
    postgres: Option<&Postgres>,
    database: &str,
    script: &OsStr,
) -> Command {
    let mut test = program(workspace, programs, postgres, database);
    test.args(["-m", "unittest", "-v"]).arg(script);
    test
}

/// The command that runs Python beside the files, to which a program of theirs is still to be named.
pub fn program(
    workspace: &Workspace,
    programs: &Programs,
    postgres: Option<&Postgres>,
    database: &str,
) -> Command {
    let mut test = Command::new(python::interpreter(workspace));
    test.current_dir(workspace.root.join(FOLDER));
    test.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    test.env("TOLLGATE_API_BIN", &programs.api);
    test.env("TOLLGATE_ADMIN_BIN", &programs.admin);
    test.env("TOLLGATE_TORTURE_BIN", &programs.with_points);
    test.env("TOLLGATE_GUARD_BIN", &programs.guard);
    test.env("TOLLGATE_E2E_DATABASE", database);
    if let Some(server) = postgres {
        server.tell(&mut test);
    }
    test
}

/// The names of the files, in order.
pub fn scripts(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    let folder = workspace.root.join(FOLDER);
    let failure = |error| Failure::io(&folder, &error);
    let mut scripts = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failure)? {
        let path = entry.map_err(failure)?.path();
        let shared = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'));
        if path.extension() == Some(OsStr::new("py")) && !shared {
            scripts.extend(path.file_name().map(PathBuf::from));
        }
    }
    if scripts.is_empty() {
        return Err(Failure::failed(format!("there are no end-to-end tests in {FOLDER}")));
    }
    scripts.sort();
    Ok(scripts)
}

/// Builds a server that can be told where to end, apart from everything that is released: unoptimised, since all
/// beneath it is built so for the other tests already.
pub fn build_with_points(workspace: &Workspace) -> Result<PathBuf, Failure> {
    // As for the tests, all packages at once: a part alone would be built with other features.
    let words = ["build", "--workspace", "--bin", "tollgate-api", "--features", "tollgate-api/abort-points"];
    machine::run(machine::cargo(&workspace.root).args(words))?;
    let folder = workspace.target.join("torture");
    fs::create_dir_all(&folder).map_err(|error| Failure::io(&folder, &error))?;
    // Whoever builds the server next must not take its place.
    copy(&workspace.target.join("debug/tollgate-api"), &folder.join("tollgate-api"))
}

/// Builds the service that stands as an example in `client`.
pub fn build_guard(workspace: &Workspace) -> Result<PathBuf, Failure> {
    machine::run(machine::cargo(&workspace.root).args(["build", "--workspace", "--example", "actix"]))?;
    Ok(workspace.target.join("debug/examples/actix"))
}

fn copy(from: &Path, to: &Path) -> Result<PathBuf, Failure> {
    // A program that still runs cannot be written over, only replaced.
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh).map_err(|error| Failure::io(from, &error))?;
    fs::rename(&fresh, to).map_err(|error| Failure::io(to, &error))?;
    Ok(to.to_owned())
}
