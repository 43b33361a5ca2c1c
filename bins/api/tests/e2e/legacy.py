"""Keys of the configuration file, callers without any, and keys under another prefix."""

import json
import unittest

import openai

from _printed import CONFIG, LEGACY as KEY
from _server import bearer, question, wait_until
from _testcase import EndToEnd

# So that the minute does not stop anybody before the hour.
FAST = CONFIG + "tiers: {free: {minute: 1000}}\n"
FIRST, SECOND = "first-" * 8, "second-" * 8
# What of a key is shown to people.
SHOWN = 4
# Pieces of a key that must be nowhere.
PIECE = 8


class Administered(EndToEnd):
    """With what administrators do by the command line program."""

    def admin(self, *words):
        done = self.server.installation.admin(*words)
        self.assertEqual(done.code, 0, done.said)
        return done.out

    def listed(self, name):
        """The one key of this name, as the command line program lists it."""
        keys = json.loads(self.admin("list", "--include-inactive", "--json"))["keys"]
        found = [key for key in keys if key["name"] == name]
        self.assertEqual(len(found), 1, keys)
        return found[0]

    def restart_with(self, config, **environment):
        self.server.installation.configure(config)
        self.server.installation.set(**environment)
        self.server.restart()

    def chat(self, key=None, **fields):
        headers = bearer(key) if key is not None else {}
        return self.server.call("POST", "/v1/chat/completions", headers=headers, json=question(**fields))

    def refused(self, key, code):
        self.assert_problem(self.chat(key), 401, code)

    def becomes(self, key, status):
        """What another process changed acts within a second."""
        wait_until(lambda: self.chat(key).status_code == status, f"{status} for a key", 5)


class Printed(Administered):
    """The document's file."""

    environment = {"SECRET_KEY": FIRST}
    config = FAST

    def test_it_works_as_printed(self):
        self.assert_ok(self.server.call("GET", "/v1/models", headers=bearer(KEY)))
        by_header = {"X-API-Key": KEY}
        self.assert_ok(
            self.server.call("POST", "/v1/chat/completions", headers=by_header, json=question())
        )
        for _ in range(97):
            self.assert_ok(self.chat(KEY))
        last = self.chat(KEY)
        self.assert_ok(last)
        self.assertEqual(last.headers["X-RateLimit-Limit-Hour"], "100")
        self.assertEqual(last.headers["X-RateLimit-Remaining-Hour"], "0")
        problem = self.assert_problem(self.chat(KEY), 429, "rate_limit_exceeded")
        self.assertTrue(
            problem["detail"].startswith("Rate limit exceeded. Hourly: 100/100, Daily: 100/"), problem
        )
        listed = self.listed("Continue/Roo Code")
        self.assertIn("Continue/Roo Code", self.admin("list"))
        self.assertEqual(listed["permissions"], ["chat", "code_generation"])
        self.assertEqual(listed["hourly_limit"], 100)
        # What it does not name it may not do.
        self.assert_problem(
            self.server.call("GET", "/api/v1/usage/stats", headers=bearer(KEY)), 403, "permission_denied"
        )
        # The window survives a restart, and so does the key.
        self.server.restart()
        self.assert_problem(self.chat(KEY), 429, "rate_limit_exceeded")
        self.assertEqual(self.listed("Continue/Roo Code")["id"], listed["id"])
        self.assert_nowhere(KEY)

    def assert_nowhere(self, key):
        """Nothing of the key but its beginning is in any file, in the database or in what is shown."""
        written = self.server.installation.content()
        written.pop("config.yaml")
        written["config show"] = self.admin("config", "show").encode()
        written["list"] = self.admin("list", "--include-inactive", "--json").encode()
        for start in range(SHOWN, len(key) - PIECE):
            piece = key[start : start + PIECE].encode()
            for place, content in written.items():
                self.assertNotIn(piece, content, place)

    def test_production_refuses_it(self):
        installation = self.server.installation
        installation.set(TOLLGATE_ENV="production", BCRYPT_ROUNDS="10")
        try:
            checked = installation.api("--check")
        finally:
            installation.set(TOLLGATE_ENV=None, BCRYPT_ROUNDS="4")
        self.assertEqual(checked.code, 2)
        self.assertIn("authentication.api_keys.#1.key", checked.said)
        self.assertNotIn(KEY, checked.said)


def file(**keys):
    """A configuration with these legacy keys."""
    entries = {text: dict(zip(("name", "permissions", "rate_limit"), entry)) for text, entry in keys.items()}
    return "authentication: " + json.dumps({"api_keys": entries}) + "\n"


