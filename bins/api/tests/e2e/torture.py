"""The server is killed in the middle of its work, again and again: nothing is lost and nothing counts twice.

`TOLLGATE_TORTURE_BIN` is a server built with the feature `abort-points`; without one it is only killed at random
moments. `TOLLGATE_TORTURE_ROUNDS` is how often (`cargo xtask torture --rounds N`); `TOLLGATE_TORTURE_SEED` repeats what
failed.
"""

import collections
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import requests

import _installation
import _ledger
import _load
import _provider
import _server
from _testcase import OPERATOR_KEY

POINTS = os.environ.get("TOLLGATE_TORTURE_BIN")
SEED = os.environ.get("TOLLGATE_TORTURE_SEED") or str(random.SystemRandom().getrandbits(32))

# Where a server ends by itself, and at which time of passing there at most. `answer` is while last bytes leave.
UNDER_LOAD = {"append.before": 800, "append.after": 800, "answer": 800, "fold.before": 60, "fold.after": 60}
# The same at a start that finds a spool.
IN_THE_DRAIN = {"drain.before": 1, "drain.after": 1, "append.before": 1, "append.after": 1}
KILL = "kill"

ROUNDS = int(os.environ.get("TOLLGATE_TORTURE_ROUNDS") or (len(UNDER_LOAD) + 2 if POINTS else 2))
# After so many rounds everything is made anew, so that comparing stays quick.
ROUNDS_OF_ONE_INSTALLATION = 10
USERS = 16

# How long a server lives under load at most, in seconds.
SHORTEST_LIFE, LONGEST_LIFE = 1.0, 6.0
# How long the yardstick waits between two writes, in seconds.
PAUSE = 0.05
# How often a running request waits for the machine until it has left its row: for the beat, for whoever writes, for the
# database, and for the spool.
STEPS = 4
# How long the database is kept from writing, in seconds, and how long the server lives on after it began.
BLOCKED = 3.0


def dice_of(number):
    """Chance in one round, the same for the same seed."""
    return random.Random(f"{SEED}/{number}")


