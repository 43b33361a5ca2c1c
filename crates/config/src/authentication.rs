//! `authentication`: whether keys are needed, what a new key may do, and the legacy keys given in plain.

use secrecy::SecretString;
use tollgate_domain::{
    KeyText, Permission, Permissions,
    key::{MalformedKey, is_access_token},
};

use crate::section::{Naming, Section, Texts};
use crate::tier::MAX_LIMIT;

/// Shortest legacy key, in bytes.
const MIN_LEGACY_KEY_BYTES: usize = 16;
/// Most legacy keys: every start looks at each of them.
const MAX_LEGACY_KEYS: usize = 1_000;
/// Most characters of a legacy key's name.
const MAX_NAME_CHARS: usize = 100;
/// Legacy keys that the documents of the replaced systems print.
const PRINTED_KEYS: &[&str] = &["V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY"];
const PERMISSIONS_REMEDY: &str = "list chat, code_generation, embeddings, services, services:<name>, keys:manage, keys:verify, usage:read, \
     usage:write or admin";
const KEY_REMEDY: &str = "replace it by a key that nobody can guess, such as one of `tollgate-admin create`";

/// Whether keys are needed, and what they may do.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// False lets gated requests without a key run as the anonymous user; in development only.
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
    /// The name of it and of its user.
    pub name: String,
    /// What it may do; the default permissions where none are named.
    pub permissions: Permissions,
    /// Requests in any hour, where the file limits them.
    pub rate_limit_per_hour: Option<u64>,
}

pub(crate) fn read(root: &mut Section<'_, '_>, production: bool) -> Authentication {
    root.section("authentication", |section| {
        let enabled = section.boolean("enabled", true);
        if !enabled {
            disabled(section, production);
        }
        let default_permissions =
            permissions(section, "default_permissions").unwrap_or_else(Permissions::defaults);
        section.show_default("default_permissions", default_permissions.to_text());
        if default_permissions.allow(&Permission::Admin) {
            section.report.problem(
                "authentication.default_permissions",
                "holds `admin`, which every key would get",
                "take it out, and give it to the keys that administer one by one",
            );
        }
        let api_keys = section.map("api_keys", Naming::Position, |key, section| {
            legacy_key(key, section, &default_permissions, production)
        });
        if api_keys.len() > MAX_LEGACY_KEYS {
            section.report.problem(
                "authentication.api_keys",
                format!("has more than {MAX_LEGACY_KEYS} keys"),
                "import them with `tollgate-admin keys import --file` instead",
            );
        }
        Authentication { enabled, api_keys, default_permissions }
    })
}

fn disabled(section: &mut Section<'_, '_>, production: bool) {
    if production {
        section.report.problem(
            "authentication.enabled",
            "is false, which production refuses",
            "set it to true and give every caller a key",
        );
    } else {
        section.report.warnings.push(
            "authentication.enabled: is false: whoever reaches this server may use it without a key; production \
             refuses that"
                .to_owned(),
        );
    }
}

fn legacy_key(
    key: &str,
    section: &mut Section<'_, '_>,
    default_permissions: &Permissions,
    production: bool,
) -> LegacyKey {
    let named = section.name("key");
    if let Some(problem) = never_good(key) {
        section.report.problem(&named, problem, KEY_REMEDY);
    } else if PRINTED_KEYS.contains(&key) {
        let weakness = "is the example that documents print";
        if production {
            section.report.problem(&named, weakness, KEY_REMEDY);
        } else {
            section.report.warnings.push(format!("{named}: {weakness}; production refuses that"));
        }
    }
    section.show_secret("key");
    let remedy = format!("give a text of 1 to {MAX_NAME_CHARS} characters on one line");
    let name = section.parsed("name", &remedy, |found| plain_name(&found.text));
    let permissions = permissions(section, "permissions").unwrap_or_else(|| default_permissions.clone());
    let rate_limit_per_hour = section.optional_integer("rate_limit", 1..=MAX_LIMIT);
    LegacyKey {
        key: SecretString::from(key),
        name: name.unwrap_or_else(|| "Legacy key".to_owned()),
        permissions,
        rate_limit_per_hour,
    }
}

/// Why a key is too easy to guess, or could not be presented.
fn never_good(key: &str) -> Option<String> {
    if key.len() < MIN_LEGACY_KEY_BYTES {
        return Some(format!("is shorter than {MIN_LEGACY_KEY_BYTES} bytes"));
    }
    if is_access_token(key) {
        return Some("looks like an access token, and would be taken for one".to_owned());
    }
    match KeyText::parse(key) {
        Ok(_) => None,
        Err(error @ MalformedKey::NotAKey) => Some(format!("cannot be sent as a key: {error}")),
        Err(MalformedKey::WrongChecksum) => Some(
            "begins like this server's own keys, but its checksum is wrong, so that it would be refused"
                .to_owned(),
        ),
    }
}

fn plain_name(text: &str) -> Result<String, String> {
    crate::section::plain_text(text.trim(), MAX_NAME_CHARS)
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
