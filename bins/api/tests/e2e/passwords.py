"""Changing the password, and what is taken as one."""

import concurrent.futures
import json
import subprocess
import unittest

from _server import MAX_CALL, bearer
from _testcase import EndToEnd

PATHS = tuple(
    prefix + path
    for prefix in ("/api/v1/auth", "/api/auth")
    for path in ("/change-password", "/password/change")
)
NEW = "newsecurepassword"


class Passwords(EndToEnd):
    """Each test makes users of its own."""

    def change(self, token, body, path=PATHS[0]):
        return self.server.call("POST", path, headers=bearer(token), json=body)

    def login(self, email, password):
        body = {"email": email, "password": password}
        return self.server.call("POST", "/api/v1/auth/login", json=body)

    def me(self, token):
        return self.server.call("GET", "/api/v1/auth/me", headers=bearer(token)).status_code

    def assert_invalid(self, answer, field, code):
        problem = self.assert_problem(answer, 422, "validation_failed")
        [error] = problem["errors"]
        self.assertEqual((error["field"], error["code"]), (field, code))


class Changing(Passwords):
    """`POST /change-password` and `POST /password/change`."""

    def test_document_004_changes_the_password_as_printed(self):
        for path in PATHS:
            with self.subTest(path):
                email = f"user{PATHS.index(path)}@example.com"
                body = {"email": email, "password": "currentpassword"}
                self.assert_ok(self.server.call("POST", "/api/auth/register", json=body), 201)
                token = self.assert_ok(self.login(email, "currentpassword"))["access_token"]
                words = ["curl", "-sS", "--fail-with-body", "-X", "POST", "-w", "%{http_code}"]
                words += ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
                words += ["-d", '{"old_password": "currentpassword", "new_password": "newsecurepassword"}']
                words += [self.server.url + path]
                done = subprocess.run(words, capture_output=True, text=True, timeout=MAX_CALL)
                self.assertEqual((done.returncode, done.stdout), (0, "204"), done.stderr)
                self.assert_ok(self.login(email, NEW))
                self.assert_problem(self.login(email, "currentpassword"), 401, "invalid_credentials")

    def test_every_other_session_ends_and_keys_stay(self):
        user, other = self.server.register(), self.server.register()
        second = self.assert_ok(self.login(user.email, user.password))
        answer = self.change(user.token, {"old_password": user.password, "new_password": NEW})
        self.assertEqual((answer.status_code, answer.content), (204, b""))
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual((self.me(user.token), self.me(second["access_token"])), (200, 401))
        self.assertEqual(self.me(other.token), 200)
        refresh = {"refresh_token": second["refresh_token"]}
        answer = self.server.call("POST", "/api/v1/auth/refresh", json=refresh)
        self.assert_problem(answer, 401, "invalid_credentials")
        refresh = {"refresh_token": user.refresh_token}
        self.assert_ok(self.server.call("POST", "/api/v1/auth/refresh", json=refresh))
        self.assert_ok(user.chat())

    def test_each_spelling_and_both_where_they_agree(self):
        user = self.server.register()
        present = user.password
        for number, names in enumerate(
            [("old_password",), ("current_password",), ("old_password", "current_password")]
        ):
            new = f"{NEW} {number}"
            answer = self.change(user.token, {name: present for name in names} | {"new_password": new})
            self.assertEqual(answer.status_code, 204, answer.text)
            present = new
        body = {"old_password": present, "current_password": "another", "new_password": NEW}
        self.assert_invalid(self.change(user.token, body), "current_password", "mismatch")
        self.assert_ok(self.login(user.email, present))

    def test_a_wrong_present_password_is_refused_and_nothing_happens(self):
        user = self.server.register()
        second = self.assert_ok(self.login(user.email, user.password))
        for wrong in ("", "not it at all", user.password + " ", user.password + "\0", "x" * 10_000):
            answer = self.change(user.token, {"old_password": wrong, "new_password": NEW})
            problem = self.assert_problem(answer, 401, "invalid_credentials")
            self.assertNotIn("errors", problem)
        self.assertEqual(self.me(second["access_token"]), 200)
        self.assert_ok(self.login(user.email, user.password))

    def test_bad_bodies_name_the_field(self):
        user = self.server.register()
        for body, field, code in [
            ({}, "new_password", "missing"),
            ({"old_password": user.password}, "new_password", "missing"),
            ({"new_password": NEW}, "old_password", "missing"),
            ({"old_password": None, "new_password": NEW}, "old_password", "missing"),
            ({"old_password": user.password, "new_password": None}, "new_password", "wrong_type"),
            ({"old_password": user.password, "new_password": 12345678}, "new_password", "wrong_type"),
            ({"old_password": [user.password], "new_password": NEW}, "old_password", "wrong_type"),
            ({"current_password": {}, "new_password": NEW}, "current_password", "wrong_type"),
            ({"old_password": user.password, "new_password": "short"}, "new_password", "too_short"),
            ({"old_password": user.password, "new_password": "x" * 257}, "new_password", "too_long"),
            ({"old_password": user.password, "new_password": "Password123"}, "new_password", "too_common"),
            ({"old_password": user.password, "new_password": user.email}, "new_password", "same_as_email"),
        ]:
            for path in PATHS:
                with self.subTest(f"{path} {body}"):
                    self.assert_invalid(self.change(user.token, body, path), field, code)
        headers = bearer(user.token) | {"Content-Type": "application/json"}

        def call(data):
            return self.server.call("POST", PATHS[0], headers=headers, data=data)

        self.assert_problem(call(b"{"), 400, "malformed_request")
        twice = b'{"old_password": "a", "new_password": "newsecurepassword", "new_password": "another one"}'
        self.assert_invalid(call(twice), "new_password", "duplicate")
        long = json.dumps({"old_password": user.password, "new_password": "x" * (1 << 20)}).encode()
        self.assert_problem(call(long), 413, "payload_too_large")
        form = {"old_password": user.password, "new_password": NEW}
        answer = self.server.call("POST", PATHS[0], headers=bearer(user.token), data=form)
        self.assert_problem(answer, 415, "unsupported_media_type")
        self.assert_ok(self.login(user.email, user.password))

    def test_a_key_changes_no_password(self):
        user = self.server.register()
        body = {"old_password": user.password, "new_password": NEW}
        for path in PATHS:
            self.assert_problem(self.change(user.key, body, path), 403, "permission_denied")
            self.assert_problem(self.server.call("POST", path, json=body), 401, "missing_credentials")
        self.assert_ok(self.login(user.email, user.password))

    def test_of_many_changes_at_once_one_counts(self):
        user = self.server.register()
        tokens = [self.assert_ok(self.login(user.email, user.password))["access_token"] for _ in range(6)]

        def change(number):
            body = {"old_password": user.password, "new_password": f"{NEW} {number}"}
            return self.change(tokens[number], body).status_code

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(change, range(6)))
        self.assertEqual(sorted(statuses), [204] + [401] * 5)
        good = {}
        # The one that counts first: five wrong ones lock.
        for number in sorted(range(6), key=statuses.__getitem__):
            good[number] = self.login(user.email, f"{NEW} {number}").status_code
        good = [good[number] for number in range(6)]
        self.assertEqual(good, [200 if status == 204 else 401 for status in statuses])
        self.assertEqual([self.me(token) for token in tokens], good)

    def test_it_holds_after_a_restart_and_is_readable_nowhere(self):
        user = self.server.register()
        secret = "Zebra-Quartz-Umbrella-77"
        answer = self.change(user.token, {"old_password": user.password, "new_password": secret})
        self.assertEqual(answer.status_code, 204, answer.text)
        self.server.kill()
        self.server.start()
        self.assert_ok(self.login(user.email, secret))
        for place, content in self.server.installation.content().items():
            self.assertFalse(secret.encode() in content, f"a password is in {place}")


