//! An installation of its own for each test, and the program run in it.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tollgate_persistence::testing::TestDb;

/// A password that the rules take.
pub const PASSWORD: &str = "correct horse battery";

/// A working directory with a database that other tests don't see.
pub struct Site {
    pub folder: TempDir,
    /// The migrated database that is configured; without one, the default, which is not there yet.
    pub db: Option<TestDb>,
}

/// Runs `test` on a fresh SQLite and, where there is a server, on a fresh Postgres.
pub fn on_each_database(test: impl Fn(&Site)) {
    test(&Site::on(Some(TestDb::sqlite())));
    if let Some(postgres) = TestDb::postgres() {
        test(&Site::on(Some(postgres)));
    }
}

impl Site {
    pub fn empty() -> Self {
        Self::on(None)
    }

    fn on(db: Option<TestDb>) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), db }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with `words`, in this installation and in nothing else's environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-admin"));
        command.args(words).env_clear().env("BCRYPT_ROUNDS", "4").current_dir(self.folder.path());
        if let Some(db) = &self.db {
            command.env("DATABASE_URL", db.url());
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::from(self.command(words).output().unwrap())
    }

    /// Runs it with `input` on its standard input.
    pub fn run_with(&self, words: &[&str], input: &str) -> Ran {
        let file = self.path("input");
        std::fs::write(&file, input).unwrap();
        Ran::from(self.command(words).stdin(std::fs::File::open(file).unwrap()).output().unwrap())
    }

    /// Runs it with `--json` and reads what it prints.
    pub fn json(&self, words: &[&str]) -> Value {
        let ran = self.run(&[words, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    }
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let Output { status, stdout, stderr } = output;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Ran {
    /// It ended with `code`; gives everything it said.
    pub fn ended(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        format!("{}{}", self.out, self.err)
    }
}

/// The text at `pointer`.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}: {value}"))
}
