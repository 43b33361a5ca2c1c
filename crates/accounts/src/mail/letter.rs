//! What each kind of mail says, once, and the two forms of it.

use maud::{DOCTYPE, html};
use secrecy::ExposeSecret;

use super::{Mail, link, sign_up_link};

/// The page that confirms addresses.
const VERIFY_PAGE: &str = "verify-email";
/// The page that sets passwords.
const RESET_PAGE: &str = "reset-password";
const NOT_YOU: &str = "If this was not you, set a new password at once: somebody else may have yours.";
const IGNORE: &str = "If you did not ask for this, you need not do anything.";

/// A link, with what it is for.
struct Action {
    label: &'static str,
    url: String,
}

/// What a mail says.
pub(super) struct Letter {
    pub(super) subject: &'static str,
    before: Vec<String>,
    action: Option<Action>,
    /// Something to be typed in.
    code: Option<String>,
    after: Vec<&'static str>,
}

impl Letter {
    pub(super) fn of(mail: &Mail<'_>, public_url: &str) -> Self {
        match mail {
            Mail::Verification { token } => Self::plain(
                "Confirm your email address",
                "An account was made with this email address. Confirm that it is yours within 24 hours:",
            )
            .action("Confirm the address", link(public_url, VERIFY_PAGE, token))
            .after("If you made no account, the same page has a button that ends it."),
            Mail::AddressTaken => Self::plain(
                "Somebody used your email address",
                "Somebody wanted to use this email address for an account, but there is one with it already.",
            )
            .after("If it was you, sign in instead, or ask for a new password if you do not know yours.")
            .after(IGNORE),
            Mail::NewAddress { token } => Self::plain(
                "Confirm your new email address",
                "An account shall have this email address from now on. Confirm that it is yours within 24 hours:",
            )
            .action("Confirm the address", link(public_url, VERIFY_PAGE, token))
            .after(IGNORE),
            Mail::AddressChanging { new } => Self::owned(
                "Your email address is about to change",
                format!("Your account shall have the address {new}. It changes once it is confirmed from there."),
            )
            .after(NOT_YOU),
            Mail::AddressChanged { new } => Self::owned(
                "Your email address was changed",
                format!("Your account now has the address {new}. You will get no more mail about it here."),
            )
            .after("If this was not you, write to whoever runs this service."),
            Mail::PasswordReset { token, by_admin } => Self::plain(
                "Set a new password",
                if *by_admin {
                    "An administrator asks you to set a new password. The link is good for an hour:"
                } else {
                    "Somebody, probably you, asked for a new password. The link is good for an hour:"
                },
            )
            .action("Set a new password", link(public_url, RESET_PAGE, token))
            .after(if *by_admin { "Until then your present one stays." } else { IGNORE }),
            Mail::Invitation { token } => Self::plain(
                "You are invited",
                "You can make an account. The invitation is good for a week and for one account:",
            )
            .action("Sign up", sign_up_link(public_url, token)),
            Mail::DeletionCode { code } => Self::plain(
                "Confirm that your account shall be deleted",
                "Your account is deleted, with all that belongs to it, once this code is given within an hour:",
            )
            .code(code.expose_secret())
            .after("If you did not ask for this, give the code to nobody."),
            Mail::PasswordChanged
            | Mail::WrongCodes
            | Mail::SecondFactorOn
            | Mail::SecondFactorOff
            | Mail::BackupCodeUsed { .. }
            | Mail::BackupCodesReplaced
            | Mail::IdentityLinked { .. }
            | Mail::Deleted => Self::notice(mail),
        }
    }

