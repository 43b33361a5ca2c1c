//! An entry of the audit log.

use serde::{Deserialize, Serialize};
use tollgate_domain::Time;
use tollgate_store::ListedEntry;

/// An entry of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub struct EntryView {
    id: String,
    /// When it was done.
    pub time: Time,
    actor: String,
    actor_kind: Option<String>,
    /// What was done.
    pub action: String,
    subject: Option<String>,
    subject_kind: Option<String>,
    /// The address that asked.
    pub ip: Option<String>,
    user_agent: Option<String>,
    /// The email address that was named.
    pub email: Option<String>,
}

impl EntryView {
    /// An entry as it is listed.
    pub fn new(entry: &ListedEntry) -> Self {
        let (actor_kind, actor) = parts(&entry.row.actor);
        let (subject_kind, subject) = parts(&entry.row.subject);
        let beside = entry.personal.as_ref();
        Self {
            id: entry.row.id.to_string(),
            time: entry.row.at,
            actor,
            actor_kind,
            action: entry.row.action.clone(),
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            subject_kind,
            ip: beside.and_then(|beside| beside.ip.clone()),
            user_agent: beside.and_then(|beside| beside.user_agent.clone()),
            email: beside.and_then(|beside| beside.email.clone()),
        }
    }

    /// Who did it, as `<kind>:<id>` or by name.
    pub fn actor(&self) -> String {
        whole(self.actor_kind.as_deref(), &self.actor)
    }

    /// What it was done to, likewise.
    pub fn subject(&self) -> Option<String> {
        self.subject.as_deref().map(|subject| whole(self.subject_kind.as_deref(), subject))
    }
}

/// `<kind>:<id>` taken apart; what has no kind stays whole.
fn parts(text: &str) -> (Option<String>, String) {
    match text.split_once(':') {
        Some((kind, id)) => (Some(kind.to_owned()), id.to_owned()),
        None => (None, text.to_owned()),
    }
}

fn whole(kind: Option<&str>, id: &str) -> String {
    kind.map_or_else(|| id.to_owned(), |kind| format!("{kind}:{id}"))
}
