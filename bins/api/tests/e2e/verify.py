"""`POST /api/v1/keys/verify`: what other services are told of the credentials that were presented to them."""

import concurrent.futures
import datetime
import json
import threading
import time
import unittest

import requests

from _server import MAX_CALL, bearer, wait_until
from _testcase import EndToEnd

PREFIXES = ("/api/v1/keys", "/api/keys", "/api/v1/auth/api-keys", "/api/auth/api-keys")
PATH = PREFIXES[0] + "/verify"
# By the contract, in seconds, and what a busy machine takes beyond it.
MAX_ELSEWHERE = 1 + 4
# Seconds between two looks of a user.
SELDOM = 1
THREADS = 30
FIELDS = {
    "valid",
    "code",
    "detail",
    "retry_after_seconds",
    "user_id",
    "api_key_id",
    "environment",
    "tier",
    "permissions",
    "rate_limit",
    "metadata",
}


class Verify(EndToEnd):
    """A service with a key of its own asks."""

    # Fewer calls than each of these tests makes: a service's are not among them.
    config = "management_limits:\n  per_minute: 100\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = cls.make_service()

    @classmethod
    def make_service(cls, **fields):
        made = cls.server.administrator().make_key(name="a service", permissions=["keys:verify"], **fields)
        return made["key"]

    def ask(self, *, by=None, path=PATH, **question):
        return self.server.call("POST", path, headers=bearer(by or self.service), json=question)

    def told(self, **question):
        """What the service is told."""
        answer = self.ask(**question)
        told = self.assert_ok(answer)
        self.assertEqual(told.keys(), FIELDS, told)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(told["valid"], told["code"] is None, told)
        self.assertEqual(told["valid"], told["detail"] is None, told)
        return told

    def assert_refused(self, code, **question):
        told = self.told(**question)
        self.assertEqual(told["code"], code, told)
        return told

    def assert_nobodys(self, code, **question):
        told = self.assert_refused(code, **question)
        others = FIELDS - {"valid", "code", "detail", "retry_after_seconds"}
        self.assertEqual({told[field] for field in others}, {None}, told)

    def used(self, key):
        """What the key's windows and its user's quota have used."""
        limits = self.told(key=key)["rate_limit"]
        return [limits[name]["used"] for name in ("minute", "hour", "day", "quota")]

    def logged(self, user):
        """The user's events, of all that is on record now."""
        user.stats()
        return self.assert_ok(user.api("GET", "/api/v1/usage/logs"))["items"]

    def await_logged(self, user, wanted, what):
        """What `wanted` finds in the user's events, once it does. Users may not look all the time here."""

        def found():
            value = wanted(self.logged(user))
            if not value:
                time.sleep(SELDOM)
            return value

        return wait_until(found, what)

    def test_a_good_key_is_shown_under_every_name_and_nothing_counts(self):
        user = self.server.register()
        made = user.make_key(metadata={"team": "research"}, permissions=["chat", "services"])
        for prefix in PREFIXES:
            with self.subTest(prefix):
                told = self.assert_ok(self.ask(path=prefix + "/verify", key=made["key"]))
                self.assertEqual((told["user_id"], told["api_key_id"]), (user.id, made["id"]))
                self.assertEqual((told["environment"], told["tier"]), ("live", "free"))
                self.assertEqual(told["permissions"], ["chat", "services"])
                self.assertEqual(told["metadata"], {"team": "research"})
                limits = told["rate_limit"]
                for name, limit in (("minute", 60), ("hour", 1_000), ("day", 10_000)):
                    shown = {"limit": limit, "used": 0, "remaining": limit, "resets_at": None}
                    self.assertEqual(limits[name], shown, name)
                self.assertEqual(
                    [limits["quota"][name] for name in ("limit", "used", "remaining")], [10_000, 0, 10_000]
                )
                resets_at = datetime.datetime.fromisoformat(limits["quota"]["resets_at"])
                self.assertEqual((resets_at.day, resets_at.hour, resets_at.minute), (1, 0, 0))
        self.assertEqual(self.logged(user), [])
        self.assertEqual(user.stats()["total_requests"], 0)

    def test_a_cost_counts_as_a_request_here_does(self):
        user = self.server.register()
        told = self.told(key=user.key, cost=25, permission="chat", model="gpt-4o-mini", ip="203.0.113.7")
        self.assertEqual((told["valid"], told["rate_limit"]["quota"]["used"]), (True, 25))
        self.assertEqual([told["rate_limit"][name]["used"] for name in ("minute", "hour", "day")], [1] * 3)
        self.assert_ok(user.chat())
        self.assertEqual(self.used(user.key), [2, 2, 2, 43])
        headers = user.chat().headers
        self.assertEqual(headers["X-RateLimit-Remaining-Hour"], "997")
        self.assertEqual(headers["X-Quota-Remaining"], str(10_000 - 25 - 2 * 18))
        [event] = [event for event in self.logged(user) if event["endpoint"] == PATH]
        expected = {
            "method": "POST",
            "user_id": user.id,
            "api_key_id": user.key_id,
            "model": "gpt-4o-mini",
            "provider": None,
            "status": 200,
            "prompt_tokens": 25,
            "completion_tokens": 0,
            "total_tokens": 25,
            "usage_source": "reported",
            "estimated": False,
            "ip": "203.0.113.7",
            "params": {"cost": 25, "permission": "chat"},
            "error_code": None,
            "repeat": 1,
        }
        self.assertEqual({name: event[name] for name in expected}, expected)
        self.assertGreater(event["cost_usd"], 0)
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["total_tokens"]), (3, 25 + 2 * 18))
        by_endpoint = {line["endpoint"]: line["requests"] for line in stats["by_endpoint"]}
        self.assertEqual(by_endpoint[PATH], 1)
        # A service pays nothing for what it asks.
        self.assertEqual(self.used(self.service), [0] * 4)

    def test_a_cost_of_nothing_counts_a_request(self):
        user = self.server.register()
        self.told(key=user.key, cost=0)
        self.assertEqual(self.used(user.key), [1, 1, 1, 0])
        self.assertEqual(self.logged(user)[0]["total_tokens"], 0)

    def test_an_access_token_counts_for_its_user(self):
        user = self.server.register()
        told = self.told(token=user.token, cost=7, permission="keys:manage")
        self.assertEqual((told["valid"], told["user_id"], told["api_key_id"]), (True, user.id, None))
        self.assertEqual((told["environment"], told["metadata"]), ("live", {}))
        self.assertIn("chat", told["permissions"])
        self.assertNotIn("admin", told["permissions"])
        self.assertEqual(self.used(user.key), [1, 1, 1, 7])
        self.assert_refused("permission_denied", token=user.token, permission="admin")
        administrator = self.server.administrator()
        self.assertTrue(self.told(token=administrator.token, permission="admin")["valid"])
        [event] = self.logged(user)
        self.assertEqual((event["api_key_id"], event["total_tokens"]), (None, 7))
        self.assertEqual(user.stats()["quota"]["used"], 7)
        listed = self.assert_ok(user.api("GET", "/api/v1/keys"))["keys"]
        self.assertEqual([key["request_count"] for key in listed], [0])
        self.assertEqual(user.api("POST", "/api/v1/auth/logout").status_code, 204)
        self.assert_nobodys("invalid_credentials", token=user.token, cost=1)

    def test_of_what_nobody_has_nothing_is_told(self):
        user = self.server.register()
        for asked, code in (
            ({"key": "qwen-nobody-has-this"}, "invalid_api_key"),
            ({"key": user.key[:-1] + ("a" if user.key[-1] != "a" else "b")}, "invalid_api_key"),
            ({"key": ""}, "invalid_api_key"),
            ({"key": "k" * 10_000}, "invalid_api_key"),
            ({"key": "ключ\r\nX-Admin: 1"}, "invalid_api_key"),
            ({"key": user.token}, "invalid_credentials"),
            ({"token": user.key}, "invalid_credentials"),
            ({"token": "eyJ.eyJ.x"}, "invalid_credentials"),
        ):
            for cost in (None, 1):
                with self.subTest(asked=asked, cost=cost):
                    self.assert_nobodys(code, cost=cost, **asked)

    def test_of_a_key_that_is_no_good_it_is_told_whose_it_is(self):
        administrator = self.server.administrator()

        def revoke(user, made):
            self.assertEqual(user.api("DELETE", "/api/v1/keys/" + made["id"]).status_code, 204)

        def disable(user, made):
            self.assert_ok(user.api("PATCH", "/api/v1/keys/" + made["id"], json={"is_active": False}))

        def disable_user(user, made):
            path = f"/api/v1/admin/users/{user.id}/deactivate"
            self.assert_ok(administrator.api("POST", path))

        for end, code in (
            (revoke, "key_revoked"),
            (disable, "key_disabled"),
            (disable_user, "user_disabled"),
        ):
            with self.subTest(code):
                user = self.server.register()
                made = user.make_key()
                self.assertTrue(self.told(key=made["key"])["valid"])
                end(user, made)
                # At once: it was done here.
                told = self.assert_refused(code, key=made["key"], cost=1)
                self.assertEqual((told["user_id"], told["api_key_id"]), (user.id, made["id"]))
                self.assertEqual(told["environment"], "live")
                for name in ("tier", "permissions", "rate_limit", "metadata"):
                    self.assertIsNone(told[name])

    def test_what_a_key_may_not_is_refused(self):
        user = self.server.register()
        made = user.make_key(
            permissions=["chat", "services:stocks"],
            allowed_ips=["203.0.113.0/24", "2001:db8::/32"],
            allowed_models=["gpt-4o-mini"],
        )
        there = {"ip": "203.0.113.7"}
        for asked, code in (
            ({}, "ip_not_allowed"),
            ({"ip": "198.51.100.7"}, "ip_not_allowed"),
            (there, None),
            ({"ip": "2001:db8::1"}, None),
            ({"ip": "::ffff:203.0.113.7"}, None),
            (there | {"permission": "services:stocks"}, None),
            (there | {"permission": "services:bonds"}, "permission_denied"),
            (there | {"permission": "services"}, "permission_denied"),
            (there | {"permission": "embeddings"}, "permission_denied"),
            (there | {"model": "gpt-4o-mini"}, None),
            (there | {"model": "another"}, "model_not_allowed"),
        ):
            with self.subTest(asked):
                told = self.told(key=made["key"], **asked)
                self.assertEqual((told["code"], told["api_key_id"]), (code, made["id"]), told)
                self.assertEqual(told["rate_limit"]["day"]["used"], 0)
        every = user.make_key(permissions=["services"])
        self.assertTrue(self.told(key=every["key"], permission="services:stocks")["valid"])
        # A refusal of what would have counted leaves its event, and counts in no window.
        self.assert_refused("permission_denied", key=made["key"], cost=3, permission="services", **there)

        def refusals(events):
            return [event for event in events if event["error_code"] == "permission_denied"]

        [event] = self.await_logged(user, refusals, "the event of the refusal")
        self.assertEqual((event["api_key_id"], event["status"]), (made["id"], 403))
        self.assertEqual((event["total_tokens"], event["endpoint"]), (None, PATH))
        self.assertEqual(self.told(key=made["key"], **there)["rate_limit"]["day"]["used"], 0)

    def test_over_a_limit_nothing_counts(self):
        user = self.server.register()
        self.server.edit_user(user, minute_limit=3, monthly_token_limit=100)
        self.assert_refused("insufficient_quota", key=user.key, cost=101)
        self.assertTrue(self.told(key=user.key, cost=99)["valid"])
        told = self.assert_refused("insufficient_quota", key=user.key, cost=2)
        self.assertIsNone(told["retry_after_seconds"])
        self.assertEqual(told["rate_limit"]["quota"]["remaining"], 1)
        self.assertTrue(self.told(key=user.key, cost=1)["valid"])
        self.assertTrue(self.told(key=user.key, cost=0)["valid"])
        told = self.assert_refused("rate_limit_exceeded", key=user.key, cost=0)
        self.assertIn("Minute: 3/3", told["detail"])
        self.assertLessEqual(1, told["retry_after_seconds"])
        self.assertLessEqual(told["retry_after_seconds"], 60)
        # Where nothing counts, no limit is in the way.
        told = self.told(key=user.key)
        self.assertTrue(told["valid"])
        self.assertEqual(told["rate_limit"]["minute"]["remaining"], 0)
        self.assertEqual(told["rate_limit"]["quota"]["remaining"], 0)

        expected = ["", "", "", "insufficient_quota", "insufficient_quota", "rate_limit_exceeded"]

        def is_all(events):
            return sorted(event["error_code"] or "" for event in events) == expected

        self.await_logged(user, is_all, "the events")
        self.assertEqual(user.stats()["quota"]["used"], 100)

    def test_of_many_at_once_exactly_as_many_are_admitted_as_fit(self):
        user = self.server.register()
        self.server.edit_user(user, monthly_token_limit=10, minute_limit=10_000)
        start = threading.Barrier(THREADS)

        def ask(_):
            with requests.Session() as session:
                start.wait(MAX_CALL)
                body = {"key": user.key, "cost": 1}
                answer = session.post(
                    self.server.url + PATH, headers=bearer(self.service), json=body, timeout=MAX_CALL
                )
                return answer.json()["code"]

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            codes = list(pool.map(ask, range(THREADS)))
        # What was held for a moment may have been in another's way, and that one may ask again.
        self.assertLessEqual(set(codes), {None, "insufficient_quota", "quota_reserved"}, codes)
        admitted = codes.count(None)
        self.assertLessEqual(admitted, 10)
        while self.told(key=user.key, cost=1)["valid"]:
            admitted += 1
        self.assertEqual(admitted, 10)
        stats = user.stats()
        self.assertEqual((stats["quota"]["used"], stats["quota"]["remaining"]), (10, 0))
        self.assertEqual(sum(event["total_tokens"] or 0 for event in self.logged(user)), 10)

    def test_test_keys_have_windows_of_their_own(self):
        user = self.server.register()
        test = user.make_key(environment="test")
        told = self.told(key=test["key"], cost=5)
        self.assertEqual((told["valid"], told["environment"]), (True, "test"))
        self.assertEqual(self.used(test["key"]), [1, 1, 1, 5])
        self.assertEqual(self.used(user.key), [0] * 4)
        # Asked with a test key, live credentials are nobody's.
        service = self.make_service(environment="test")
        self.assertTrue(self.assert_ok(self.ask(by=service, key=test["key"]))["valid"])
        for asked, code in (
            ({"key": user.key}, "invalid_api_key"),
            ({"token": user.token}, "invalid_credentials"),
        ):
            told = self.assert_ok(self.ask(by=service, **asked))
            self.assertEqual((told["valid"], told["code"], told["user_id"]), (False, code, None))

    def test_a_limit_of_the_key_is_shown_where_it_leaves_less(self):
        user = self.server.register()
        made = user.make_key(tier="free", hourly_limit=5)
        self.told(key=made["key"], cost=1)
        limits = self.told(key=made["key"])["rate_limit"]
        self.assertEqual((limits["hour"]["limit"], limits["hour"]["remaining"]), (5, 4))
        self.assertEqual((limits["day"]["limit"], limits["day"]["remaining"]), (10_000, 9_999))

    def test_what_is_revoked_elsewhere_is_refused_within_a_second(self):
        user = self.server.register()
        made = user.make_key()
        self.assertTrue(self.told(key=made["key"])["valid"])
        done = self.server.installation.admin("revoke", made["id"], "--force")
        self.assertEqual(done.code, 0, done.said)

        def is_refused():
            return not self.told(key=made["key"])["valid"]

        wait_until(is_refused, "a key that was revoked elsewhere is refused", MAX_ELSEWHERE)
        self.assert_refused("key_revoked", key=made["key"])

    def test_who_may_not_ask_is_told_nothing(self):
        user = self.server.register()
        strong = self.server.administrator().make_key(permissions=["admin", "chat"])["key"]
        for by in (user.token, user.key, strong):
            for asked in ({"key": user.key}, {"nonsense": 1}):
                self.assert_problem(self.ask(by=by, **asked), 403, "permission_denied")
        self.assert_problem(self.ask(by="qwen-nobody", key=user.key), 401, "invalid_api_key")
        answer = self.server.call("POST", PATH, json={"key": user.key})
        self.assert_problem(answer, 401, "missing_credentials")
        told = self.assert_ok(self.ask(by=self.server.administrator().token, key=user.key))
        self.assertTrue(told["valid"])
        # Where the service may be used from holds for the service.
        bound = self.make_service(allowed_ips=["198.51.100.0/24"])
        self.assert_problem(self.ask(by=bound, key=user.key), 403, "ip_not_allowed")

    def test_what_is_wrong_with_a_question_is_named(self):
        for asked, field in (
            ({}, "key"),
            ({"key": None}, "key"),
            ({"key": "a", "token": "b"}, "token"),
            ({"key": 7}, "key"),
            ({"key": ["a"]}, "key"),
            ({"key": "a", "permission": "fly"}, "permission"),
            ({"key": "a", "permission": "services:"}, "permission"),
            ({"key": "a", "model": ""}, "model"),
            ({"key": "a", "model": "m" * 201}, "model"),
            ({"key": "a", "model": "a\0b"}, "model"),
            ({"key": "a", "cost": -1}, "cost"),
            ({"key": "a", "cost": 0.5}, "cost"),
            ({"key": "a", "cost": "1"}, "cost"),
            ({"key": "a", "cost": 10**12 + 1}, "cost"),
            ({"key": "a", "cost": 10**30}, "cost"),
            ({"key": "a", "ip": "nowhere"}, "ip"),
            ({"key": "a", "ip": "203.0.113.0/24"}, "ip"),
            ({"key": "a", "credits": 1}, "credits"),
        ):
            with self.subTest(asked):
                problem = self.assert_problem(self.ask(**asked), 422, "validation_failed")
                self.assertEqual([error["field"] for error in problem["errors"]], [field])
        for body, kind, status in (
            ("{", "application/json", 400),
            ("[]", "application/json", 422),
            ("key=a", "application/x-www-form-urlencoded", 415),
            (json.dumps({"key": "a" * 2_000_000}), "application/json", 413),
        ):
            headers = bearer(self.service) | {"Content-Type": kind}
            answer = self.server.call("POST", PATH, headers=headers, data=body)
            self.assertEqual(answer.status_code, status, answer.text[:200])

    def test_a_service_asks_more_often_than_a_user_may_call(self):
        user = self.server.register()
        with requests.Session() as session:
            for _ in range(70):
                for body in ({"key": user.key}, {"key": "qwen-nobody"}):
                    answer = session.post(
                        self.server.url + PATH, headers=bearer(self.service), json=body, timeout=MAX_CALL
                    )
                    self.assertEqual(answer.status_code, 200)
        self.assert_ok(self.server.call("GET", "/v1/models", headers=bearer(user.key)))

    def test_nothing_of_what_was_presented_is_written_down(self):
        user = self.server.register()
        presented = "qwen-presented-to-somebody"
        self.told(key=presented, cost=1)
        self.told(key=user.key, cost=1)
        self.ask(key=presented, cost=-1)
        written = self.server.installation.content()
        for where, content in written.items():
            for secret in (presented, user.key, self.service):
                self.assertNotIn(secret.encode(), content, where)


