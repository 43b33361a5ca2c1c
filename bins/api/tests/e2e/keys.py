"""Keys: made, listed, narrowed, revoked; by their owners, by other keys and by the command line."""

import json
import socket
import unittest

import openai

from _server import bearer, question, wait_until
from _testcase import EndToEnd

# Seconds until a server knows of a change made elsewhere: the contract's one, with room for a slow machine.
MAX_ELSEWHERE = 3


class Keys(EndToEnd):
    """`/api/v1/keys` and its older names."""

    def test_a_key_is_made_shown_once_and_listed_without_its_secret(self):
        user = self.server.register()
        answer = user.api("POST", "/api/v1/keys", json={"name": "CI", "metadata": {"team": "research"}})
        made = self.assert_ok(answer, 201)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(made["key"], made["api_key"])
        self.assertTrue(made["key"].startswith("sk_live_tg_"))
        self.assertTrue(made["key"].startswith(made["key_prefix"]))
        self.assertEqual((made["name"], made["status"], made["expires_at"]), ("CI", "active", None))
        self.assertTrue(made["created_at"].endswith("Z"))
        expected = {"chat", "code_generation", "embeddings", "services", "usage:read"}
        self.assertEqual(set(made["permissions"]), expected)
        answer = user.api("GET", "/api/keys")
        listed = self.assert_ok(answer)
        self.assertEqual(listed["keys"], listed["items"])
        self.assertIsNone(listed["next_cursor"])
        self.assertEqual({key["name"] for key in listed["keys"]}, {"CI", "Primary API Key"})
        for secret in (made["key"], user.key):
            self.assertNotIn(secret, answer.text)
        for key in listed["keys"]:
            self.assertTrue("key" not in key and "api_key" not in key)
        self.assert_ok(user.chat(key=made["key"]))

    def test_document_002_makes_lists_and_revokes_with_a_key(self):
        user = self.server.register()
        headers = {"X-API-Key": user.key}
        body = {
            "name": "My API Key",
            "tier": "free",
            "expires_in_days": 365,
            "metadata": {"email": "user@example.com", "company": "Example Corp"},
        }
        made = self.assert_ok(self.server.call("POST", "/api/keys", headers=headers, json=body), 201)
        self.assertEqual(made["tier"], "free")
        self.assertEqual(made["metadata"], body["metadata"])
        self.assertTrue(made["expires_at"])
        listed = self.server.call("GET", "/api/keys?include_inactive=false", headers=headers)
        self.assertIn(made["id"], {key["id"] for key in self.assert_ok(listed)["keys"]})
        gone = self.server.call("DELETE", "/api/keys/" + made["id"], headers=headers)
        self.assertEqual((gone.status_code, gone.content), (204, b""))
        self.assertEqual(
            self.server.call("DELETE", "/api/keys/" + made["id"], headers=headers).status_code, 204
        )
        # `requests` writes Python's values with a capital.
        for word in ("false", "true", False, True):
            query = {"include_inactive": word}
            listed = self.assert_ok(self.server.call("GET", "/api/keys", params=query, headers=headers))
            self.assertEqual(made["id"] in {key["id"] for key in listed["keys"]}, word in ("true", True), query)

    def test_document_003_makes_and_lists_under_auth(self):
        user = self.server.register()
        made = self.assert_ok(user.api("POST", "/api/v1/auth/api-keys", json={"name": "My API Key"}), 201)
        listed = self.assert_ok(user.api("GET", "/api/v1/auth/api-keys"))
        self.assertIn(made["id"], {key["id"] for key in listed["items"]})
        self.assertEqual(user.api("DELETE", "/api/v1/auth/api-keys/" + made["id"]).status_code, 204)

    def test_lists_come_in_pages(self):
        user = self.server.register()
        made = {user.make_key(name=f"key {number}")["id"] for number in range(4)} | {user.key_id}
        seen, cursor = [], None
        while True:
            query = "?limit=2" + (f"&cursor={cursor}" if cursor else "")
            page = self.assert_ok(user.api("GET", "/api/v1/keys" + query))
            seen += [key["id"] for key in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
            self.assertEqual(len(page["items"]), 2)
        self.assertEqual((len(seen), set(seen)), (5, made))
        for query in ("limit=0", "limit=101", "limit=x"):
            self.assert_problem(user.api("GET", "/api/v1/keys?" + query), 422, "validation_failed")

    def test_nobody_gives_more_than_he_has(self):
        user = self.server.register()
        for fields in (
            {"permissions": ["admin"]},
            {"permissions": ["chat", "usage:write"]},
            {"permissions": ["keys:verify"]},
            {"tier": "enterprise"},
            {"minute_limit": 61},
            {"hourly_limit": 1_001},
            {"daily_limit": 10_001},
        ):
            with self.subTest(fields):
                answer = user.api("POST", "/api/v1/keys", json={"name": "Too much"} | fields)
                self.assert_problem(answer, 403, "permission_denied")

    def test_bad_wishes_are_named(self):
        user = self.server.register()
        for fields, field in (
            ({"permissions": ["fly"]}, "permissions"),
            ({"tier": "platinum"}, "tier"),
            ({"expires_in_days": 0}, "expires_in_days"),
            ({"expires_in_days": "soon"}, "expires_in_days"),
            ({"minute_limit": 0}, "minute_limit"),
            ({"environment": "moon"}, "environment"),
            ({"name": ""}, "name"),
            ({"name": 7}, "name"),
        ):
            with self.subTest(fields):
                answer = user.api("POST", "/api/v1/keys", json={"name": "Bad"} | fields)
                problem = self.assert_problem(answer, 422, "validation_failed")
                self.assertTrue(problem["errors"][0]["field"].startswith(field), problem["errors"])

    def test_keys_without_keys_manage_manage_none(self):
        user = self.server.register()
        key = user.make_key()["key"]
        for method, path in (("GET", "/api/v1/keys"), ("DELETE", f"/api/v1/keys/{user.key_id}")):
            answer = self.server.call(method, path, headers=bearer(key))
            self.assert_problem(answer, 403, "permission_denied")
        answer = self.server.call("POST", "/api/v1/keys", headers=bearer(key), json={"name": "x"})
        self.assert_problem(answer, 403, "permission_denied")

    def test_another_users_key_is_not_there(self):
        user, other = self.server.register(), self.server.register()
        self.assert_problem(other.api("DELETE", f"/api/v1/keys/{user.key_id}"), 404, "not_found")
        self.assert_problem(other.api("DELETE", "/api/v1/keys/no-such-key"), 404, "not_found")
        self.assert_ok(user.chat())

    def test_a_key_without_chat_may_not_chat(self):
        user = self.server.register()
        key = user.make_key(permissions=["usage:read"])["key"]
        self.assert_problem(user.chat(key=key), 403, "permission_denied")
        with self.assertRaises(openai.PermissionDeniedError) as raised:
            user.openai(key=key).chat.completions.create(**question())
        self.assertEqual(raised.exception.code, "permission_denied")
        self.assertEqual(self.provider.asked, [])
        self.assert_ok(self.server.call("GET", "/api/v1/usage/stats", headers=bearer(key)))

    def test_a_key_without_usage_read_sees_no_usage(self):
        user = self.server.register()
        key = user.make_key(permissions=["chat"])["key"]
        answer = self.server.call("GET", "/api/v1/usage/stats", headers=bearer(key))
        self.assert_problem(answer, 403, "permission_denied")

    def test_a_typo_is_refused(self):
        user = self.server.register()
        for at in (len("sk_live_tg_"), len(user.key) // 2, len(user.key) - 1):
            typo = user.key[:at] + ("a" if user.key[at] != "a" else "b") + user.key[at + 1 :]
            self.assert_problem(user.chat(key=typo), 401, "invalid_api_key")
            with self.assertRaises(openai.AuthenticationError) as raised:
                user.openai(key=typo).chat.completions.create(**question())
            self.assertEqual(raised.exception.code, "invalid_api_key")
        for key in (
            "sk_live_tg_",
            "sk_live_tg_short",
            user.key + "x",
            "qwen-unknown-key",
            "V2C-nobody-knows-me",
        ):
            self.assert_problem(user.chat(key=key), 401, "invalid_api_key")
        self.assertEqual(self.provider.asked, [])

    def test_test_keys_reach_echo_only(self):
        user = self.server.register()
        made = user.make_key(environment="test")
        self.assertTrue(made["key"].startswith("sk_test_tg_"))
        answer = user.openai(key=made["key"]).chat.completions.create(**question("Is anybody there?"))
        self.assertIn("Is anybody there?", answer.choices[0].message.content)
        self.assertEqual(self.provider.asked, [])
        self.assertEqual(user.stats()["quota"]["used"], 0)


class Revocation(EndToEnd):
    """What is taken away is gone."""

    def test_at_once_where_it_was_done(self):
        user = self.server.register()
        made = user.make_key()
        self.assert_ok(user.chat(key=made["key"]))
        self.assertEqual(user.api("DELETE", "/api/v1/keys/" + made["id"]).status_code, 204)
        self.assert_problem(user.chat(key=made["key"]), 401, "key_revoked")
        self.assert_ok(user.chat())

    def test_disabled_by_an_administrator(self):
        user = self.server.register()
        path = f"/api/v1/admin/keys/{user.key_id}"
        admin = self.server.administrator()
        self.assert_ok(user.chat())
        self.assert_ok(admin.api("PATCH", path, json={"is_active": False}))
        self.assert_problem(user.chat(), 401, "key_disabled")
        self.assert_ok(admin.api("PATCH", path, json={"is_active": True, "permissions": ["usage:read"]}))
        self.assert_problem(user.chat(), 403, "permission_denied")
        self.assert_problem(user.api("PATCH", path, json={"is_active": True}), 403, "permission_denied")

    def test_soon_where_another_program_did_it(self):
        user = self.server.register()
        # Room for asking often.
        self.server.edit_user(user, minute_limit=100_000, monthly_token_limit=1_000_000_000)
        self.assert_ok(user.chat())
        done = self.server.installation.admin("revoke", user.key_id, "--force")
        self.assertEqual(done.code, 0, done.said)

        def is_refused():
            return user.chat(max_tokens=1).status_code != 200

        wait_until(is_refused, "a key that was revoked elsewhere is refused", MAX_ELSEWHERE)
        self.assert_problem(user.chat(), 401, "key_revoked")

    def test_at_once_while_a_body_is_still_on_its_way(self):
        user = self.server.register()
        body = json.dumps(question()).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {user.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.server.installation.port), 30) as connection:
            connection.sendall(head.encode() + body[:10])
            # The key is known by now, or soon will be: a call of its own is answered.
            self.assert_ok(user.chat())
            self.assertEqual(user.api("DELETE", f"/api/v1/keys/{user.key_id}").status_code, 204)
            connection.sendall(body[10:])
            self.assertIn(b"HTTP/1.1 401", connection.recv(4096))


if __name__ == "__main__":
    unittest.main()
