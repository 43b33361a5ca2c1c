"""Wrong passwords, and whom they lock out: whoever guesses, and nobody else."""

import concurrent.futures
import ipaddress
import time
import unittest
import uuid

from _server import PASSWORD, bearer
from _testcase import EndToEnd

WRONG = "not the password"
MAX_ATTEMPTS = 5
LOCK_SECONDS = 30 * 60
HOUR_AND_SLOT = 65 * 60
# What answers may differ in, whoever is asked for.
OF_ITS_OWN = {"x-request-id", "date"}
# A list whose order is each worker's own.
LIST = "access-control-expose-headers"


def stranger(number):
    """An address of its own for each number."""
    return str(ipaddress.IPv4Address("198.18.0.0") + number)


def someone():
    """An email address that nobody has."""
    return f"nobody-{uuid.uuid4().hex[:10]}@example.com"


class Lockout(EndToEnd):
    """Each test has users and addresses of its own."""

    addresses = iter(range(1, 100_000))

    def from_new(self):
        return stranger(next(self.addresses))

    def login(self, email, password=WRONG, address=None):
        headers = {"X-Forwarded-For": address or self.from_new()}
        body = {"email": email, "password": password}
        return self.server.call("POST", "/api/v1/auth/login", headers=headers, json=body)

    def lock(self, email):
        for _ in range(MAX_ATTEMPTS):
            self.assert_problem(self.login(email), 401, "invalid_credentials")
        self.assert_locked(self.login(email))

    def assert_locked(self, answer, since=None):
        """Locked for half an hour, since a moment ago or after `since`."""
        self.assert_problem(answer, 429, "too_many_attempts")
        past = 60 if since is None else 1 + time.monotonic() - since
        self.assertTrue(LOCK_SECONDS - past <= int(answer.headers["Retry-After"]) <= LOCK_SECONDS, answer.headers)

    def seen(self, answer):
        """All of an answer but what is of its own."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        headers[LIST] = sorted(headers.get(LIST, "").split(", "))
        text = answer.text.replace(headers["x-request-id"], "")
        return answer.status_code, text, {k: v for k, v in headers.items() if k not in OF_ITS_OWN}


class Accounts(Lockout):
    """What is tried at one account."""

    def test_the_owner_at_a_known_address_signs_in_while_strangers_burn_the_account(self):
        user, home = self.server.register(), self.from_new()
        self.assert_ok(self.login(user.email, user.password, home))
        self.lock(user.email)
        # The right one as well, from wherever strangers are.
        self.assert_locked(self.login(user.email, user.password))
        self.assert_ok(self.login(user.email.upper(), user.password, home))
        self.assert_locked(self.login(user.email, user.password))
        # Who is in stays in.
        self.assert_ok(user.api("GET", "/api/v1/auth/me"))
        self.assert_ok(user.chat())
        # And may try so much only.
        for _ in range(MAX_ATTEMPTS):
            self.assert_problem(self.login(user.email, address=home), 401, "invalid_credentials")
        self.assert_locked(self.login(user.email, user.password, home))

    def test_a_thousand_wrong_logins_at_once_are_five_and_the_rest_refused(self):
        user, home = self.server.register(), self.from_new()
        self.assert_ok(self.login(user.email, user.password, home))
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: self.login(user.email).status_code, range(1_000)))
        self.assertEqual((answers.count(401), answers.count(429)), (MAX_ATTEMPTS, 1_000 - MAX_ATTEMPTS))
        self.assert_locked(self.login(user.email, user.password), began)
        self.assert_ok(self.login(user.email, user.password, home))

    def test_known_and_unknown_are_the_same_to_the_byte(self):
        known, unknown = self.server.register().email, someone()
        unknown = unknown.ljust(len(known), "m")
        for attempt in range(MAX_ATTEMPTS + 2):
            address = self.from_new()
            answers = [self.seen(self.login(email, address=address)) for email in (known, unknown)]
            retries = [int(answer[2].pop("retry-after", 0)) for answer in answers]
            self.assertEqual(answers[0], answers[1], attempt)
            self.assertEqual(answers[0][0], 401 if attempt < MAX_ATTEMPTS else 429)
            self.assertLessEqual(abs(retries[0] - retries[1]), 5)

    def test_a_restart_keeps_what_was_counted(self):
        email = self.server.register().email
        for _ in range(MAX_ATTEMPTS - 1):
            self.login(email)
        self.server.restart()
        self.assert_problem(self.login(email), 401, "invalid_credentials")
        self.assert_locked(self.login(email, PASSWORD))
        self.server.kill()
        self.server.start()
        self.assert_locked(self.login(email, PASSWORD))

    def test_an_administrator_unlocks(self):
        user = self.server.register()
        path = f"/api/v1/admin/users/{user.id}/unlock"
        for unlock in (self.by_api, self.by_program):
            self.lock(user.email)
            self.assert_problem(user.api("POST", path), 403, "permission_denied")
            unlock(user, path)
            self.assert_ok(self.login(user.email, user.password))
        answer = self.server.administrator().api("POST", f"/api/v1/admin/users/{uuid.uuid4()}/unlock")
        self.assert_problem(answer, 404, "not_found")
        told = self.server.administrator().api("GET", "/api/v1/admin/audit?action=user.unlocked").text
        self.assertIn(user.id.replace("-", ""), told.replace("-", ""))

    def by_api(self, _, path):
        answer = self.server.administrator().api("POST", path)
        self.assertEqual((answer.status_code, answer.content), (204, b""))

    def by_program(self, user, _):
        done = self.server.installation.admin("users", "unlock", user.email)
        self.assertEqual(done.code, 0, done.said)

    def test_who_has_only_a_session_does_not_guess_the_password(self):
        user = self.server.register()
        path = "/api/v1/auth/change-password"
        body = {"old_password": WRONG, "new_password": "another password"}
        for _ in range(MAX_ATTEMPTS):
            self.assert_problem(user.api("POST", path, json=body), 401, "invalid_credentials")
        self.assert_locked(user.api("POST", path, json=body | {"old_password": user.password}))
        # The session and the login are no part of it.
        self.assert_ok(user.api("GET", "/api/v1/auth/me"))
        self.assert_ok(self.login(user.email, user.password))


class Addresses(Lockout):
    """What one address does to many accounts."""

    config = """
