"""Disks that are full, and spools that are none: nobody is admitted, nothing is dropped, and it is said why.

The full disk is a small file system in memory, for which the tests need to be root or `sudo`; where neither is to be
had they are skipped, or fail where `TOLLGATE_E2E_NEED_TMPFS` is set.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

import requests

import _installation
import _ledger
import _load
import _postgres
import _provider
import _server
from _server import wait_until
from _testcase import OPERATOR_KEY

USERS = 8
# Bytes of the small disk: enough for secrets, templates, what the spool keeps, and some seconds of load.
SIZE = 64 * 1024 * 1024
# Bytes that a spool may fill by itself.
LEFT = 2 * 1024 * 1024
LOG = "logging:\n  level: warn\n"


class SmallDisk:
    """A file system of its own, which can be filled."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-e2e-disk-"))
        self._as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        options = f"size={SIZE},mode=0700,uid={os.geteuid()}"
        done = self._run("mount", "-t", "tmpfs", "-o", options, "tollgate-e2e", str(self.folder))
        if done.returncode != 0:
            self.folder.rmdir()
            if "TOLLGATE_E2E_NEED_TMPFS" in os.environ:
                raise AssertionError(f"no small disk can be mounted: {done.stderr}")
            raise unittest.SkipTest(f"no small disk can be mounted: {done.stderr.strip()}")

    def _run(self, *words):
        try:
            return subprocess.run([*self._as_root, *words], capture_output=True, text=True, timeout=60)
        except FileNotFoundError as error:
            return subprocess.CompletedProcess(words, 127, "", str(error))

    def fill(self, leave=0):
        """Takes every byte that is left, or all but some."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            filler.truncate(filler.tell() - leave)

    def empty(self):
        """Gives it back."""
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self):
        self._run("umount", "-l", str(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)


class Disk(unittest.TestCase):
    """A server of each test's own."""

    def setUp(self):
        self.provider = _provider.Provider()
        self.addCleanup(self.provider.close)
        self.provider.answers_by(_load.answer)

    def start(self, **environment):
        environment |= {"OPENAI_API_KEY": OPERATOR_KEY, "OPENAI_BASE_URL": self.provider.url}
        self.server = _server.Server(environment, LOG)
        self.addCleanup(self.server.close)

    def readyz(self):
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(self.server.url + "/readyz", timeout=_server.MAX_CALL)
            return answer.status_code, answer.json()
        return None, {}

    def is_failing(self, what):
        status, body = self.readyz()
        return status == 503 and body["status"] == "unavailable" and what in body["failing"]

    def is_ready(self):
        return self.readyz() == (200, {"status": "ready"})


