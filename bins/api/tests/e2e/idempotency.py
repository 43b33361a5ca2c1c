"""`Idempotency-Key`: a call that is made again is answered again, and done once."""

import concurrent.futures
import contextlib
import random
import threading
import time
import unittest
import uuid

import requests

from _server import MAX_CALL, bearer, wait_until
from _testcase import EndToEnd

KEYS = "/api/v1/keys"
ALIASES = ("/api/keys", "/api/v1/auth/api-keys", "/api/auth/api-keys", "/api/v1/keys/")
# A run that died is taken over after so many seconds.
RUNNING = 30
TWINS = 30
KILLS = 6
# Calls under way when the server is killed.
CALLERS = 6


class Idempotency(EndToEnd):
    """Each test makes users of its own."""

    config = """
management_limits:
  per_minute: 100000
keys:
  max_per_user: 10000
"""

    def post(self, credential, key, body=None, path=KEYS, **headers):
        headers = {"Idempotency-Key": key} | (bearer(credential) if credential else {}) | headers
        body = {"name": "once"} if body is None else body
        return self.server.call("POST", path, headers=headers, json=body)

    def named(self, user, name="once"):
        """The user's keys of this name."""
        found, cursor = [], None
        while True:
            params = {"include_inactive": "true", "limit": 100} | ({"cursor": cursor} if cursor else {})
            page = self.assert_ok(self.server.call("GET", KEYS, headers=bearer(user.token), params=params))
            found += [key["id"] for key in page["items"] if key["name"] == name]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


class Replays(Idempotency):
    """What the second call is answered."""

    def test_the_same_call_gets_the_same_key(self):
        user = self.server.register()
        first = self.post(user.token, "a")
        self.assert_ok(first, 201)
        self.assertNotIn("Idempotent-Replayed", first.headers)
        for path in (KEYS, *ALIASES):
            again = self.post(user.token, "a", path=path)
            self.assertEqual((again.status_code, again.content), (201, first.content), path)
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
            self.assertEqual(again.headers["Cache-Control"], "no-store")
            self.assertEqual(again.headers["Content-Type"], first.headers["Content-Type"])
            self.assertNotEqual(again.headers["X-Request-Id"], first.headers["X-Request-Id"])
        self.assertEqual(self.named(user), [first.json()["id"]])
        self.assert_ok(user.chat(key=again.json()["key"]))

    def test_it_outlives_a_restart(self):
        user = self.server.register()
        first = self.post(user.token, "restart")
        self.server.restart()
        self.assertEqual(self.post(user.token, "restart").content, first.content)
        self.assertEqual(len(self.named(user)), 1)

    def test_another_body_or_query_is_told_apart(self):
        user = self.server.register()
        self.assert_ok(self.post(user.token, "b"), 201)
        for body, path in (({"name": "other"}, KEYS), (None, KEYS + "?x=1")):
            answer = self.post(user.token, "b", body, path)
            self.assert_problem(answer, 422, "idempotency_key_reused")
        self.assertEqual((len(self.named(user)), self.named(user, "other")), (1, []))

    def test_nobody_elses_call_is_the_same(self):
        one, other = self.server.register(), self.server.register()
        manager = self.assert_ok(self.post(one.token, "m", {"name": "m", "permissions": ["keys:manage", "chat"]}), 201)
        body = {"name": "once", "permissions": ["chat"]}
        credentials = (one.token, other.token, manager["key"], one.key)
        made = {self.assert_ok(self.post(credential, "same", body), 201)["id"] for credential in credentials}
        self.assertEqual(len(made), len(credentials))
        self.assertEqual(len(self.named(one)), 3)

    def test_a_rotation_is_done_once(self):
        user = self.server.register()
        made = user.make_key()
        path = f"{KEYS}/{made['id']}/rotate"
        first = self.post(user.token, "r", {}, path)
        self.assert_ok(first)
        again = self.post(user.token, "r", {}, f"/api/keys/{made['id']}/rotate")
        self.assertEqual(again.content, first.content)
        self.assert_ok(user.chat(key=first.json()["key"]))
        self.assertNotEqual(self.assert_ok(self.post(user.token, "s", {}, path))["key"], first.json()["key"])

    def test_administrators_make_users_and_invitations_once(self):
        admin = self.server.administrator()
        body = {"name": "Made", "email": f"made-{uuid.uuid4().hex[:8]}@example.com"}
        for path, body in (("/api/v1/admin/users", body), ("/api/v1/admin/invites", {})):
            key = uuid.uuid4().hex
            first = self.post(admin.token, key, body, path)
            self.assert_ok(first, 201)
            for alias in (path, path.replace("/api/v1/", "/api/"), path.replace("/api/v1/", "/")):
                self.assertEqual(self.post(admin.token, key, body, alias).content, first.content, alias)

    def test_what_was_refused_is_tried_again(self):
        user = self.server.register()
        self.assert_problem(self.post(user.token, "c", {"name": ""}), 422, "validation_failed")
        self.assert_problem(self.post(user.token, "c", {"name": "once", "tier": "pro"}), 403, "permission_denied")
        self.assert_ok(self.post(user.token, "c"), 201)
        self.assert_problem(self.post(user.token, "c", {"name": ""}), 422, "idempotency_key_reused")

    def test_who_may_no_longer_is_told_nothing(self):
        user = self.server.register()
        first = self.assert_ok(self.post(user.key, "k", {"name": "once", "permissions": ["chat"]}), 201)
        self.server.edit_user(user, is_active=False)
        refused = self.post(user.key, "k", {"name": "once", "permissions": ["chat"]})
        self.assertEqual(refused.status_code, 401)
        self.assertNotIn(first["key"], refused.text)
        self.server.edit_user(user, is_active=True)
        user.api("DELETE", f"{KEYS}/{user.key_id}")
        self.assertEqual(self.post(user.key, "k", {"name": "once", "permissions": ["chat"]}).status_code, 401)

    def test_without_credentials_it_is_passed_over(self):
        email = f"twice-{uuid.uuid4().hex[:8]}@example.com"
        body = {"email": email, "password": "correct horse battery"}
        self.assert_ok(self.post(None, "x", body, "/api/v1/auth/register"), 201)
        self.assert_problem(self.post(None, "x", body, "/api/v1/auth/register"), 409, "email_taken")
        self.assert_problem(self.post(None, "k" * 999), 401, "missing_credentials")

    def test_a_key_that_is_none_is_named(self):
        user = self.server.register()
        for key in ("", "k" * 256, "\xfc".encode("latin-1"), b"a\tb"):
            problem = self.assert_problem(self.post(user.token, key), 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], "Idempotency-Key")
        self.assert_ok(self.post(user.token, "k" * 255), 201)

    def test_nothing_of_it_is_kept_in_plain(self):
        user = self.server.register()
        text = "my-idempotency-key-" + uuid.uuid4().hex
        made = self.assert_ok(self.post(user.token, text, {"name": "once", "metadata": {"note": "in-the-body-7731"}}), 201)
        self.assertEqual(self.post(user.token, text, {"name": "x"}).status_code, 422)
        for place, content in self.server.installation.content().items():
            for secret in (made["key"], text):
                self.assertFalse(secret.encode() in content, f"{secret} is in {place}")


