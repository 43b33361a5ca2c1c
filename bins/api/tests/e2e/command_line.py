"""`tollgate-admin`: beside a running server, and before there is one."""

import json
import re
import unittest

import _installation
from _server import PASSWORD, bearer
from _testcase import OPERATOR_KEY, EndToEnd

COLUMNS = ["Key ID", "Name", "Email", "Active", "Created", "Last Used", "Requests (7d)", "Tokens (7d)"]
KEY = re.compile(r"sk_live_tg_[0-9A-Za-z]+")


class CommandLine(EndToEnd):
    """With a server."""

    def admin(self, *words, code=0, stdin=""):
        ended = self.server.installation.admin(*words, stdin=stdin)
        self.assertEqual(ended.code, code, ended.said)
        self.assertNotIn("panicked", ended.err)
        return ended

    def admin_json(self, *words):
        return json.loads(self.admin(*words, "--json").out)

    def test_an_administrator_is_made_and_administers(self):
        email = "boss@example.com"
        made = self.admin(
            "users", "create-admin", "--email", email, "--password-stdin", stdin=PASSWORD + "\n"
        )
        self.assertNotIn(PASSWORD, made.said)
        body = {"email": email, "password": PASSWORD}
        login = self.assert_ok(self.server.call("POST", "/api/v1/auth/login", json=body))
        self.assertEqual(login["user"]["role"], "admin")
        user = self.server.register()
        path = f"/api/v1/admin/users/{user.id}"
        changed = {"tier": "pro"}
        self.assert_ok(self.server.call("PATCH", path, headers=bearer(login["access_token"]), json=changed))
        self.admin("users", "create-admin", "--email", email, "--password-stdin", stdin="another password\n")
        self.assert_ok(self.server.call("POST", "/api/v1/auth/login", json=body))
        by_word = self.admin(
            "users", "create-admin", "--email", "admin@example.org", "--password", "securepassword"
        )
        self.assertNotIn("securepassword", by_word.said)

    def test_a_user_becomes_an_administrator_only_on_purpose(self):
        user = self.server.register()
        words = ("users", "create-admin", "--email", user.email, "--password-stdin")
        self.admin(*words, code=1, stdin=PASSWORD + "\n")
        path = f"/api/v1/admin/users/{user.id}"
        self.assert_problem(user.api("PATCH", path, json={"tier": "pro"}), 403, "permission_denied")

    def test_a_bad_administrator_is_refused(self):
        for email, password in (("no address", PASSWORD), ("short@example.com", "short")):
            ended = self.server.installation.admin(
                "users", "create-admin", "--email", email, "--password-stdin", stdin=password
            )
            self.assertIn(ended.code, (1, 2), ended.said)
            body = {"email": email, "password": password}
            self.assertNotEqual(self.server.call("POST", "/api/v1/auth/login", json=body).status_code, 200)

    def test_document_000_makes_a_key_that_works(self):
        made = self.admin(
            "create",
            "--name",
            "John Doe",
            "--email",
            "john@example.com",
            "--permissions",
            "chat,code_generation",
            "--hourly-limit",
            "200",
            "--daily-limit",
            "2000",
            "--metadata",
            '{"department": "engineering"}',
        )
        [key] = set(KEY.findall(made.out))
        answer = self.server.call("POST", "/v1/chat/completions", headers=bearer(key), json=QUESTION)
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Hour"], "200")
        self.assertEqual(answer.headers["X-RateLimit-Limit-Day"], "2000")
        answer = self.server.call("GET", "/api/v1/usage/stats", headers=bearer(key))
        self.assert_problem(answer, 403, "permission_denied")

    def test_document_002_makes_a_key_for_its_users(self):
        words = ("create", "--user-id", "user_123", "--tier", "pro", "--expires-in-days", "365")
        first = self.admin_json(
            *words, "--name", "Pro Account Key", "--email", "user@example.com", "--company", "Example Corp"
        )
        second = self.admin_json("create", "--user-id", "user_123", "--name", "Another")
        self.assertEqual(first["user_id"], second["user_id"])
        self.assertNotEqual(first["key_id"], second["key_id"])
        answer = self.server.call(
            "POST", "/v1/chat/completions", headers={"X-API-Key": first["api_key"]}, json=QUESTION
        )
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Minute"], "600")
        listed = self.admin("list", "--user-id", "user_123").out
        for part in ("Pro Account Key", "Another"):
            self.assertIn(part, listed)

    def test_an_existing_address_gets_a_further_key(self):
        user = self.server.register()
        made = self.admin_json("create", "--name", "CI", "--email", user.email)
        self.assertEqual(made["user_id"], user.id)
        names = {key["name"] for key in self.assert_ok(user.api("GET", "/api/v1/keys"))["keys"]}
        self.assertEqual(names, {"CI", "Primary API Key"})

    def test_keys_are_listed(self):
        user = self.server.register(name="Jane Smith")
        for _ in range(3):
            self.assert_ok(user.chat())
        user.stats()
        table = self.admin("list").out
        self.assertNotIn("\x1b", table)
        head = next(line for line in table.splitlines() if "Key ID" in line)
        places = [head.find(column) for column in COLUMNS]
        self.assertNotIn(-1, places, head)
        self.assertEqual(places, sorted(places))
        row = next(line for line in table.splitlines() if user.key_id in line)
        for part in (user.email, "Primary API Key", "yes", " 3", "54"):
            self.assertIn(part, row)
        self.assertNotIn(user.key, table)
        listed = self.admin_json("list", "--user-id", user.id)
        self.assertEqual([key["id"] for key in listed["items"]], [user.key_id])
        self.assertEqual(listed["keys"], listed["items"])

    def test_revoking_asks_first(self):
        user = self.server.register()
        for stdin in ("", "n\n", "\n"):
            ended = self.admin("revoke", user.key_id, code=1, stdin=stdin)
            self.assertNotEqual(ended.said, "")
        self.assert_ok(user.chat())
        self.assertNotIn(
            "revoked", json.dumps(self.admin_json("list", "--user-id", user.id)["items"][0]["status"])
        )
        self.admin("revoke", user.key_id, "--force")
        self.assertNotIn(user.key_id, self.admin("list").out)
        self.assertIn(user.key_id, self.admin("list", "--include-inactive").out)

    def test_revoking_what_is_not_there(self):
        for key_id in ("00000000-0000-7000-8000-000000000000", "nonsense"):
            ended = self.server.installation.admin("revoke", key_id, "--force")
            self.assertEqual(ended.code, 1, ended.said)

    def test_a_key_is_known_by_the_beginning_of_its_id(self):
        user = self.server.register()
        self.admin("revoke", user.key_id[:-2], "--force")

    def test_bad_words(self):
        for words in (
            ("no-such-command",),
            ("create", "--no-such-flag"),
            ("create", "--name", "x", "--permissions", "fly"),
            ("create", "--name", "x", "--hourly-limit", "many"),
            ("create", "--name", "x", "--hourly-limit", "0"),
            ("create", "--name", "x", "--tier", "platinum"),
            ("create", "--name", "x", "--metadata", "{"),
            ("create", "--name", "x", "--expires-in-days", "-1"),
        ):
            with self.subTest(words):
                ended = self.server.installation.admin(*words)
                self.assertIn(ended.code, (1, 2), ended.said)
                self.assertTrue(ended.err)
                self.assertNotIn("panicked", ended.err)
                self.assertEqual(KEY.findall(ended.said), [])

    def test_the_configuration_is_shown_without_secrets(self):
        shown = self.admin("config", "show")
        self.assertIn("OPENAI_API_KEY", shown.out)
        self.assertNotIn(OPERATOR_KEY, shown.said)
        for path in (self.server.installation.data / "secrets").iterdir():
            self.assertNotIn(path.read_text().strip(), shown.said)
        self.assertNotIn(OPERATOR_KEY, json.dumps(self.admin_json("config", "show")))

    def test_the_database_is_checked(self):
        self.admin("db", "check")
        self.admin("db", "migrate")
        self.assert_ok(self.server.register().chat())