class Life(Administered):
    """The file has the say, but for what administrators end."""

    environment = {"SECRET_KEY": FIRST}
    config = file()

    def test_the_file_changes(self):
        key = "the-key-that-changes"
        self.restart_with(file(**{key: ("One", ["chat"], 5)}))
        self.assertEqual(self.chat(key).headers["X-RateLimit-Limit-Hour"], "5")
        one = self.listed("One")
        self.restart_with(file(**{key: ("Two", ["embeddings"], 7)}))
        self.assert_problem(self.chat(key), 403, "permission_denied")
        two = self.listed("Two")
        self.assertEqual((two["id"], two["hourly_limit"]), (one["id"], 7))
        # Administration too, where the file says so.
        self.restart_with(file(**{key: ("Three", ["chat", "admin", "keys:verify"], 7)}))
        self.assert_ok(self.server.call("GET", "/api/v1/admin/users", headers=bearer(key)))
        self.restart_with(file(**{key: ("Three", ["chat"], 7)}))
        self.assert_problem(
            self.server.call("GET", "/api/v1/admin/users", headers=bearer(key)), 403, "permission_denied"
        )
        self.restart_with(file())
        self.refused(key, "key_expired")
        self.assertIn(f"key {one['id']} is no longer there", self.server.log())
        self.assertEqual(self.listed("Three")["status"], "expired")
        self.restart_with(file(**{key: ("Three", ["chat"], 7)}))
        self.assert_ok(self.chat(key))
        self.assertEqual(self.listed("Three")["id"], one["id"])

    def test_what_an_administrator_ended_stays_ended(self):
        key = "the-key-that-is-ended"
        config = file(**{key: ("Ended", ["chat"], 100)})
        self.restart_with(config)
        self.assert_ok(self.chat(key))
        id = self.listed("Ended")["id"]
        self.admin("deactivate", id)
        self.becomes(key, 401)
        self.server.restart()
        self.refused(key, "key_disabled")
        self.assertIn(f"key {id} or its user was switched off", self.server.log())
        self.admin("activate", id)
        self.becomes(key, 200)
        self.admin("revoke", id, "--force")
        self.becomes(key, 401)
        self.restart_with(file())
        self.restart_with(config)
        self.refused(key, "key_revoked")

    def test_a_rotated_key_leaves_the_files_hands(self):
        key = "the-key-that-is-rotated"
        config = file(**{key: ("Rotated", ["chat"], 100)})
        self.restart_with(config)
        id = self.listed("Rotated")["id"]
        fresh = json.loads(self.admin("rotate", id, "--json"))["key"]
        self.becomes(key, 401)
        self.server.restart()
        self.refused(key, "invalid_api_key")
        self.assertIn("has been given another secret", self.server.log())
        self.restart_with(file())
        self.assert_ok(self.chat(fresh))

    def test_somebodys_own_key_stays_theirs(self):
        user = self.server.register()
        self.restart_with(file(**{user.key: ("Not mine", ["admin"], 1)}))
        self.assertIn(f"is key {user.key_id} already", self.server.log())
        keys = self.assert_ok(self.server.call("GET", "/api/v1/keys", headers=bearer(user.key)))["keys"]
        self.assertEqual([key["name"] for key in keys], ["Primary API Key"])
        self.assertNotIn(user.key, self.server.log())
        self.restart_with(file())
        self.assert_ok(self.chat(user.key))


class Pepper(Administered):
    """Another first `SECRET_KEY`."""

    environment = {"SECRET_KEY": FIRST}
    config = file(**{KEY: ("Kept", ["chat"], 100)}).replace("}}}", '}}, "enabled": false}')

    def test_it_is_found_under_each(self):
        def kept():
            self.assert_ok(self.chat(KEY))
            self.assert_ok(self.chat())
            return [self.listed(name)["id"] for name in ("Kept", "Anonymous")]

        before = kept()
        for secret in (f"{SECOND},{FIRST}", SECOND):
            self.server.installation.set(SECRET_KEY=secret)
            self.server.restart()
            self.assertEqual(kept(), before)


OPEN = """
authentication:
  enabled: false
  default_permissions: [chat, "usage:read", "keys:manage", "keys:verify"]
"""


