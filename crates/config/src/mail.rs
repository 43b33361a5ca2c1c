//! `mail`: how mails leave.

use secrecy::SecretString;

use crate::section::Section;
use crate::server::Server;
use crate::url;

const FROM_REMEDY: &str = "set it to whom mails come from, such as `Tollgate <noreply@example.com>`";
/// The longest sender, in characters.
const MAX_SENDER_CHARS: usize = 320;

/// How mails leave.
#[derive(Debug, Clone)]
pub struct Mail {
    /// `SMTP_URL`: the mail server. Unset, each mail becomes a file.
    pub smtp_url: Option<SecretString>,
    /// `MAIL_FROM`: whom they come from.
    pub from: String,
}

/// Reads it. Without a mail server the sender may be made up of the public URL.
pub(crate) fn read(root: &mut Section<'_, '_>, server: &Server) -> Mail {
    root.section("mail", |section| {
        let smtp_url = section.secret(("smtp_url", "SMTP_URL"));
        let default = format!("noreply@{}", url::host_name(&server.public_url));
        let from = section.parsed(("from", "MAIL_FROM"), FROM_REMEDY, |found| sender(&found.text));
        let given = section.has("from") || section.report.variables.get("MAIL_FROM").is_some();
        if smtp_url.is_some() && !given {
            section.report.problem("MAIL_FROM", "is missing, and mail servers ask for it", FROM_REMEDY);
        }
        if smtp_url.is_none() && server.is_production() {
            section.report.warnings.push(
                "SMTP_URL: is not set, so mails are written to files and reach nobody; \
                 set it to a mail server, such as smtps://user:password@mail.example.com"
                    .to_owned(),
            );
        }
        section.show_default("from", &default);
        Mail { smtp_url, from: from.unwrap_or(default) }
    })
}

/// A sender: an address, or a name and an address in angle brackets. Whether mail takes it, the mail's own parser says.
fn sender(text: &str) -> Result<String, String> {
    let text = text.trim();
    let address = text.split_once('<').map_or(Some(text), |(_, rest)| rest.strip_suffix('>'));
    let plain = !text.chars().any(char::is_control) && text.chars().count() <= MAX_SENDER_CHARS;
    match address.and_then(|address| address.split_once('@')) {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() => Ok(text.to_owned()),
        _ => Err("is no sender of mail".to_owned()),
    }
}
