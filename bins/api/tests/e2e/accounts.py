"""Sign-up, login, the profile, the editor's configuration and keys, as the documents print them."""

import concurrent.futures
import subprocess
import unittest

from _server import bearer, question
from _testcase import OPERATOR_KEY, EndToEnd

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AsPrinted(EndToEnd):
    """The examples of the documents, host and port aside."""

    def curl(self, words):
        """Runs an example as a shell would; gives what it printed."""
        command = words.replace("http://localhost:8000", self.server.url)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_sign_up_sign_in_and_configure_an_editor(self):
        self.curl("""
            curl -sS --fail-with-body -X POST http://localhost:8000/api/auth/register \
              -H "Content-Type: application/json" \
              -d '{
                "email": "test@example.com",
                "password": "testpass123",
                "name": "Test User"
              }'
        """)
        self.curl("""
            curl -sS --fail-with-body -X POST http://localhost:8000/api/auth/login \
              -H "Content-Type: application/x-www-form-urlencoded" \
              -d "username=test@example.com&password=testpass123"
        """)
        login = self.server.call(
            "POST", "/api/auth/login", headers=FORM, data="username=test@example.com&password=testpass123"
        )
        token = self.assert_ok(login)["access_token"]
        for path in ("vscode-config", "me"):
            self.curl(f"""
                curl -sS --fail-with-body http://localhost:8000/api/auth/{path} \
                  -H "Authorization: Bearer {token}"
            """)
        keys = self.curl(f"""
            curl -sS --fail-with-body http://localhost:8000/api/keys -H "Authorization: Bearer {token}"
        """)
        self.assertIn("Primary API Key", keys)

    def test_registering_gives_a_user_and_the_key_this_once(self):
        body = {"email": "Ann@Example.com ", "password": "testpass123", "name": "Ann"}
        answer = self.server.call("POST", "/api/auth/register", json=body)
        made = self.assert_ok(answer, 201)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(made["user"]["email"].lower(), "ann@example.com")
        self.assertEqual(made["user"]["name"], "Ann")
        key = made["api_key"]
        self.assertEqual(key["name"], "Primary API Key")
        self.assertTrue(key["key"].startswith("sk_live_tg_"), "the key's prefix")
        self.assertTrue(key["id"] and key["key_preview"])
        self.assertNotIn(key["key"], key["key_preview"])
        again = self.server.call("POST", "/api/v1/auth/register", json=body | {"email": "ann@example.com"})
        self.assert_problem(again, 409, "email_taken")

    def test_documents_003_and_004_register_and_log_in_under_both_prefixes(self):
        for prefix in ("/api/v1/auth", "/api/auth"):
            with self.subTest(prefix):
                email = f"user@{prefix.strip('/').replace('/', '-')}.example.com"
                password = "SecurePassword123!"
                body = {"email": email, "password": password, "confirm_password": password}
                self.assert_ok(self.server.call("POST", prefix + "/register", json=body), 201)
                credentials = {"email": email, "password": password}
                answer = self.server.call("POST", prefix + "/login", json=credentials)
                login = self.assert_ok(answer)
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
                self.assertEqual(login["token_type"], "bearer")
                self.assertEqual(login["expires_in"], 30 * 60)
                self.assertEqual(login["access_token"].count("."), 2)
                self.assertNotEqual(login["refresh_token"], login["access_token"])
                user = login["user"]
                self.assertEqual((user["email"], user["role"], user["subscription"]), (email, "user", "free"))
                self.assertIs(user["is_verified"], False)
                self.assertIsInstance(user["id"], str)

    def test_the_plain_password_of_document_004_works(self):
        body = {"email": "plain@example.com", "password": "securepassword"}
        self.assert_ok(self.server.call("POST", "/api/auth/register", json=body), 201)
        self.assert_ok(self.server.call("POST", "/api/auth/login", json=body))

    def test_the_form_and_json_log_the_same_user_in(self):
        user = self.server.register()
        form = {"username": user.email.upper(), "password": user.password, "grant_type": "password"}
        by_form = self.assert_ok(self.server.call("POST", "/api/auth/login", data=form))
        self.assertEqual(by_form["user"]["id"], user.id)
        profile = self.assert_ok(
            self.server.call("GET", "/api/auth/me", headers=bearer(by_form["access_token"]))
        )
        self.assertEqual(profile, by_form["user"])

    def test_an_address_is_taken_once_however_many_come_at_once(self):
        body = {"email": "crowd@example.com", "password": "a good long one"}
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            jobs = [pool.submit(self.server.call, "POST", "/api/auth/register", json=body) for _ in range(20)]
            answers = [job.result() for job in jobs]
        self.assertEqual(sorted(answer.status_code for answer in answers), [201] + [409] * 19)
        self.assert_ok(self.server.call("POST", "/api/auth/login", json=body))

    def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(self):
        user = self.server.register()
        answers = []
        for email in (user.email, "nobody-at-all@example.com"):
            body = {"email": email, "password": "not the password"}
            problem = self.assert_problem(
                self.server.call("POST", "/api/v1/auth/login", json=body), 401, "invalid_credentials"
            )
            del problem["request_id"]
            answers.append(problem)
        self.assertEqual(answers[0], answers[1])

    def test_bad_sign_ups_are_named_field_by_field(self):
        for fields, named in [
            ({"password": "test123"}, {"password"}),
            ({"email": "no address"}, {"email"}),
            ({"email": "x", "password": "short"}, {"email", "password"}),
            ({"password": "password"}, {"password"}),
            ({"confirm_password": "something else"}, {"confirm_password"}),
        ]:
            with self.subTest(fields):
                body = {"email": "someone@example.com", "password": "a good long one"} | fields
                answer = self.server.call("POST", "/api/v1/auth/register", json=body)
                problem = self.assert_problem(answer, 422, "validation_failed")
                self.assertEqual({error["field"] for error in problem["errors"]}, named)
                for error in problem["errors"]:
                    self.assertTrue(error["code"] and error["message"])


