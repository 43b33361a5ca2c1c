//! What is measured: nginx's plain proxying, and Tollgate on either database, before one upstream.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{failure::Failure, test::machine, workspace::Workspace};

const ANSWER: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1795219200,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"A woodchuck would chuck as much wood as a woodchuck could chuck if a woodchuck could chuck wood, which is to say a fair amount, given the time and the inclination, neither of which it has been known to lack."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#;
/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that answers chats. Dropped, it is killed.
pub struct Subject {
    /// What it is called in tables.
    pub name: &'static str,
    /// Where it listens.
    pub port: u16,
    /// What it wants to be asked with.
    pub key: Option<String>,
    program: Child,
}

impl Subject {
    /// Its resident memory now.
    pub fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1_024.0
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Err(error) = self.program.kill().and_then(|()| self.program.wait().map(|_| ())) {
            eprintln!("{}: {error}", self.name);
        }
    }
}

/// nginx as the provider: the same answer to every request.
pub fn upstream(folder: &Path) -> Result<Subject, Failure> {
    let location = format!("default_type application/json; return 200 '{ANSWER}';");
    start_nginx(folder, "upstream", 1, "", &location)
}

/// nginx in plain proxying.
pub fn nginx(folder: &Path, upstream: u16) -> Result<Subject, Failure> {
    let pool = format!("upstream provider {{ server 127.0.0.1:{upstream}; keepalive 512; }}");
    let location = "proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
                    proxy_buffering off;";
    start_nginx(folder, "nginx", 0, &pool, location)
}

fn start_nginx(
    folder: &Path,
    name: &'static str,
    core: u8,
    pool: &str,
    location: &str,
) -> Result<Subject, Failure> {
    let port = free_port()?;
    let home = folder.join(name);
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 100000000; tcp_nodelay on; client_body_temp_path body; \
         proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n{pool}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}\n"
    );
    write(&home.join("nginx.conf"), &config)?;
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), "nginx", "-e", "stderr", "-c", "nginx.conf", "-p"]).arg(&home);
    let program = spawn(&mut command)?;
    await_port(Subject { name, port, key: None, program })
}

/// Tollgate with everything on: key, permission, windows, quota, record on disk before the answer ends.
pub fn tollgate(
    workspace: &Workspace,
    folder: &Path,
    upstream: u16,
    name: &'static str,
    postgres: Option<&str>,
) -> Result<Subject, Failure> {
    let port = free_port()?;
    let home = folder.join(name);
    let config = format!(
        "providers:\n  bench:\n    kind: openai\n    base_url: http://127.0.0.1:{upstream}/v1\n    \
         api_key: sk-bench\ntiers:\n  enterprise:\n    minute: 1000000000000\n    hour: 1000000000000\n    \
         day: 1000000000000\n    monthly_tokens: 1000000000000\nlogging:\n  level: warn\n"
    );
    write(&home.join("config.yaml"), &config)?;
    let environment = |command: &mut Command| {
        command.current_dir(&home).env("TOLLGATE_BIND", format!("127.0.0.1:{port}"));
        if let Some(url) = postgres {
            command.env("DATABASE_URL", url);
        }
    };
    let program = |name: &str| workspace.target.join("release").join(name);
    let mut server = Command::new("taskset");
    server.args(["-c", "0"]).arg(program("tollgate-api"));
    environment(&mut server);
    let mut subject = await_port(Subject { name, port, key: None, program: spawn(&mut server)? })?;
    let mut create = Command::new(program("tollgate-admin"));
    create.args([
        "create",
        "--name",
        "Bench",
        "--email",
        "bench@example.com",
        "--tier",
        "enterprise",
        "--json",
    ]);
    environment(&mut create);
    let created = machine::output(&mut create)?;
    let created: serde_json::Value = serde_json::from_str(&created)
        .map_err(|error| Failure::failed(format!("tollgate-admin create: {error}: {created}")))?;
    let key = created.get("api_key").and_then(serde_json::Value::as_str).map(str::to_owned);
    let missing = || Failure::failed(format!("tollgate-admin create gave no api_key: {created}"));
    subject.key = Some(key.ok_or_else(missing)?);
    Ok(subject)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    fs::write(path, text).map_err(|error| Failure::io(path, &error))
}

fn spawn(command: &mut Command) -> Result<Child, Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| Failure::failed(format!("{command:?}: {error}")))
}

fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure::failed(format!("no port is free: {error}")))
}

fn await_port(subject: Subject) -> Result<Subject, Failure> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, subject.port)).is_err() {
        if Instant::now() > end {
            return Err(Failure::failed(format!("{} does not listen", subject.name)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(subject)
}