    /// Of what has happened and asks for nothing.
    fn notice(mail: &Mail<'_>) -> Self {
        match mail {
            Mail::PasswordChanged => Self::plain(
                "Your password was changed",
                "The password of your account was changed, and its other sessions have ended.",
            )
            .after(NOT_YOU),
            Mail::WrongCodes => Self::plain(
                "Somebody has signed in to your account with wrong codes",
                "There were too many wrong codes of your second factor: for a while none is taken.",
            )
            .after("If it was you, wait, and see that the clock of your app is right.")
            .after("If it was not, somebody knows your password: change it now."),
            Mail::SecondFactorOn => Self::plain(
                "Your second factor is on",
                "Signing in to your account now takes a code from your app as well.",
            )
            .after(NOT_YOU),
            Mail::SecondFactorOff => Self::plain(
                "Your second factor is off",
                "Signing in to your account now takes the password alone.",
            )
            .after(NOT_YOU),
            Mail::BackupCodeUsed { left } => Self::owned(
                "A backup code was used",
                format!(
                    "Somebody signed in to your account with a backup code. Codes that are left: {left}."
                ),
            )
            .after(NOT_YOU),
            Mail::BackupCodesReplaced => Self::plain(
                "You have new backup codes",
                "The backup codes of your account were replaced: the ones before no longer work.",
            )
            .after(NOT_YOU),
            Mail::IdentityLinked { issuer } => Self::owned(
                "A sign-in was linked to your account",
                format!("Your account can now be signed in to through {issuer}."),
            )
            .after(NOT_YOU),
            _ => Self::plain(
                "Your account was deleted",
                "Your account and all that belonged to it are gone. This is the last mail about it.",
            ),
        }
    }

    fn plain(subject: &'static str, text: &str) -> Self {
        Self::owned(subject, text.to_owned())
    }

    fn owned(subject: &'static str, text: String) -> Self {
        Self { subject, before: vec![text], action: None, code: None, after: Vec::new() }
    }

    fn action(self, label: &'static str, url: String) -> Self {
        Self { action: Some(Action { label, url }), ..self }
    }

    fn code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    fn after(mut self, text: &'static str) -> Self {
        self.after.push(text);
        self
    }

    /// As plain text, one paragraph a line.
    pub(super) fn text(&self, public_url: &str) -> String {
        let mut text = self.before.join("\n\n");
        for line in self.action.iter().map(|action| &action.url).chain(&self.code) {
            text.push_str("\n\n");
            text.push_str(line);
        }
        for paragraph in &self.after {
            text.push_str("\n\n");
            text.push_str(paragraph);
        }
        text.push_str("\n\n-- \nTollgate at ");
        text.push_str(public_url);
        text.push('\n');
        text
    }

    /// As a page that loads nothing.
    pub(super) fn html(&self, public_url: &str) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="color-scheme" content="light dark";
                    title { (self.subject) }
                }
                body style="font-family: system-ui, sans-serif; line-height: 1.5; max-width: 36em" {
                    h1 style="font-size: 1.3em" { (self.subject) }
                    @for text in &self.before { p { (text) } }
                    @if let Some(Action { label, url }) = &self.action {
                        p { a href=(url) { (label) } }
                        p { small { (url) } }
                    }
                    @if let Some(code) = &self.code { p { code style="font-size: 1.3em" { (code) } } }
                    @for text in &self.after { p { (text) } }
                    p { small { "Tollgate at " a href=(public_url) { (public_url) } } }
                }
            }
        }
        .into_string()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    const URL: &str = "https://api.example.com";

    #[test]
    fn both_forms_carry_the_link_and_nothing_else_that_could_be_followed() {
        let token = SecretString::from("t0ken");
        let letter = Letter::of(&Mail::PasswordReset { token: &token, by_admin: false }, URL);
        let link = "https://api.example.com/reset-password?token=t0ken";
        let (text, html) = (letter.text(URL), letter.html(URL));
        assert!(text.lines().any(|line| line == link), "{text}");
        assert!(html.contains(&format!("<a href=\"{link}\">")), "{html}");
        let urls = |form: &str| form.matches("http").count();
        assert_eq!((urls(&text), urls(&html)), (2, 4), "the link and the service");
    }

    #[test]
    fn what_comes_from_outside_is_text_in_html() {
        let new = "<img/src=x>&\"'@example.com".parse().unwrap();
        let html = Letter::of(&Mail::AddressChanging { new: &new }, URL).html(URL);
        assert!(html.contains("&lt;img/src=x&gt;&amp;&quot;"), "{html}");
        assert!(!html.contains("<img"), "{html}");
    }

    #[test]
    fn a_code_stands_alone_on_its_line() {
        let code = SecretString::from("ABCD-EFGH");
        let letter = Letter::of(&Mail::DeletionCode { code: &code }, URL);
        assert!(letter.text(URL).lines().any(|line| line == "ABCD-EFGH"));
        assert!(letter.html(URL).contains(">ABCD-EFGH</code>"));
    }
}
