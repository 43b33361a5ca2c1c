"""The database goes away in the middle of the load: known callers notice nothing, and nothing is lost or doubled.

`TOLLGATE_OUTAGE_SECONDS` is how long it stays away.
"""

import contextlib
import os
import signal
import sqlite3
import time
import unittest

import requests

import _installation
import _ledger
import _load
import _postgres
import _provider
import _server
from _server import question, wait_until
from _testcase import OPERATOR_KEY

SECONDS = float(os.environ.get("TOLLGATE_OUTAGE_SECONDS") or 7)
USERS = 16

# `record.max_wait_seconds`, and what a busy machine takes beyond it.
MAX_WAIT = 5
SLACK = 3

# How long a drain and a fold may take at most.
MAX_CATCH_UP = 60

# How often the server looks for changes, in seconds.
FRESHNESS = 0.25

# Longer than the longest answer of the load.
GRACE = 8
CONFIG = f"shutdown:\n  grace_seconds: {GRACE}\nlogging:\n  level: warn\n"


@contextlib.contextmanager
def locked(path):
    """Within, another process has SQLite's write lock."""
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


class Outages(unittest.TestCase):
    """Load, an outage, and what is there afterwards."""

    def setUp(self):
        self.provider = _provider.Provider()
        self.addCleanup(self.provider.close)
        self.provider.answers_by(_load.answer)
        environment = {"OPENAI_API_KEY": OPERATOR_KEY, "OPENAI_BASE_URL": self.provider.url}
        if _installation.ON_POSTGRES:
            self.postgres = _postgres.OwnPostgres()
            self.addCleanup(self.postgres.close)
            environment["DATABASE_URL"] = self.postgres.make_database("tollgate_outage")
        self.server = _server.Server(environment, CONFIG)
        self.addCleanup(self.server.close)
        self.users = _ledger.users(self.server, USERS)
        # Somebody whose key was never used: the server does not know it.
        self.stranger = self.server.register()
        self.asked = []
        # By now the server has followed its own changes, and no look-up crosses one: whoever asks is known from then on.
        time.sleep(4 * FRESHNESS)
        _ledger.probe(self.server, self.users, self.asked)

    def run(self, result=None):
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"--- the end of the server's log after {self.id()}:\n{self.last_log}")
        return result

    def doCleanups(self):
        with contextlib.suppress(Exception):
            self.last_log = self.server.log()[-6000:]
        return super().doCleanups()

    last_log = ""

    @contextlib.contextmanager
    def away(self, how):
        """Within, the database is away, as `how` says."""
        if how == "locked":
            with locked(self.server.installation.data / "tollgate.db"):
                yield
            return
        if how == "hung":
            self.postgres.hang()
        else:
            self.postgres.stop({"stopped": signal.SIGINT, "crashed": signal.SIGQUIT}[how])
        try:
            yield
        finally:
            if how == "hung":
                self.postgres.resume()
            else:
                self.postgres.start()

    def load(self):
        """Load that is under way."""
        load = _load.Load(self.server, self.users, self.id())
        wait_until(lambda: len(load.asked) > 10 * USERS, "answers come", 60)
        return load

    def assert_nothing_is_lost(self):
        """Every answer has its event, soon, and the sums are the events' sums."""
        deadline = time.monotonic() + MAX_CATCH_UP
        while True:
            try:
                found = _ledger.compare(self.server, self.users, self.asked)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.25)
        self.assertGreater(found["complete answers"], USERS)
        _ledger.probe(self.server, self.users, self.asked)

    def assert_nobody_waited(self):
        """However the database was, every answer came, and within its time."""
        for one in self.asked:
            own = one.wish.delay + one.wish.pause * (one.wish.words + 3)
            self.assertTrue(one.complete, str(one))
            self.assertLess(one.took - own, MAX_WAIT + SLACK, str(one))

    def readyz(self):
        answer = requests.get(self.server.url + "/readyz", timeout=_server.MAX_CALL)
        return answer.status_code, answer.json()

    def ride_out(self, how):
        """The load goes on through an outage."""
        load = self.load()
        with self.away(how):
            end = time.monotonic() + SECONDS
            wait_until(lambda: self.readyz() == (200, {"status": "degraded", "failing": ["database"]}), "degraded")
            if how != "locked":
                refused = self.stranger.chat()
                self.assertEqual((refused.status_code, refused.json()["code"]), (503, "store_unavailable"))
                self.assertIn("Retry-After", refused.headers)
            time.sleep(max(0, end - time.monotonic()))
        wait_until(lambda: self.readyz() == (200, {"status": "ready"}), "ready again", 60)
        self.asked += load.stop()
        self.assert_nobody_waited()
        self.assert_nothing_is_lost()
        self.assertEqual(self.stranger.gate(json=question(_load.Wish(1, 1).text())).status_code, 200)
        self.server.restart()
        self.assert_nothing_is_lost()

    def end_meanwhile(self, how, graceful):
        """The server ends during an outage, by SIGTERM or SIGKILL."""
        load = self.load()
        with self.away(how):
            time.sleep(2)
            if graceful:
                began = time.monotonic()
                self.server.stop()
                self.assertLess(time.monotonic() - began, GRACE + MAX_WAIT + SLACK)
            else:
                self.server.kill()
            self.asked += load.stop()
        self.server.start()
        self.assert_nothing_is_lost()

    def start_meanwhile(self, how):
        """A server that finds no database answers with 503 until it is there."""
        load = self.load()
        self.server.kill()
        self.asked += load.stop()
        with self.away(how):
            for ended in (True, False):
                self.server.launch()
                wait_until(self.is_waiting, "the server says what it waits for", 60)
                self.assertEqual(self.server.call("GET", "/healthz").status_code, 200)
                refused = self.users[0].chat()
                self.assertEqual((refused.status_code, refused.json()["code"]), (503, "store_unavailable"))
                self.assertEqual(refused.json()["error"]["code"], "store_unavailable")
                self.assertEqual(refused.headers["Retry-After"], "1")
                self.assertEqual(refused.headers["X-Content-Type-Options"], "nosniff")
                if ended:
                    # Whoever is told to end before it has begun ends at once.
                    began = time.monotonic()
                    self.server.stop()
                    self.assertLess(time.monotonic() - began, SLACK)
        wait_until(self.is_ready, "ready", 60)
        self.assert_nothing_is_lost()

    def is_ready(self):
        # Whoever asks a server that begins to serve may be cut off.
        with contextlib.suppress(requests.ConnectionError):
            return self.readyz() == (200, {"status": "ready"})
        return False

    def is_waiting(self):
        with contextlib.suppress(requests.ConnectionError):
            status, body = self.readyz()
            return status == 503 and body["failing"][:1] == ["starting"] and "database" in body["failing"]
        return False


def _add_tests(name, test, ways, **words):
    """A test for each way in which a database may be away."""
    for how in ways:
        setattr(Outages, f"test_{name}_while_{how}", lambda self, how=how: test(self, how, **words))


if _installation.ON_POSTGRES:
    ALL = ["stopped", "crashed", "hung"]
    # The others take the same ways, and are left to long runs.
    FEW = ALL if "TOLLGATE_OUTAGE_SECONDS" in os.environ else ["crashed", "hung"]
else:
    ALL = FEW = ["locked"]
_add_tests("load_goes_on", Outages.ride_out, ALL)
_add_tests("a_server_starts", Outages.start_meanwhile, FEW)
_add_tests("a_server_is_terminated", Outages.end_meanwhile, FEW, graceful=True)
_add_tests("a_server_is_killed", Outages.end_meanwhile, FEW, graceful=False)


if __name__ == "__main__":
    unittest.main()
