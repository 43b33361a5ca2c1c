//! `identity_providers`: who else's word is taken for who a user is.

use crate::section::{Found, Section, plain_text};
use crate::url;
use crate::yaml::{Node, Value};

/// Most identity providers.
const MAX_PROVIDERS: usize = 20;
/// Longest name of one; it stands in the log.
const MAX_NAME_CHARS: usize = 40;
/// Longest audience or authorized party.
const MAX_PARTY_CHARS: usize = 500;
/// Most authorized parties of one.
const MAX_PARTIES: usize = 100;
const KEY: &str = "identity_providers";
const REMEDY: &str = "list one `{name: …, issuer: https://…, audience: …}` an entry";

/// An issuer of identity tokens (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// What it is called in the log.
    pub name: String,
    /// Its identifier, to the letter as its tokens name it: some end with a slash.
    pub issuer: String,
    /// What a token's `aud` must contain.
    pub audience: Option<String>,
    /// What a token's `azp` must be one of, unless empty. Never empty where there is no audience.
    pub authorized_parties: Vec<String>,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Vec<IdentityProvider> {
    let Some(node) = root.raw(KEY) else {
        root.show_default(KEY, "none");
        return Vec::new();
    };
    let Value::List(nodes) = &node.value else {
        let problem = format!("is {}, where a list of identity providers is expected", node.value.kind());
        root.report.problem(KEY, problem, REMEDY);
        return Vec::new();
    };
    if nodes.len() > MAX_PROVIDERS {
        root.report.problem(KEY, format!("has more than {MAX_PROVIDERS} entries"), "remove some");
        return Vec::new();
    }
    let mut providers: Vec<IdentityProvider> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{KEY}.#{}", index + 1);
        let Some(provider) = provider(root, &path, node) else { continue };
        let same = |known: &IdentityProvider| known.issuer == provider.issuer || known.name == provider.name;
        if providers.iter().any(same) {
            let problem = "has the name or the issuer of an entry before it";
            root.report.problem(path, problem, "give each issuer one entry, with a name of its own");
        } else {
            providers.push(provider);
        }
    }
    providers
}

fn provider(root: &mut Section<'_, '_>, path: &str, node: &Node) -> Option<IdentityProvider> {
    Section::read(root.report, path, Some(node), |section| {
        let name = required(section, "name", |section| section.text("name", MAX_NAME_CHARS));
        let issuer = required(section, "issuer", |section| section.parsed("issuer", url::REMEDY, issuer));
        let audience = section.text("audience", MAX_PARTY_CHARS);
        let authorized_parties = parties(section);
        if !section.has("audience") && authorized_parties.is_empty() {
            let problem =
                "has neither `audience` nor `authorized_parties`, so tokens for anybody would be taken";
            let remedy = "give the client's id as `audience`, or the addresses of your web pages as \
                          `authorized_parties` where tokens have no audience (Clerk)";
            section.report.problem(path, problem, remedy);
            return None;
        }
        Some(IdentityProvider { name: name?, issuer: issuer?, audience, authorized_parties })
    })
}

fn required<T>(
    section: &mut Section<'_, '_>,
    key: &'static str,
    read: impl FnOnce(&mut Section<'_, '_>) -> Option<T>,
) -> Option<T> {
    let missing = !section.has(key);
    let value = read(section);
    if missing {
        let name = section.name(key);
        section.report.problem(name, "is missing", REMEDY);
    }
    value
}

/// An issuer's identifier as it stands in its tokens: checked like a base, but kept to the letter.
fn issuer(found: &Found) -> Result<String, String> {
    url::base(&found.text)?;
    Ok(found.text.trim().to_owned())
}

fn parties(section: &mut Section<'_, '_>) -> Vec<String> {
    let Some(found) = section.texts("authorized_parties") else { return Vec::new() };
    let valid = |text: &String| plain_text(text, MAX_PARTY_CHARS).is_ok();
    if found.texts.len() > MAX_PARTIES || !found.texts.iter().all(valid) {
        let remedy = format!("list at most {MAX_PARTIES} texts of 1 to {MAX_PARTY_CHARS} characters");
        section.report.problem(found.named, "has too many or malformed entries", remedy);
    }
    found.texts
}
