//! `authentication`: whether keys are needed, what a new key may do, and the legacy keys given in plain.

use secrecy::SecretString;
use tollgate_domain::Permissions;

use crate::section::{Naming, Section, Texts};
use crate::tier::MAX_LIMIT;

/// Shortest legacy key, in bytes.
const MIN_LEGACY_KEY_BYTES: usize = 16;
const PERMISSIONS_REMEDY: &str = "list chat, code_generation, embeddings, services, services:<name>, keys:manage, keys:verify, usage:read, \
     usage:write or admin";

/// Whether keys are needed, and what they may do.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// False would let requests in without a key; this version refuses such a configuration.
    pub enabled: bool,
    /// Keys given in plain, in the order of the file.
    pub api_keys: Vec<LegacyKey>,
    /// What a key may do when it names nothing else.
    pub default_permissions: Permissions,
}

/// A key given in plain in the file; each is a user of its own.
#[derive(Debug, Clone)]
pub struct LegacyKey {
    /// The key itself.
    pub key: SecretString,
    /// The name of its user.
    pub name: String,
    /// What it may do; the default permissions where none are named.
    pub permissions: Permissions,
    /// Requests in any hour, where the file limits them.
    pub rate_limit_per_hour: Option<u64>,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Authentication {
    root.section("authentication", |section| {
        let enabled = section.boolean("enabled", true);
        if !enabled {
            section.report.problem(
                "authentication.enabled",
                "is false, which this version does not serve",
                "set it to true and give every caller a key",
            );
        }
        let default_permissions =
            permissions(section, "default_permissions").unwrap_or_else(Permissions::defaults);
        section.show_default("default_permissions", default_permissions.to_text());
        let api_keys = section
            .map("api_keys", Naming::Position, |key, section| legacy_key(key, section, &default_permissions));
        if !api_keys.is_empty() {
            section.report.warnings.push(
                "authentication.api_keys: legacy keys are not accepted by this version; make keys with \
                 `tollgate-admin create`"
                    .to_owned(),
            );
        }
        Authentication { enabled, api_keys, default_permissions }
    })
}

fn legacy_key(key: &str, section: &mut Section<'_, '_>, default_permissions: &Permissions) -> LegacyKey {
    if key.len() < MIN_LEGACY_KEY_BYTES {
        let named = section.name("key");
        section.report.problem(
            named,
            format!("the key is shorter than {MIN_LEGACY_KEY_BYTES} bytes"),
            "replace it by a key that nobody can guess",
        );
    }
    section.show_secret("key");
    let name = section.text("name", 200).unwrap_or_else(|| "Legacy key".to_owned());
    let permissions = permissions(section, "permissions").unwrap_or_else(|| default_permissions.clone());
    let rate_limit_per_hour = section.optional_integer("rate_limit", 1..=MAX_LIMIT);
    LegacyKey { key: SecretString::from(key), name, permissions, rate_limit_per_hour }
}

fn permissions(section: &mut Section<'_, '_>, key: &'static str) -> Option<Permissions> {
    let Texts { texts, named } = section.texts(key)?;
    let mut permissions = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(permission) => permissions.push(permission),
            Err(_) => {
                let problem = format!("{} is not a permission", crate::report::quoted(&text));
                section.report.problem(&named, problem, PERMISSIONS_REMEDY);
            }
        }
    }
    Some(permissions.into_iter().collect())
}
