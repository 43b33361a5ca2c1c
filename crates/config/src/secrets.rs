//! `secrets`: what signs, peppers and seals. Each is a list; the first is used for what is new, all are
//! accepted.

use secrecy::{ExposeSecret as _, SecretString};

use crate::report::Report;
use crate::section::Section;
use crate::source::Source;

/// The shortest secret that is not weak, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;
/// Most secrets in one list.
const MAX_SECRETS: usize = 16;
/// What the documents of the replaced systems print, and what people put in its place without thinking.
const PRINTED: &[&str] = &[
    "your-secret-key-change-this-in-production",
    "your-encryption-key-change-this",
    "your-secret-key-change-this",
    "your-encryption-key-change-this-in-production",
    "your-super-secret-jwt-key-change-this-in-production",
];
const REMEDY: &str = "set it to the output of `openssl rand -base64 32`";

/// The secrets of the installation. An empty list is one that [`crate::ensure_secrets`] has yet to fill.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// `JWT_SECRET_KEY`: signs access tokens.
    pub jwt: Vec<SecretString>,
    /// `SECRET_KEY`: pepper of key, token and password hashes.
    pub pepper: Vec<SecretString>,
    /// `ENCRYPTION_MASTER_KEY`: seals what must be read again.
    pub encryption: Vec<SecretString>,
}

/// One of the three: its key in the file, its variable, and its place in [`Secrets`].
pub(crate) struct Slot {
    pub(crate) key: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) of: fn(&mut Secrets) -> &mut Vec<SecretString>,
}

pub(crate) const SLOTS: [Slot; 3] = [
    Slot { key: "jwt", variable: "JWT_SECRET_KEY", of: |secrets| &mut secrets.jwt },
    Slot { key: "pepper", variable: "SECRET_KEY", of: |secrets| &mut secrets.pepper },
    Slot { key: "encryption", variable: "ENCRYPTION_MASTER_KEY", of: |secrets| &mut secrets.encryption },
];

pub(crate) fn read(root: &mut Section<'_, '_>, production: bool) -> Secrets {
    root.section("secrets", |section| {
        let mut secrets = Secrets::default();
        for slot in &SLOTS {
            let list = section.secret((slot.key, slot.variable)).map(|text| split(&text)).unwrap_or_default();
            if list.is_empty() && !production {
                let name = section.name(slot.key);
                section.report.shown.retain(|shown| shown.key != name);
                section.report.show(name, "(generated at the first start)", Source::Default);
            }
            judge(section.report, slot.variable, &list, production);
            *(slot.of)(&mut secrets) = list;
        }
        secrets
    })
}

fn split(text: &SecretString) -> Vec<SecretString> {
    let parts = text.expose_secret().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(SecretString::from).collect()
}

fn judge(report: &mut Report, variable: &str, list: &[SecretString], production: bool) {
    if list.len() > MAX_SECRETS {
        report.problem(variable, format!("lists more than {MAX_SECRETS} secrets"), "drop the oldest");
    }
    let already_reported = report.problems.iter().any(|problem| problem.key.starts_with(variable));
    if list.is_empty() && production && !already_reported {
        report.problem(variable, "is missing, and must be set in production", REMEDY);
    }
    for (index, secret) in list.iter().enumerate() {
        let Some(weakness) = weakness(secret.expose_secret()) else { continue };
        let which = if list.len() > 1 { format!("number {} of the list ", index + 1) } else { String::new() };
        if production {
            report.problem(variable, format!("{which}{weakness}"), REMEDY);
        } else {
            report.warnings.push(format!("{variable}: {which}{weakness}; production refuses that"));
        }
    }
}

fn weakness(secret: &str) -> Option<String> {
    if PRINTED.contains(&secret.to_ascii_lowercase().as_str()) {
        return Some("is the example that documents print".to_owned());
    }
    (secret.len() < MIN_SECRET_BYTES).then(|| format!("is shorter than {MIN_SECRET_BYTES} bytes"))
}
