"""What is used is what the provider says, to the token and to the smallest part of a dollar."""

import concurrent.futures
import decimal
import json
import socket
import unittest

from _server import bearer, decimals, question, wait_until
from _testcase import EndToEnd

PRICE = decimal.Decimal("0.0001")


class Accounting(EndToEnd):
    """Statistics, headers and what the editor is told."""

    def assert_used(self, user, requests, tokens):
        """Everything that shows sums shows these."""
        stats = user.stats()
        self.assertEqual(stats["total_requests"], requests)
        self.assertEqual(stats["successful_requests"], requests)
        self.assertEqual(stats["failed_requests"], 0)
        self.assertEqual(stats["total_tokens"], tokens)
        self.assertEqual(stats["total_cost_usd"], tokens * PRICE)
        quota = stats["quota"]
        self.assertEqual(
            (quota["limit"], quota["used"], quota["remaining"]), (10_000, tokens, 10_000 - tokens)
        )
        for group in ("by_day", "by_model", "by_endpoint"):
            self.assertEqual(sum(row["requests"] for row in stats[group]), requests, group)
            self.assertEqual(sum(row["tokens"] for row in stats[group]), tokens, group)
            self.assertEqual(sum(row["cost_usd"] for row in stats[group]), tokens * PRICE, group)
        self.assertEqual(user.tokens_remaining(), 10_000 - tokens)

    def test_plain_and_streamed_with_and_without_usage(self):
        user = self.server.register()
        client = user.openai()
        self.provider.answers(prompt_tokens=11, completion_tokens=7)
        client.chat.completions.create(**question())
        self.assert_used(user, 1, 18)
        self.provider.answers(prompt_tokens=101, completion_tokens=13)
        list(client.chat.completions.create(**question(), stream=True))
        self.assert_used(user, 2, 132)
        self.provider.answers(prompt_tokens=5, completion_tokens=1)
        options = {"include_usage": True}
        *_, last = client.chat.completions.create(**question(), stream=True, stream_options=options)
        self.assertEqual(last.usage.total_tokens, 6)
        self.assert_used(user, 3, 138)

    def test_the_groups_name_day_model_and_endpoint(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        self.assert_ok(user.chat(model="another-model"))
        stats = user.stats()
        self.assertEqual({row["model"] for row in stats["by_model"]}, {"gpt-4o-mini", "another-model"})
        self.assertEqual([row["endpoint"] for row in stats["by_endpoint"]], ["/v1/chat/completions"])
        [day] = stats["by_day"]
        self.assertRegex(day["day"], r"^\d{4}-\d\d-\d\d$")
        self.assertEqual((day["successful"], day["failed"]), (2, 0))
        for name in ("avg_processing_ms", "p50_ms", "p95_ms", "p99_ms"):
            self.assertGreaterEqual(stats[name], 0)
        self.assertTrue(stats["as_of"].endswith("Z") and stats["quota"]["resets_at"].endswith("Z"))

    def test_headers_of_plain_answers_are_exact(self):
        user = self.server.register()
        for already in range(3):
            answer = user.chat()
            headers = answer.headers
            self.assert_ok(answer)
            self.assertEqual(headers["X-Quota-Limit"], "10000")
            self.assertEqual(headers["X-Quota-Remaining"], str(10_000 - 18 * (already + 1)))
            self.assertRegex(headers["X-Quota-Reset"], r"^\d{4}-\d\d-01T00:00:00Z$")
            for window, limit in (("Minute", 60), ("Hour", 1_000), ("Day", 10_000)):
                self.assertEqual(headers[f"X-RateLimit-Limit-{window}"], str(limit))
                self.assertEqual(headers[f"X-RateLimit-Remaining-{window}"], str(limit - already - 1))
                self.assertRegex(headers[f"X-RateLimit-Reset-{window}"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertIn("RateLimit", headers)
            self.assertIn("RateLimit-Policy", headers)

    def test_a_streams_headers_show_what_is_left_beside_its_hold(self):
        user = self.server.register()
        answer = user.chat(stream=True, max_tokens=500)
        left = int(answer.headers["X-Quota-Remaining"])
        self.assertLess(left, 10_000 - 500)
        self.assertGreater(left, 10_000 - 500 - 1_000)
        self.assert_used(user, 1, 18)

    def test_the_statistics_under_the_older_names_and_with_a_key(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        expected = user.stats()["total_tokens"]
        self.assertEqual(expected, 18)
        for path in ("/api/usage/stats", "/api/auth/usage/stats", "/api/v1/auth/usage/stats?days=7"):
            for credential in (user.token, user.key):
                with self.subTest(path):
                    answer = self.server.call("GET", path, headers=bearer(credential))
                    self.assertEqual(self.assert_ok(answer)["total_tokens"], 18)
        self.assert_problem(user.api("GET", "/api/v1/usage/stats?days=soon"), 422, "validation_failed")

    def test_where_usage_is_not_told_it_is_observed(self):
        user = self.server.register()
        self.provider.answers(usage=False, text="one two three four five six seven eight nine ten")
        self.assert_ok(user.chat("Count to ten."))
        first = user.stats()["total_tokens"]
        self.assertGreater(first, 10)
        self.assertLess(first, 100)
        list(user.openai().chat.completions.create(**question("Count to ten."), stream=True))
        stats = user.stats()
        self.assertGreater(stats["total_tokens"], first + 10)
        self.assertEqual(stats["total_cost_usd"], stats["total_tokens"] * PRICE)
        self.assertEqual(stats["quota"]["used"], stats["total_tokens"])

    def test_an_explicit_zero_stays_zero(self):
        user = self.server.register()
        self.provider.answers(prompt_tokens=0, completion_tokens=0)
        self.assert_ok(user.chat())
        self.assert_used(user, 1, 0)

    def test_what_is_used_beyond_the_limit_is_charged_and_never_negative(self):
        user = self.server.register()
        self.provider.answers(prompt_tokens=9_000, completion_tokens=9_000)
        answer = user.chat(max_tokens=10)
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-Quota-Remaining"], "0")
        stats = user.stats()
        self.assertEqual((stats["total_tokens"], stats["quota"]["remaining"]), (18_000, 0))
        self.assertEqual(stats["total_cost_usd"], 18_000 * PRICE)
        self.assertEqual(user.tokens_remaining(), 0)
        self.assert_problem(user.chat(max_tokens=1), 429, "insufficient_quota")

    def test_a_client_that_hangs_up_is_charged_for_what_came(self):
        user = self.server.register()
        self.provider.answers(hold_after=3)
        with self.provider.holding():
            stream = user.openai().chat.completions.create(**question("Tell me more."), stream=True)
            next(stream)
            next(stream)
            stream.close()
            tokens = wait_until(lambda: user.stats()["total_tokens"], "the broken call is charged")
        wait_until(lambda: self.open_requests() == 0, "nothing is held for it")
        self.assertLess(tokens, 60)
        stats = user.stats()
        self.assertEqual(stats["quota"]["used"], tokens)
        self.assertEqual(stats["total_cost_usd"], tokens * PRICE)
        remaining = int(user.chat().headers["X-Quota-Remaining"])
        self.assertEqual(remaining, 10_000 - tokens - 18)

    def test_a_client_that_hangs_up_before_the_answer_pays_for_the_prompt(self):
        user = self.server.register()
        body = json.dumps(question("Tell me more.")).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {user.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with self.provider.holding():
            port = self.server.installation.port
            with socket.create_connection(("127.0.0.1", port), 30) as connection:
                connection.sendall(head.encode() + body)
                self.provider.wait_for(1)
            tokens = wait_until(lambda: user.stats()["total_tokens"], "the call is charged")
        wait_until(lambda: self.open_requests() == 0, "nothing is held for it")
        self.assertLess(tokens, 40)
        self.assertEqual(user.stats()["quota"]["used"], tokens)
        self.assertEqual(int(user.chat().headers["X-Quota-Remaining"]), 10_000 - tokens - 18)

    def test_each_key_and_each_user_is_counted_once(self):
        users = [self.server.register() for _ in range(4)]
        keys = [(user, key) for user in users for key in (user.key, user.make_key()["key"])]
        with concurrent.futures.ThreadPoolExecutor(len(keys)) as pool:
            jobs = [pool.submit(user.chat, key=key, max_tokens=20) for user, key in keys for _ in range(5)]
            for job in jobs:
                self.assert_ok(job.result())
        for user in users:
            self.assert_used(user, 10, 180)

    def test_listed_keys_tell_their_requests_and_last_use(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        self.assert_ok(user.chat())
        user.stats()
        [key] = decimals(user.api("GET", "/api/v1/keys"))["items"]
        self.assertEqual(key["request_count"], 2)
        self.assertTrue(key["last_used_at"].endswith("Z"))


if __name__ == "__main__":
    unittest.main()
