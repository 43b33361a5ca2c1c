//! Mails as files, where no mail server is configured.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tollgate_accounts::mail::{MailTransport, Message, TransportError};

use crate::Sender;

/// Writes each mail into a file of its own, which only this user reads.
pub struct FileTransport {
    folder: PathBuf,
    sender: Sender,
}

impl FileTransport {
    /// Into `folder`, which is made with the first mail.
    pub const fn new(folder: PathBuf, sender: Sender) -> Self {
        Self { folder, sender }
    }

    /// The file appears whole: whoever waits for it never reads half of it.
    fn write(&self, path: &Path, mail: &[u8]) -> io::Result<()> {
        private(&mut DirBuilder::new()).recursive(true).create(&self.folder)?;
        let unfinished = path.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(mail)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }
}

impl MailTransport for FileTransport {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        let mail = self.sender.write(message)?.formatted();
        let path = self.folder.join(format!("{}.eml", message.id));
        self.write(&path, &mail)
            .map_err(|error| TransportError::Away(format!("{}: {error}", self.folder.display())))?;
        tracing::info!(file = %path.display(), "a mail was written to a file; set SMTP_URL to send mails");
        Ok(())
    }
}

fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::message::tests::to;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_mail_is_a_file_of_its_own_that_only_we_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data").join("mail");
        let transport = FileTransport::new(folder.clone(), Sender::new("noreply@example.com").unwrap());
        let message = to("ann@example.com");
        for _ in 0..2 {
            transport.send(&message).unwrap();
        }
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, [folder.join(format!("{}.eml", message.id))], "sent twice, it is one");
        let text = fs::read_to_string(&files[0]).unwrap();
        assert!(text.contains("reset-password?token=abc_-9\r\n"), "{text}");
        assert_eq!((mode(&files[0]), mode(&folder)), (0o600, 0o700));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said_so() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("file");
        fs::write(&folder, "").unwrap();
        let transport = FileTransport::new(folder, Sender::new("noreply@example.com").unwrap());
        assert!(matches!(transport.send(&to("ann@example.com")), Err(TransportError::Away(_))));
    }
}
