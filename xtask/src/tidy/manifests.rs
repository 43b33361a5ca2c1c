//! The manifests: every crate inherits the lints and takes versions from the workspace; names say something.

use std::fs;

use toml::{Table, Value};

use super::Problem;
use crate::failure::Failure;
use crate::workspace::{Crate, Workspace};

/// Names under which anything would fit, and so everything would end up.
const DRAINS: &[&str] = &["utils", "util", "common", "core", "error", "errors", "helpers", "shared"];

/// The tables of a manifest that list dependencies, also inside `[target.*]`.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Reads and checks every member's manifest.
///
/// # Errors
/// A manifest that cannot be read.
pub fn check(workspace: &Workspace) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    for member in &workspace.crates {
        let path = workspace.root.join(member.manifest());
        let text = fs::read_to_string(&path).map_err(|error| Failure::io(&path, &error))?;
        problems.extend(check_manifest(&member.manifest(), &text));
        problems.extend(check_name(member));
    }
    Ok(problems)
}

fn check_name(member: &Crate) -> Vec<Problem> {
    let mut problems = Vec::new();
    if DRAINS.contains(&member.name.as_str()) {
        problems.push(Problem::new(
            member.manifest(),
            format!("a crate called `{}` says nothing about what it owns", member.name),
            "put helpers beside their first user, errors into the layer that makes them",
        ));
    }
    if !member.folder.ends_with(&member.name) {
        problems.push(Problem::new(
            member.manifest(),
            format!("the crate `{}` lies in `{}`", member.package, member.folder.display()),
            "call the folder as the crate is called, without `tollgate-`",
        ));
    }
    problems
}

fn check_manifest(place: &str, text: &str) -> Vec<Problem> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Problem::new(place, format!("not TOML: {error}"), "correct it")],
    };
    let mut problems = Vec::new();
    if !inherits(manifest.get("lints")) {
        problems.push(Problem::new(
            place,
            "the workspace's lints do not apply",
            "add `[lints]` with `workspace = true`",
        ));
    }
    problems.extend(check_dependencies(place, &manifest));
    let targets = manifest.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flatten().filter_map(|(_, target)| target.as_table()) {
        problems.extend(check_dependencies(place, target));
    }
    problems
}

fn check_dependencies(place: &str, table: &Table) -> Vec<Problem> {
    let listed = DEPENDENCIES.iter().filter_map(|name| table.get(*name)?.as_table()).flatten();
    listed
        .filter(|(_, dependency)| !inherits(Some(dependency)))
        .map(|(name, _)| {
            Problem::new(
                place,
                format!("`{name}` does not take its version from the workspace"),
                format!("write `{name}.workspace = true` here and the version into the root Cargo.toml"),
            )
        })
        .collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::{check_manifest, check_name};
    use crate::workspace::Crate;

    const GOOD: &str = r#"
        [package]
        name = "tollgate-x"
        [dependencies]
        serde.workspace = true
        uuid = { workspace = true, optional = true }
        [target.'cfg(unix)'.dependencies]
        libc.workspace = true
        [lints]
        workspace = true
    "#;

    #[test]
    fn a_manifest_that_inherits_is_fine() {
        assert_eq!(check_manifest("Cargo.toml", GOOD), []);
    }

    #[test]
    fn a_manifest_without_the_lints_is_a_problem() {
        let problems = check_manifest("Cargo.toml", &GOOD.replace("[lints]", "[other]"));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].what.contains("lints"), "{}", problems[0]);
    }

    #[test]
    fn own_versions_are_problems_wherever_they_stand() {
        for (from, to) in [
            ("serde.workspace = true", "serde = \"1\""),
            ("workspace = true, optional", "version = \"1\", optional"),
            ("libc.workspace = true", "libc = { git = \"x\" }"),
        ] {
            let problems = check_manifest("Cargo.toml", &GOOD.replace(from, to));
            assert_eq!(problems.len(), 1, "{to}");
        }
    }

    #[test]
    fn names_say_what_a_crate_owns() {
        let named =
            |name: &str, folder: &str| Crate { name: name.into(), folder: folder.into(), ..Crate::default() };
        assert_eq!(check_name(&named("usage", "crates/usage")), []);
        assert_eq!(check_name(&named("utils", "crates/utils")).len(), 1);
        assert_eq!(check_name(&named("usage", "crates/metering")).len(), 1);
    }
}