class Editor(EndToEnd):
    """`GET /vscode-config`."""

    def settings(self, user, path="/api/auth/vscode-config"):
        answer = user.api("GET", path)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        return self.assert_ok(answer)

    def test_an_editor_gets_one_key_of_its_own_that_stays_the_same(self):
        user = self.server.register()
        first = self.settings(user)
        self.assertEqual(first["glm_api_key"], first["backend_api_key"])
        self.assertNotEqual(first["backend_api_key"], user.key)
        self.assertEqual(first["api_endpoint"], self.server.url)
        expected = {"id": user.id, "subscription": "free", "tokens_remaining": 10_000}
        self.assertEqual(first["user"], expected)
        copy = {name: value for name, value in first.items() if name != "config"}
        self.assertEqual(first["config"], copy)
        self.assertEqual(self.settings(user, "/api/v1/auth/vscode-config"), first)
        self.server.restart()
        self.assertEqual(self.settings(user), first)
        editors = [
            key for key in self.assert_ok(user.api("GET", "/api/keys"))["keys"] if key["name"] == "Editor"
        ]
        self.assertEqual(len(editors), 1)
        self.assertNotIn("keys:manage", editors[0]["permissions"])

    def test_editors_that_ask_at_once_get_the_same_key(self):
        user = self.server.register()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            jobs = [pool.submit(self.settings, user) for _ in range(20)]
            keys = {job.result()["backend_api_key"] for job in jobs}
        self.assertEqual(len(keys), 1)
        self.assert_ok(user.chat(key=keys.pop()))

    def test_the_editors_key_opens_the_gate_and_the_operators_key_stays_here(self):
        user = self.server.register()
        config = self.settings(user)
        answer = self.server.call(
            "POST",
            "/api/llm/completion",
            headers=bearer(config["backend_api_key"]),
            json={"prompt": "Write a haiku.", "model": "gpt-4o-mini"},
        )
        self.assertEqual(self.assert_ok(answer)["text"], "Hello there, friend.")
        user.stats()
        self.assertEqual(self.settings(user)["user"]["tokens_remaining"], 10_000 - 18)
        for seen in self.server.answers:
            self.assertNotIn(OPERATOR_KEY, seen.text + str(seen.headers))

    def test_a_revoked_editors_key_gets_a_successor(self):
        user = self.server.register()
        key = self.settings(user)["backend_api_key"]
        [editor] = [
            one for one in self.assert_ok(user.api("GET", "/api/keys"))["keys"] if one["name"] == "Editor"
        ]
        self.assertEqual(user.api("DELETE", "/api/keys/" + editor["id"]).status_code, 204)
        successor = self.settings(user)["backend_api_key"]
        self.assertNotEqual(successor, key)
        self.assertEqual(user.chat(key=successor).status_code, 200)

    def test_api_keys_get_no_editors_key(self):
        user = self.server.register()
        answer = self.server.call("GET", "/api/v1/auth/vscode-config", headers=bearer(user.key))
        self.assertEqual(answer.status_code, 403, answer.text)

    def test_without_credentials_there_is_nothing(self):
        for path in ("/api/auth/vscode-config", "/api/auth/me", "/api/keys", "/api/v1/usage/stats"):
            with self.subTest(path):
                self.assert_problem(self.server.call("GET", path), 401, "missing_credentials")


class Tokens(EndToEnd):
    """Access tokens."""

    def test_a_token_that_was_tampered_with_is_refused(self):
        user = self.server.register()
        head, body, signature = user.token.split(".")
        swapped = signature[::-1]
        for token in (f"{head}.{body}.{swapped}", f"{head}.{body}.", "x", user.refresh_token):
            with self.subTest(token[:8]):
                answer = self.server.call("GET", "/api/v1/auth/me", headers=bearer(token))
                self.assertEqual(answer.status_code, 401, answer.text)

    def test_a_token_opens_nothing_in_the_gate(self):
        user = self.server.register()
        answer = user.chat(key=user.token)
        self.assert_problem(answer, 401, "invalid_credentials")
        as_key = self.server.call(
            "POST", "/v1/chat/completions", headers={"X-API-Key": user.token}, json=question()
        )
        self.assertEqual(as_key.status_code, 401)
        self.assertEqual(self.provider.asked, [])

    def test_a_deactivated_user_is_out_at_once(self):
        user = self.server.register()
        self.assertEqual(user.chat().status_code, 200)
        self.server.edit_user(user, is_active=False)
        self.assert_problem(user.chat(), 401, "user_disabled")
        self.assertEqual(user.api("GET", "/api/v1/auth/me").status_code, 401)
        self.server.edit_user(user, is_active=True)
        self.assertEqual(user.chat().status_code, 200)


if __name__ == "__main__":
    unittest.main()
