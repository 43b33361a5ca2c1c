//! The Python environment of the end-to-end tests, under the target folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::machine;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// What goes into the environment, relative to the root.
const REQUIREMENTS: &str = "xtask/python-requirements.txt";

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("py")
}

/// The requirements with which the environment was made: a change of the list makes it anew.
fn stamp(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("made-with.txt")
}

/// The environment's interpreter.
pub fn interpreter(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/python")
}

/// Whether the machine has a Python that can make environments.
pub fn interpreter_is_there() -> bool {
    machine::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

/// Whether the environment holds what the list asks for.
pub fn is_ready(workspace: &Workspace) -> bool {
    let wanted = fs::read_to_string(workspace.root.join(REQUIREMENTS));
    let made = fs::read_to_string(stamp(workspace));
    matches!((wanted, made), (Ok(wanted), Ok(made)) if wanted == made)
        && machine::succeeds(
            Command::new(interpreter(workspace)).args(["-c", "import cryptography, openai, requests"]),
        )
}

/// The commands that make the environment.
pub fn commands(workspace: &Workspace) -> Vec<Command> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(folder(workspace));
    let mut fill = Command::new(interpreter(workspace));
    fill.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(workspace.root.join(REQUIREMENTS));
    vec![make, fill]
}

/// Notes with what the environment was made, once it was.
///
/// # Errors
/// A file that cannot be read or written.
pub fn seal(workspace: &Workspace) -> Result<(), Failure> {
    let (from, to) = (workspace.root.join(REQUIREMENTS), stamp(workspace));
    fs::copy(&from, &to).map(|_| ()).map_err(|error| Failure::io(&to, &error))
}
