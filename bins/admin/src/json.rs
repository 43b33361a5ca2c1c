//! What `--json` prints: the names and forms of the API.

pub mod stats;

use std::io::{self, Seek, Write};

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::value::RawValue;
use tempfile::SpooledTempFile;
use tollgate_accounts::{admin::Provisioned, key::CreatedKey};
use tollgate_domain::{ApiKey, Email, Month, Tier, Time, User};
use tollgate_store::{KeyTotals, ListedEntry, ListedKey};

use crate::{error::AdminError, output};

/// How much of the second array of a list is kept in memory.
const MAX_COPY_BYTES: usize = 4 * 1_024 * 1_024;

/// Prints one thing.
pub fn print(value: &impl Serialize) -> Result<(), AdminError> {
    output::line(&text(value)?)
}

fn text(value: &impl Serialize) -> Result<String, AdminError> {
    serde_json::to_string(value).map_err(|error| AdminError::Output(error.into()))
}

/// Prints a list item by item as `{"items": […], "<also>": […], "next_cursor": null}`. The second array is the same as
/// the first, so its text is kept until the end: of a long list in a temporary file.
pub struct List<W: Write> {
    out: W,
    also: Option<(&'static str, SpooledTempFile)>,
    begun: bool,
}

impl<W: Write> List<W> {
    /// Begins a list on `out`.
    pub fn begin(out: W, also: &'static str) -> Result<Self, AdminError> {
        let copy = SpooledTempFile::new(MAX_COPY_BYTES);
        Ok(Self { also: Some((also, copy)), ..Self::begin_plain(out)? })
    }

    /// Begins a list without a second array.
    pub fn begin_plain(mut out: W) -> Result<Self, AdminError> {
        write!(out, "{{\"items\":[").map_err(AdminError::Output)?;
        Ok(Self { out, also: None, begun: false })
    }

    /// One more item.
    pub fn item(&mut self, item: &impl Serialize) -> Result<(), AdminError> {
        let item = format!("{}{}", if self.begun { ",\n" } else { "\n" }, text(item)?);
        self.begun = true;
        if let Some((_, copy)) = &mut self.also {
            copy.write_all(item.as_bytes()).map_err(AdminError::Output)?;
        }
        self.out.write_all(item.as_bytes()).map_err(AdminError::Output)
    }

    /// Ends the list.
    pub fn end(mut self) -> Result<(), AdminError> {
        self.close().map_err(AdminError::Output)
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some((name, copy)) = &mut self.also {
            write!(self.out, "],\"{name}\":[")?;
            copy.rewind()?;
            io::copy(copy, &mut self.out)?;
        }
        writeln!(self.out, "],\"next_cursor\":null}}")?;
        self.out.flush()
    }
}

/// An entry of the audit log.
#[derive(Debug, Serialize)]
pub struct EntryView<'a> {
    id: String,
    time: String,
    actor: &'a str,
    actor_kind: Option<&'a str>,
    action: &'a str,
    subject: Option<&'a str>,
    subject_kind: Option<&'a str>,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    email: Option<&'a str>,
}

impl<'a> EntryView<'a> {
    /// An entry as it is listed.
    pub fn new(entry: &'a ListedEntry) -> Self {
        let (actor_kind, actor) = parts(&entry.row.actor);
        let (subject_kind, subject) = parts(&entry.row.subject);
        let beside = entry.personal.as_ref();
        Self {
            id: entry.row.id.to_string(),
            time: time(entry.row.at),
            actor,
            actor_kind,
            action: &entry.row.action,
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            subject_kind,
            ip: beside.and_then(|beside| beside.ip.as_deref()),
            user_agent: beside.and_then(|beside| beside.user_agent.as_deref()),
            email: beside.and_then(|beside| beside.email.as_deref()),
        }
    }
}

/// `<kind>:<id>` taken apart; what has no kind stays whole.
fn parts(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((kind, id)) => (Some(kind), id),
        None => (None, text),
    }
}

/// A user, as administrators see it.
#[derive(Debug, Serialize)]
pub struct UserView {
    id: String,
    email: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    role: &'static str,
    subscription: &'static str,
    is_verified: bool,
    is_active: bool,
    minute_limit: Option<u64>,
    hourly_limit: Option<u64>,
    daily_limit: Option<u64>,
    monthly_token_limit: Option<u64>,
    quota_grant: u64,
    metadata: Box<RawValue>,
    created_at: String,
    updated_at: String,
}

impl UserView {
    /// A user as they are at `now`.
    pub fn new(user: &User, now: Time) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_ref().map(Email::to_string),
            name: user.name.clone(),
            external_id: user.external_id.clone(),
            role: user.role.as_str(),
            subscription: user.tier.as_str(),
            is_verified: user.is_verified,
            is_active: user.is_active,
            minute_limit: user.limits.minute,
            hourly_limit: user.limits.hour,
            daily_limit: user.limits.day,
            monthly_token_limit: user.monthly_token_limit,
            quota_grant: user.granted_tokens(Month::of(now)),
            metadata: notes(&user.metadata),
            created_at: time(user.created_at),
            updated_at: time(user.updated_at),
        }
    }
}

