"""Clients that connect, ask and hang up at once, by the thousand: nothing stays open, held or in memory."""

import concurrent.futures
import contextlib
import json
import pathlib
import re
import socket
import struct
import unittest

from _server import Server, bearer, question, wait_until

# A batch is so many connections, from so many threads.
BATCH, THREADS = 10_000, 16
# What the server may have more in memory after a batch than after the one before, in MiB. A batch during which the disk
# stood still has more open at once than any before, and may leave more; not one after the other.
MAX_GROWTH, MAX_BATCHES = 8, 8
# How long what a batch left behind may take to end, in seconds, and whoever comes behind it to be answered. Clients
# that hang up are soon thousands ahead of a server on a busy machine.
MAX_END = 300

# Freed memory goes back at once, so that what is in use can be seen from outside.
ENVIRONMENT = {"MIMALLOC_PURGE_DELAY": "0"}
# Closing sends RST rather than FIN.
RESET = struct.pack("ii", 1, 0)


class HangUp(unittest.TestCase):
    """Without a provider: the server answers by itself, so that nothing but its own work limits it."""

    # Batches, and requests whose client has waited for the answer.
    batches = alone = 0

    @classmethod
    def setUpClass(cls):
        cls.server = Server(ENVIRONMENT)
        cls.addClassCleanup(cls.server.close)
        cls.user = cls.server.register()
        limits = {"minute_limit": 10**9, "hourly_limit": 10**9, "daily_limit": 10**9}
        cls.server.edit_user(cls.user, **limits, monthly_token_limit=10**12)

    def requests(self):
        """What clients send before they hang up: all of a plain and of a streamed request, and half."""
        whole = []
        for fields in ({}, {"stream": True}):
            body = json.dumps(question(model="echo", max_tokens=20, **fields)).encode()
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {self.user.key}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            whole.append(head.encode() + body)
        return [*whole, whole[0][:-10]]

    def hang_up(self, numbers):
        """A client that hangs up again and again, now with a FIN, now with an RST."""
        requests = self.requests()
        for number in numbers:
            with socket.create_connection(("127.0.0.1", self.server.installation.port), MAX_END) as connection:
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # It may have been too much for the server already.
                with contextlib.suppress(ConnectionError):
                    connection.sendall(requests[number % len(requests)])
        return len(numbers)

    def batch(self):
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            shares = [range(first, BATCH, THREADS) for first in range(THREADS)]
            self.assertEqual(sum(pool.map(self.hang_up, shares)), BATCH)
        wait_until(self.nothing_runs, "what was hung up on has ended", MAX_END)
        self.batches += 1

    def has_settled(self):
        """Whether one more batch leaves no more in memory than the one before."""
        most = self.resident() + MAX_GROWTH
        self.batch()
        with contextlib.suppress(AssertionError):
            return wait_until(lambda: self.resident() < most, f"less than {most} MiB are in use")
        return False

    def metric(self, name):
        """The value of a gauge; 0 where it was never set."""
        text = self.server.call("GET", "/metrics", timeout=MAX_END).text
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def nothing_runs(self):
        return self.metric("tollgate_open_requests") == 0 == self.metric("tollgate_record_queue")

    def resident(self):
        """The server's memory, in MiB."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.server.process.pid}/fd").iterdir()))

    def test_nothing_is_left_of_them(self):
        # Each batch asks for more than one user may have open.
        self.batch()
        self.batch()
        while not self.has_settled():
            self.assertLess(self.batches, MAX_BATCHES, "each batch leaves more in memory")
        wait_until(lambda: self.descriptors() < 200, "the connections are closed", MAX_END)
        # Nothing is held: what is not used is left, to the token.
        answer, stats = self.asked_alone()
        quota = stats["quota"]
        self.assertEqual(int(answer.headers["X-Quota-Remaining"]), quota["limit"] - quota["used"])
        # Two of three asked for all; how many of them the server saw before they were reset, nobody knows.
        self.assertGreater(stats["total_requests"], self.batches * BATCH // 3)
        self.assertLessEqual(stats["total_requests"], self.batches * (BATCH - BATCH // 3) + self.alone)
        limit, remaining = (int(answer.headers[f"X-RateLimit-{name}-Day"]) for name in ("Limit", "Remaining"))
        inside = limit - remaining
        self.assertEqual(inside, stats["total_requests"])

    def asked_alone(self):
        """The answer to one who stays, and the statistics then, nothing else having come meanwhile.

        A worker may still take up what another had done with long before.
        """

        def asked():
            before = self.user.stats()["total_requests"]
            answer = self.server.call(
                "POST", "/v1/chat/completions", headers=bearer(self.user.key), json=question(model="echo")
            )
            self.assertEqual(answer.status_code, 200, answer.text)
            self.alone += 1
            stats = self.user.stats()
            return (answer, stats) if stats["total_requests"] == before + 1 else None

        return wait_until(asked, "nobody else asks", MAX_END)


if __name__ == "__main__":
    unittest.main()