class Rules(Passwords):
    """What is taken as a password, and what a wrong one is answered."""

    def test_any_characters_are_taken_and_all_of_them_count(self):
        odd = ["😀" * 8, "nul\0in the middle", " " * 8, "tab\tand\nnewline", "é" * 256, "a" * 100]
        for number, password in enumerate(odd):
            with self.subTest(password):
                body = {"email": f"any{number}@example.com", "password": password}
                self.assert_ok(self.server.call("POST", "/api/v1/auth/register", json=body), 201)
                self.assert_ok(self.login(body["email"], password))
                for other in (password[:-1], password + " ", password + "\0"):
                    answer = self.login(body["email"], other)
                    self.assert_problem(answer, 401, "invalid_credentials")

    def test_accents_fit_however_they_are_typed(self):
        body = {"email": "cafe@example.com", "password": "caf\u00e9-au-lait"}
        self.assert_ok(self.server.call("POST", "/api/v1/auth/register", json=body), 201)
        self.assert_ok(self.login(body["email"], "cafe\u0301-au-lait"))

    def test_the_documents_passwords_are_taken_and_common_ones_are_not(self):
        def register(password):
            self.number = getattr(self, "number", 0) + 1
            body = {"email": f"rules{self.number}@example.com", "password": password}
            return self.server.call("POST", "/api/v1/auth/register", json=body)

        for password in ("testpass123", "SecurePassword123!", "securepassword", "currentpassword", NEW):
            self.assert_ok(register(password), 201)
        for password in ("password", "PASSWORD1", "qwertyuiop", "iloveyou", "1q2w3e4r", "Tollgate"):
            self.assert_invalid(register(password), "password", "too_common")

    def test_bad_input_is_answered_alike_for_known_and_unknown_users(self):
        user = self.server.register()
        headers = {"Content-Type": "application/json"}
        bodies = [
            ('{"email": "EMAIL"}', 422),
            ('{"email": "EMAIL", "password": null}', 422),
            ('{"email": "EMAIL", "password": 1}', 422),
            ('{"email": "EMAIL", "password": "a", "password": "b"}', 422),
            ('{"email": "EMAIL", "password": ""}', 401),
            ('{"email": "EMAIL", "password": "nul\\u0000"}', 401),
            ('{"email": "EMAIL", "password": "😀😀😀😀😀😀😀😀"}', 401),
            ('{"email": "EMAIL", "password": "' + "x" * 10_000 + '"}', 401),
            ('{"email": "EMAIL", "password": "' + "x" * (1 << 20) + '"}', 413),
        ]
        for body, status in bodies:
            answers = []
            for email in (user.email, "nobody-at-all@example.com"):
                data = body.replace("EMAIL", email).encode()
                answer = self.server.call("POST", "/api/v1/auth/login", headers=headers, data=data)
                self.assertEqual(answer.status_code, status, answer.text)
                problem = answer.json()
                if status == 422:
                    self.assertEqual(problem["errors"][0]["field"], "password")
                del problem["request_id"]
                answers.append(problem)
            self.assertEqual(answers[0], answers[1])


if __name__ == "__main__":
    unittest.main()
