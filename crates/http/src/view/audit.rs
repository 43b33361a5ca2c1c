//! An entry of the audit log.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tollgate_store::ListedEntry;
use utoipa::ToSchema;

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct EntryView {
    /// Its id.
    id: String,
    /// When it was done.
    time: DateTime<Utc>,
    /// Who did it: the id of a user or a key, `anonymous`, `tollgate-admin` or `system`.
    actor: String,
    /// `user` or `key`, where it is one.
    actor_kind: Option<String>,
    /// What was done, such as `session.login`.
    action: String,
    /// The id of what it was done to, where that is known.
    subject: Option<String>,
    /// `user`, `key` or `session`, likewise.
    subject_kind: Option<String>,
    /// The address that asked, unless it was erased.
    ip: Option<String>,
    /// The program that asked, likewise.
    user_agent: Option<String>,
    /// The email address that was named, likewise.
    email: Option<String>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntries)]
pub struct EntriesView {
    /// The entries, newest first.
    pub items: Vec<EntryView>,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<String>,
}

impl From<ListedEntry> for EntryView {
    fn from(entry: ListedEntry) -> Self {
        let ListedEntry { row, personal } = entry;
        let personal = personal.unwrap_or_default();
        let (actor_kind, actor) = parts(row.actor);
        let (subject_kind, subject) = parts(row.subject);
        Self {
            id: row.id.to_string(),
            time: row.at,
            actor,
            actor_kind,
            action: row.action,
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            subject_kind,
            ip: personal.ip,
            user_agent: personal.user_agent,
            email: personal.email,
        }
    }
}

/// `<kind>:<id>` taken apart; what has no kind stays whole.
fn parts(text: String) -> (Option<String>, String) {
    match text.split_once(':') {
        Some((kind, id)) => (Some(kind.to_owned()), id.to_owned()),
        None => (None, text),
    }
}
