"""The log of one's own requests: what was recorded, as it was, newest first, to the end."""

import concurrent.futures
import datetime
import decimal
import unittest

from _server import bearer, decimals, moment, question, wait_until
from _testcase import EndToEnd

PRICE = decimal.Decimal("0.0001")
LOGS = "/api/v1/usage/logs"

FIELDS = {
    "id", "time", "request_id", "user_id", "api_key_id", "end_user", "endpoint", "method", "params", "status",
    "request_bytes", "response_bytes", "duration_ms", "upstream_ms", "provider", "model", "upstream_model",
    "request_type", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "total_tokens",
    "usage_source", "estimated", "cost_usd", "own_key", "repeat", "ip", "user_agent", "error_code",
}  # fmt: skip
TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "total_tokens")
PLENTY = {"minute_limit": 100_000, "hourly_limit": 100_000, "daily_limit": 100_000}


class Logs(EndToEnd):
    """`GET /api/v1/usage/logs`."""

    def page(self, credential, **query):
        """A page, as exact numbers."""
        answer = self.server.call("GET", LOGS, headers=bearer(credential), params=query)
        self.assert_ok(answer)
        page = decimals(answer)
        self.assertEqual(page.keys(), {"items", "next_cursor"})
        for event in page["items"]:
            self.assertEqual(event.keys(), FIELDS)
        return page

    def log(self, credential, limit=100):
        """All pages' events."""
        events, cursor = [], {}
        while True:
            page = self.page(credential, limit=limit, **cursor)
            self.assertLessEqual(len(page["items"]), limit)
            events += page["items"]
            if page["next_cursor"] is None:
                return events
            cursor = {"cursor": page["next_cursor"]}

    def await_log(self, credential, count):
        """The log once it has so many events: refusals are not waited for."""
        return wait_until(
            lambda: (found := self.log(credential)) and len(found) >= count and found, f"{count} events"
        )

    def test_a_request_is_shown_as_it_was(self):
        user = self.server.register()
        before = datetime.datetime.now(datetime.UTC)
        body = question("A secret.", max_tokens=20, temperature=0.5, user="customer-7")
        answer = self.server.call(
            "POST", "/v1/chat/completions", headers=bearer(user.key) | {"User-Agent": "tests/1"}, json=body
        )
        self.assert_ok(answer)
        [event] = self.log(user.token)
        time = datetime.datetime.fromisoformat(event["time"])
        self.assertTrue(event["time"].endswith("Z"))
        self.assertTrue(before <= time <= datetime.datetime.now(datetime.UTC), event["time"])
        self.assertLessEqual(event["upstream_ms"], event["duration_ms"])
        self.assertGreater(event["request_bytes"], 50)
        self.assertEqual(event["response_bytes"], len(answer.content))
        self.assertEqual(event["params"], {"max_tokens": 20, "temperature": decimal.Decimal("0.5")})
        self.assertNotIn("secret", self.server.answers[-1].text)
        expected = {
            "request_id": answer.headers["X-Request-Id"],
            "user_id": user.id,
            "api_key_id": user.key_id,
            "end_user": "customer-7",
            "endpoint": "/v1/chat/completions",
            "method": "POST",
            "status": 200,
            "provider": "openai",
            "model": "gpt-4o-mini",
            "upstream_model": "gpt-4o-mini",
            "request_type": "chat",
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "cached_tokens": None,
            "reasoning_tokens": None,
            "total_tokens": 18,
            "usage_source": "reported",
            "estimated": False,
            "cost_usd": 18 * PRICE,
            "own_key": False,
            "repeat": 1,
            "ip": "127.0.0.1",
            "user_agent": "tests/1",
            "error_code": None,
        }
        self.assertEqual({name: event[name] for name in expected}, expected)

    def test_zero_stays_zero_and_unknown_is_null(self):
        user = self.server.register()
        self.provider.answers(prompt_tokens=0, completion_tokens=0)
        self.assert_ok(user.chat())
        self.provider.answers(status=500)
        self.assertEqual(user.chat().status_code, 502)
        self.provider.answers(usage=False)
        self.assert_ok(user.chat())
        observed, failed, zero = self.log(user.token)
        self.assertEqual((zero["prompt_tokens"], zero["completion_tokens"], zero["total_tokens"]), (0, 0, 0))
        self.assertEqual((zero["cost_usd"], zero["usage_source"], zero["estimated"]), (0, "reported", False))
        self.assertEqual((failed["status"], failed["error_code"]), (502, "upstream_error"))
        self.assertEqual([failed[name] for name in TOKENS], [None] * 5)
        self.assertEqual(failed["usage_source"], "none")
        self.assertEqual((observed["usage_source"], observed["estimated"]), ("observed", True))
        self.assertEqual(observed["cost_usd"], observed["total_tokens"] * PRICE)

    def test_pages_are_newest_first_to_the_end_while_others_come(self):
        user, other = self.server.register(), self.server.register()
        self.server.edit_user(user, **PLENTY)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: user.chat(max_tokens=20), range(120)))
        self.assert_ok(other.chat())
        asked = {answer.headers["X-Request-Id"] for answer in answers}
        seen, cursor = [], {}
        for length in (50, 50, 20):
            page = self.page(user.token, **cursor)
            self.assertEqual(len(page["items"]), length)
            seen += page["items"]
            cursor = {"cursor": page["next_cursor"]}
            # What comes now is newer than all that is still to be shown.
            self.assert_ok(user.chat(max_tokens=20))
        self.assertIsNone(page["next_cursor"])
        self.assertEqual({event["request_id"] for event in seen}, asked)
        self.assertEqual(len({event["id"] for event in seen}), 120)
        places = [(moment(event["time"]), event["id"]) for event in seen]
        self.assertEqual(places, sorted(places, reverse=True))
        for limit in (7, 100):
            whole = self.log(user.token, limit)
            self.assertEqual(whole[3:], seen)
        stats = user.stats()
        self.assertEqual(sum(event["total_tokens"] for event in whole), stats["total_tokens"])
        self.assertEqual(sum(event["cost_usd"] for event in whole), stats["total_cost_usd"])
        self.assertEqual(len(self.log(other.token)), 1)

    def test_an_event_is_there_with_its_answer(self):
        user = self.server.register()
        for count in range(1, 6):
            answer = user.chat(max_tokens=20, stream=count % 2 == 0)
            newest, *_ = events = self.log(user.token)
            self.assertEqual(len(events), count)
            self.assertEqual(newest["request_id"], answer.headers["X-Request-Id"])

    def test_keys_see_what_is_theirs(self):
        user = self.server.register()
        reader = user.make_key(permissions=["chat", "usage:read"])
        blind = user.make_key(permissions=["chat"])
        tester = user.make_key(environment="test")
        for key in (user.key, reader["key"], blind["key"], tester["key"]):
            self.assert_ok(user.chat(key=key))

        def keys(credential):
            return [event["api_key_id"] for event in self.log(credential)]

        live = [blind["id"], reader["id"], user.key_id]
        self.assertEqual(keys(user.token), live)
        self.assertEqual(keys(user.key), live, "a key that manages keys sees all keys'")
        self.assertEqual(keys(reader["key"]), [reader["id"]])
        self.assertEqual(keys(tester["key"]), [tester["id"]])
        answer = self.server.call("GET", LOGS, headers=bearer(blind["key"]))
        self.assert_problem(answer, 403, "permission_denied")
        self.assert_problem(self.server.call("GET", LOGS), 401, "missing_credentials")

    def test_refusals_are_there_without_tokens_or_cost(self):
        user = self.server.register()
        helpless = user.make_key(permissions=["usage:read"])
        refused = user.chat(key=helpless["key"])
        self.assert_problem(refused, 403, "permission_denied")
        self.server.edit_user(user, minute_limit=1)
        self.assert_ok(user.chat())
        self.assert_problem(user.chat(), 429, "rate_limit_exceeded")
        self.server.edit_user(user, minute_limit=60)
        self.assert_problem(user.chat(max_tokens=20_000), 429, "insufficient_quota")
        events = self.await_log(user.token, 4)
        shown = [(event["status"], event["error_code"]) for event in events]
        self.assertEqual(
            shown,
            [
                (429, "insufficient_quota"),
                (429, "rate_limit_exceeded"),
                (200, None),
                (403, "permission_denied"),
            ],
        )
        for event in events:
            if event["status"] != 200:
                self.assertEqual([event[name] for name in TOKENS], [None] * 5)
                self.assertIsNone(event["cost_usd"])
                self.assertEqual((event["usage_source"], event["repeat"]), ("none", 1))
        self.assertEqual(events[3]["request_id"], refused.headers["X-Request-Id"])
        self.assertEqual([event["id"] for event in self.log(helpless["key"])], [events[3]["id"]])
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["failed_requests"]), (4, 3))

    def test_pages_have_bounds_and_cursors_are_taken_back_as_they_were_given(self):
        user, other = self.server.register(), self.server.register()
        for _ in range(2):
            self.assert_ok(user.chat())
        self.assert_ok(other.chat())
        cursor = self.page(user.token, limit=1)["next_cursor"]
        self.assertEqual(len(self.page(user.token, limit=100, cursor=cursor)["items"]), 1)
        wrong = [{"limit": limit} for limit in ("0", "101", "-1", "x", "1.5", "")]
        flipped = ("1" if cursor[20] == "0" else "0").join((cursor[:20], cursor[21:]))
        wrong += [{"cursor": text} for text in ("", "x", cursor[:-1], cursor + "0", flipped, user.id, "é" * 9)]
        for query in wrong:
            with self.subTest(query):
                answer = self.server.call("GET", LOGS, headers=bearer(user.token), params=query)
                problem = self.assert_problem(answer, 422, "validation_failed")
                self.assertEqual([error["field"] for error in problem["errors"]], list(query))
        # A place is no right: with somebody else's, one sees one's own.
        for event in self.page(other.token, cursor=cursor)["items"]:
            self.assertEqual(event["user_id"], other.id)
        self.assertEqual(self.page(self.server.register().token), {"items": [], "next_cursor": None})

    def test_the_older_names(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        expected = self.page(user.token)
        for path in ("/api/usage/logs", "/api/v1/auth/usage/logs", "/api/auth/usage/logs"):
            answer = user.api("GET", path)
            self.assertEqual(decimals(answer), expected, path)

    def test_the_log_outlives_a_restart(self):
        user = self.server.register()
        for _ in range(3):
            self.assert_ok(user.chat())
        before = self.log(user.token)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.log(user.token, limit=2), before)


