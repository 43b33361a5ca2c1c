"""A service that Tollgate guards: the example of the crate `client`, beside a running server.

`TOLLGATE_GUARD_BIN` is the built example `actix`. It serves `GET /quotes/{symbol}` (who may use the service
`quotes`; remembered for a second) and `POST /reports` (who may use `reports`; 25 tokens each).
"""

import collections
import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import threading
import time
import unittest

import requests

import _installation
from _server import MAX_CALL, bearer, wait_until
from _testcase import EndToEnd

PROGRAM = os.environ["TOLLGATE_GUARD_BIN"]

# How long after a revocation a caller may still be admitted: the server learns of it within a second, and the
# guard remembers an answer for another. What a slow machine takes beyond it.
WITHIN, SLACK = 2, 1
COST = 25
FOR_BOTH = "services:quotes,services:reports"


class Service:
    """The example's service, with a key of its own."""

    def __init__(self, url, key):
        environment = {"PATH": os.environ["PATH"], "TOLLGATE_URL": url, "TOLLGATE_SERVICE_KEY": key}
        self.process = subprocess.Popen(
            [PROGRAM], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        said = self.process.stdout.readline()
        if not said.startswith("listening on "):
            self.close()
            raise AssertionError(f"the service did not start: {said!r}")
        self.url = said.removeprefix("listening on ").strip()

    def call(self, method, path, key=None, **options):
        headers = bearer(key) if key else {}
        return requests.request(method, self.url + path, headers=headers, timeout=MAX_CALL, **options)

    def quote(self, key=None):
        return self.call("GET", "/quotes/AAPL", key)

    def report(self, key=None):
        return self.call("POST", "/reports", key)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Guard(EndToEnd):
    """With a service that may verify keys."""

    def setUp(self):
        super().setUp()
        self.service_key = self.create("--name", "The service", "--permissions", "keys:verify")
        self.service = self.start(self.service_key["api_key"])

    def start(self, key):
        service = Service(self.server.url, key)
        self.addCleanup(service.close)
        return service

    def admin(self, *words):
        done = self.server.installation.admin(*words, "--json")
        self.assertEqual(done.code, 0, done.said)
        return json.loads(done.out)

    def create(self, *words):
        return self.admin("create", *words)

    def caller(self, *words, permissions=FOR_BOTH):
        """A key of a user of its own."""
        return self.create("--name", f"Caller {secrets.token_hex(4)}", "--permissions", permissions, *words)

    def assert_denied(self, answer, status, code):
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json()
        self.assertEqual((problem["status"], problem["code"]), (status, code), answer.text)
        self.assertTrue(problem["detail"] and problem["title"], answer.text)
        self.assertEqual("WWW-Authenticate" in answer.headers, status == 401)
        return problem

    def assert_denied_soon(self, key, since, status, code):
        """What is asked later than two seconds after `since` is refused, and stays so; a slow machine has more."""
        while True:
            asked = time.monotonic()
            answer = self.service.quote(key)
            if answer.status_code != 200:
                break
            self.assertLessEqual(asked - since, WITHIN + SLACK, "the caller is still admitted")
        for _ in range(5):
            self.assert_denied(answer, status, code)
            answer = self.service.quote(key)

    def test_callers_are_known_by_their_keys(self):
        made = self.caller()
        for _ in range(3):
            quote = self.assert_ok(self.service.quote(made["api_key"]))
            self.assertEqual(quote["asked_by"], made["user_id"])
        report = self.assert_ok(self.service.report(made["api_key"]))
        self.assertEqual(report["tokens_left"], 10_000 - COST)
        with_header = requests.get(
            self.service.url + "/quotes/AAPL", headers={"X-API-Key": made["api_key"]}, timeout=MAX_CALL
        )
        self.assert_ok(with_header)

    def test_who_signed_in_is_known_until_signing_out(self):
        user = self.server.register()
        self.assertEqual(self.assert_ok(self.service.quote(user.token))["asked_by"], user.id)
        self.assertEqual(self.assert_ok(self.service.report(user.token))["asked_by"], user.id)
        self.assert_denied(self.service.quote(user.token + "x"), 401, "invalid_credentials")
        self.assertLess(user.api("POST", "/api/v1/auth/logout").status_code, 300)
        self.assert_denied_soon(user.token, time.monotonic(), 401, "invalid_credentials")

    def test_strangers_are_refused(self):
        self.assert_denied(self.service.quote(), 401, "missing_credentials")
        self.assert_denied(self.service.quote("sk_live_tg_mistyped"), 401, "invalid_api_key")
        self.assert_denied(self.service.quote("somebody-else-s-key"), 401, "invalid_api_key")
        self.assert_denied(self.service.report("somebody-else-s-key"), 401, "invalid_api_key")
        both = {"X-API-Key": "one"} | bearer("another")
        answer = requests.get(self.service.url + "/quotes/AAPL", headers=both, timeout=MAX_CALL)
        self.assert_denied(answer, 400, "ambiguous_credentials")

    def test_permissions_hold(self):
        made = self.caller(permissions="services:quotes")
        self.assert_ok(self.service.quote(made["api_key"]))
        self.assert_denied(self.service.report(made["api_key"]), 403, "permission_denied")
        every = self.caller(permissions="services")
        self.assert_ok(self.service.report(every["api_key"]))
        none = self.caller(permissions="chat")
        self.assert_denied(self.service.quote(none["api_key"]), 403, "permission_denied")

    def test_an_expired_key_is_refused(self):
        key = f"sk_live_{secrets.token_hex(16)}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        file = self.server.installation.folder / f"{secrets.token_hex(4)}.csv"
        file.write_text(
            "id,key_hash,key_prefix,user_id,name,tier,expires_at\n"
            f"old,{digest},{key[:12]},user_{secrets.token_hex(4)},Over,pro,2024-01-16 00:00:00\n"
        )
        self.assertEqual(self.admin("migrate", "--file", str(file))["imported"], 1)
        # Until the server knows it, it is nobody's.
        wait_until(lambda: self.service.quote(key).json()["code"] != "invalid_api_key", "the key is known")
        self.assert_denied(self.service.quote(key), 401, "key_expired")
        self.assert_denied(self.service.report(key), 401, "key_expired")

    def test_a_revoked_key_is_refused_within_two_seconds(self):
        made = self.caller()
        self.assert_ok(self.service.quote(made["api_key"]))
        self.admin("revoke", made["key_id"], "--force")
        self.assert_denied_soon(made["api_key"], time.monotonic(), 401, "key_revoked")
        self.assert_denied(self.service.report(made["api_key"]), 401, "key_revoked")

    def test_a_charge_counts_once_under_threads(self):
        admitted, threads, each = 40, 8, 15
        made = self.caller("--daily-limit", str(admitted))
        answers = collections.Counter()
        lock = threading.Lock()

        def ask():
            for _ in range(each):
                answer = self.service.report(made["api_key"])
                with lock:
                    answers[answer.status_code] += 1
                if answer.status_code == 429:
                    self.assert_denied(answer, 429, "rate_limit_exceeded")
                    self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

        running = [threading.Thread(target=ask) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        self.assertEqual(answers, {200: admitted, 429: threads * each - admitted})
        self.assertEqual(self.told(made)["rate_limit"]["quota"]["used"], admitted * COST)
        self.assertEqual(self.told(made)["rate_limit"]["day"]["remaining"], 0)
        # A check counts nothing and is not stopped by full windows.
        self.assert_ok(self.service.quote(made["api_key"]))

    def told(self, made):
        """What the server says of a key by itself."""
        answer = self.server.call(
            "POST",
            "/api/v1/keys/verify",
            headers=bearer(self.service_key["api_key"]),
            json={"key": made["api_key"]},
        )
        return self.assert_ok(answer)

    def test_a_service_whose_own_key_does_not_do_admits_nobody(self):
        made = self.caller()
        for own in (made["api_key"], "nobody-s-key"):
            service = self.start(own)
            for answer in (service.quote(made["api_key"]), service.report(made["api_key"])):
                problem = self.assert_denied(answer, 503, "verification_unavailable")
                self.assertNotIn("keys:verify", json.dumps(problem))
        self.assert_ok(self.service.quote(made["api_key"]))
        self.admin("revoke", self.service_key["key_id"], "--force")
        self.assert_denied_soon(made["api_key"], time.monotonic(), 503, "verification_unavailable")
        self.assert_denied(self.service.report(made["api_key"]), 503, "verification_unavailable")

    def test_nobody_is_admitted_while_the_server_is_away(self):
        made, unseen = self.caller(), self.caller()
        self.assert_ok(self.service.quote(made["api_key"]))
        self.server.kill()
        try:
            gone = time.monotonic()
            self.assert_denied(self.service.quote(unseen["api_key"]), 503, "verification_unavailable")
            charge = self.service.report(made["api_key"])
            self.assert_denied(charge, 503, "verification_unavailable")
            self.assertEqual(charge.headers["Retry-After"], "1")
            self.assert_denied_soon(made["api_key"], gone, 503, "verification_unavailable")
        finally:
            self.server.start()
        self.assert_ok(self.service.quote(made["api_key"]))
        self.assert_ok(self.service.report(made["api_key"]))
        # What was denied has counted nothing.
        self.assertEqual(self.told(made)["rate_limit"]["quota"]["used"], COST)

    def test_a_charge_that_is_cut_off_counts_at_most_once(self):
        """The server is killed among charges: each that was admitted is counted, none twice."""
        made = self.caller("--tier", "enterprise")
        answers = collections.Counter()
        started = threading.Event()

        def ask():
            with contextlib.suppress(requests.ConnectionError):
                while not answers[503]:
                    answers[self.service.report(made["api_key"]).status_code] += 1
                    started.set()

        asking = threading.Thread(target=ask)
        asking.start()
        self.assertTrue(started.wait(MAX_CALL))
        self.server.kill()
        try:
            asking.join(MAX_CALL)
            self.assertFalse(asking.is_alive())
        finally:
            self.server.start()
        self.assertEqual(answers.keys(), {200, 503})
        charged = self.told(made)["rate_limit"]["quota"]["used"]
        self.assertIn(charged, (answers[200] * COST, (answers[200] + 1) * COST))


if __name__ == "__main__":
    unittest.main()
