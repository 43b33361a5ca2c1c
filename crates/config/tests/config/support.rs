//! A directory of its own for each test, with the files and variables that the test gives.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;
use tollgate_config::{Loaded, Problems, Sources, load};

pub struct Case {
    pub dir: TempDir,
    environment: BTreeMap<String, String>,
}

impl Case {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), environment: BTreeMap::new() }
    }

    /// Writes a file of the working directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    /// Sets a variable.
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn sources(&self) -> Sources {
        Sources { file: None, working_dir: self.dir.path().to_owned(), environment: self.environment.clone() }
    }

    pub fn load(&self) -> Result<Loaded, Problems> {
        load(&self.sources())
    }

    pub fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    pub fn problems(&self) -> Problems {
        self.load().map(|_| ()).expect_err("this configuration should have problems")
    }
}

/// The one problem with `key`.
pub fn with_key<'a>(problems: &'a Problems, key: &str) -> &'a tollgate_config::Problem {
    let found: Vec<_> = problems.0.iter().filter(|problem| problem.key == key).collect();
    assert_eq!(found.len(), 1, "problems with {key} in: {problems}");
    found[0]
}