class Twins(Idempotency):
    """Many at once, and a server that dies."""

    def test_of_twins_one_makes_a_key(self):
        user = self.server.register()
        with concurrent.futures.ThreadPoolExecutor(TWINS) as pool:
            barrier = threading.Barrier(TWINS)

            def ask(_):
                barrier.wait(MAX_CALL)
                return self.post(user.token, "twin")

            answers = list(pool.map(ask, range(TWINS)))
        last = self.post(user.token, "twin")
        self.assertEqual(last.status_code, 201, last.text)
        for answer in answers:
            if answer.status_code == 409:
                self.assert_problem(answer, 409, "idempotency_in_progress")
                self.assertEqual(answer.headers["Retry-After"], "1")
            else:
                self.assertEqual((answer.status_code, answer.content), (201, last.content))
        self.assertEqual(sum("Idempotent-Replayed" not in a.headers for a in answers if a.status_code == 201), 1)
        self.assertEqual(self.named(user), [last.json()["id"]])

    def test_whoever_asks_again_after_a_kill_gets_one_key(self):
        user = self.server.register()
        asked, answered = [], {}
        for _ in range(KILLS):
            self.ask_until_killed(user, asked, answered)
        self.assertGreater(len(asked), KILLS)
        for name in asked:
            [answer] = wait_until(lambda name=name: self.final(user, name), name, RUNNING + 20)
            if answer.status_code == 409:
                self.assert_problem(answer, 409, "conflict")
            else:
                self.assert_ok(answer, 201)
            if name in answered:
                self.assertEqual(answer.content, answered[name], name)
            self.assertEqual(len(self.named(user, name)), 1, f"{name}: {answer.text}")

    def ask_until_killed(self, user, asked, answered):
        """Callers who ask on and on, until the server dies under them."""
        ended = threading.Event()

        def ask():
            while not ended.is_set():
                name = uuid.uuid4().hex
                asked.append(name)
                with contextlib.suppress(requests.RequestException):
                    answer = self.post(user.token, name, {"name": name})
                    if answer.status_code == 201:
                        answered[name] = answer.content

        before = len(answered)
        callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        wait_until(lambda: len(answered) > before, "some are answered")
        time.sleep(random.random() / 20)
        self.server.kill()
        ended.set()
        for caller in callers:
            caller.join(MAX_CALL)
        self.server.start()

    def final(self, user, name):
        """What a call is answered at last, in a list: empty while one is under way."""
        answer = self.post(user.token, name, {"name": name})
        under_way = answer.status_code == 409 and answer.json()["code"] == "idempotency_in_progress"
        return [] if under_way else [answer]


if __name__ == "__main__":
    unittest.main()