/// A key without its secret.
#[derive(Debug, Serialize)]
pub struct KeyView {
    id: String,
    key_prefix: String,
    key_preview: String,
    name: String,
    user_id: String,
    tier: Option<&'static str>,
    environment: &'static str,
    permissions: Vec<String>,
    status: &'static str,
    is_active: bool,
    minute_limit: Option<u64>,
    hourly_limit: Option<u64>,
    daily_limit: Option<u64>,
    expires_at: Option<String>,
    created_at: String,
    updated_at: String,
    last_used_at: Option<String>,
    request_count: u64,
    allowed_ips: Option<Vec<String>>,
    allowed_models: Option<Vec<String>>,
    created_by_key: Option<String>,
    metadata: Box<RawValue>,
}

impl KeyView {
    /// A key, with nothing counted of it.
    pub fn new(key: &ApiKey, now: Time) -> Self {
        Self {
            id: key.id.to_string(),
            key_prefix: key.prefix.clone(),
            key_preview: key.preview.clone(),
            name: key.name.clone(),
            user_id: key.user_id.to_string(),
            tier: key.limits.tier.map(Tier::as_str),
            environment: key.environment.as_str(),
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            status: key.status(now),
            is_active: key.is_active && key.revoked_at.is_none(),
            minute_limit: key.limits.limits.minute,
            hourly_limit: key.limits.limits.hour,
            daily_limit: key.limits.limits.day,
            expires_at: key.expires_at.map(time),
            created_at: time(key.created_at),
            updated_at: time(key.updated_at),
            last_used_at: None,
            request_count: 0,
            allowed_ips: listed(key.allowed_ips.iter().map(ToString::to_string).collect()),
            allowed_models: listed(key.allowed_models.clone()),
            created_by_key: key.created_by_key.map(|id| id.to_string()),
            metadata: notes(&key.metadata),
        }
    }

    /// A key of a list.
    pub fn listed(listed: &ListedKey, now: Time) -> Self {
        Self {
            last_used_at: listed.last_used_at.map(time),
            request_count: listed.request_count,
            ..Self::new(&listed.key, now)
        }
    }
}

/// A key of everybody's list, with what the last seven days brought.
#[derive(Debug, Serialize)]
pub struct ListedKeyView {
    #[serde(flatten)]
    key: KeyView,
    email: Option<String>,
    requests_7d: u64,
    tokens_7d: u64,
}

impl ListedKeyView {
    /// A key and its sums.
    pub fn new(listed: &ListedKey, totals: KeyTotals, now: Time) -> Self {
        Self {
            key: KeyView::listed(listed, now),
            email: listed.owner_email.as_ref().map(Email::to_string),
            requests_7d: totals.requests,
            tokens_7d: totals.tokens,
        }
    }
}

/// A key that was just made, with its secret and its owner.
#[derive(Serialize)]
pub struct ProvisionedView<'a> {
    user: UserView,
    key_id: String,
    api_key: &'a str,
    key: &'a str,
    #[serde(flatten)]
    view: KeyView,
}

impl<'a> ProvisionedView<'a> {
    /// What was made.
    pub fn new(made: &'a Provisioned, now: Time) -> Self {
        Self {
            user: UserView::new(&made.user, now),
            key_id: made.key.id.to_string(),
            api_key: made.secret.expose(),
            key: made.secret.expose(),
            view: KeyView::new(&made.key, now),
        }
    }
}

/// A key with another secret.
#[derive(Serialize)]
pub struct RotatedView<'a> {
    api_key: &'a str,
    key: &'a str,
    #[serde(flatten)]
    view: KeyView,
}

impl<'a> RotatedView<'a> {
    /// What was rotated.
    pub fn new(rotated: &'a CreatedKey, now: Time) -> Self {
        let secret = rotated.secret.expose();
        Self { api_key: secret, key: secret, view: KeyView::new(&rotated.key, now) }
    }
}

/// A time as the API prints it.
pub fn time(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Nothing in place of an empty list, which bounds nothing.
fn listed(entries: Vec<String>) -> Option<Vec<String>> {
    Some(entries).filter(|entries| !entries.is_empty())
}

/// Stored notes as they are; `null` where the text is no JSON.
fn notes(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_no_json| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_document_with_the_same_array_twice() {
        let long: Vec<String> = (0..3_000).map(|item| format!("{item:>2000}")).collect();
        assert!(long.concat().len() > MAX_COPY_BYTES);
        let short = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
        for items in [short(&[]), short(&["one"]), short(&["one", "two", "three"]), long] {
            let mut out = Vec::new();
            let mut list = List::begin(&mut out, "keys").unwrap();
            items.iter().for_each(|item| list.item(item).unwrap());
            list.end().unwrap();
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, serde_json::json!({"items": items, "keys": items, "next_cursor": null}));
        }
    }
}
