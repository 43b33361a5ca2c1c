//! The token of `tollgate-admin --server`, read alone: where that runs need be no installation.

use secrecy::SecretString;

use crate::{
    config::{Admin, admin, read_file},
    problem::Problems,
    report::Report,
    section::Section,
    source::Sources,
    variable::Variables,
    yaml::{Node, Value},
};

/// The section that holds the token.
const SECTION: &str = "admin";
/// The variable that holds it.
const VARIABLE: &str = "TOLLGATE_TOKEN";

/// The token, and what should be known of where it was found.
#[derive(Debug)]
pub struct Token {
    /// The token, if there is one.
    pub token: Option<SecretString>,
    /// What is not wrong but should be known.
    pub warnings: Vec<String>,
}

/// Reads the token and nothing else: whatever else is wrong with the sources is passed over, unless it hides the
/// token.
///
/// # Errors
/// What is wrong with the token, or why there can be none.
pub fn load_token(sources: &Sources) -> Result<Token, Problems> {
    let mut hiding = Vec::new();
    let variables =
        Variables::gather(&sources.working_dir, &sources.environment, &mut hiding, &mut Vec::new());
    let mut node = None;
    if !variables.has_secret(VARIABLE) {
        match read_file(sources, &variables) {
            Ok(found) => node = found.map(|(_path, node)| only(node, SECTION)),
            Err(problem) => hiding.push(problem),
        }
    }
    let mut report = Report { variables, problems: Vec::new(), warnings: Vec::new(), shown: Vec::new() };
    let Admin { token } = Section::read(&mut report, "", node.as_ref(), admin);
    let Report { problems, warnings, .. } = report;
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    if token.is_none() && !hiding.is_empty() {
        return Err(Problems(hiding));
    }
    Ok(Token { token, warnings })
}

/// A group with this one of its keys.
fn only(node: Node, key: &str) -> Node {
    let value = match node.value {
        Value::Map(entries) => Value::Map(entries.into_iter().filter(|(name, _)| name == key).collect()),
        other => other,
    };
    Node { value, ..node }
}
