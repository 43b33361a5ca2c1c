"""The three windows: never more than so many requests in any of them."""

import concurrent.futures
import contextlib
import datetime
import json
import socket
import threading
import unittest

import openai

from _server import bearer, question, wait_until
from _testcase import EndToEnd

CROWD, ROOM, BEFORE = 200, 20, 5


class Windows(EndToEnd):
    """Minute, hour and day."""

    def test_a_crowd_for_the_last_of_a_window(self):
        for window in ("minute", "hourly", "daily"):
            with self.subTest(window):
                self.crowd(window)

    def crowd(self, window):
        user = self.server.register()
        for _ in range(BEFORE):
            self.assert_ok(user.chat(max_tokens=20))
        limits = {"minute_limit": 100_000, "hourly_limit": 100_000, "daily_limit": 100_000}
        limits[f"{window}_limit"] = BEFORE + ROOM
        self.server.edit_user(user, **limits, monthly_token_limit=10_000_000)
        self.provider.reset()
        together = threading.Barrier(CROWD)

        def ask(_):
            together.wait(60)
            return user.chat(max_tokens=20)

        with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
            answers = list(pool.map(ask, range(CROWD)))
        passed = [answer for answer in answers if answer.status_code == 200]
        self.assertEqual(len(passed), ROOM)
        self.assertEqual(len(self.provider.asked), ROOM)
        lengths = {"minute": 60, "hourly": 3_600, "daily": 86_400}
        for answer in answers:
            if answer.status_code == 200:
                continue
            problem = self.assert_problem(answer, 429, "rate_limit_exceeded")
            # It may have come a moment before the last of those that passed.
            self.assertLessEqual(int(answer.headers["Retry-After"]), lengths[window] + 1)
            shown = {name: limits[f"{name}_limit"] for name in lengths}
            expected = f"Hourly: {25}/{shown['hourly']}, Daily: 25/{shown['daily']}"
            if window == "minute":
                expected = f"Minute: 25/{shown['minute']}, {expected}"
            self.assertEqual(problem["detail"], f"Rate limit exceeded. {expected}")
        self.assertEqual(user.stats()["successful_requests"], BEFORE + ROOM)

    def test_the_client_raises_and_the_headers_say_when(self):
        user = self.server.register()
        self.server.edit_user(user, hourly_limit=1)
        client = user.openai()
        client.chat.completions.create(**question())
        with self.assertRaises(openai.RateLimitError) as raised:
            client.chat.completions.create(**question())
        self.assertEqual(raised.exception.code, "rate_limit_exceeded")
        headers = raised.exception.response.headers
        self.assertEqual(headers["X-RateLimit-Limit-Hour"], "1")
        self.assertEqual(headers["X-RateLimit-Remaining-Hour"], "0")
        reset = datetime.datetime.fromisoformat(headers["X-RateLimit-Reset-Hour"])
        now = datetime.datetime.now(datetime.UTC)
        self.assertTrue(now < reset <= now + datetime.timedelta(hours=1, seconds=61))
        self.assertIn("r=0", headers["RateLimit"])

    def test_all_keys_of_a_user_share_the_users_windows(self):
        user = self.server.register()
        other = user.make_key()["key"]
        self.server.edit_user(user, minute_limit=3)
        for key in (user.key, other, user.key):
            self.assert_ok(user.chat(key=key))
        for key in (user.key, other):
            self.assert_problem(user.chat(key=key), 429, "rate_limit_exceeded")

    def test_a_keys_own_limit_comes_in_addition(self):
        user = self.server.register()
        key = user.make_key(minute_limit=2)["key"]
        for _ in range(2):
            self.assert_ok(user.chat(key=key))
        self.assert_problem(user.chat(key=key), 429, "rate_limit_exceeded")
        answer = user.chat()
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Remaining-Minute"], "57")

    def test_headers_show_per_window_what_has_less_left(self):
        user = self.server.register()
        made = user.make_key(minute_limit=5, hourly_limit=900)
        key = made["key"]

        def left(*, key):
            headers = self.server.answers[-1].headers if key is None else user.chat(key=key).headers
            windows = ("Minute", "Hour", "Day")
            return [
                tuple(int(headers[f"X-RateLimit-{what}-{window}"]) for what in ("Limit", "Remaining"))
                for window in windows
            ]

        # The key's own by minute and hour; the user's by day.
        self.assertEqual(left(key=key), [(5, 4), (900, 899), (10_000, 9_999)])
        # Another key uses the user's minute up, until that has less left.
        for _ in range(55):
            self.assert_ok(user.chat())
        self.assertEqual(left(key=key), [(60, 3), (900, 898), (10_000, 9_943)])
        self.assertEqual(left(key=user.key), [(60, 2), (1_000, 942), (10_000, 9_942)])
        self.assertEqual(left(key=key), [(60, 1), (900, 897), (10_000, 9_941)])
        self.assertEqual(left(key=key), [(60, 0), (900, 896), (10_000, 9_940)])
        self.assert_problem(user.chat(key=key), 429, "rate_limit_exceeded")
        self.assertEqual(left(key=None), [(60, 0), (900, 896), (10_000, 9_940)])

    def test_limits_given_later_find_what_was(self):
        user = self.server.register()
        other = user.make_key()
        for _ in range(3):
            self.assert_ok(user.chat())
        self.assert_ok(user.chat(key=other["key"]))
        # The user's, lowered below what was.
        self.server.edit_user(user, hourly_limit=2)
        problem = self.assert_problem(user.chat(), 429, "rate_limit_exceeded")
        self.assertEqual(problem["detail"], "Rate limit exceeded. Hourly: 4/2, Daily: 4/10000")
        self.server.edit_user(user, hourly_limit=5)
        self.assert_ok(user.chat())
        self.assert_problem(user.chat(), 429, "rate_limit_exceeded")
        self.server.edit_user(user, hourly_limit=None)
        # A key's, where there was none: its own four, not the user's five.
        admin, path = self.server.administrator(), f"/api/v1/admin/keys/{user.key_id}"
        self.assert_ok(admin.api("PATCH", path, json={"daily_limit": 4}))
        problem = self.assert_problem(user.chat(), 429, "rate_limit_exceeded")
        self.assertEqual(problem["detail"], "Rate limit exceeded. Hourly: 5/1000, Daily: 4/4")
        self.assert_ok(admin.api("PATCH", path, json={"daily_limit": 5}))
        self.assert_ok(user.chat())
        self.assert_problem(user.chat(), 429, "rate_limit_exceeded")

    def test_an_administrators_limit_for_a_key_stands_in_place_of_the_users(self):
        user = self.server.register()
        self.server.edit_user(user, minute_limit=1)
        answer = self.server.administrator().api(
            "PATCH", f"/api/v1/admin/keys/{user.key_id}", json={"minute_limit": 3}
        )
        self.assert_ok(answer)
        for _ in range(3):
            self.assert_ok(user.chat())
        self.assert_problem(user.chat(), 429, "rate_limit_exceeded")

    def test_a_change_of_tier_holds_at_once(self):
        user = self.server.register()
        self.assertEqual(user.chat().headers["X-RateLimit-Limit-Minute"], "60")
        self.server.edit_user(user, tier="pro")
        headers = user.chat().headers
        self.assertEqual(headers["X-RateLimit-Limit-Minute"], "600")
        self.assertEqual(headers["X-Quota-Limit"], "100000")
        self.server.edit_user(user, tier="free")
        headers = user.chat().headers
        self.assertEqual(headers["X-RateLimit-Limit-Minute"], "60")
        self.assertEqual(headers["X-Quota-Limit"], "100000", "the running month keeps the higher of the two")
        self.assertEqual(headers["X-RateLimit-Remaining-Minute"], "57")

    def test_bad_bodies_count_and_refusals_do_not(self):
        user = self.server.register()
        self.server.edit_user(user, minute_limit=2)
        self.assertEqual(user.gate(data=b"{", key=user.key).status_code, 400)
        self.assert_ok(user.chat())
        for _ in range(3):
            self.assertEqual(user.chat().status_code, 429)
        self.server.edit_user(user, minute_limit=3)
        self.assert_ok(user.chat())

    def test_the_list_of_models_is_limited_too(self):
        user = self.server.register()
        self.server.edit_user(user, minute_limit=1)
        answer = self.server.call("GET", "/v1/models", headers=bearer(user.key))
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Remaining-Minute"], "0")
        answer = self.server.call("GET", "/v1/models", headers=bearer(user.key))
        self.assert_problem(answer, 429, "rate_limit_exceeded")


