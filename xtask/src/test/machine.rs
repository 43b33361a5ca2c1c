//! The machine: which programs are there, and running them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A variable of the environment, where it is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a task takes its surroundings from the environment; this is its one door"
    )]
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// The folders of `PATH`.
fn path_folders() -> Vec<PathBuf> {
    variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Where a program lies: in `PATH`, or in the folders for administrators, which users often lack in theirs.
pub fn program(name: &str) -> Option<PathBuf> {
    let extra = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    path_folders().into_iter().chain(extra).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether a program is there.
pub fn has_program(name: &str) -> bool {
    program(name).is_some()
}

/// Cargo, without what this task's own `cargo run` told it: build scripts would run again for each difference.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    cargo.current_dir(root);
    for own in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"]
    {
        cargo.env_remove(own);
    }
    for part in
        ["NAME", "VERSION", "VERSION_MAJOR", "VERSION_MINOR", "VERSION_PATCH", "VERSION_PRE", "AUTHORS"]
    {
        cargo.env_remove(format!("CARGO_PKG_{part}"));
    }
    for part in ["DESCRIPTION", "HOMEPAGE", "REPOSITORY", "LICENSE", "LICENSE_FILE", "RUST_VERSION", "README"]
    {
        cargo.env_remove(format!("CARGO_PKG_{part}"));
    }
    cargo
}

/// Runs a command that speaks for itself, after showing it.
///
/// # Errors
/// A command that cannot be started, or that fails.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().map_err(|error| Failure::failed(format!("{shown}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::failed(format!("`{shown}` ended with {status}"))) }
}

/// Runs a command for its output.
///
/// # Errors
/// A command that cannot be started, or that fails, with what it said.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let shown = shown(command);
    let output = command.output().map_err(|error| Failure::failed(format!("{shown}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::failed(format!("`{shown}` ended with {}: {}", output.status, said.trim())))
}

/// Whether a command can be started and succeeds; what it says is not shown.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Whether this process runs as the administrator.
///
/// # Errors
/// A machine without `id`.
pub fn is_root() -> Result<bool, Failure> {
    Ok(output(Command::new("id").arg("-u"))? == "0")
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{has_program, output, run, succeeds};

    #[test]
    fn programs_are_found_by_name() {
        assert!(has_program("sh"));
        assert!(!has_program("no-such-program-anywhere"));
    }

    #[test]
    fn a_failing_command_says_which_it_was() {
        let failure = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(failure.to_string().contains("sh -c exit 3"), "{failure}");
        let failure = output(Command::new("sh").args(["-c", "echo no >&2; exit 1"])).unwrap_err();
        assert!(failure.to_string().ends_with(": no"), "{failure}");
    }

    #[test]
    fn output_is_what_the_command_printed() {
        assert_eq!(output(Command::new("sh").args(["-c", "echo yes"])).unwrap(), "yes");
        assert!(!succeeds(&mut Command::new("no-such-program-anywhere")));
    }
}
