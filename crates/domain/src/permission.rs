//! Permissions: what a key may do.

use std::{fmt, str::FromStr};

/// The longest name of a service in `services:<name>`, in bytes.
pub const MAX_SERVICE_NAME_BYTES: usize = 64;

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub enum Permission {
    /// Chat, messages and the plain completion routes.
    Chat,
    /// `/v1/completions`.
    CodeGeneration,
    /// `/v1/embeddings`.
    Embeddings,
    /// Every configured service.
    Services,
    /// One configured service.
    Service(String),
    /// Managing one's own keys.
    KeysManage,
    /// `POST /api/v1/keys/verify`.
    KeysVerify,
    /// Reading usage.
    UsageRead,
    /// Reporting usage of other programs.
    UsageWrite,
    /// Administration.
    Admin,
}

/// A text that names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no permission: chat, code_generation, embeddings, services, services:<name>, keys:manage, \
     keys:verify, usage:read, usage:write or admin"
)]
pub struct UnknownPermission(pub String);

const NAMED: [Permission; 9] = [
    Permission::Chat,
    Permission::CodeGeneration,
    Permission::Embeddings,
    Permission::Services,
    Permission::KeysManage,
    Permission::KeysVerify,
    Permission::UsageRead,
    Permission::UsageWrite,
    Permission::Admin,
];

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "chat",
            Self::CodeGeneration => "code_generation",
            Self::Embeddings => "embeddings",
            Self::Services => "services",
            Self::Service(name) => return write!(f, "services:{name}"),
            Self::KeysManage => "keys:manage",
            Self::KeysVerify => "keys:verify",
            Self::UsageRead => "usage:read",
            Self::UsageWrite => "usage:write",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        if let Some(name) = text.strip_prefix("services:") {
            let named = !name.is_empty()
                && name.len() <= MAX_SERVICE_NAME_BYTES
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            return if named { Ok(Self::Service(name.to_owned())) } else { Err(unknown(text)) };
        }
        NAMED.into_iter().find(|permission| permission.to_string() == text).ok_or_else(|| unknown(text))
    }
}

fn unknown(text: &str) -> UnknownPermission {
    UnknownPermission(text.chars().take(MAX_SERVICE_NAME_BYTES).collect())
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

impl TryFrom<String> for Permission {
    type Error = UnknownPermission;

    fn try_from(text: String) -> Result<Self, UnknownPermission> {
        text.parse()
    }
}

/// A set of permissions, sorted and without repetitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// What a key gets when none are named, unless configured otherwise.
    pub fn defaults() -> Self {
        Self::from_iter([
            Permission::Chat,
            Permission::CodeGeneration,
            Permission::Embeddings,
            Permission::Services,
            Permission::UsageRead,
        ])
    }

    /// Every permission; that for all services stands for each.
    pub fn all() -> Self {
        NAMED.into_iter().collect()
    }

    /// Whether the set grants `asked`; `services` grants each `services:<name>`.
    pub fn allow(&self, asked: &Permission) -> bool {
        let every_service = matches!(asked, Permission::Service(_)) && self.0.contains(&Permission::Services);
        every_service || self.0.contains(asked)
    }

    /// The first permission of `others` that this set does not grant.
    pub fn first_beyond<'a>(&self, others: &'a Self) -> Option<&'a Permission> {
        others.0.iter().find(|permission| !self.allow(permission))
    }

    /// The set with `permission` in it.
    #[must_use]
    pub fn with(&self, permission: Permission) -> Self {
        self.0.iter().cloned().chain([permission]).collect()
    }

    /// The set without `permission`.
    #[must_use]
    pub fn without(&self, permission: &Permission) -> Self {
        Self(self.0.iter().filter(|held| *held != permission).cloned().collect())
    }

    /// The permissions, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }

    /// The names, joined by commas: how a set is stored.
    pub fn to_text(&self) -> String {
        self.0.iter().map(Permission::to_string).collect::<Vec<_>>().join(",")
    }

    /// Reads names joined by commas; blank names are skipped.
    ///
    /// # Errors
    /// [`UnknownPermission`] names the first that is none.
    pub fn from_text(text: &str) -> Result<Self, UnknownPermission> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::parse).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut sorted: Vec<_> = permissions.into_iter().collect();
        sorted.sort();
        sorted.dedup();
        Self(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for permission in NAMED.into_iter().chain([Permission::Service("stocks".into())]) {
            assert_eq!(permission.to_string().parse(), Ok(permission));
        }
        for text in ["", "Chat", "services:", "services:a b", "root"] {
            assert!(text.parse::<Permission>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn services_grants_each_service_but_not_the_other_way_round() {
        let all = Permissions::from_text("services").unwrap();
        let one = Permissions::from_text("services:stocks").unwrap();
        assert!(all.allow(&Permission::Service("stocks".into())));
        assert!(!one.allow(&Permission::Services));
        assert!(!one.allow(&Permission::Service("bonds".into())));
        assert_eq!(one.first_beyond(&all), Some(&Permission::Services));
    }
}
