"""What people and programs get wrong about keys: the field is named, nothing is made, the server goes on."""

import json
import random
import unittest
import uuid

from _server import bearer
from _testcase import EndToEnd

KEYS, USERS = "/api/v1/keys", "/api/v1/admin/users/create"
# Bodies that are made up, from a seed, so that a failure can be repeated.
SEED, MADE_UP = 2_026, 600

TOO_LONG = "x" * 10_000


def nested(levels):
    """Notes of so many levels."""
    return json.loads('{"a":' * levels + "1" + "}" * levels)


# What no call takes: the fields, the field that is named.
WRONG = (
    ({"permissions": ["fly"]}, "permissions"),
    ({"permissions": ["Chat"]}, "permissions"),
    ({"permissions": [""]}, "permissions"),
    ({"permissions": ["services:"]}, "permissions"),
    ({"permissions": ["services:" + TOO_LONG]}, "permissions"),
    ({"permissions": ["chat\u0000"]}, "permissions"),
    ({"permissions": "chat"}, "permissions"),
    ({"permissions": [1]}, "permissions"),
    ({"permissions": {"chat": True}}, "permissions"),
    ({"permissions": [f"services:s{number}" for number in range(101)]}, "permissions"),
    ({"hourly_limit": 0}, "hourly_limit"),
    ({"hourly_limit": -1}, "hourly_limit"),
    ({"hourly_limit": 10**12 + 1}, "hourly_limit"),
    ({"daily_limit": 2**63}, "daily_limit"),
    ({"daily_limit": 2**64}, "daily_limit"),
    ({"daily_limit": 10**30}, "daily_limit"),
    ({"daily_limit": "1000"}, "daily_limit"),
    ({"daily_limit": 1.5}, "daily_limit"),
    ({"daily_limit": 1e3}, "daily_limit"),
    ({"daily_limit": True}, "daily_limit"),
    ({"daily_limit": [1]}, "daily_limit"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": TOO_LONG}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\u0000b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "a\u009bb"}, "name"),
    ({"name": 7}, "name"),
    ({"name": ["x"]}, "name"),
    ({"metadata": []}, "metadata"),
    ({"metadata": "x"}, "metadata"),
    ({"metadata": 1}, "metadata"),
    ({"metadata": {"x": "y" * 4_096}}, "metadata"),
    ({"metadata": nested(100)}, "metadata"),
    ({"no_such_field": 1}, "no_such_field"),
    ({"id": "x"}, "id"),
    ({"revoked_at": None}, "revoked_at"),
)
# What the calls about one's own keys take, and not so.
WRONG_OF_KEYS = (
    ({"user_id": "x"}, "user_id"),
    ({"created_by_key": "x"}, "created_by_key"),
    ({"minute_limit": 0}, "minute_limit"),
    ({"minute_limit": -(2**63)}, "minute_limit"),
    ({"minute_limit": 10**13}, "minute_limit"),
    ({"allowed_ips": ["localhost"]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.1/8"]}, "allowed_ips"),
    ({"allowed_ips": ["2001:db8::1/64"]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.0/33"]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.0/-1"]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.0/8 x"]}, "allowed_ips"),
    ({"allowed_ips": ["010.0.0.1"]}, "allowed_ips"),
    ({"allowed_ips": ["1.2.3"]}, "allowed_ips"),
    ({"allowed_ips": ["fe80::1%eth0"]}, "allowed_ips"),
    ({"allowed_ips": [""]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.0/8\u0000"]}, "allowed_ips"),
    ({"allowed_ips": [TOO_LONG]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.0/8"] * 101}, "allowed_ips"),
    ({"allowed_ips": "10.0.0.0/8"}, "allowed_ips"),
    ({"allowed_ips": [1]}, "allowed_ips"),
    ({"allowed_models": [""]}, "allowed_models"),
    ({"allowed_models": ["a\u0000"]}, "allowed_models"),
    ({"allowed_models": [TOO_LONG]}, "allowed_models"),
    ({"allowed_models": ["x"] * 101}, "allowed_models"),
    ({"allowed_models": "echo"}, "allowed_models"),
)
WRONG_WHEN_MADE = (
    ({"tier": "platinum"}, "tier"),
    ({"tier": "Free"}, "tier"),
    ({"tier": ""}, "tier"),
    ({"tier": 1}, "tier"),
)
WRONG_OF_NEW_KEYS = (
    ({"environment": "moon"}, "environment"),
    ({"environment": "LIVE"}, "environment"),
    ({"environment": None, "expires_in_days": 0}, "expires_in_days"),
    ({"expires_in_days": -1}, "expires_in_days"),
    ({"expires_in_days": 3_651}, "expires_in_days"),
    ({"expires_in_days": 10**9}, "expires_in_days"),
    ({"expires_in_days": 2**63 - 1}, "expires_in_days"),
    ({"expires_in_days": -(2**63)}, "expires_in_days"),
    ({"expires_in_days": 2**70}, "expires_in_days"),
    ({"expires_in_days": "365"}, "expires_in_days"),
    ({"expires_in_days": 0.5}, "expires_in_days"),
)
# Bodies that are hardly JSON, or none.
RAW = (
    (b"", 400),
    (b"{", 400),
    (b"[]", 422),
    (b"null", 422),
    (b'"x"', 422),
    (b'{"name": "x"}{', 400),
    (b'{"name": "x",}', 400),
    (b"{'name': 'x'}", 400),
    (b'\xef\xbb\xbf{"name": "x"}', 400),
    (b'{"name": "\xff"}', 400),
    (b'{"name": "\\ud800"}', 422),
    (b'{"name": "\\udfff\\ud800"}', 422),
    (b'{"name": "x", "metadata": {"\\ud800": 1}}', 422),
    (b'{"name": "a\x00b"}', 400),
    (b'{"name": "x", "name": "y"}', 422),
    (b'{"name": "x", "daily_limit": 1e400}', 422),
    (b'{"name": "x", "metadata": {"a": 1e400}}', 422),
    (b'{"name": "x", "daily_limit": NaN}', 400),
    (b'{"name": "x", "daily_limit": 0x10}', 400),
    (b'{"name": "x", "daily_limit": ' + b"9" * 400 + b"}", 422),
    (b'{"name": "x", "metadata": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_001, 422),
    (b'{"name": "x", "metadata": {"a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}}", 422),
    (b'{"name": "x", "metadata": {"a": "' + b"x" * 2**20 + b'"}}', 413),
)


class KeyInput(EndToEnd):
    """With the echo provider."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}

    def setUp(self):
        super().setUp()
        self.user = self.server.register()

    def admin(self, method, path, **options):
        return self.server.administrator().api(method, path, **options)

    def keys(self):
        return {key["id"]: key for key in self.assert_ok(self.user.api("GET", KEYS))["items"]}

    def assert_named(self, answer, field):
        problem = self.assert_problem(answer, 422, "validation_failed")
        fields = {error["field"].partition("[")[0].partition(".")[0] for error in problem["errors"]}
        self.assertIn(field, fields)
        # What was sent is not sent back at length.
        self.assertLess(len(answer.content), 2_000, answer.text[:300])

    def test_wishes_for_keys(self):
        for wish, field in WRONG + WRONG_OF_KEYS + WRONG_WHEN_MADE + WRONG_OF_NEW_KEYS:
            with self.subTest(str(wish)[:80]):
                self.assert_named(self.user.api("POST", KEYS, json={"name": "x"} | wish), field)
        self.assertEqual(self.keys().keys(), {self.user.key_id})

    def test_changes_of_keys(self):
        switches = (({"is_active": "yes"}, "is_active"), ({"is_active": 1}, "is_active"))
        for wish, field in WRONG + WRONG_OF_KEYS + switches:
            with self.subTest(str(wish)[:80]):
                self.assert_named(self.user.api("PATCH", f"{KEYS}/{self.user.key_id}", json=wish), field)
        for wish in WRONG_WHEN_MADE + WRONG_OF_NEW_KEYS:
            with self.subTest(str(wish)[:80]):
                refused = self.user.api("PATCH", f"{KEYS}/{self.user.key_id}", json=wish[0])
                self.assert_problem(refused, 422, "validation_failed")
        [key] = self.keys().values()
        self.assertEqual(key["updated_at"], key["created_at"], "nothing was changed")

    def test_administrators_wishes_and_changes(self):
        for wish, field in WRONG + WRONG_WHEN_MADE:
            with self.subTest(str(wish)[:80]):
                self.assert_named(self.admin("POST", USERS, json={"name": "x"} | wish), field)
                path = f"/api/v1/admin/keys/{self.user.key_id}"
                self.assert_named(self.admin("PATCH", path, json=wish), field)
        for wish, field in WRONG_OF_KEYS:
            with self.subTest(str(wish)[:80]):
                self.assert_named(self.admin("PATCH", path, json=wish), field)
        for wish, field in (
            ({"email": "nobody"}, "email"),
            ({"email": ""}, "email"),
            ({"email": "a@b.c\u0000"}, "email"),
            ({"email": TOO_LONG + "@example.com"}, "email"),
            ({"external_id": ""}, "external_id"),
            ({"external_id": TOO_LONG}, "external_id"),
            ({"external_id": "a\u0000"}, "external_id"),
        ):
            with self.subTest(str(wish)[:80]):
                self.assert_named(self.admin("POST", USERS, json={"name": "x"} | wish), field)
        [key] = self.keys().values()
        self.assertEqual(key["updated_at"], key["created_at"], "nothing was changed")

    def test_rotations(self):
        path = f"{KEYS}/{self.user.key_id}/rotate"
        for wish in (-1, 2_592_001, 2**32, 2**64, 10**30, "60", 1.5, True, [1], None):
            with self.subTest(wish):
                refused = self.user.api("POST", path, json={"grace_period_seconds": wish})
                self.assert_named(refused, "grace_period_seconds")
        self.assert_named(self.user.api("POST", path, json={"grace": 1}), "grace")
        self.assert_ok(self.user.chat())

    def test_bodies_that_are_hardly_json(self):
        headers = {"Content-Type": "application/json"}
        for method, path, token in (
            ("POST", KEYS, self.user.token),
            ("PATCH", f"{KEYS}/{self.user.key_id}", self.user.token),
            ("POST", USERS, self.server.administrator().token),
            ("PATCH", f"/api/v1/admin/keys/{self.user.key_id}", self.server.administrator().token),
        ):
            for body, status in RAW:
                with self.subTest(str(body[:60]), path=path, method=method):
                    answer = self.server.call(method, path, headers=headers | bearer(token), data=body)
                    self.assertEqual(answer.status_code, status, answer.text[:300])
                    self.assert_problem(answer, status, answer.json()["code"])
                    if status == 422:
                        self.assertTrue(answer.json()["errors"][0]["field"])
        self.assertEqual(self.keys().keys(), {self.user.key_id})

    def test_what_is_odd_and_right(self):
        for name in ("Ключ", "鍵 🔑", "e\u0301", "'; DROP TABLE api_keys; --", "<script>", "x" * 100, "%00"):
            made = self.assert_ok(self.user.api("POST", KEYS, json={"name": f" {name} "}), 201)
            self.assertEqual(made["name"], name)
        notes = {"": "", "a\u0000b": "\u0000", "ключ": [1, None, True, 0.1, -0, 2**63], "b": nested(8)}
        made = self.assert_ok(self.user.api("POST", KEYS, json={"name": "x", "metadata": notes}), 201)
        self.assertEqual(made["metadata"], notes)
        self.assertEqual(self.keys()[made["id"]]["metadata"], notes)
        found = self.admin("GET", "/api/v1/admin/keys", params={"user_id": self.user.id})
        self.assertEqual(self.assert_ok(found)["items"][0]["metadata"], notes)
        bound = {"allowed_ips": ["203.0.113.7", "2001:DB8::/32", "0.0.0.0/0", "203.0.113.7"]}
        made = self.assert_ok(self.user.api("POST", KEYS, json={"name": "x"} | bound), 201)
        self.assertEqual(made["allowed_ips"], ["203.0.113.7", "2001:db8::/32", "0.0.0.0/0"])
        made = self.assert_ok(self.user.api("POST", KEYS, json={"name": "x", "permissions": []}), 201)
        self.assertEqual(made["permissions"], [])

    def test_ids(self):
        other = self.server.register()
        mine, theirs = self.user.key_id, other.key_id
        self.assert_ok(self.user.api("GET", f"{KEYS}/{mine.upper()}"))
        for named in (
            theirs,
            theirs.upper(),
            self.user.id,
            "0",
            "-1",
            "self",
            "%00",
            "%2e%2e",
            "..%2f",
            "x" * 5_000,
            mine[:-1],
            mine + "0",
            f"%20{mine}",
            "%F0%9F%94%91",
            "null",
            str(2**70),
        ):
            for method, rest, body in (
                ("GET", "", None),
                ("PATCH", "", {"name": "x"}),
                ("DELETE", "", None),
                ("DELETE", "?descendants=true", None),
                ("POST", "/rotate", None),
                ("GET", "/usage", None),
            ):
                with self.subTest(named[:60], method=method, rest=rest):
                    answer = self.user.api(method, f"{KEYS}/{named}{rest}", json=body)
                    self.assertIn(answer.status_code, (400, 404, 414), answer.text[:200])
                    self.assert_problem(answer, answer.status_code, answer.json()["code"])
        self.assert_ok(other.chat())
        self.assert_ok(self.user.chat())

    def test_queries(self):
        for query, field in (
            ("cursor=x", "cursor"),
            ("cursor=", "cursor"),
            ("cursor=%00", "cursor"),
            ("cursor=" + "f" * 33, "cursor"),
            ("limit=-1", "limit"),
            ("limit=1e1", "limit"),
            ("limit=18446744073709551617", "limit"),
            ("limit=%F0%9F%94%91", "limit"),
            ("include_inactive=maybe", "include_inactive"),
            ("include_inactive=", "include_inactive"),
        ):
            with self.subTest(query):
                self.assert_named(self.user.api("GET", f"{KEYS}?{query}"), field)
                self.assert_named(self.admin("GET", f"/api/v1/admin/keys?{query}"), field)
        for query in ("days=0", "days=367", "days=-1", "days=x", "days=99999999999999999999"):
            self.assert_named(self.user.api("GET", f"{KEYS}/{self.user.key_id}/usage?{query}"), "days")
        # Another's place in the order of time shows nothing of theirs.
        for cursor in ("f" * 32, "0" * 32, self.server.register().key_id):
            shown = self.assert_ok(self.user.api("GET", f"{KEYS}?cursor={cursor}"))["items"]
            self.assertLessEqual({key["id"] for key in shown}, {self.user.key_id})

    def test_made_up_bodies(self):
        source = random.Random(SEED)
        other = self.server.register()
        made = self.user.make_key()
        administrator = self.server.administrator()
        self.server.edit_user(self.user, tier="enterprise")
        routes = [
            (user, method, path)
            for user, prefix in ((self.user, KEYS), (administrator, "/api/v1/admin/keys"))
            for method, path in (
                ("PATCH", f"{prefix}/{made['id']}"),
                ("PATCH", f"{prefix}/{other.key_id}"),
                ("DELETE", f"{prefix}/{uuid.UUID(int=source.getrandbits(128))}"),
            )
        ] + [
            (self.user, "POST", KEYS),
            (self.user, "POST", f"{KEYS}/{made['id']}/rotate"),
            (administrator, "POST", USERS),
        ]
        for number in range(MADE_UP):
            user, method, path = source.choice(routes)
            body = made_up(source)
            with self.subTest(number, method=method, path=path, body=str(body)[:200]):
                answer = self.server.call(
                    method, path, headers=bearer(user.token) | {"Content-Type": "application/json"}, data=body
                )
                self.assertLess(answer.status_code, 500, answer.text[:300])
                if answer.status_code >= 400:
                    self.assert_problem(answer, answer.status_code, answer.json()["code"])
                if answer.status_code == 409 and answer.json()["code"] == "too_many_keys":
                    self.user = self.server.register()
        self.assert_alive()
        self.assertNotIn("panicked", self.server.log())


FIELDS = (
    "name permissions tier environment expires_in_days minute_limit hourly_limit daily_limit allowed_ips "
    "allowed_models metadata is_active email external_id grace_period_seconds descendants"
).split()
VALUES = (
    *(None, True, False, 0, 1, -1, 60, 365, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 0.1, 1e300, -0.0),
    *("", " ", "x", "chat", "free", "pro", "live", "test", "\u0000", "🔑", "1", "true", "a" * 101),
    *("10.0.0.0/8", [], [None], ["chat"], ["keys:manage", "chat"], ["10.0.0.0/8", "::/0"], [[]], [{}]),
    *(["x"] * 200, ["\u0000"]),
    *({}, {"": {}}, {"a": None}, {"a": [1, 2]}, {"\u0000": "\u0000"}, nested(30), {"x": "y" * 5_000}),
)


def made_up(source):
    """A body that may be one."""
    members = {field: source.choice(VALUES) for field in source.sample(FIELDS, source.randint(0, 5))}
    if source.random() < 0.6:
        members.setdefault("name", "x")
    text = json.dumps(members, ensure_ascii=source.random() < 0.5).encode()
    for _ in range(source.choice((0, 0, 0, 1, 3))):
        at = source.randrange(len(text))
        text = source.choice(
            (
                text[:at] + bytes([source.randrange(256)]) + text[at + 1 :],
                text[:at] + text[at + 1 :],
                text[:at] + source.choice((b"\\ud800", b'"', b"{", b"\x00", b"1e999", b"\xf0")) + text[at:],
                text[:at],
            )
        ) or b" "
    return text


class CommandLineInput(EndToEnd):
    """The same words at the command line."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}

    def refused(self, *words, codes=(1, 2)):
        ended = self.server.installation.admin(*words)
        self.assertIn(ended.code, codes, ended.said)
        self.assertTrue(ended.err.strip(), words)
        self.assertNotIn("panicked", ended.err)
        self.assertEqual(ended.out, "")
        return ended.err

    def test_flags(self):
        for flag, value, said in (
            ("--permissions", "fly", "permission"),
            ("--permissions", "chat,,fly", "permission"),
            ("--permissions", "", "permission"),
            ("--permissions", "admin", "admin"),
            ("--tier", "platinum", "tier"),
            ("--tier", "Pro", "tier"),
            ("--hourly-limit", "0", "hourly-limit"),
            ("--hourly-limit", "-1", "hourly-limit"),
            ("--hourly-limit", "1e3", "hourly-limit"),
            ("--hourly-limit", "1000000000001", "hourly-limit"),
            ("--daily-limit", "99999999999999999999", "daily-limit"),
            ("--daily-limit", "", "daily-limit"),
            ("--expires-in-days", "0", "expires"),
            ("--expires-in-days", "-1", "expires"),
            ("--expires-in-days", "1000000000", "expires"),
            ("--expires-in-days", "soon", "expires"),
            ("--metadata", "[]", "metadata"),
            ("--metadata", "{", "metadata"),
            ("--metadata", '{"a": 1e400}', "metadata"),
            ("--metadata", json.dumps(nested(100)), "metadata"),
            ("--metadata", '{"a": "' + "x" * 100_000 + '"}', "metadata"),
            ("--metadata", "[" * 1_000, "metadata"),
            ("--email", "nobody", "email"),
            ("--user-id", "", "user"),
            ("--user-id", "x" * 10_000, "user"),
            ("--user-id", "a\nb", "user"),
        ):
            with self.subTest(flag, value=value[:60]):
                words = ["create", "--name", "x", flag, value]
                err = self.refused(*words)
                self.assertIn(said, err.lower())
                self.assertLess(len(err), 5_000)
        for name in ("", "   ", "x" * 10_000, "a\nb", "\x1b[31mred"):
            with self.subTest(name[:20]):
                self.assertIn("name", self.refused("create", "--name", name))
        listed = json.loads(self.server.installation.admin("list", "--include-inactive", "--json").out)
        names = {key["name"] for key in listed["items"]}
        self.assertEqual(names - {"Primary API Key"}, set(), "nothing was made")

    def test_keys_that_are_not_there(self):
        user = self.server.register()
        near = user.key_id[:-1] + ("0" if user.key_id[-1] != "0" else "1")
        for command in (["revoke", "--force"], ["stats"], ["activate"], ["deactivate"], ["rotate"]):
            for named in (near, "nonsense", "0" * 32, "", "'; DROP TABLE api_keys; --", "x" * 10_000, "🔑"):
                with self.subTest(command[0], named=named[:40]):
                    err = self.refused(*command, named, codes=(1,))
                    self.assertLess(len(err), 2_000)
                    if named == near:
                        self.assertIn(user.key_id, err)
        self.assertEqual(user.chat().status_code, 200)
        err = self.refused("list", "--user-id", "nobody-of-that-name", codes=(1,))
        self.assertIn("nobody-of-that-name", err)

    def test_days(self):
        user = self.server.register()
        for days in ("0", "-1", "367", "x", "", "99999999999999999999"):
            self.assertIn("days", self.refused("stats", user.key_id, "--days", days, codes=(2,)))
        for seconds in ("-1", "2592001", "4294967296", "x"):
            self.assertIn("grace", self.refused("rotate", user.key_id, "--grace-period-seconds", seconds))
        self.assertEqual(user.chat().status_code, 200)


if __name__ == "__main__":
    unittest.main()
