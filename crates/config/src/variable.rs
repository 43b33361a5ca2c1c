//! Environment variables: those of the process over those of `.env`, and secrets kept in files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::file::{self, MAX_DOTENV_BYTES, MAX_SECRET_BYTES};
use crate::problem::Problem;
use crate::source::Source;

/// The variables in force, each with where it came from. An empty variable counts as not set.
pub(crate) struct Variables {
    values: BTreeMap<String, (String, Source)>,
    working_dir: PathBuf,
}

impl Variables {
    /// Reads `.env` in `working_dir` (it may be missing) and lays `environment` over it.
    pub(crate) fn gather(
        working_dir: &Path,
        environment: &BTreeMap<String, String>,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in dotenv(&working_dir.join(".env"), problems, warnings) {
            let source = Source::DotEnv { name: name.clone() };
            values.insert(name, (value, source));
        }
        for (name, value) in environment {
            if !value.is_empty() {
                let source = Source::Environment { name: name.clone() };
                values.insert(name.clone(), (value.clone(), source));
            }
        }
        values.retain(|_, (value, _)| !value.is_empty());
        Self { values, working_dir: working_dir.to_owned() }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<(&str, &Source)> {
        self.values.get(name).map(|(value, source)| (value.as_str(), source))
    }

    /// Whether a secret is given, by its own variable or by the name of a file.
    pub(crate) fn has_secret(&self, name: &str) -> bool {
        self.get(name).is_some() || self.get(&format!("{name}_FILE")).is_some()
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The secret in `name`, or in the file that `<name>_FILE` names.
    pub(crate) fn secret(
        &self,
        name: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<(SecretString, Source)>, Problem> {
        let file_name = format!("{name}_FILE");
        match (self.get(name), self.get(&file_name)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Problem {
                key: name.to_owned(),
                problem: format!("both {name} and {file_name} are set"),
                remedy: "keep one of the two".to_owned(),
            }),
            (Some((value, _)), None) if value.contains('\u{fffd}') => Err(not_text(name)),
            (Some((value, source)), None) => Ok(Some((SecretString::from(value), source.clone()))),
            (None, Some((path, _))) => {
                let path = self.working_dir.join(path);
                let secret = secret_file(&path, &file_name)?;
                if file::too_open(&path) {
                    warnings.push(format!(
                        "{file_name}: {} can be read by other users of this machine; chmod 600 it",
                        path.display()
                    ));
                }
                Ok(Some((secret, Source::SecretFile { name: file_name, path })))
            }
        }
    }
}

/// The problem of a variable whose bytes are not text.
pub(crate) fn not_text(name: &str) -> Problem {
    Problem {
        key: name.to_owned(),
        problem: "is not valid UTF-8".to_owned(),
        remedy: "set it to plain text".to_owned(),
    }
}

fn secret_file(path: &Path, name: &str) -> Result<SecretString, Problem> {
    let problem = |what: String| Problem {
        key: name.to_owned(),
        problem: what,
        remedy: "name a readable file that holds just the secret".to_owned(),
    };
    let text = file::read(path, MAX_SECRET_BYTES)
        .map_err(|error| problem(format!("{}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(problem(format!("{} is empty", path.display()))),
        secret => Ok(SecretString::from(secret)),
    }
}

fn dotenv(path: &Path, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) -> Vec<(String, String)> {
    let text = match file::read(path, MAX_DOTENV_BYTES) {
        Ok(text) => text,
        Err(file::FileError::Missing) => return Vec::new(),
        Err(error) => {
            problems.push(Problem {
                key: ".env".to_owned(),
                problem: error.to_string(),
                remedy: "make it readable text of NAME=value lines, or remove it".to_owned(),
            });
            return Vec::new();
        }
    };
    let text = text.trim_start_matches('\u{feff}');
    for (number, line) in (1_usize..).zip(text.lines()) {
        if line.contains('$') && !line.contains('\'') && !line.trim_start().starts_with('#') {
            warnings.push(format!(
                ".env line {number}: `$` names another variable; put the value in single quotes to keep it as \
                 it is"
            ));
        }
    }
    let mut values = Vec::new();
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok(pair) => values.push(pair),
            Err(error) => problems.push(Problem {
                key: dotenv_place(text, &error),
                problem: "is not of the form NAME=value".to_owned(),
                remedy: "quote values that contain spaces or quotes: NAME='…'".to_owned(),
            }),
        }
    }
    values
}

/// Where in `.env` an error is. The error's own text repeats the line, which may hold a secret.
fn dotenv_place(text: &str, error: &dotenvy::Error) -> String {
    let line = match error {
        dotenvy::Error::LineParse(line, _) => line.lines().next().unwrap_or_default().trim(),
        _ => "",
    };
    match text.lines().position(|candidate| candidate.trim().starts_with(line)) {
        Some(index) if !line.is_empty() => format!(".env line {}", index + 1),
        _ => ".env".to_owned(),
    }
}
