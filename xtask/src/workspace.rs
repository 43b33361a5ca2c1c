//! The workspace as plain data, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::failure::Failure;

/// The prefix that our packages share; tables and messages leave it out.
const PREFIX: &str = "tollgate-";

/// All that tasks know about the workspace.
pub struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// The members, by name.
    pub crates: Vec<Crate>,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Crate {
    /// Its name without `tollgate-`.
    pub name: String,
    /// Its name for cargo's `-p`.
    pub package: String,
    /// Its folder, relative to the root.
    pub folder: PathBuf,
    /// What its manifest names.
    pub needs: Vec<Need>,
    /// All packages beneath it by normal and build dependencies, itself left out.
    pub tree: BTreeSet<String>,
    /// Its example programs.
    pub examples: Vec<String>,
}

/// A dependency that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The package's name, for one of ours without `tollgate-`.
    pub name: String,
    /// Whether it is a member of the workspace.
    pub ours: bool,
    /// Whether it is a dev-dependency.
    pub dev: bool,
}

impl Crate {
    /// The dependencies that reach those who link this crate.
    pub fn linked(&self) -> impl Iterator<Item = &Need> {
        self.needs.iter().filter(|need| !need.dev)
    }

    /// The manifest's path, relative to the root, as messages print it.
    pub fn manifest(&self) -> String {
        self.folder.join("Cargo.toml").display().to_string()
    }
}

impl Workspace {
    /// Asks cargo for the workspace around the current folder.
    ///
    /// # Errors
    /// Cargo's own words where it cannot read a manifest.
    pub fn load() -> Result<Self, Failure> {
        let metadata = MetadataCommand::new()
            .exec()
            .map_err(|error| Failure::failed(format!("cargo metadata: {error}")))?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let crates =
            metadata.workspace_packages().into_iter().map(|package| member(&metadata, package)).collect();
        Ok(Self { root, target: metadata.target_directory.clone().into_std_path_buf(), crates })
    }
}

/// A package's name without our prefix.
fn short(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
}

fn member(metadata: &Metadata, package: &Package) -> Crate {
    let folder = package.manifest_path.parent().map_or_else(PathBuf::new, |folder| {
        folder.strip_prefix(&metadata.workspace_root).unwrap_or(folder).as_std_path().to_owned()
    });
    let needs = package
        .dependencies
        .iter()
        .map(|dependency| Need {
            name: short(&dependency.name),
            ours: dependency.path.is_some(),
            dev: dependency.kind == DependencyKind::Development,
        })
        .collect();
    let examples =
        package.targets.iter().filter(|target| target.is_example()).map(|target| target.name.clone());
    Crate {
        name: short(package.name.as_str()),
        package: package.name.to_string(),
        folder,
        needs,
        tree: tree(metadata, &package.id),
        examples: examples.collect(),
    }
}

/// The names of all packages under `top`, dev-dependencies left out.
fn tree(metadata: &Metadata, top: &PackageId) -> BTreeSet<String> {
    let Some(resolve) = &metadata.resolve else { return BTreeSet::new() };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![top];
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for dependency in &node.deps {
            let linked = dependency.dep_kinds.iter().any(|info| info.kind != DependencyKind::Development);
            if linked && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::Workspace;

    /// The rules about trees would all pass on empty ones.
    #[test]
    fn the_trees_are_what_cargo_says() {
        let workspace = Workspace::load().unwrap();
        let tree = |name: &str| &workspace.crates.iter().find(|member| member.name == name).unwrap().tree;
        assert!(tree("domain").contains("thiserror"));
        assert!(tree("http").contains("tokio"));
        assert!(tree("http").contains("tollgate-domain"));
    }
}
