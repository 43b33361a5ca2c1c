//! Mail by SMTP.

use std::{error::Error as _, time::Duration};

use lettre::{
    SmtpTransport as Lettre, Transport,
    transport::smtp::{Error, PoolConfig},
};
use secrecy::{ExposeSecret, SecretString};
use tollgate_accounts::mail::{MailTransport, Message, TransportError};

use crate::Sender;

/// How long each step of the conversation with the mail server may take: to connect, to greet, to be answered. There
/// are about ten, so a mail takes at most a few minutes, less than it is another server's turn.
const STEP: Duration = Duration::from_secs(10);
/// How long a connection that nothing goes over is kept.
const IDLE: Duration = Duration::from_secs(20);

/// A text that names no mail server. It may hold a password, so it is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no URL of a mail server such as smtps://user:password@mail.example.com")]
pub struct NotAMailServer;

/// Sends mails through a mail server, over one connection.
pub struct SmtpTransport {
    server: Lettre,
    sender: Sender,
}

impl SmtpTransport {
    /// Through the server at `url`: `smtps://` is TLS from the start, `smtp://` is none, or, with `?tls=required`
    /// or `?tls=opportunistic`, STARTTLS. User and password stand before the host, percent-encoded.
    ///
    /// # Errors
    /// [`NotAMailServer`].
    pub fn new(url: &SecretString, sender: Sender) -> Result<Self, NotAMailServer> {
        let pool = PoolConfig::new().max_size(1).idle_timeout(IDLE);
        let server = Lettre::from_url(url.expose_secret()).map_err(|_says_what| NotAMailServer)?;
        Ok(Self { server: server.timeout(Some(STEP)).pool_config(pool).build(), sender })
    }
}

impl MailTransport for SmtpTransport {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        let mail = self.sender.write(message)?;
        self.server.send(&mail).map(drop).map_err(|error| TransportError::Away(reason(&error)))
    }
}

/// Why it failed, without the server's words: they often repeat the recipient.
fn reason(error: &Error) -> String {
    if let Some(code) = error.status() {
        format!("the mail server answered {code}")
    } else if error.is_timeout() {
        "the mail server did not answer in time".to_owned()
    } else if error.is_tls() {
        "there is no TLS with the mail server".to_owned()
    } else if error.is_client() || error.is_response() {
        "the mail server does not speak as expected".to_owned()
    } else {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("the mail server cannot be reached: {source}")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread::{self, JoinHandle},
    };

    use super::*;
    use crate::message::tests::to;

    /// A mail server for one connection, which answers what `answers` says to lines that begin so; gives what it was
    /// told.
    fn server(answers: &'static [(&'static str, &'static str)]) -> (SmtpTransport, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut writer = stream.try_clone().unwrap();
            let mut heard = String::new();
            let mut in_data = false;
            writer.write_all(b"220 test\r\n").unwrap();
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                heard.push_str(&line);
                heard.push('\n');
                if in_data && line != "." {
                    continue;
                }
                in_data = line == "DATA";
                let given = answers.iter().find(|(start, _)| line.starts_with(start));
                let answer = given.map_or(if in_data { "354 go on" } else { "250 ok" }, |(_, answer)| answer);
                if writer.write_all(format!("{answer}\r\n").as_bytes()).is_err() || line == "QUIT" {
                    break;
                }
            }
            heard
        });
        let url = SecretString::from(format!("smtp://127.0.0.1:{port}"));
        let sender = Sender::new("noreply@example.com").unwrap();
        (SmtpTransport::new(&url, sender).unwrap(), served)
    }

    #[test]
    fn a_mail_goes_through() {
        let (transport, served) = server(&[]);
        transport.send(&to("ann@example.com")).unwrap();
        drop(transport);
        let heard = served.join().unwrap();
        assert!(heard.contains("MAIL FROM:<noreply@example.com>"), "{heard}");
        assert!(heard.contains("RCPT TO:<ann@example.com>"), "{heard}");
        assert!(heard.contains("token=abc_-9"), "{heard}");
    }

    #[test]
    fn a_refusal_is_told_by_its_code_alone() {
        let (transport, served) = server(&[("RCPT", "550 5.1.1 <ann@example.com> is unknown here")]);
        let refused = transport.send(&to("ann@example.com")).unwrap_err();
        drop(transport);
        served.join().unwrap();
        assert!(
            matches!(&refused, TransportError::Away(why) if why == "the mail server answered 550"),
            "{refused:?}"
        );
    }

    #[test]
    fn a_server_that_is_away_is_said_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let url = SecretString::from(format!("smtp://ann:secret@127.0.0.1:{port}"));
        let transport = SmtpTransport::new(&url, Sender::new("noreply@example.com").unwrap()).unwrap();
        let away = transport.send(&to("ann@example.com")).unwrap_err();
        assert!(
            matches!(&away, TransportError::Away(why) if why.contains("reached") && !why.contains("secret")),
            "{away:?}"
        );
    }

    #[test]
    fn what_names_no_server_is_refused_without_being_repeated() {
        for url in ["", "mail.example.com", "http://ann:hunter2@example.com", "smtp://"] {
            let Err(refused) = SmtpTransport::new(&url.into(), Sender::new("a@example.com").unwrap()) else {
                assert_eq!(url, "smtp://", "{url} is a mail server");
                continue;
            };
            assert!(!refused.to_string().contains("hunter2"));
        }
    }
}
