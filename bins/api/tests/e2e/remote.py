"""`tollgate-admin --server`: over the API, from where there is no installation."""

import http.server
import json
import os
import pathlib
import pty
import re
import subprocess
import tempfile
import threading
import unittest
import uuid

import _installation
from _server import MAX_CALL, PASSWORD, bearer, wait_until
from _testcase import EndToEnd

NOBODY = "00000000000070008000000000000000"
SECRET = re.compile(r"sk_live_tg_[0-9A-Za-z]+")
# Differ between a key and another of the same wish.
OF_ONE_KEY = {"id", "key_id", "api_key", "key", "key_preview", "created_at", "updated_at"}


class Stranger(http.server.BaseHTTPRequestHandler):
    """Something that is no Tollgate."""

    def do_GET(self):
        """Answers every path."""
        body = b"<html>It works!</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class Remote(EndToEnd):
    """A laptop with a token, and a server somewhere."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        laptop = tempfile.TemporaryDirectory(prefix="tollgate-laptop-")
        cls.addClassCleanup(laptop.cleanup)
        cls.laptop = pathlib.Path(laptop.name)
        administrator = cls.server.administrator()
        words = ("create", "--email", administrator.email, "--permissions", "admin", "--json")
        made = cls.server.installation.admin(*words)
        assert made.code == 0, made.said
        cls.key = json.loads(made.out)["api_key"]

    def tearDown(self):
        self.assertEqual(list(self.laptop.iterdir()), [], "nothing is made where the program runs")

    def environment_of(self, token):
        # A proxy that is not there must not matter.
        nowhere = f"http://127.0.0.1:{_installation.free_port()}"
        environment = {"PATH": os.environ["PATH"], "HTTP_PROXY": nowhere, "http_proxy": nowhere}
        return environment if token is None else environment | {"TOLLGATE_TOKEN": token}

    def run_there(self, *words, token="", url=None):
        """Runs the program over the API; no token is `None`, and the administrator's key is left out."""
        done = subprocess.run(
            [_installation.ADMIN, "--server", url or self.server.url, *words],
            cwd=self.laptop,
            env=self.environment_of(self.key if token == "" else token),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_CALL,
        )
        ended = _installation.Ended(done.returncode, done.stdout, done.stderr)
        self.assertNotIn("panicked", ended.err)
        self.assertNotIn(self.key, ended.said)
        return ended

    def there(self, *words, code=0, **options):
        ended = self.run_there(*words, **options)
        self.assertEqual(ended.code, code, ended.said)
        if code:
            self.assertEqual(ended.out, "")
        else:
            self.assertEqual(ended.err, "")
        return ended

    def there_json(self, *words, **options):
        return json.loads(self.there(*words, "--json", **options).out)

    def here(self, *words, code=0):
        ended = self.server.installation.admin(*words)
        self.assertEqual(ended.code, code, ended.said)
        return ended

    def get(self, path, **query):
        """What the call answers."""
        path = "/api/v1/admin" + path
        return self.assert_ok(self.server.call("GET", path, headers=bearer(self.key), params=query))

    def get_all(self, path, **query):
        """What the calls for all pages of a list answer, as one."""
        page = self.get(path, **query)
        whole = page
        while page.get("next_cursor"):
            page = self.get(path, **query | {"cursor": page["next_cursor"]})
            for array in page.keys() - {"next_cursor"}:
                whole[array] += page[array]
        if "next_cursor" in whole:
            whole["next_cursor"] = None
        whole.pop("as_of", None)
        return whole

    def person(self):
        """Somebody with a key that has been used, summed up."""
        user = self.server.register(name="Ann Other")
        self.assert_ok(user.chat())
        user.stats()
        self.assertEqual(self.get(f"/users/{user.key_id}/stats")["total_requests"], 1)
        return user

    def test_tables_are_the_same_from_either_side(self):
        user = self.person()
        external = f"customer {uuid.uuid4().hex}/+&%"
        self.there("create", "--user-id", external, "--name", "Ümlaut \u202e", "--tier", "pro")
        for words in (
            ("list",),
            ("keys", "list"),
            ("list", "--include-inactive"),
            ("list", "--user-id", user.email),
            ("list", "--user-id", user.id),
            ("list", "--user-id", external),
            ("stats", user.key_id),
            ("stats", user.key_id[:16] + "...", "--days", "3", "--detailed"),
            ("users", "list"),
            ("users", "list", "--search", user.email),
            ("users", "show", user.email),
            ("users", "show", user.id),
            ("users", "show", external),
            ("audit", "list"),
            ("audit", "list", "--action", "key.created", "--limit", "3"),
            ("audit", "list", "--about", user.id),
            ("audit", "list", "--limit", "0"),
        ):
            with self.subTest(words=words):
                over_there = self.there(*words).out
                self.assertEqual(over_there, self.here(*words).out)
                self.assertNotIn("\x1b", over_there)

    def test_json_is_what_the_call_answers(self):
        user = self.person()
        token = self.server.administrator().token
        for words, path, query in (
            (("list",), "/keys", {}),
            (("list", "--include-inactive"), "/keys", {"include_inactive": "true"}),
            (("list", "--user-id", user.email), "/keys", {"user_id": user.id}),
            (("users", "list"), "/users", {}),
            (("users", "list", "--search", user.email), "/users", {"search": user.email}),
            (("users", "show", user.email), f"/users/{user.id}", {}),
            (("stats", user.key_id[:20], "--days", "7"), f"/users/{user.key_id}/stats", {"days": 7}),
            (("audit", "list", "--action", "user.registered"), "/audit", {"action": "user.registered"}),
        ):
            with self.subTest(words=words):
                answered = self.get_all(path, **query)
                for presented in (self.key, token):
                    printed = self.there_json(*words, token=presented)
                    printed.pop("as_of", None)
                    self.assertEqual(printed, answered)
                by_database = json.loads(self.here(*words, "--json").out)
                self.assertEqual(by_database, answered)

    def test_a_long_list_comes_whole(self):
        email = f"{uuid.uuid4().hex}@example.com"
        first = self.there_json("create", "--email", email)
        # Beyond a page.
        for _ in range(120):
            body = {"name": "x", "email": email}
            headers = bearer(self.key)
            self.assert_ok(self.server.call("POST", "/api/v1/admin/users", headers=headers, json=body), 201)
        listed = self.there_json("list", "--user-id", email)
        ids = [key["id"] for key in listed["items"]]
        self.assertEqual((len(ids), len(set(ids)), ids[-1]), (121, 121, first["key_id"]))
        self.assertEqual((listed["keys"], listed["next_cursor"]), (listed["items"], None))
        words = ("list", "--user-id", email)
        self.assertEqual(self.there(*words).out, self.here(*words).out)
        entries = self.there_json("audit", "list", "--action", "key.created", "--limit", "115")["items"]
        self.assertEqual(len({entry["id"] for entry in entries}), 115)

    def test_keys_are_made_alike(self):
        for words in (
            ("create", "--name", "John Doe", "--permissions", "chat,code_generation")
            + ("--hourly-limit", "200"),
            ("create", "--email", "EMAIL", "--daily-limit", "20", "--metadata", '{"team": "research"}'),
            ("keys", "create", "--user-id", "EXTERNAL"),
            ("create", "--user-id", "EXTERNAL", "--name", "Pro Key", "--tier", "pro")
            + ("--expires-in-days", "365", "--email", "EMAIL", "--company", "Example Corp"),
            ("users", "create", "--name", "Ann", "--email", "EMAIL", "--external-id", "EXTERNAL")
            + ("--tier", "enterprise", "--metadata", '{"b": 1, "a": [1.50]}'),
        ):
            with self.subTest(words=words):
                names = []
                for one in (uuid.uuid4().hex, uuid.uuid4().hex):
                    names.append({"EMAIL": f"{one}@example.com", "EXTERNAL": f"customer-{one}"})
                mine, other = ([name.get(word, word) for word in words] for name in names)
                over_there = self.there_json(*mine)
                by_database = json.loads(self.here(*other, "--json").out)
                self.assertEqual(over_there["is_new_user"], True)
                said = json.dumps(over_there)
                for one, another in zip(names[0].values(), names[1].values(), strict=True):
                    said = said.replace(one, another)
                alike = json.loads(said)
                for made in (alike, by_database):
                    for field in OF_ONE_KEY | {"user_id", "expires_at"}:
                        self.assertIn(field, made)
                    for field in ("id", "created_at", "updated_at"):
                        made["user"].pop(field)
                self.assertEqual(alike["expires_at"] is None, by_database["expires_at"] is None)
                differ = OF_ONE_KEY | {"user_id", "expires_at"}
                for made in (alike, by_database):
                    for field in differ:
                        made.pop(field)
                self.assertEqual(alike, by_database)
                # Who is known gets a further key, whichever side made the first; and it works.
                table = self.there(*mine).out
                if "EMAIL" in words or "EXTERNAL" in words:
                    self.assertIn("(known before)", table)
                    self.assertIn(over_there["user_id"], table)
                self.assertIn("WARNING", table)
                [secret] = SECRET.findall(table)
                listed = self.server.call("GET", "/v1/models", headers=bearer(secret))
                self.assert_ok(listed)

    def test_a_key_is_switched_and_revoked_at_once(self):
        user = self.person()
        beginning = user.key_id[:20]
        for presented in (self.key, self.server.administrator().token):
            off = self.there_json("deactivate", beginning, token=presented)
            self.assertEqual((off["id"], off["status"]), (user.key_id, "disabled"))
            self.assert_problem(user.chat(), 401, "key_disabled", openai=True)
            self.assertIn("switched off", self.there("deactivate", beginning, token=presented).out)
            self.assertIn("switched on", self.there("activate", user.key_id.upper(), token=presented).out)
            self.assert_ok(user.chat())
        self.assertEqual(self.there_json("activate", beginning)["status"], "active")

        refused = self.there("revoke", beginning, code=1)
        self.assertIn("nothing was changed", refused.err)
        self.assert_ok(user.chat())
        revoked = self.there("revoke", beginning, "--force")
        self.assertIn(f"{user.key_id} (Primary API Key, of {user.email}) is revoked.", revoked.out)
        self.assert_problem(user.chat(), 401, "key_revoked", openai=True)
        # Once more changes nothing, and needs no yes.
        again = self.there_json("revoke", user.key_id)
        self.assertEqual((again["id"], again["status"]), (user.key_id, "revoked"))
        self.assertEqual(again, json.loads(self.here("revoke", user.key_id, "--json").out))
        for switch in (self.there, self.here):
            self.assertIn("this key is revoked", switch("activate", user.key_id, code=1).err.lower())
            self.assertIn("and stays revoked", switch("deactivate", user.key_id).out)

    def test_a_person_at_a_terminal_is_asked(self):
        user = self.person()
        delete = ("users", "delete", user.email)
        for words, sign in ((("revoke", user.key_id), "for ever"), (delete, "sessions")):
            for answer, code in (("no", 1), ("", 1), ("yes", 0)):
                with self.subTest(words=words, answer=answer):
                    self.assertEqual(self.at_a_terminal(words, sign, answer), code)
        self.assertIn("no user", self.there("users", "show", user.email, code=1).err)

    def at_a_terminal(self, words, sign, answer):
        """Answers the question; gives the exit code."""
        ours, theirs = pty.openpty()
        try:
            program = subprocess.Popen(
                [_installation.ADMIN, "--server", self.server.url, *words],
                cwd=self.laptop,
                env=self.environment_of(self.key),
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            os.write(ours, (answer + "\n").encode())
            out, err = program.communicate(timeout=MAX_CALL)
        finally:
            os.close(ours)
            os.close(theirs)
        self.assertIn(sign, err)
        self.assertIn("Type yes to go on", err)
        self.assertEqual(out == "", program.returncode != 0, out)
        return program.returncode

    def test_users_are_changed(self):
        user = self.person()
        tier = self.there("users", "set-tier", user.email, "pro").out
        self.assertIn("has the tier pro; before, it was free", tier)
        higher = self.there_json("users", "set-tier", user.id, "enterprise")
        self.assertEqual(higher["subscription"], "enterprise")
        self.assertEqual(self.get(f"/users/{user.id}")["subscription"], "enterprise")

        wrong = {"email": user.email, "password": "not the password"}
        right = wrong | {"password": PASSWORD}
        for _ in range(5):
            self.log_in(wrong)
        self.assertIn("may try again", self.there("users", "unlock", user.email).out)
        self.assert_ok(self.log_in(right))

        self.assertIn("nothing was changed", self.there("users", "delete", user.email, code=1).err)
        gone = self.there_json("users", "delete", user.email, "--force")
        self.assertEqual(gone["id"], user.id)
        self.assert_problem(self.log_in(right), 401, "invalid_credentials")
        self.there("users", "delete", user.email, "--force", code=1)

    def log_in(self, body):
        return self.server.call("POST", "/api/v1/auth/login", json=body)

    def test_the_audit_log_names_who_held_the_token(self):
        user = self.person()
        self.there("deactivate", user.key_id)
        words = ("audit", "list", "--about", user.key_id, "--action", "key.deactivated")
        [entry] = self.there_json(*words)["items"]
        self.assertEqual(entry["actor_kind"], "key")

    def test_what_cannot_be_found_is_told_alike(self):
        user = self.person()
        other = user.make_key()["id"]
        shared = os.path.commonprefix([user.key_id, other])
        for words in (
            ("stats", NOBODY),
            ("stats", user.key_id[:-1] + ("0" if user.key_id[-1] != "0" else "1")),
            ("revoke", "--force", shared),
            ("activate", "xyz"),
            ("activate", user.key_id[:3]),
            ("deactivate", user.key),
            ("deactivate", user.key_id + "0"),
            ("users", "show", user.email[:-1]),
            ("users", "show", "x" * 1_000),
            ("users", "show", " "),
            ("list", "--user-id", "nobody at all"),
        ):
            with self.subTest(words=words):
                over_there = self.there(*words, code=1)
                self.assertEqual(over_there.err, self.here(*words, code=1).err)
                self.assertNotIn(user.key, over_there.err)
        # Which of those that begin so are named depends on when others were made.
        self.assertRegex(self.there("activate", shared, code=1).err, rf"\b{shared}[0-9a-f]+\b")

    def test_wishes_that_cannot_be_granted_are_told(self):
        for words, flag in (
            (("create", "--email", "nobody"), "--email"),
            (("create", "--name", "x", "--expires-in-days", "0"), "--expires-in-days"),
            (("create", "--user-id", uuid.uuid4().hex + "x", "--name", " "), "--name"),
            (("create", "--name", "x", "--permissions", "admin"), "--permissions"),
        ):
            with self.subTest(words=words):
                over_there = self.there(*words, code=1).err
                self.assertIn(flag + " ", over_there)
                self.assertEqual(over_there, self.here(*words, code=2).err)
        self.assertIn("no such user", self.there("create", "--user-id", NOBODY, code=1).err)

    def test_the_calls_that_find_and_make(self):
        user = self.person()
        hyphened = f"{user.key_id[:8]}-{user.key_id[8:12]}-{user.key_id[12:16]}"
        for beginning in (user.key_id, user.key_id[:20].upper(), hyphened):
            [found] = self.get("/keys", id=beginning)["items"]
            self.assertEqual((found["id"], found["email"]), (user.key_id, user.email))
        self.assertEqual(len(self.get("/keys", id=user.key_id[:1], limit=1)["items"]), 1)
        self.assertEqual(self.get("/keys", id=NOBODY), {"items": [], "keys": [], "next_cursor": None})
        for named in (user.id, user.email.upper(), f" {user.email} "):
            [found] = self.get("/users", user=named)["items"]
            self.assertEqual(found["id"], user.id)
        self.assertEqual(self.get("/users", user="nobody at all")["users"], [])

        headers = bearer(self.key)
        for path, field in (
            ("/keys?id=", "id"),
            ("/keys?id=xyz", "id"),
            (f"/keys?id={user.key_id}0", "id"),
            ("/keys?id=01&limit=0", "limit"),
            (f"/users?user={'x' * 301}", "user"),
        ):
            answer = self.server.call("GET", "/api/v1/admin" + path, headers=headers)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual([error["field"] for error in problem["errors"]], [field])
        for body, field in (
            ({}, "name"),
            ({"external_id": "x", "key_name": "x"}, "name"),
            ({"user_id": "x", "key_name": " "}, "key_name"),
            ({"user_id": "", "key_name": "x"}, "user_id"),
            ({"user_id": "x", "expires_in_days": 3_651}, "expires_in_days"),
            ({"user_id": "x", "expires_in_days": "1"}, "expires_in_days"),
        ):
            answer = self.server.call("POST", "/api/v1/admin/users", headers=headers, json=body)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual([error["field"] for error in problem["errors"]], [field], body)
        body = {"user_id": user.id, "key_name": "Further", "name": "not the key's", "expires_in_days": 1}
        answer = self.server.call("POST", "/api/v1/admin/users/create", headers=headers, json=body)
        made = self.assert_ok(answer, 201)
        self.assertEqual((made["user_id"], made["name"], made["is_new_user"]), (user.id, "Further", False))
        self.assertEqual(made["user"]["name"], "Ann Other")

    def test_only_an_administrators_token_is_taken(self):
        user = self.person()
        for token in (user.key, user.token, "nonsense", self.key[:-1], self.key + "x"):
            for words in (("list",), ("users", "show", user.email), ("create", "--name", "x")):
                ended = self.there(*words, code=1, token=token)
                self.assertIn("Check TOLLGATE_TOKEN", ended.err)
                self.assertNotIn(token, ended.said)
        for token in (None, "two\nlines"):
            self.assertIn("TOLLGATE_TOKEN", self.there("list", token=token, code=2).err)

    def test_a_key_that_is_revoked_administers_no_more(self):
        email = self.server.administrator().email
        made = self.there_json("create", "--email", email, "--permissions", "admin")
        key = made["api_key"]
        self.there("list", token=key)
        self.there("revoke", made["key_id"], "--force", token=key)
        self.assertIn("TOLLGATE_TOKEN", self.there("list", token=key, code=1).err)

    def test_where_no_tollgate_answers(self):
        nowhere = f"http://127.0.0.1:{_installation.free_port()}/gateway"
        self.assertIn(f"{nowhere} cannot be reached", self.there("list", url=nowhere, code=1).err)
        ended = self.there("list", url=self.server.url + "/gateway", code=1)
        self.assertNotIn("Traceback", ended.err)
        stranger = http.server.HTTPServer(("127.0.0.1", 0), Stranger)
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        try:
            ended = self.there("list", url=f"http://127.0.0.1:{stranger.server_port}", code=1)
        finally:
            stranger.shutdown()
            thread.join()
            stranger.server_close()
        self.assertIn("no Tollgate", ended.err)
        for url in ("", "localhost:8000", "ftp://localhost", "http://root:secret@localhost", "http://"):
            ended = self.there("list", url=url or " ", code=2)
            self.assertIn("--server", ended.err)
            self.assertNotIn("secret", ended.err)

    def test_what_needs_the_database_says_so(self):
        for words in (
            ("rotate", NOBODY),
            ("migrate",),
            ("keys", "import"),
            ("users", "import"),
            ("users", "create-admin", "--email", "a@example.com"),
            ("audit", "verify"),
            ("db", "check"),
            ("db", "migrate"),
            ("config", "show"),
        ):
            with self.subTest(words=words):
                said = self.there(*words, code=2, token=None).err
                self.assertIn("database", said)
                self.assertIn("--server", said)
        self.assertIn("--server", self.there("completions", "bash", token=None).out)

    def test_the_token_may_be_in_a_file_and_the_rest_of_the_configuration_broken(self):
        with tempfile.TemporaryDirectory(prefix="tollgate-token-") as folder:
            folder = pathlib.Path(folder)
            (folder / "token").write_text(self.key + "\n", encoding="utf-8")
            (folder / "token").chmod(0o600)
            (folder / "config.yaml").write_text("server: [", encoding="utf-8")
            words = ("--server", self.server.url + "/", "users", "show", "admin@example.com")
            environment = {"TOLLGATE_TOKEN_FILE": "token", "TOLLGATE_ENVIRONMENT": "production"}
            done = subprocess.run(
                [_installation.ADMIN, *words],
                cwd=folder,
                env=environment | {"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=MAX_CALL,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(sorted(path.name for path in folder.iterdir()), ["config.yaml", "token"])


class Busy(EndToEnd):
    """A server that takes few calls of one user."""

    config = "management_limits:\n  per_minute: 5\n"

    def test_it_is_told_how_long_to_wait(self):
        token = self.server.administrator().token
        environment = {"PATH": os.environ["PATH"], "TOLLGATE_TOKEN": token}
        said = [
            subprocess.run(
                [_installation.ADMIN, "--server", self.server.url, "users", "list"],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=MAX_CALL,
            )
            for _ in range(6)
        ]
        self.assertEqual((said[0].returncode, said[-1].returncode), (0, 1), said)
        self.assertRegex(said[-1].stderr, r"further calls in [1-9]\d* seconds")


class Stopped(EndToEnd):
    """A server that has stopped."""

    def test_it_is_told_where_nobody_answers(self):
        token = self.server.administrator().token
        self.server.stop()
        wait_until(lambda: self.server.process.poll() is not None, "the server has ended")
        done = subprocess.run(
            [_installation.ADMIN, "--server", self.server.url, "list"],
            env={"PATH": os.environ["PATH"], "TOLLGATE_TOKEN": token},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_CALL,
        )
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"{self.server.url} cannot be reached", done.stderr)
        self.assertNotIn(token, done.stderr)


if __name__ == "__main__":
    unittest.main()