class WithoutServer(unittest.TestCase):
    """Before the first start, and after the last."""

    def setUp(self):
        self.installation = _installation.Installation()
        self.addCleanup(self.installation.close)

    def test_an_empty_database_is_migrated(self):
        migrated = self.installation.admin("db", "migrate")
        self.assertEqual(migrated.code, 0, migrated.said)
        again = self.installation.admin("db", "migrate")
        self.assertEqual(again.code, 0, again.said)
        checked = self.installation.admin("db", "check")
        self.assertEqual(checked.code, 0, checked.said)
        created = self.installation.admin("create", "--name", "First", "--json")
        self.assertEqual(created.code, 0, created.said)
        self.assertTrue(json.loads(created.out)["api_key"].startswith("sk_live_tg_"))

    def test_a_database_that_is_not_there_is_no_panic(self):
        self.installation.set(DATABASE_URL=f"postgres://nobody@127.0.0.1:{_installation.free_port()}/nothing")
        ended = self.installation.admin("db", "check")
        self.assertEqual(ended.code, 1, ended.said)
        self.assertNotIn("panicked", ended.said)

    def test_help_names_the_commands(self):
        shown = self.installation.admin("--help")
        self.assertEqual(shown.code, 0)
        for word in ("create", "list", "revoke", "users", "db", "config"):
            self.assertIn(word, shown.out)


QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}


if __name__ == "__main__":
    unittest.main()
