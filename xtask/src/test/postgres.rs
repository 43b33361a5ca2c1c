//! A private PostgreSQL: in a temporary folder, on a free port of the loopback address, gone afterwards.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::machine;
use crate::failure::Failure;

/// Where tests find the server.
const URL: &str = "TOLLGATE_TEST_POSTGRES_URL";

/// With it a test that finds no server fails; without it, it says that it did nothing.
const REQUIRED: &str = "REQUIRE_PG";

/// Each test has databases and pools of its own, and many run at once.
const MAX_CONNECTIONS: u32 = 300;

/// A port that was free may be taken a moment later.
const MAX_STARTS: u32 = 3;

/// As whom the server runs where this process is the administrator, whom PostgreSQL refuses.
const SERVER_USERS: [&str; 2] = ["postgres", "nobody"];

/// Stops the server and removes its folder as soon as its input ends, which it does when this process is gone:
/// at the end, after a failure, on Ctrl-C (it stands in a process group of its own) or killed.
const GUARD: &str = r#"
cat >/dev/null
lock="$1/data/postmaster.pid"
pid=$(head -n 1 "$lock" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid"
    n=0
    while [ -e "$lock" ] && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
fi
rm -rf "$1"
"#;

/// A running server. Dropped, it is stopped and its folder removed.
pub struct Postgres {
    guard: Child,
    port: u16,
}

/// Who the server runs as.
struct ServerUser {
    uid: u32,
    gid: u32,
    name: &'static str,
}

/// The folder with the server's programs: beside `initdb` in `PATH`, where `pg_config` says, or Debian's newest.
pub fn binaries() -> Option<PathBuf> {
    let in_path =
        machine::program("initdb").and_then(|path| path.canonicalize().ok()?.parent().map(Path::to_owned));
    let configured = machine::output(Command::new("pg_config").arg("--bindir")).ok().map(PathBuf::from);
    let mut packaged: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    packaged.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let mut candidates = in_path.into_iter().chain(configured).chain(packaged);
    candidates.find(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file()))
}

/// The number in `/usr/lib/postgresql/NUMBER/bin`.
fn version(folder: &Path) -> Option<u32> {
    folder.parent()?.file_name()?.to_str()?.parse().ok()
}

impl Postgres {
    /// Makes a cluster and starts it, without waiting for the disk: tests throw it away.
    ///
    /// # Errors
    /// What the server's programs said where they failed.
    pub fn start() -> Result<Self, Failure> {
        Self::start_with(&["-F"])
    }

    /// Makes a cluster and starts it as in production: a commit is on the disk.
    ///
    /// # Errors
    /// What the server's programs said where they failed.
    pub fn start_durable() -> Result<Self, Failure> {
        Self::start_with(&["-c", "shared_buffers=512MB"])
    }

    fn start_with(options: &[&str]) -> Result<Self, Failure> {
        let server_options = options.join(" ");
        let binaries =
            binaries().ok_or_else(|| Failure::unprepared("the PostgreSQL server is not installed"))?;
        let user = if machine::is_root()? { Some(server_user()?) } else { None };
        let home = home(user.as_ref())?;
        let mut server = Self { guard: guard(&home)?, port: 0 };
        let program = |name: &str| as_user(user.as_ref(), &binaries.join(name), &home);
        let data = home.join("data");
        let options = ["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"];
        machine::output(program("initdb").args(options).arg(&data))?;
        let mut last = Failure::failed("PostgreSQL was not started");
        for _ in 0..MAX_STARTS {
            server.port = free_port()?;
            configure(&data, &home, server.port)?;
            let mut start = program("pg_ctl");
            start
                .args(["start", "-w", "-s", "-o", &server_options, "-D"])
                .arg(&data)
                .arg("-l")
                .arg(home.join("log"));
            // The server inherits these; a pipe would stay open as long as it runs.
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            match machine::run(&mut start) {
                Ok(()) => return Ok(server),
                Err(failure) => last = Failure::failed(format!("{failure}\n{}", log(&home))),
            }
        }
        Err(last)
    }