class UnknownKeys(EndToEnd):
    """Guessing through a service."""

    config = "address_limits:\n  unknown_keys: 3\n"

    def test_unknown_keys_count_where_they_were_presented(self):
        administrator = self.server.administrator()
        service = administrator.make_key(permissions=["keys:verify"])["key"]
        user = self.server.register()

        def code(key, ip=None):
            body = {"key": key} | ({"ip": ip} if ip else {})
            return self.assert_ok(self.server.call("POST", PATH, headers=bearer(service), json=body))["code"]

        for number in range(5):
            self.assertEqual(code(f"qwen-nobody-{number}"), "invalid_api_key")
        guesses = [code(f"qwen-guess-{number}", "203.0.113.9") for number in range(5)]
        self.assertEqual(guesses, ["invalid_api_key"] * 3 + ["rate_limit_exceeded"] * 2)
        # A key that is known is good from there, and others may go on.
        self.assertIsNone(code(user.key))
        self.assertIsNone(code(user.key, "203.0.113.9"))
        self.assertEqual(code("qwen-guess", "203.0.113.10"), "invalid_api_key")


class Killed(EndToEnd):
    """`kill -9` after an answer."""

    def test_what_was_counted_and_answered_outlives_a_kill(self):
        service = self.server.administrator().make_key(permissions=["keys:verify"])["key"]
        user = self.server.register()

        def ask(**asked):
            answer = self.server.call("POST", PATH, headers=bearer(service), json=asked)
            return self.assert_ok(answer)

        for _ in range(4):
            self.assertTrue(ask(key=user.key, cost=10)["valid"])
        self.assertTrue(ask(token=user.token, cost=2)["valid"])
        self.server.kill()
        self.server.start()
        stats = user.stats()
        self.assertEqual((stats["total_requests"], stats["total_tokens"]), (5, 42))
        limits = ask(key=user.key)["rate_limit"]
        used = [limits[name]["used"] for name in ("minute", "hour", "day", "quota")]
        self.assertEqual(used[1:], [5, 5, 42])
        self.assertEqual(user.chat().headers["X-RateLimit-Remaining-Hour"], "994")


if __name__ == "__main__":
    unittest.main()