class FullDisk(Disk):
    """The disk with the database and the spool is full; on Postgres, that with the spool, while the database is away."""

    def setUp(self):
        super().setUp()
        self.disk = SmallDisk()
        self.addCleanup(self.disk.close)
        environment = {"TOLLGATE_DATA_DIR": str(self.disk.folder / "data")}
        if _installation.ON_POSTGRES:
            self.postgres = _postgres.OwnPostgres()
            self.addCleanup(self.postgres.close)
            environment["DATABASE_URL"] = self.postgres.make_database("tollgate_disk")
        self.start(**environment)
        self.server.installation.data = self.disk.folder / "data"
        self.users = _ledger.users(self.server, USERS)
        # The server has followed its own changes by now, and whoever asks is known from then on.
        time.sleep(1)
        self.asked = []
        _ledger.probe(self.server, self.users, self.asked)

    @contextlib.contextmanager
    def no_room(self):
        """Within, nothing can be written."""
        self.disk.fill()
        if _installation.ON_POSTGRES:
            self.postgres.stop(signal.SIGINT)
        try:
            yield
        finally:
            self.disk.empty()
            if _installation.ON_POSTGRES:
                self.postgres.start()

    def assert_nothing_is_lost(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                found = _ledger.compare(self.server, self.users, self.asked, refusals=True)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.25)
        self.assertGreater(found["complete answers"], USERS)
        _ledger.probe(self.server, self.users, self.asked)

    def test_nobody_is_admitted_until_there_is_room(self):
        load = _load.Load(self.server, self.users, self.id(), slow=2)
        wait_until(lambda: len(load.asked) > 10 * USERS, "answers come", 60)
        with self.no_room():
            wait_until(lambda: self.is_failing("spool"), "the server says that nothing can be recorded", 60)
            self.asked += load.stop()
            # Nothing is spent on what could not be recorded.
            before = len(self.provider.asked)
            refused = self.users[0].chat()
            self.assertEqual((refused.status_code, refused.json()["code"]), (503, "store_unavailable"))
            self.assertIn("Retry-After", refused.headers)
            self.assertEqual(len(self.provider.asked), before)
            self.assertIn("nothing is admitted", self.server.log())
        wait_until(self.is_ready, "there is room again", 60)
        self.assert_nothing_is_lost()

    def test_a_server_ends_and_starts_without_room(self):
        load = _load.Load(self.server, self.users, self.id(), slow=2)
        wait_until(lambda: len(load.asked) > 10 * USERS, "answers come", 60)
        with self.no_room():
            wait_until(lambda: self.is_failing("spool"), "the server says that nothing can be recorded", 60)
            self.asked += load.stop()
            self.server.stop()
            self.server.launch()
            wait_until(lambda: self.is_failing("starting"), "the server waits", 60)
        wait_until(self.is_ready, "there is room again", 60)
        self.assert_nothing_is_lost()


    @unittest.skipUnless(_installation.ON_POSTGRES, "a database on the same disk has no room for what is drained")
    def test_a_spool_that_has_filled_the_disk_is_drained(self):
        load = _load.Load(self.server, self.users, self.id(), slow=2)
        wait_until(lambda: len(load.asked) > 10 * USERS, "answers come", 60)
        self.disk.fill(leave=LEFT)
        self.postgres.stop(signal.SIGINT)
        wait_until(lambda: self.is_failing("spool"), "the spool has filled the disk", 60)
        self.asked += load.stop()
        self.postgres.start()
        wait_until(self.is_ready, "the spool is drained, although nobody made room", 60)
        self.assert_nothing_is_lost()


class Spools(Disk):
    """A file in the spool's place that is none of ours, or no whole one."""

    def setUp(self):
        super().setUp()
        self.start()
        self.user = self.server.register()
        self.spool = self.server.installation.data / "spool.db"

    def others(self):
        for suffix in ("-wal", "-shm"):
            pathlib.Path(str(self.spool) + suffix).unlink(missing_ok=True)

    def assert_it_is_left_alone(self, content):
        """The server neither serves with this file nor touches it, and serves as soon as it is gone."""
        self.others()
        self.spool.write_bytes(content)
        self.server.launch()
        wait_until(lambda: self.is_failing("spool"), "the server says what is wrong", 60)
        self.assertEqual(self.readyz()[1]["failing"], ["starting", "spool"])
        refused = self.user.chat()
        self.assertEqual((refused.status_code, refused.json()["code"]), (503, "store_unavailable"))
        wait_until(lambda: self.spool.name in self.server.log(), "the log names the spool")
        self.assertEqual(self.spool.read_bytes(), content)
        self.others()
        self.spool.rename(self.spool.with_suffix(".aside"))
        wait_until(self.is_ready, "the server serves with a spool of its own", 60)
        self.assertEqual(self.user.gate(json=_server.question(_load.Wish(1, 1).text())).status_code, 200)
        self.assertEqual(self.user.stats()["total_requests"], 1)

    def test_a_text(self):
        self.server.stop()
        self.assert_it_is_left_alone(b"Remember the milk.\n" * 400)

    def test_a_database_of_somebody_else(self):
        self.server.stop()
        other = self.server.installation.folder / "other.db"
        with contextlib.closing(sqlite3.connect(other)) as database:
            database.execute("CREATE TABLE waiting (n INTEGER, event TEXT)")
            database.commit()
        self.assert_it_is_left_alone(other.read_bytes())

    def test_a_damaged_spool(self):
        self.server.stop()
        with contextlib.closing(sqlite3.connect(self.spool)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page = database.execute("PRAGMA page_size").fetchone()[0]
        content = bytearray(self.spool.read_bytes())
        self.assertGreater(len(content), 2 * page)
        content[page:] = b"\xa5" * (len(content) - page)
        self.assert_it_is_left_alone(bytes(content))

    def test_a_spool_cut_short(self):
        self.server.stop()
        with contextlib.closing(sqlite3.connect(self.spool)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = self.spool.read_bytes()
        self.assert_it_is_left_alone(content[: len(content) // 2])


if __name__ == "__main__":
    unittest.main()