    /// Tells a test where the server is, and that there has to be one.
    pub fn tell(&self, test: &mut Command) {
        test.env(URL, self.url()).env(REQUIRED, "1");
    }

    /// A maintenance database on which tests create databases of their own.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@{}:{}/postgres", Ipv4Addr::LOCALHOST, self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("the guard of the private PostgreSQL: {error}");
        }
    }
}

/// A folder of its own that belongs to the server's user. From here on the guard removes it.
fn home(user: Option<&ServerUser>) -> Result<PathBuf, Failure> {
    // An administrator's own temporary folder is often closed to others.
    let parent = if user.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    let made = tempfile::Builder::new().prefix("tollgate-pg-").tempdir_in(&parent);
    let home = made.map(TempDir::keep).map_err(|error| Failure::io(&parent, &error))?;
    if let Some(user) = user {
        chown(&home, Some(user.uid), Some(user.gid)).map_err(|error| Failure::io(&home, &error))?;
    }
    Ok(home)
}

fn guard(home: &Path) -> Result<Child, Failure> {
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "guard"]).arg(home).process_group(0).current_dir("/");
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().map_err(|error| Failure::failed(format!("sh: {error}")))
}

/// The settings by file, where no shell reads them once more.
fn configure(data: &Path, home: &Path, port: u16) -> Result<(), Failure> {
    let settings = format!(
        "listen_addresses = '{}'\nport = {port}\nunix_socket_directories = '{}'\n\
         max_connections = {MAX_CONNECTIONS}\n",
        Ipv4Addr::LOCALHOST,
        home.display(),
    );
    let path = data.join("postgresql.auto.conf");
    fs::write(&path, settings).map_err(|error| Failure::io(&path, &error))
}

fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure::failed(format!("no free port on {}: {error}", Ipv4Addr::LOCALHOST)))
}

fn server_user() -> Result<ServerUser, Failure> {
    for name in SERVER_USERS {
        let id = |flag: &str| machine::output(Command::new("id").args([flag, name])).ok()?.parse().ok();
        if let (Some(uid), Some(gid)) = (id("-u"), id("-g")) {
            return Ok(ServerUser { uid, gid, name });
        }
    }
    Err(Failure::unprepared(format!(
        "PostgreSQL does not run as root, and there is no user {}",
        SERVER_USERS.join(" or ")
    )))
}

fn as_user(user: Option<&ServerUser>, program: &Path, home: &Path) -> Command {
    let mut command = match user {
        None => Command::new(program),
        Some(user) if machine::has_program("setpriv") => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
            command.arg("--clear-groups").arg(program);
            command
        }
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user.name, "--"]).arg(program);
            command
        }
    };
    command.current_dir(home);
    command
}

/// What the server said when it did not start.
fn log(home: &Path) -> String {
    fs::read_to_string(home.join("log")).unwrap_or_else(|error| format!("(no log: {error})"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::Path;

    use super::{Postgres, binaries, machine, version};

    #[test]
    fn versions_are_numbers() {
        assert!(
            version(Path::new("/usr/lib/postgresql/16/bin"))
                > version(Path::new("/usr/lib/postgresql/9/bin"))
        );
        assert_eq!(version(Path::new("/usr/lib/postgresql/old/bin")), None);
    }

    /// Asks for TLS, to which every PostgreSQL answers with one letter.
    fn answers(port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut answer = [0];
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"N"
    }

    #[test]
    fn a_server_lives_as_long_as_its_handle() {
        if binaries().is_none() && machine::variable("REQUIRE_PG").is_none() {
            eprintln!("no PostgreSQL here, nothing was tested");
            return;
        }
        let server = Postgres::start().unwrap();
        let port = server.port;
        assert!(server.url().contains(&port.to_string()));
        assert!(answers(port));
        drop(server);
        assert!(!answers(port));
    }
}
