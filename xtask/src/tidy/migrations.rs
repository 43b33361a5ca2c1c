//! Migrations: the same names for both databases, each with a way up and a way down.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Problem;
use crate::failure::Failure;

/// The folders under `migrations/`, one a database.
const DATABASES: [&str; 2] = ["postgres", "sqlite"];

/// What a migration consists of.
const FILES: [&str; 2] = ["up.sql", "down.sql"];

/// Compares the folders and looks into each migration.
///
/// # Errors
/// A folder that cannot be read.
pub fn check(migrations: &Path) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    let mut names = Vec::new();
    for database in DATABASES {
        let folder = migrations.join(database);
        let found = folders(&folder)?;
        for name in &found {
            for file in FILES {
                let text = fs::read_to_string(folder.join(name).join(file)).unwrap_or_default();
                if text.trim().is_empty() {
                    problems.push(Problem::new(
                        format!("migrations/{database}/{name}/{file}"),
                        "is missing or empty",
                        "write it; where there is nothing to do, `SELECT 1;` with a comment that says why",
                    ));
                }
            }
        }
        names.push(found);
    }
    for (mine, other) in [(0, 1), (1, 0)] {
        for name in names[mine].difference(&names[other]) {
            problems.push(Problem::new(
                format!("migrations/{}/{name}", DATABASES[mine]),
                format!("has no counterpart in migrations/{}", DATABASES[other]),
                "both databases go through the same steps under the same names",
            ));
        }
    }
    Ok(problems)
}

fn folders(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let failure = |error| Failure::io(path, &error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        if entry.file_type().map_err(failure)?.is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::check;

    fn folder(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "SELECT 1;").unwrap();
        }
        folder
    }

    const BOTH: [&str; 4] = [
        "postgres/0001_a/up.sql",
        "postgres/0001_a/down.sql",
        "sqlite/0001_a/up.sql",
        "sqlite/0001_a/down.sql",
    ];

    #[test]
    fn equal_folders_are_fine() {
        assert_eq!(check(folder(&BOTH).path()).unwrap(), []);
    }

    #[test]
    fn a_missing_or_empty_file_is_a_problem() {
        let missing = folder(&BOTH[..3]);
        let problems = check(missing.path()).unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place, "migrations/sqlite/0001_a/down.sql");

        let empty = folder(&BOTH);
        fs::write(empty.path().join(BOTH[0]), "\n").unwrap();
        assert_eq!(check(empty.path()).unwrap().len(), 1);
    }

    #[test]
    fn another_name_is_a_problem_on_both_sides() {
        let other = folder(&[BOTH[0], BOTH[1], "sqlite/0001_b/up.sql", "sqlite/0001_b/down.sql"]);
        assert_eq!(check(other.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_missing_database_is_a_failure() {
        assert!(check(folder(&BOTH[..2]).path()).is_err());
    }
}
