"""An installation of Tollgate: a folder of its own, a database of its own, and the two programs."""

import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
import uuid

API = os.environ["TOLLGATE_API_BIN"]
ADMIN = os.environ["TOLLGATE_ADMIN_BIN"]
DATABASE = os.environ["TOLLGATE_E2E_DATABASE"]
ON_POSTGRES = DATABASE == "postgres"

# Files must be private by themselves.
NO_UMASK = 0

# How long a program that ends by itself may take, in seconds.
MAX_RUN = 60

if DATABASE not in ("sqlite", "postgres"):
    raise SystemExit(f"TOLLGATE_E2E_DATABASE is {DATABASE!r}: it must be sqlite or postgres")

# Where `free_port` looks: below Linux's `ip_local_port_range`.
PORTS = range(12_000, 32_000)
_given = set()

# Nothing here leaves the machine, whatever proxy it has.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


@dataclasses.dataclass
class Ended:
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self):
        return self.out + self.err


def free_port():
    """A port of the loopback address that nobody listens on.

    It is none that the system gives to whoever names no port: nobody gets it by chance before it is listened on, or
    while a server is started again.
    """
    while True:
        port = random.SystemRandom().choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def postgres_program(name):
    """`psql` or `pg_dump`: in the path, else in Debian's newest folder."""
    found = shutil.which(name)
    if found:
        return found
    packaged = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return str(max(packaged, key=lambda path: int(path.parts[-3])))


class PostgresDatabase:
    """A database on the server that the tests were given."""

    def __init__(self):
        self.server = os.environ["TOLLGATE_TEST_POSTGRES_URL"]
        self.name = f"tollgate_e2e_{uuid.uuid4().hex[:12]}"
        self.url = urllib.parse.urlsplit(self.server)._replace(path="/" + self.name).geturl()
        self._on_server(f"CREATE DATABASE {self.name}")

    def _on_server(self, sql):
        self._psql(self.server, sql)

    @staticmethod
    def _psql(url, sql):
        words = [
            postgres_program("psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            sql,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=MAX_RUN)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr}")
        return done.stdout

    def content(self):
        """Everything in it, as bytes."""
        words = [postgres_program("pg_dump"), "--inserts", "-d", self.url]
        return subprocess.run(words, capture_output=True, check=True, timeout=MAX_RUN).stdout

    def drop(self):
        self._on_server(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Installation:
    """Where the programs run, with nothing of the caller's environment but the path."""

    def __init__(self, environment=None, config=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-e2e-"))
        self.data = self.folder / "data"
        self.database = PostgresDatabase() if ON_POSTGRES else None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TOLLGATE_BIND": f"127.0.0.1:{self.port}",
            "TOLLGATE_PUBLIC_URL": self.url,
            "BCRYPT_ROUNDS": "4",
        }
        if self.database:
            self.environment["DATABASE_URL"] = self.database.url
        self.set(**(environment or {}))
        if config is not None:
            self.configure(config)

    def set(self, **variables):
        """Sets environment variables; `None` takes one away."""
        for name, value in variables.items():
            if value is None:
                self.environment.pop(name, None)
            else:
                self.environment[name] = value

    def configure(self, text):
        """Writes `config.yaml`."""
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def api(self, *words):
        """Runs the server's program to its end."""
        return self._run(API, words, "")

    def admin(self, *words, stdin=""):
        """Runs the administrator's program to its end."""
        return self._run(ADMIN, words, stdin)

    def _run(self, program, words, stdin):
        done = subprocess.run(
            [program, *words],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=MAX_RUN,
            umask=NO_UMASK,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def content(self):
        """All that the installation has written anywhere, by where it is."""
        written = None
        while written is None:
            # A file that is renamed meanwhile is looked for anew.
            with contextlib.suppress(FileNotFoundError):
                files = [path for path in self.folder.rglob("*") if path.is_file()]
                written = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        if self.database:
            written["the database"] = self.database.content()
        return written

    def close(self):
        """Removes the folder and the database."""
        try:
            if self.database:
                self.database.drop()
        finally:
            shutil.rmtree(self.folder)
