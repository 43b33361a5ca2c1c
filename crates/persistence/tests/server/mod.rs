//! A PostgreSQL of a test's own, which may be stopped in mid-work, and a network that may fail before it.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longer than anything here may take; a test that waits longer has failed.
pub const LONG: Duration = Duration::from_secs(100);

/// How often the server is started before the test gives up.
const STARTS: u32 = 3;

/// As whom the server runs where the test is the administrator, whom PostgreSQL refuses.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Kills the server, stopped or not, as soon as its input ends: however the test ends.
const GUARD: &str = r#"
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -KILL "$pid" $(sed 's/.*) [A-Za-z] \([0-9]*\) .*/\1 &/' /proc/[0-9]*/stat 2>/dev/null | awk -v p="$pid" '$1 == p { print $2 }')
fi
rm -rf "$1"
"#;

/// A running server; dropped, it is gone.
pub struct Server {
    guard: Child,
    home: PathBuf,
    port: u16,
}

impl Server {
    /// Starts one; `None` where PostgreSQL is not installed and not required.
    pub fn start() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests are told by the environment what is required")]
        let required = std::env::var("REQUIRE_PG").is_ok_and(|value| value == "1");
        let Some(binaries) = binaries() else {
            assert!(!required, "the PostgreSQL server is not installed");
            return None;
        };
        let user = user();
        let home = TempDir::with_prefix("tollgate-hang-").unwrap().keep();
        if let Some((_, id)) = &user {
            chown(&home, Some(*id), None).unwrap();
        }
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Self { guard, home: home.clone(), port: 0 };
        let run = |program: &str, args: &[&str]| {
            let mut command = match &user {
                Some((name, _)) => {
                    let mut command = Command::new("runuser");
                    command.args(["-u", name, "--"]).arg(binaries.join(program));
                    command
                }
                None => Command::new(binaries.join(program)),
            };
            let ran = command.args(args).current_dir(&home).output().unwrap();
            if ran.status.success() { Ok(()) } else { Err(format!("{program}: {ran:?}")) }
        };
        let data = server.home.join("data").to_str().unwrap().to_owned();
        run("initdb", &["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", &data])
            .unwrap();
        let mut started = Err(String::new());
        // A port that was free may be taken a moment later.
        for _ in 0..STARTS {
            server.port = free_port();
            fs::write(server.home.join("data/postgresql.auto.conf"), settings(server.port)).unwrap();
            started = run("pg_ctl", &["-D", &data, "-l", "log", "-w", "start"]);
            if started.is_ok() {
                break;
            }
        }
        started.unwrap();
        Some(server)
    }

    /// The URL of its database `postgres`.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// A network before it.
    pub fn network(&self) -> Network {
        Network::start(self.port)
    }

    /// Stops every process of the server: the system goes on taking packets for it.
    pub fn stop(&self) {
        let first = self.postmaster();
        signal("STOP", &[first]);
        until("the server stops", || is_stopped(first));
        // It starts no others any more.
        let others = children(first);
        signal("STOP", &others);
        until("all of it stops", || others.iter().all(|pid| is_stopped(*pid)));
    }

    /// Lets it go on as if nothing had been.
    pub fn go_on(&self) {
        let first = self.postmaster();
        signal("CONT", &[children(first), vec![first]].concat());
    }

    fn postmaster(&self) -> u32 {
        let text = fs::read_to_string(self.home.join("data/postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn settings(port: u16) -> String {
    format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\n\
         max_connections = 200\nshared_buffers = 16MB\n"
    )
}

fn url(port: u16) -> String {
    format!("postgresql://postgres@127.0.0.1:{port}/postgres")
}

/// Waits for a condition.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what}: it never came");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The folder with the server's programs: beside `initdb` in `PATH`, or Debian's newest.
fn binaries() -> Option<PathBuf> {
    let found = Command::new("sh").args(["-c", "command -v initdb"]).output().unwrap();
    let in_path = String::from_utf8(found.stdout).unwrap();
    let in_path =
        Path::new(in_path.trim()).canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    packaged.sort();
    in_path.into_iter().chain(packaged.into_iter().rev()).find(|folder| folder.join("pg_ctl").is_file())
}

/// The name and number of the user as whom the server runs, unless it is the test's own.
fn user() -> Option<(&'static str, u32)> {
    let id = |args: &[&str]| {
        let told = Command::new("id").args(args).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    USERS.into_iter().find_map(|name| Some((name, id(&["-u", name])?)))
}

fn signal(name: &str, processes: &[u32]) {
    // One that has just ended is no matter.
    Command::new("kill")
        .arg(format!("-{name}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

/// State and parent of a process; `None` when it is gone.
fn stat(process: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|process| stat(*process).is_some_and(|(_, of)| of == parent))
        .collect()
}

fn is_stopped(process: u32) -> bool {
    stat(process).is_none_or(|(state, _)| matches!(state, 'T' | 'Z'))
}

/// A network that carries what passes, until it does not.
pub struct Network {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Nothing passes any more, and nobody is told.
    swallows: AtomicBool,
    /// Clients' ends of what is open.
    clients: Mutex<Vec<TcpStream>>,
}

impl Network {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for client in listener.incoming() {
                    let client = client.unwrap();
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
                    state.clients.lock().unwrap().push(client.try_clone().unwrap());
                    carry(client.try_clone().unwrap(), server.try_clone().unwrap(), &state);
                    carry(server, client, &state);
                }
            }
        });
        Self { port, state }
    }

    /// The URL of the server's database `postgres` through this network.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Swallows every packet from now on, or carries them again; what was swallowed meanwhile is lost.
    pub fn swallow(&self, yes: bool) {
        self.state.swallows.store(yes, Ordering::SeqCst);
    }

    /// Ends every open connection for the client, without a word to the server.
    pub fn forget_clients(&self) {
        for client in self.state.clients.lock().unwrap().drain(..) {
            // It may be closed already.
            client.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Carries bytes one way; an end is not passed on.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &Arc<State>) {
    let state = Arc::clone(state);
    thread::spawn(move || -> io::Result<()> {
        let mut bytes = [0; 8_192];
        loop {
            let count = from.read(&mut bytes)?;
            if count == 0 {
                // Both ends stay open as long as the test: the other side learns nothing.
                loop {
                    thread::park();
                }
            }
            if !state.swallows.load(Ordering::SeqCst) {
                to.write_all(bytes.get(..count).unwrap_or_default())?;
            }
        }
    });
}
