//! What the steps need from the machine, and where it comes from.

use std::process::Command;

use super::{Step, machine, postgres, python};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Something that is not there.
struct Missing {
    what: &'static str,
    for_what: &'static str,
    cure: Cure,
}

/// Where it comes from.
#[derive(PartialEq, Eq)]
enum Cure {
    /// Debian's names for it; other systems have it under similar ones.
    Packages(&'static [&'static str]),
    /// A part of the Rust toolchain.
    Component(&'static str),
    /// The Python environment under the target folder.
    Environment,
}

/// Looks whether all is there; installs what is missing, or lists it with the commands that would.
///
/// # Errors
/// With code 2 where something is missing and was not to be, or could not be, installed.
pub fn meet(workspace: &Workspace, steps: &[Step], install: bool) -> Result<(), Failure> {
    let missing = missing(workspace, steps);
    if missing.is_empty() {
        return Ok(());
    }
    if !install {
        return Err(Failure::unprepared(list(workspace, &missing)?));
    }
    let packages = missing.iter().any(|missing| matches!(missing.cure, Cure::Packages(_)));
    if packages && !machine::has_program("apt-get") {
        let advice = "\nThis system has no apt-get: install the packages with its own package manager.";
        return Err(Failure::unprepared(list(workspace, &missing)? + advice));
    }
    println!("==> installing what the tests need:");
    for missing in &missing {
        println!("  - {}, for {}", missing.what, missing.for_what);
    }
    if packages {
        println!("(services that the packages start are the system's; the tests run servers of their own)");
    }
    for mut command in commands(workspace, &missing)?.into_iter().flatten() {
        machine::run(&mut command).map_err(|failure| Failure::unprepared(failure.to_string()))?;
    }
    if missing.iter().any(|missing| missing.cure == Cure::Environment) {
        python::seal(workspace)?;
    }
    let left = self::missing(workspace, steps);
    if left.is_empty() { Ok(()) } else { Err(Failure::unprepared(list(workspace, &left)?)) }
}

fn missing(workspace: &Workspace, steps: &[Step]) -> Vec<Missing> {
    let has = |step| steps.contains(&step);
    let cargo_has = |part: &str| machine::succeeds(machine::cargo(&workspace.root).args([part, "--version"]));
    let mut missing = Vec::new();
    let mut note = |there: bool, what, for_what, cure| {
        if !there {
            missing.push(Missing { what, for_what, cure });
        }
    };
    if has(Step::Fmt) {
        note(cargo_has("fmt"), "rustfmt", "the format of the sources", Cure::Component("rustfmt"));
    }
    if has(Step::Clippy) {
        note(cargo_has("clippy"), "clippy", "its lints", Cure::Component("clippy"));
    }
    if has(Step::Test) || has(Step::E2e) {
        let server = postgres::binaries().is_some();
        note(
            server,
            "the PostgreSQL server (initdb, pg_ctl)",
            "a private server for tests",
            Cure::Packages(&["postgresql"]),
        );
        note(machine::has_program("nginx"), "nginx", "tests behind a proxy", Cure::Packages(&["nginx"]));
    }
    if has(Step::E2e) {
        let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().any(machine::has_program);
        note(browser, "Chromium", "the pages in a real browser", Cure::Packages(&["chromium"]));
        let packages = Cure::Packages(&["python3", "python3-venv"]);
        note(python::interpreter_is_there(), "Python 3 with venv", "the end-to-end tests", packages);
        let what = "an environment with the packages `openai` and `requests`";
        note(python::is_ready(workspace), what, "the end-to-end tests", Cure::Environment);
    }
    missing
}

/// The list for people, with the commands that would help.
fn list(workspace: &Workspace, missing: &[Missing]) -> Result<String, Failure> {
    let mut text = "Missing on this machine:\n".to_owned();
    for missing in missing {
        text.push_str(&format!("  - {}, for {}\n", missing.what, missing.for_what));
    }
    text.push_str("\nThese commands would install it:\n");
    for command in commands(workspace, missing)?.iter().flatten() {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        text.push_str(&format!("  {}\n", words.join(" ")));
    }
    text.push_str("\n`cargo xtask test --install` runs them and goes on.");
    Ok(text)
}

/// The commands that install it: system packages first, Python's last.
fn commands(workspace: &Workspace, missing: &[Missing]) -> Result<Vec<Vec<Command>>, Failure> {
    let mut groups = Vec::new();
    let packages: Vec<_> = missing
        .iter()
        .filter_map(|missing| match missing.cure {
            Cure::Packages(packages) => Some(packages),
            Cure::Component(_) | Cure::Environment => None,
        })
        .flatten()
        .collect();
    if !packages.is_empty() {
        let mut install = as_root("apt-get")?;
        install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        let mut refresh = as_root("apt-get")?;
        refresh.arg("update");
        groups.push(vec![refresh, install]);
    }
    for missing in missing {
        if let Cure::Component(name) = missing.cure {
            let mut add = Command::new("rustup");
            add.args(["component", "add", name]);
            groups.push(vec![add]);
        }
    }
    if missing.iter().any(|missing| missing.cure == Cure::Environment) {
        groups.push(python::commands(workspace));
    }
    Ok(groups)
}

/// A command with the rights to install packages. Packages ask no questions.
fn as_root(program: &str) -> Result<Command, Failure> {
    let mut command = if machine::is_root()? {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{Cure, Missing, commands, list};
    use crate::workspace::Workspace;

    fn workspace() -> Workspace {
        Workspace { root: "/project".into(), target: "/project/target".into(), crates: Vec::new() }
    }

    #[test]
    fn the_list_names_what_is_missing_and_how_to_get_it() {
        let missing = [
            Missing { what: "nginx", for_what: "tests", cure: Cure::Packages(&["nginx"]) },
            Missing { what: "clippy", for_what: "its lints", cure: Cure::Component("clippy") },
            Missing { what: "packages", for_what: "tests", cure: Cure::Environment },
        ];
        let text = list(&workspace(), &missing).unwrap();
        for part in [
            "- nginx, for tests",
            "apt-get update",
            "--no-install-recommends nginx",
            "rustup component add clippy",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(text.contains("/project/target/py"), "{text}");
    }

    #[test]
    fn packages_are_installed_in_one_go_before_the_environment() {
        let missing = [
            Missing { what: "a", for_what: "", cure: Cure::Environment },
            Missing { what: "b", for_what: "", cure: Cure::Packages(&["b1", "b2"]) },
            Missing { what: "c", for_what: "", cure: Cure::Packages(&["c"]) },
        ];
        let groups = commands(&workspace(), &missing).unwrap();
        assert_eq!(groups.len(), 2);
        let install: Vec<_> = groups[0][1].get_args().map(|word| word.to_string_lossy()).collect();
        assert!(install.ends_with(&["b1".into(), "b2".into(), "c".into()]), "{install:?}");
    }
}
