//! Where a configuration comes from, and where each of its values came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Everything that a configuration is read from; nothing else is looked at.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named on the command line. Unset: the one that `TOLLGATE_CONFIG` names, else `config.yaml`
    /// in the working directory if there is one. A named file that is missing is a problem.
    pub file: Option<PathBuf>,
    /// Where `config.yaml` and `.env` lie, and what relative paths are relative to.
    pub working_dir: PathBuf,
    /// The environment variables; they win over `.env`, which wins over the file.
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// The sources of the running process: its working directory and environment, and the file that its
    /// command line names.
    ///
    /// # Errors
    /// When the process has no working directory (it was removed).
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process(file: Option<PathBuf>) -> std::io::Result<Self> {
        // A variable that is not UTF-8 keeps its replacement characters and is refused where it is read.
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Ok(Self { file, working_dir: std::env::current_dir()?, environment })
    }
}

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// The configuration file, at this line (from 1).
    File {
        /// The line at which the value starts.
        line: usize,
    },
    /// A variable in `.env`.
    DotEnv {
        /// The variable.
        name: String,
    },
    /// A variable of the process.
    Environment {
        /// The variable.
        name: String,
    },
    /// A file that holds a secret.
    SecretFile {
        /// The variable that named the file.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Generated, and kept in the data directory.
    DataDirectory {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "configuration file, line {line}"),
            Self::DotEnv { name } => write!(f, ".env, {name}"),
            Self::Environment { name } => write!(f, "environment, {name}"),
            Self::SecretFile { name, path } => write!(f, "{}, named by {name}", path.display()),
            Self::DataDirectory { path } => write!(f, "{}", path.display()),
        }
    }
}

/// One line of `tollgate-admin config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The dotted key.
    pub key: String,
    /// The effective value as text; [`REDACTED`] for a secret.
    pub value: String,
    /// Where the value came from.
    pub source: Source,
}

/// What is shown in place of a secret.
pub const REDACTED: &str = "[redacted]";
/// What is shown where nothing is set.
pub const UNSET: &str = "(unset)";
