//! A mail in the form in which it travels.

use lettre::{
    Message as Mail,
    message::{Body, Mailbox, MultiPart, SinglePart, header::ContentTransferEncoding, header::ContentType},
};
use tollgate_accounts::mail::{Message, TransportError};

/// The longest line that may travel as it is (RFC 5322, 2.1.1).
const MAX_LINE_BYTES: usize = 998;

/// A text that is no sender of mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no sender of mail such as `Tollgate <noreply@example.com>`")]
pub struct NotASender(String);

/// Whom mails come from.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// From an address, with or without a name before it.
    ///
    /// # Errors
    /// [`NotASender`].
    pub fn new(text: &str) -> Result<Self, NotASender> {
        text.parse().map(Self).map_err(|_not_a_mailbox| NotASender(text.to_owned()))
    }

    /// `message`, as it travels.
    ///
    /// # Errors
    /// [`TransportError::Impossible`] where its recipient is nobody whom mail can reach.
    pub(crate) fn write(&self, message: &Message) -> Result<Mail, TransportError> {
        let impossible = |what: &str| TransportError::Impossible(what.to_owned());
        let to =
            message.to.as_str().parse().map_err(|_no_address| impossible("no mail reaches its address"))?;
        let domain = self.0.email.domain();
        Mail::builder()
            .from(self.0.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject.as_str())
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &message.text))
                    .singlepart(part(ContentType::TEXT_HTML, &message.html)),
            )
            .map_err(|_incomplete| impossible("it cannot be written"))
    }
}

/// Text as it is where mail can carry it, so that a link in a file can be copied out of it.
fn part(form: ContentType, text: &str) -> SinglePart {
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= MAX_LINE_BYTES);
    let body = if plain {
        let lines = text.lines().collect::<Vec<_>>().join("\r\n");
        Body::dangerous_pre_encoded(format!("{lines}\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text.to_owned())
    };
    SinglePart::builder().header(form).body(body)
}

#[cfg(test)]
pub(crate) mod tests {
    use tollgate_domain::MailId;

    use super::*;

    /// A mail to `to`.
    pub fn to(to: &str) -> Message {
        Message {
            id: "0198c0de000070008000000000000001".parse::<MailId>().unwrap(),
            to: to.parse().unwrap(),
            subject: "Set a new password".to_owned(),
            text: "One.\n\nhttps://api.example.com/reset-password?token=abc_-9\n".to_owned(),
            html: "<p>One.</p>".to_owned(),
        }
    }

    fn written(message: &Message) -> String {
        let sender = Sender::new("Tollgate <noreply@example.com>").unwrap();
        String::from_utf8(sender.write(message).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_has_both_forms_and_its_links_whole() {
        let mail = written(&to("ann+lists@example.com"));
        for line in [
            "From: Tollgate <noreply@example.com>",
            "To: ann+lists@example.com",
            "Subject: Set a new password",
            "Message-ID: <0198c0de000070008000000000000001@example.com>",
            "https://api.example.com/reset-password?token=abc_-9",
            "<p>One.</p>",
        ] {
            assert!(mail.split("\r\n").any(|found| found == line), "{line} in {mail}");
        }
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "every line ends as lines of mail do");
    }

    #[test]
    fn the_sender_of_a_server_that_nothing_was_configured_for_is_one() {
        let sender = Sender::new("noreply@localhost").unwrap();
        let mail = String::from_utf8(sender.write(&to("ann@example.com")).unwrap().formatted()).unwrap();
        assert!(mail.contains("From: noreply@localhost\r\n"), "{mail}");
    }

    #[test]
    fn addresses_of_all_scripts_are_written() {
        let mail = written(&to("ünï@bücher.example"));
        assert!(mail.is_ascii() || mail.contains("ünï@"), "{mail}");
    }

    #[test]
    fn nothing_in_a_subject_begins_a_header() {
        let subject = "a\r\nBcc: eve@example.com".to_owned();
        let mail = written(&Message { subject, ..to("ann@example.com") });
        assert!(!mail.split("\r\n").any(|line| line.starts_with("Bcc")), "{mail}");
    }

    #[test]
    fn an_address_that_no_mail_reaches_is_said_so_without_its_name() {
        let sender = Sender::new("noreply@example.com").unwrap();
        let refused = sender.write(&to("a\"b<c>@exam ple.com".replace(' ', "").as_str())).unwrap_err();
        assert!(
            matches!(&refused, TransportError::Impossible(why) if !why.contains("example")),
            "{refused:?}"
        );
        assert_eq!(Sender::new("nobody").unwrap_err(), NotASender("nobody".to_owned()));
    }
}