@contextlib.contextmanager
def blocked(installation):
    """Within, nobody can write events."""
    if not _installation.ON_POSTGRES:
        database = sqlite3.connect(installation.data / "tollgate.db", timeout=30, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")
            database.close()
        return
    words = [_installation.postgres_program("psql"), "-X", "-q", "-A", "-t", "-d", installation.database.url]
    psql = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        psql.stdin.write("BEGIN; LOCK TABLE tollgate.usage_events IN EXCLUSIVE MODE; SELECT 'locked';\n")
        psql.stdin.flush()
        if psql.stdout.readline().strip() != "locked":
            raise AssertionError("the table could not be locked")
        yield
    finally:
        psql.communicate("ROLLBACK;\n", timeout=_installation.MAX_RUN)


def until_death(asked, late):
    """Ends what the server's death broke off when the first of those who asked saw it: the others saw it later.

    The machine was late by `late` seconds at most.
    """
    died = min((one.ended for one in asked if one.broken), default=None)
    for one in asked:
        one.slack += STEPS * late
        if one.broken:
            one.ended = max(one.began, died)
    return asked


class Yardstick(threading.Thread):
    """Waits and writes all the time, as the server does, to tell how late the machine is with it."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.worst = 0.0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
            while not self.stopped.is_set():
                began = time.monotonic()
                time.sleep(PAUSE)
                file.write(bytes(4_096))
                os.fsync(file.fileno())
                self.worst = max(self.worst, time.monotonic() - began - PAUSE)

    def stop(self):
        """Gives by how many seconds it was late at most."""
        self.stopped.set()
        self.join(_server.MAX_CALL)
        return self.worst


class Reader(threading.Thread):
    """Reads sums all the time: each read joins a fold."""

    def __init__(self, user):
        super().__init__()
        self.user = user
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.05):
            try:
                self.user.api("GET", "/api/v1/usage/stats")
            except requests.RequestException:
                return

    def stop(self):
        self.stopped.set()
        self.join(_server.MAX_CALL)


class Torture(unittest.TestCase):
    """Rounds of: load, death, start, comparison."""

    @classmethod
    def setUpClass(cls):
        # Nobody reads the memory of servers that end as they were told.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if POINTS:
            before, _installation.API = _installation.API, POINTS
            cls.addClassCleanup(setattr, _installation, "API", before)
        cls.provider = _provider.Provider()
        cls.addClassCleanup(cls.provider.close)

    def test_rounds(self):
        found, deaths, server = collections.Counter(), collections.Counter(), None
        print(f"\nseed {SEED}, {ROUNDS} rounds on {_installation.DATABASE}", flush=True)
        began = time.monotonic()
        try:
            for number in range(ROUNDS):
                if number % ROUNDS_OF_ONE_INSTALLATION == 0:
                    if server:
                        server.close()
                        found += compared
                    server, asked = self.make(), []
                    *users, self.first = _ledger.users(server, USERS + 1)
                    server.stop()
                try:
                    deaths[self.round(server, users, asked, number)] += 1
                    compared = _ledger.compare(server, users, asked)
                    _ledger.probe(server, users, asked)
                    if number % ROUNDS_OF_ONE_INSTALLATION == 0:
                        found["listed to their user"] += _ledger.compare_logs(server, users[number % USERS])
                    server.stop()
                except BaseException:
                    print(f"round {number} of seed {SEED} failed; the end of the log:\n{server.log()[-6000:]}")
                    raise
        finally:
            if server:
                server.kill()
                server.installation.close()
        found += compared
        self.show(found, deaths, time.monotonic() - began)
        self.assertGreater(found["complete answers"], 0)

    def make(self):
        self.provider.reset()
        self.provider.answers_by(_load.answer)
        environment = {"OPENAI_API_KEY": OPERATOR_KEY, "OPENAI_BASE_URL": self.provider.url}
        return _server.Server(environment, "logging:\n  level: warn\n")

    @staticmethod
    def show(found, deaths, took):
        rows = sorted(found.items()) + [(f"ended at: {point}", count) for point, count in sorted(deaths.items())]
        for what, count in rows:
            print(f"  {what:<32} {count:>9,}")
        print(f"  {'seconds':<32} {took:>9.0f}", flush=True)

    def round(self, server, users, asked, number):
        """One life, its death, and the next start; gives the point at which it died."""
        dice = dice_of(number)
        self.provider.asked.clear()
        server.answers.clear()
        points = [KILL, *UNDER_LOAD, "drain"] if POINTS else [KILL, "drain"]
        point = points[number] if number < len(points) else dice.choice(points)
        if point == "drain":
            died = self.die_in_the_drain(server, users, asked, dice)
        else:
            died = self.die_under_load(server, users, asked, dice, point)
        server.installation.set(TOLLGATE_ABORT_AT=None)
        server.start()
        return died

    def die_under_load(self, server, users, asked, dice, point):
        if point in UNDER_LOAD:
            server.installation.set(TOLLGATE_ABORT_AT=f"{point}:{dice.randint(1, UNDER_LOAD[point])}")
        if not self.start_or_die(server):
            return f"{point}, at the start"
        self.warm_up(server)
        load, yardstick = _load.Load(server, users, dice.random()), Yardstick(server.installation.folder)
        reader = Reader(users[0])
        died = self.wait_for_death(server, dice.uniform(SHORTEST_LIFE, LONGEST_LIFE))
        server.kill()
        asked += until_death(load.stop(), yardstick.stop())
        reader.stop()
        return point if died else KILL

    def die_in_the_drain(self, server, users, asked, dice):
        """Events come into the spool; the server is killed, and its successor too, while it drains."""
        server.start()
        self.warm_up(server)
        load, yardstick = _load.Load(server, users, dice.random()), Yardstick(server.installation.folder)
        time.sleep(dice.uniform(0.1, 1))
        with blocked(server.installation):
            time.sleep(dice.uniform(BLOCKED / 2, BLOCKED))
            server.kill()
            asked += until_death(load.stop(), yardstick.stop())
        if not POINTS:
            return "kill with a spool"
        point = dice.choice(list(IN_THE_DRAIN))
        server.installation.set(TOLLGATE_ABORT_AT=f"{point}:{IN_THE_DRAIN[point]}")
        died = not self.start_or_die(server) or self.wait_for_death(server, LONGEST_LIFE)
        server.kill()
        return f"{point}, in the drain" if died else "kill after a drain"

    def warm_up(self, server):
        """Has the server count tokens: the vocabulary that it loads for that takes an unoptimised one seconds."""
        connection = _load.Connection(server.url, self.first.id, self.first.key)
        connection.ask(_load.Wish(prompt=1, completion=1, told=False))
        connection.close()

    @staticmethod
    def start_or_die(server):
        """Whether the server became ready; it may have come by its abort point before."""
        try:
            server.start()
        except AssertionError:
            if server.process.poll() != -signal.SIGABRT:
                raise
            return False
        return True

    @staticmethod
    def wait_for_death(server, seconds):
        """Whether the server ended by itself, at its abort point."""
        try:
            code = server.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if code != -signal.SIGABRT:
            raise AssertionError(f"the server ended with {code}")
        return True


if __name__ == "__main__":
    unittest.main()