class Floods(EndToEnd):
    """Many refusals of one key."""

    def flood(self, user, times):
        """So many refusals, after one request that was answered."""
        self.server.edit_user(user, minute_limit=100_000, hourly_limit=1)
        self.assert_ok(user.chat())
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: user.chat(), range(times)))
        self.assertEqual({answer.status_code for answer in answers}, {429})

    def check(self, user, times):
        """The refusals are all there, most of them together."""
        answer = user.api("GET", LOGS, params={"limit": 100})
        page = decimals(answer)
        refused = [event for event in page["items"] if event["status"] == 429]
        more = page["next_cursor"] is not None
        # At most sixty by themselves a minute, and the minute may turn.
        self.assertFalse(more and len(refused) < 60)
        while page["next_cursor"]:
            page = decimals(user.api("GET", LOGS, params={"limit": 100, "cursor": page["next_cursor"]}))
            refused += [event for event in page["items"] if event["status"] == 429]
        self.assertEqual(sum(event["repeat"] for event in refused), times)
        self.assertLess(len(refused), 150)
        self.assertGreater(max(event["repeat"] for event in refused), 1)
        self.assertEqual({event["error_code"] for event in refused}, {"rate_limit_exceeded"})
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["failed_requests"]), (times + 1, times))

    def test_refusals_beyond_sixty_a_minute_become_one(self):
        user = self.server.register()
        self.flood(user, 400)
        wait_until(lambda: user.stats()["total_requests"] == 401, "every refusal is counted", 10)
        self.check(user, 400)

    def test_a_server_that_ends_leaves_no_refusal_out(self):
        user = self.server.register()
        self.flood(user, 200)
        self.server.restart()
        self.check(user, 200)


if __name__ == "__main__":
    unittest.main()
