"""The end of a server and its next start: nothing is lost, nothing counts twice."""

import contextlib
import json
import socket
import threading
import time
import unittest

import requests

from _server import question, wait_until
from _testcase import EndToEnd


class Restart(EndToEnd):
    """SIGTERM, and what is there afterwards."""

    def setUp(self):
        super().setUp()
        if self.server.process.poll() is not None:
            self.server.start()

    def sums(self, user):
        stats = user.stats()
        del stats["as_of"]
        return stats

    def test_sums_and_windows_outlive_a_restart(self):
        user = self.server.register()
        for _ in range(3):
            self.assert_ok(user.chat())
        before = self.sums(user)
        self.assertEqual(before["total_tokens"], 54)
        for already in (3, 4):
            self.server.restart()
            self.assertEqual(self.sums(user)["quota"]["used"], already * 18)
            headers = user.chat().headers
            self.assertEqual(headers["X-Quota-Remaining"], str(10_000 - 18 * (already + 1)))
            for window, limit in (("Minute", 60), ("Hour", 1_000), ("Day", 10_000)):
                self.assertEqual(headers[f"X-RateLimit-Remaining-{window}"], str(limit - already - 1), window)

    def test_statistics_are_the_same_before_and_after(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        self.assertEqual(user.chat(stream=True).status_code, 200)
        self.provider.answers(status=500)
        self.assertEqual(user.chat().status_code, 502)
        before = self.sums(user)
        self.assertEqual((before["total_requests"], before["failed_requests"]), (3, 1))
        self.server.restart()
        self.assertEqual(self.sums(user), before)

    def test_what_was_answered_outlives_a_kill(self):
        user = self.server.register()
        for _ in range(5):
            self.assert_ok(user.chat())
        self.assertTrue(user.chat(stream=True).text.endswith("data: [DONE]\n\n"))
        self.server.kill()
        self.server.start()
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["total_tokens"]), (6, 108))
        self.assertEqual(stats["quota"]["used"], 108)
        headers = user.chat().headers
        self.assertEqual(headers["X-Quota-Remaining"], str(10_000 - 7 * 18))
        self.assertEqual(headers["X-RateLimit-Remaining-Hour"], str(1_000 - 7))

    def test_a_limit_that_was_reached_stays_reached(self):
        user = self.server.register()
        self.server.edit_user(user, hourly_limit=2)
        for _ in range(2):
            self.assert_ok(user.chat())
        self.server.restart()
        self.assert_problem(user.chat(), 429, "rate_limit_exceeded")

    def test_running_answers_are_finished_before_the_end(self):
        user = self.server.register()
        self.provider.answers(hold_after=3)
        with self.provider.holding():
            client = user.openai()
            stream = client.chat.completions.create(**question(), stream=True)
            said = [next(stream).choices[0].delta.content for _ in range(3)]
            self.server.terminate()
            wait_until(self.is_draining, "the server says that it is going")
            self.assertIsNone(self.server.process.poll())
            self.provider.release()
            said += [chunk.choices[0].delta.content or "" for chunk in stream]
        self.assertEqual("".join(said).strip(), "Hello there, friend.")
        self.server.wait_for_exit()
        self.server.start()
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["total_tokens"]), (1, 18))

    def test_whole_answers_too(self):
        user = self.server.register()
        answers = []
        with self.provider.holding():
            asking = threading.Thread(target=lambda: answers.append(user.chat()))
            asking.start()
            self.provider.wait_for(1)
            self.server.terminate()
            wait_until(self.is_draining, "the server says that it is going")
            self.provider.release()
            asking.join(60)
        self.assert_ok(answers[0])
        self.server.wait_for_exit()
        self.server.start()
        self.assertEqual(user.stats()["total_tokens"], 18)

    def is_draining(self):
        """Not ready any more, or not reachable."""
        with contextlib.suppress(requests.ConnectionError):
            return self.server.call("GET", "/readyz").status_code == 503
        return True

    def test_an_idle_server_ends_at_once_though_clients_keep_connections(self):
        with requests.Session() as session:
            self.assertEqual(session.get(self.server.url + "/healthz", timeout=60).status_code, 200)
            self.server.restart()
            self.assertEqual(session.get(self.server.url + "/healthz", timeout=60).status_code, 200)


class Grace(EndToEnd):
    """`shutdown.grace_seconds`."""

    config = "shutdown:\n  grace_seconds: 1\n"

    def setUp(self):
        super().setUp()
        if self.server.process.poll() is not None:
            self.server.start()

    def test_what_does_not_end_in_time_is_cut_and_charged(self):
        user = self.server.register()
        said_before = len(self.server.log())
        self.provider.answers(hold_after=3)
        with self.provider.holding():
            stream = user.openai().chat.completions.create(**question(), stream=True)
            next(stream)
            self.server.stop()
        self.server.start()
        stats = user.stats()
        self.assertEqual(stats["total_requests"], 1)
        self.assertGreater(stats["total_tokens"], 0)
        self.assertEqual(stats["quota"]["used"], stats["total_tokens"])
        self.assertNotIn("used more than the limit", self.server.log()[said_before:])

    def test_clients_that_do_nothing_do_not_hold_up_the_end(self):
        user = self.server.register()
        self.provider.answers(text="word " * 50_000)
        asked = json.dumps(question(stream=True)).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {user.key}\r\nContent-Length: {len(asked)}\r\n\r\n"
        ).encode()
        with contextlib.ExitStack() as clients:
            # One says nothing, one says half, and one reads nothing of a long answer.
            for said in (b"", head + asked[:5], head + asked):
                client = socket.create_connection(("127.0.0.1", self.server.installation.port))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                clients.enter_context(client)
                client.sendall(said)
            self.provider.wait_for(1)
            began = time.monotonic()
            self.server.stop()
            # Far less than they would stay.
            self.assertLess(time.monotonic() - began, 20)
        self.server.start()
        self.assertEqual(user.stats()["total_requests"], 1)


if __name__ == "__main__":
    unittest.main()
