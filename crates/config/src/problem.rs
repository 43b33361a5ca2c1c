//! What is wrong with a configuration: always all of it, each with what to do.

use std::fmt;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key in the file, or the name of the variable, that is meant.
    pub key: String,
    /// What is wrong. Never contains the value of a secret.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that is wrong with the configuration, in the order in which it was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(f, "The configuration has 1 problem:")?,
            count => writeln!(f, "The configuration has {count} problems:")?,
        }
        for (index, Problem { key, problem, remedy }) in self.0.iter().enumerate() {
            write!(f, "\n  {}. {key}: {problem}\n     -> {remedy}", index + 1)?;
        }
        Ok(())
    }
}
