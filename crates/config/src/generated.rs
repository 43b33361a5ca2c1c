//! Secrets that development makes up, and keeps in the data directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::config::Loaded;
use crate::file::{self, FileError, MAX_SECRET_BYTES};
use crate::problem::{Problem, Problems};
use crate::secrets::SLOTS;
use crate::source::{REDACTED, Shown, Source};
use crate::system::os_random;

/// Where generated secrets lie, below the data directory.
const DIRECTORY: &str = "secrets";
/// Random bytes of a generated secret.
const GENERATED_BYTES: usize = 32;

/// A secret that was generated now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The variable that would have given it, such as `JWT_SECRET_KEY`.
    pub name: &'static str,
    /// The file that keeps it, mode 0600.
    pub path: PathBuf,
}

/// Fills the secrets that nothing gives, from the data directory; those that are not there either are
/// generated and kept there. In production nothing is missing at this point, and nothing happens.
///
/// Returns what was generated now.
///
/// # Errors
/// A problem a secret that could be neither read nor kept.
pub fn ensure_secrets(loaded: &mut Loaded) -> Result<Vec<Created>, Problems> {
    let directory = loaded.config.server.data_dir.join(DIRECTORY);
    let mut created = Vec::new();
    let mut problems = Vec::new();
    for slot in &SLOTS {
        let list = (slot.of)(&mut loaded.config.secrets);
        if !list.is_empty() {
            continue;
        }
        let path = directory.join(slot.variable);
        match read_or_create(&directory, &path) {
            Ok((secret, new)) => {
                list.push(secret);
                if new {
                    created.push(Created { name: slot.variable, path: path.clone() });
                }
                if file::too_open(&path) {
                    let warning = format!("{} can be read by other users; chmod 600 it", path.display());
                    loaded.warnings.push(warning);
                }
                show(&mut loaded.provenance, &format!("secrets.{}", slot.key), path);
            }
            Err(error) => problems.push(Problem {
                key: slot.variable.to_owned(),
                problem: format!("is not set, and {}: {error}", path.display()),
                remedy: "set it, or make the data directory writable for this program's user".to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok(created) } else { Err(Problems(problems)) }
}

fn show(provenance: &mut [Shown], key: &str, path: PathBuf) {
    for shown in provenance.iter_mut().filter(|shown| shown.key == key) {
        shown.value = REDACTED.to_owned();
        shown.source = Source::DataDirectory { path: path.clone() };
    }
}

#[derive(Debug, thiserror::Error)]
enum GenerateError {
    #[error("{0}")]
    Read(#[from] FileError),
    #[error("cannot be made ({0})")]
    Write(#[from] io::Error),
    #[error("no randomness ({0})")]
    Randomness(#[from] getrandom::Error),
    #[error("is empty")]
    Empty,
}

/// The secret in `path`, and whether it was made now.
fn read_or_create(directory: &Path, path: &Path) -> Result<(SecretString, bool), GenerateError> {
    match read(path) {
        Err(GenerateError::Read(FileError::Missing)) => {}
        other => return other.map(|secret| (secret, false)),
    }
    private_directory(directory)?;
    let mut bytes = zeroize::Zeroizing::new([0; GENERATED_BYTES]);
    os_random(bytes.as_mut())?;
    let secret = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
    // The secret is complete before it has its name, and gets it only if the name is free: two programs that
    // start at once agree on the first one's.
    let draft = directory.join(format!(".draft-{}", URL_SAFE_NO_PAD.encode(random_name()?)));
    let linked = write_private(&draft, &secret).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => {
            removed?;
            sync_directory(directory)?;
            Ok((secret, true))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((read(path)?, false)),
        Err(error) => Err(error.into()),
    }
}

fn random_name() -> Result<[u8; 12], getrandom::Error> {
    let mut name = [0; 12];
    os_random(&mut name)?;
    Ok(name)
}

fn read(path: &Path) -> Result<SecretString, GenerateError> {
    let text = zeroize::Zeroizing::new(file::read(path, MAX_SECRET_BYTES)?);
    match text.trim() {
        "" => Err(GenerateError::Empty),
        secret => Ok(SecretString::from(secret)),
    }
}

fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn write_private(path: &Path, secret: &SecretString) -> io::Result<()> {
    use secrecy::ExposeSecret as _;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()
}

/// Makes the new name itself outlive a crash: what was sealed under a lost secret could never be read again.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