class Concurrency(EndToEnd):
    """`performance.max_concurrent_requests`."""

    config = "performance:\n  max_concurrent_requests: 2\n"

    def test_so_many_of_a_key_run_at_once(self):
        user = self.server.register()
        other = self.server.register()
        with self.provider.holding(), concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(user.chat) for _ in range(2)]
            self.provider.wait_for(2)
            answer = user.chat()
            self.assert_problem(answer, 429, "concurrency_limit")
            self.assertEqual(answer.headers["Retry-After"], "1")
            running.append(pool.submit(other.chat))
            self.provider.wait_for(3)
            self.provider.release()
            for job in running:
                self.assert_ok(job.result())
        answer = user.chat()
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Remaining-Minute"], "57")

    def nothing_runs(self):
        return "tollgate_open_requests 0" in self.server.call("GET", "/metrics").text.splitlines()

    def test_who_hangs_up_makes_room(self):
        user = self.server.register()
        body = json.dumps(question()).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {user.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        address = ("127.0.0.1", self.server.installation.port)
        with self.provider.holding():
            for turn in range(1, 4):
                with contextlib.ExitStack() as connections:
                    for _ in range(2):
                        connection = connections.enter_context(socket.create_connection(address, 30))
                        connection.sendall(head.encode() + body)
                    self.provider.wait_for(2 * turn)
                    self.assert_problem(user.chat(), 429, "concurrency_limit")
                wait_until(self.nothing_runs, "both have ended")


if __name__ == "__main__":
    unittest.main()
