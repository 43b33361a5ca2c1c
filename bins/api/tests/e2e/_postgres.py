"""A PostgreSQL of a test's own, which it may stop and hang."""

import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import _installation

# PostgreSQL refuses to run as root. One of these exists wherever it is installed.
USERS = ("postgres", "nobody")

# How long its programs may take, in seconds.
MAX_RUN = 60

# `prctl`: the signal that a child gets when its parent dies.
PR_SET_PDEATHSIG = 1


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _user():
    """As whom it runs, as words for `subprocess`."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}")


class OwnPostgres:
    """Runs when made; gone when closed, or with this process."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-e2e-pg-", dir="/tmp"))
        self.data = self.folder / "data"
        self.port = _installation.free_port()
        self.process = None
        self.hung = []
        self._as = _user()
        try:
            if self._as:
                os.chown(self.folder, self._as["user"], self._as["group"])
            self._run("initdb", "-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", self.data)
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database="postgres"):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, name, *words):
        words = [_installation.postgres_program(name), *map(str, words)]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=MAX_RUN, **self._as)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stderr}")
        return done.stdout

    def start(self):
        """Starts it and waits until it answers. The disk is not waited for: only processes die here."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 100,
        }
        words = [_installation.postgres_program("postgres"), "-D", str(self.data)]
        for name, value in options.items():
            words += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                words,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
                start_new_session=True,
                **self._as,
            )
        deadline = time.monotonic() + MAX_RUN
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                raise AssertionError(f"PostgreSQL did not start:\n{log[-2000:]}")
            time.sleep(0.05)

    def _answers(self):
        words = [_installation.postgres_program("psql"), "-X", "-q", "-c", "SELECT 1", "-d", self.url()]
        return subprocess.run(words, capture_output=True, timeout=MAX_RUN).returncode == 0

    def make_database(self, name):
        """Gives its URL."""
        self._run("psql", "-X", "-q", "-d", self.url(), "-c", f"CREATE DATABASE {name}")
        return self.url(name)

    def stop(self, how=signal.SIGINT):
        """Ends it: by SIGINT (connections are cut), or by SIGQUIT (as a crash does)."""
        self.process.send_signal(how)
        self.process.wait(MAX_RUN)

    def hang(self):
        """Stops all its processes where they are: connections stay, and nobody answers."""
        self._stop_process(self.process.pid)
        for child in self._children():
            self._stop_process(child)

    def _stop_process(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.hung.append(pid)

    def _children(self):
        pids = [path.name for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
        return [int(pid) for pid in pids if self._parent(pid) == self.process.pid]

    @staticmethod
    def _parent(pid):
        try:
            stat = pathlib.Path("/proc", pid, "stat").read_text()
        except OSError:
            return None
        return int(stat.rpartition(")")[2].split()[1])

    def resume(self):
        """Lets it go on."""
        while self.hung:
            try:
                os.kill(self.hung.pop(), signal.SIGCONT)
            except ProcessLookupError:
                continue

    def close(self):
        """Ends it and removes its folder."""
        self.resume()
        if self.process and self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