address_limits: {failed_logins: 10, sign_ups: 20, reset_mails: 3, unknown_keys: 6}
management_limits: {per_minute: 20}
"""

    def assert_limited(self, answer, most=HOUR_AND_SLOT):
        self.assert_problem(answer, 429, "rate_limit_exceeded")
        self.assertTrue(1 <= int(answer.headers["Retry-After"]) <= most, answer.headers)

    def test_one_address_cannot_try_many_accounts(self):
        user = self.server.register()
        network = f"2001:db8:{next(self.addresses):x}:1::"
        for number in range(10):
            self.assert_problem(
                self.login(someone(), address=f"{network}{number + 1:x}"), 401, "invalid_credentials"
            )
        self.assert_limited(self.login(user.email, user.password, f"{network}ffff"))
        self.assert_ok(self.login(user.email, user.password))

    def test_an_office_behind_one_address_signs_in_all_day(self):
        user, office = self.server.register(), self.from_new()
        for _ in range(15):
            self.assert_ok(self.login(user.email, user.password, office))
        self.assert_ok(self.login(user.email, user.password, "::ffff:" + office))

    def test_sign_ups_and_mails_are_limited(self):
        for path, admitted, body in (
            ("register", 20, lambda: {"email": someone(), "password": PASSWORD}),
            ("request-password-reset", 3, lambda: {"email": someone()}),
            ("resend-verification", 3, lambda: {"email": someone()}),
        ):
            with self.subTest(path):
                address = {"X-Forwarded-For": self.from_new()}
                call = lambda headers: self.server.call(  # noqa: E731
                    "POST", "/api/v1/auth/" + path, headers=headers, json=body()
                )
                for _ in range(admitted):
                    self.assertIn(call(address).status_code, (201, 202))
                self.assert_limited(call(address))
                self.assertIn(call({"X-Forwarded-For": self.from_new()}).status_code, (201, 202))

    def test_unknown_keys_are_limited_and_known_ones_are_not(self):
        user = self.server.register()
        address = {"X-Forwarded-For": self.from_new()}
        ask = lambda key, path: self.server.call("GET", path, headers=address | bearer(key))  # noqa: E731
        self.assert_ok(ask(user.key, "/v1/models"))
        for number in range(6):
            path = ("/v1/models", "/api/v1/keys")[number % 2]
            answer = ask(f"some-old-key-{uuid.uuid4().hex}", path)
            self.assert_problem(answer, 401, "invalid_api_key")
        for path in ("/v1/models", "/api/v1/keys"):
            self.assert_limited(ask(f"some-old-key-{uuid.uuid4().hex}", path), 60 * 60 + 60)
        # One that is somebody's works on, looked up anew or not; elsewhere nothing has happened.
        self.assert_ok(ask(user.key, "/v1/models"))
        elsewhere = {"X-Forwarded-For": self.from_new()}
        answer = self.server.call("GET", "/v1/models", headers=elsewhere | bearer("some-old-key-0123456789"))
        self.assert_problem(answer, 401, "invalid_api_key")

    def test_calls_beside_the_gate_are_limited_by_user(self):
        user, other = self.server.register(), self.server.register()
        statuses = [user.api("GET", "/api/v1/auth/me").status_code for _ in range(20)]
        self.assertEqual(statuses, [200] * 20)
        self.assert_limited(user.api("GET", "/api/v1/auth/me"), 61)
        # All keys together have as many, apart: a stolen one does not keep its owner from revoking it.
        by_key = lambda: self.server.call("GET", "/api/v1/keys", headers=bearer(user.key))
        self.assertEqual([by_key().status_code for _ in range(20)], [200] * 20)
        self.assert_limited(by_key(), 61)
        # The gate has limits of its own.
        self.assert_ok(user.chat())
        self.assert_ok(other.api("GET", "/api/v1/auth/me"))


if __name__ == "__main__":
    unittest.main()