class Anonymous(Administered):
    """Authentication that is switched off."""

    config = OPEN

    def test_callers_without_a_key_are_one_user(self):
        root = self.server.call("GET", "/")
        self.assertIn('"authentication":"disabled"', root.text)
        self.assertIn("without a key", root.json()["warning"])
        self.assertIn("authentication.enabled: is false", self.server.log())
        self.assertIn("authentication.enabled", self.server.installation.api("--check").said)

        first = self.chat()
        self.assert_ok(first)
        answers = [self.server.call("GET", "/v1/models")]
        for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}, {"X-API-Key": ""}):
            answers.append(
                self.server.call("POST", "/v1/chat/completions", headers=headers, json=question())
            )
        left = [int(answer.headers["X-RateLimit-Remaining-Hour"]) for answer in [first, *answers]]
        self.assertEqual(left, list(range(left[0], left[0] - 5, -1)))
        self.assertEqual(first.headers["X-RateLimit-Limit-Minute"], "60")
        stream = self.chat(stream=True)
        self.assertIn("[DONE]", stream.text)

        listed = self.listed("Anonymous")
        self.assertEqual(listed["permissions"], ["chat", "usage:read"])
        used = int(stream.headers["X-RateLimit-Limit-Hour"]) - int(
            stream.headers["X-RateLimit-Remaining-Hour"]
        )

        def recorded():
            return json.loads(self.admin("stats", listed["id"], "--json"))["total_requests"] == used

        # Sums lag by at most five seconds.
        wait_until(recorded, "every request is the anonymous user's", 10)
        # Not by whoever sends something.
        for wrong in ("none", "sk-anything", KEY):
            self.refused(wrong, "invalid_api_key")
        with openai.OpenAI(api_key="none", base_url=self.server.url + "/v1", max_retries=0) as client:
            self.assertRaises(openai.AuthenticationError, client.models.list)
        # Who has a key goes by it.
        user = self.server.register()
        self.assert_ok(user.chat())
        self.assertEqual(user.stats()["total_requests"], 1)

    def test_nothing_but_the_gate_is_open(self):
        for method, path in (
            ("GET", "/api/v1/keys"),
            ("POST", "/api/v1/keys"),
            ("POST", "/api/v1/keys/verify"),
            ("GET", "/api/v1/usage/stats"),
            ("GET", "/api/v1/usage/logs"),
            ("GET", "/api/v1/auth/me"),
            ("GET", "/api/v1/admin/users"),
            ("GET", "/admin/users"),
            ("POST", "/admin/users/create"),
            ("GET", "/admin/keys"),
        ):
            with self.subTest(f"{method} {path}"):
                body = {"json": {"name": "x"}} if method == "POST" else {}
                self.assert_problem(self.server.call(method, path, **body), 401, "missing_credentials")

    def test_administrators_shut_it(self):
        id = self.listed("Anonymous")["id"]

        def becomes(status):
            wait_until(lambda: self.chat().status_code == status, f"{status} without a key", 5)

        self.admin("deactivate", id)
        becomes(401)
        self.assert_problem(self.chat(), 401, "user_disabled")
        self.server.restart()
        self.assert_problem(self.chat(), 401, "user_disabled")
        self.assertIn("requests without a key are refused", self.server.log())
        self.admin("activate", id)
        becomes(200)

    def test_switched_on_again_it_is_shut(self):
        self.assert_ok(self.chat())
        self.restart_with("")
        try:
            self.assert_problem(self.chat(), 401, "missing_credentials")
            self.assertEqual(self.server.call("GET", "/").json()["authentication"], "enabled")
        finally:
            self.restart_with(OPEN)
        self.assert_ok(self.chat())
        self.listed("Anonymous")


class Prefix(Administered):
    """Keys that begin otherwise."""

    config = 'keys: {prefix: "qwen-"}\n'

    def test_every_key_begins_so(self):
        user = self.server.register()
        self.assertRegex(user.key, r"^qwen-[0-9A-Za-z]{34}$")
        self.assert_ok(user.chat())
        made = [user.make_key(environment=environment) for environment in ("live", "test")]
        for key in made:
            self.assertRegex(key["key"], r"^qwen-[0-9A-Za-z]{34}$")
            self.assertEqual(key["key_prefix"], "qwen-")
            self.assertEqual(key["key_preview"], key["key"][:9] + "…")
        # Which environment a key is of stands in no text.
        self.assertEqual([key["environment"] for key in made], ["live", "test"])
        self.assertEqual(self.chat(made[0]["key"]).json()["choices"][0]["message"]["role"], "assistant")
        self.assertIn("echo", self.assert_ok(self.chat(made[1]["key"], model="echo"))["model"])
        # All of it is looked up, typos too.
        typo = user.key[:-1] + ("a" if user.key[-1] != "a" else "b")
        self.refused(typo, "invalid_api_key")
        editor = self.assert_ok(user.api("GET", "/api/v1/auth/vscode-config"))["backend_api_key"]
        self.assertTrue(editor.startswith("qwen-"))
        self.assertIn("qwen-", self.admin("create", "--name", "John Doe", "--email", "john@example.com"))
        written = self.server.installation.content()
        for key in (user.key, editor, *[key["key"] for key in made]):
            for place, content in written.items():
                self.assertNotIn(key[10:].encode(), content, place)

    def test_another_prefix_ends_no_key(self):
        user = self.server.register()
        self.restart_with('keys: {prefix: "acme_"}\n')
        self.assert_ok(user.chat())
        user.log_in()
        fresh = user.make_key()
        self.assertTrue(fresh["key"].startswith("acme_"))
        rotated = self.assert_ok(user.api("POST", f"/api/v1/keys/{user.key_id}/rotate", json={}))
        self.assertTrue(rotated["key"].startswith("acme_"))
        self.assertEqual(rotated["key_prefix"], "acme_")
        self.restart_with("")
        user.log_in()
        for key in (fresh["key"], rotated["key"], user.make_key()["key"]):
            self.assert_ok(self.chat(key))
        self.restart_with(self.config)

    def test_a_prefix_that_collides_is_refused(self):
        installation = self.server.installation
        for prefix in ("sk_live_tg_", "sk_test_tg_x", "eyJ", "qwen key", ""):
            with self.subTest(prefix):
                installation.configure(f"keys: {{prefix: {json.dumps(prefix)}}}\n")
                checked = installation.api("--check")
                self.assertEqual(checked.code, 2, checked.said)
                self.assertIn("keys.prefix", checked.said)
        installation.configure(self.config)


if __name__ == "__main__":
    unittest.main()
