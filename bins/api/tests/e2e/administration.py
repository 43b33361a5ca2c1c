"""Administration of users and keys: as the documents print it, by curl, and what must not work."""

import json
import subprocess
import unittest
import uuid

from _server import MAX_CALL, User, bearer
from _testcase import EndToEnd

NOBODY = "00000000000070008000000000000000"
PREFIXES = ("/api/v1/admin", "/api/admin", "/admin")


class Administration(EndToEnd):
    """With the echo provider."""

    def admin(self, method, path, **options):
        return self.server.administrator().api(method, "/api/v1/admin" + path, **options)

    def create(self, **fields):
        """A user as document 000 makes one."""
        answer = self.admin("POST", "/users/create", json={"name": "New User"} | fields)
        self.assertEqual(answer.headers.get("Cache-Control"), "no-store")
        return self.assert_ok(answer, 201)

    def curl(self, command, token=None):
        """Runs a command of the documents with credentials; gives the status and the body."""
        command = command.replace("http://localhost:8002", self.server.url)
        token = token or self.server.administrator().token
        command += f" -H 'Authorization: Bearer {token}' -s -w '\\n%{{http_code}}'"
        ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=MAX_CALL)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        body, _, status = ended.stdout.rpartition("\n")
        return int(status), json.loads(body)

    def test_the_commands_of_document_000(self):
        made = r"""curl -X POST http://localhost:8002/admin/users/create \
  -H "Content-Type: application/json" \
  -d '{
    "name": "New User",
    "email": "newuser@example.com",
    "permissions": ["chat", "code_generation"],
    "hourly_limit": 150,
    "daily_limit": 1500,
    "metadata": {"team": "research"}
  }'"""
        status, made = self.curl(made)
        self.assertEqual(status, 201, made)
        self.assertEqual(made["api_key"], made["key"])
        self.assertEqual((made["user"]["id"], made["id"]), (made["user_id"], made["key_id"]))
        self.assertEqual((made["user"]["name"], made["user"]["email"]), ("New User", "newuser@example.com"))
        self.assertEqual(made["permissions"], ["chat", "code_generation"])
        self.assertEqual((made["hourly_limit"], made["daily_limit"]), (150, 1500))
        self.assertEqual((made["metadata"], made["name"]), ({"team": "research"}, "New User"))
        user = User(self.server, made["user"]["email"], "", id=made["user_id"], key=made["api_key"])
        answer = user.chat()
        self.assert_ok(answer)
        # An administrator's limit stands in place of the user's.
        self.assertEqual(answer.headers["X-RateLimit-Limit-Hour"], "150")
        # Sums are everybody's: whoever has waited for them has done so for all.
        self.server.administrator().stats()

        status, users = self.curl("curl http://localhost:8002/admin/users")
        self.assertEqual((status, users["users"]), (200, users["items"]))
        self.assertIn(made["user_id"], [user["id"] for user in users["users"]])
        for named in (made["user_id"], made["key_id"]):
            path = f"http://localhost:8002/admin/users/{named}/stats?days=30"
            status, stats = self.curl(f"curl {path}")
            self.assertEqual((status, stats["total_requests"], stats["successful_requests"]), (200, 1, 1))
        status, closed = self.curl(
            f"curl -X POST http://localhost:8002/admin/users/{made['user_id']}/deactivate"
        )
        self.assertEqual((status, closed["id"], closed["is_active"]), (200, made["user_id"], False))
        self.assert_problem(user.chat(), 401, "user_disabled", openai=True)

    def test_everything_is_there_under_every_prefix(self):
        admin, made = self.server.administrator(), self.create()
        for prefix in PREFIXES:
            with self.subTest(prefix):
                self.assert_ok(admin.api("POST", f"{prefix}/users/create", json={"name": "x"}), 201)
                self.assert_ok(admin.api("POST", f"{prefix}/users", json={"name": "x"}), 201)
                for method, path in (
                    ("GET", "/users"),
                    ("GET", f"/users/{made['user_id']}"),
                    ("GET", f"/users/{made['user_id']}/stats"),
                    ("POST", f"/users/{made['user_id']}/deactivate"),
                    ("POST", f"/users/{made['user_id']}/activate"),
                    ("GET", "/keys"),
                ):
                    self.assert_ok(admin.api(method, prefix + path))

    def test_who_is_known_gets_a_further_key(self):
        email, external = f"{uuid.uuid4().hex[:10]}@example.com", uuid.uuid4().hex
        first = self.create(email=email, external_id=external, tier="pro")
        self.assertEqual((first["tier"], first["user"]["subscription"]), ("pro", "pro"))
        self.assertEqual(first["user"]["external_id"], external)
        for fields in ({"email": email.upper()}, {"external_id": external}):
            further = self.create(**fields)
            self.assertEqual(further["user_id"], first["user_id"])
            self.assertNotEqual(further["key_id"], first["key_id"])
            self.assertIsNone(further["tier"])
        wish = {"name": "x", "email": email, "external_id": external + "2"}
        self.assert_problem(self.admin("POST", "/users", json=wish), 409, "email_taken")
        keys = self.assert_ok(self.admin("GET", "/keys", params={"user_id": first["user_id"]}))
        self.assertEqual(len(keys["items"]), 3)
        # The same wishes from the command line.
        words = ["users", "create", "--name", "x", "--external-id", external, "--json"]
        ended = self.server.installation.admin(*words)
        self.assertEqual(ended.code, 0, ended.said)
        by_program = json.loads(ended.out)
        self.assertEqual(by_program["user_id"], first["user_id"])
        self.assertEqual(by_program.keys(), first.keys())

    def test_bad_wishes_are_named(self):
        for wish, field in (
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 10_000}, "name"),
            ({"name": 1}, "name"),
            ({"email": "nobody"}, "email"),
            ({"external_id": ""}, "external_id"),
            ({"tier": "gold"}, "tier"),
            ({"permissions": ["everything"]}, "permissions"),
            ({"permissions": ["admin"]}, "permissions"),
            ({"permissions": "chat"}, "permissions"),
            ({"hourly_limit": 0}, "hourly_limit"),
            ({"hourly_limit": -1}, "hourly_limit"),
            ({"daily_limit": 10**13}, "daily_limit"),
            ({"daily_limit": 1.5}, "daily_limit"),
            ({"metadata": {"x": "y" * 5_000}}, "metadata"),
            ({"metadata": []}, "metadata"),
            ({"role": "admin"}, "role"),
        ):
            with self.subTest(wish):
                wish = wish if not wish or "name" in wish else {"name": "x"} | wish
                for path in ("/users", "/users/create"):
                    answer = self.admin("POST", path, json=wish)
                    problem = self.assert_problem(answer, 422, "validation_failed")
                    self.assertTrue(problem["errors"][0]["field"].startswith(field), problem["errors"])

    def test_users_are_searched_and_paged(self):
        word = uuid.uuid4().hex[:12]
        made = [self.create(name=f"{word} {number}")["user_id"] for number in range(3)]
        first = self.assert_ok(self.admin("GET", "/users", params={"search": word.upper(), "limit": 2}))
        self.assertEqual([user["id"] for user in first["items"]], made[:0:-1])
        rest = {"search": word, "limit": 2, "cursor": first["next_cursor"]}
        rest = self.assert_ok(self.admin("GET", "/users", params=rest))
        self.assertEqual(([user["id"] for user in rest["users"]], rest["next_cursor"]), (made[:1], None))
        shown = self.assert_ok(self.admin("GET", f"/users/{made[0]}"))
        self.assertEqual(shown, rest["items"][0])
        for nothing in ("%", "_" * 20, "\x00", "'"):
            found = self.assert_ok(self.admin("GET", "/users", params={"search": word + nothing}))
            self.assertEqual(found["items"], [])
        for params, field in (
            ({"search": "x" * 301}, "search"),
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
            ({"cursor": "x"}, "cursor"),
        ):
            answer = self.admin("GET", "/users", params=params)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], field)

    def test_keys_are_listed_with_what_they_did(self):
        user = self.server.register()
        further = user.make_key()
        self.assert_ok(user.chat(key=further["key"]))
        user.stats()
        mine = {"user_id": user.id}
        keys = self.assert_ok(self.admin("GET", "/keys", params=mine))
        self.assertEqual(keys["keys"], keys["items"])
        [key, primary] = keys["items"]
        self.assertEqual((key["id"], key["email"], key["requests_7d"]), (further["id"], user.email, 1))
        self.assertGreater(key["tokens_7d"], 0)
        self.assertEqual((primary["id"], primary["requests_7d"]), (user.key_id, 0))
        self.assertNotIn("key", key)
        answer = self.admin("DELETE", f"/keys/{further['id']}")
        self.assertEqual((answer.status_code, answer.content), (204, b""))
        left = self.assert_ok(self.admin("GET", "/keys", params=mine))["items"]
        self.assertEqual([key["id"] for key in left], [user.key_id])
        all_of_them = self.assert_ok(self.admin("GET", "/keys", params=mine | {"include_inactive": "true"}))
        self.assertEqual([key["status"] for key in all_of_them["items"]], ["revoked", "active"])
        page = {"limit": 1, "include_inactive": "true"} | mine
        first = self.assert_ok(self.admin("GET", "/keys", params=page))
        second = self.assert_ok(self.admin("GET", "/keys", params=page | {"cursor": first["next_cursor"]}))
        self.assertEqual(first["items"] + second["items"], all_of_them["items"])
        self.assertIsNone(second["next_cursor"])
        for params, field in (
            ({"user_id": "nobody"}, "user_id"),
            ({"include_inactive": "1"}, "include_inactive"),
            ({"limit": "x"}, "limit"),
        ):
            answer = self.admin("GET", "/keys", params=params)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], field)

    def test_keys_are_revoked_once_with_or_without_their_descendants(self):
        user = self.server.register()
        maker = user.make_key(permissions=["chat", "keys:manage"])
        body = {"name": "child", "permissions": ["chat"]}
        made = self.server.call("POST", "/api/v1/keys", headers=bearer(maker["key"]), json=body)
        child = self.assert_ok(made, 201)
        path = f"/keys/{maker['id']}"
        for _ in range(2):
            self.assertEqual(self.admin("DELETE", path).status_code, 204)
        self.assert_problem(user.chat(key=maker["key"]), 401, "key_revoked", openai=True)
        self.assert_ok(user.chat(key=child["key"]))
        self.assertEqual(self.admin("DELETE", path, params={"descendants": "true"}).status_code, 204)
        self.assert_problem(user.chat(key=child["key"]), 401, "key_revoked", openai=True)
        self.assert_ok(user.chat())
        self.assert_problem(self.admin("DELETE", path, params={"descendants": "x"}), 422, "validation_failed")

    def test_a_key_is_changed_beyond_its_owners_ceilings(self):
        user = self.server.register()
        made = user.make_key(permissions=["chat"])
        changes = {
            "metadata": {"team": "research"},
            "allowed_ips": ["203.0.113.0/24"],
            "allowed_models": ["echo"],
            "hourly_limit": 100_000,
            "permissions": ["chat", "usage:write"],
        }
        changed = self.assert_ok(self.admin("PATCH", f"/keys/{made['id']}", json=changes))
        self.assertEqual({field: changed[field] for field in changes}, changes)
        self.assert_problem(user.chat(key=made["key"]), 403, "ip_not_allowed", openai=True)
        nothing = {"allowed_ips": None, "allowed_models": None}
        changed = self.assert_ok(self.admin("PATCH", f"/keys/{made['id']}", json=nothing))
        self.assertEqual({field: changed[field] for field in nothing}, nothing)
        answer = user.chat(key=made["key"])
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Hour"], "100000")
        for wish, field in (
            ({"metadata": {"x": "y" * 5_000}}, "metadata"),
            ({"allowed_ips": ["10.0.0.1/8"]}, "allowed_ips"),
            ({"allowed_models": [""]}, "allowed_models"),
            ({"permissions": ["admin"]}, "permissions"),
        ):
            answer = self.admin("PATCH", f"/keys/{made['id']}", json=wish)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertTrue(problem["errors"][0]["field"].startswith(field), problem["errors"])

    def test_who_is_closed_out_is_so_at_once(self):
        user = self.server.register()
        program = {"Authorization": f"Bearer {user.token}"}
        device = self.assert_ok(self.server.call("POST", "/api/v1/auth/device/code", json={}))
        body = {"user_code": device["user_code"]}
        approved = user.api("POST", "/api/v1/auth/device/approve", json=body)
        self.assertLess(approved.status_code, 300, approved.text)
        self.assertFalse(self.assert_ok(self.admin("POST", f"/users/{user.id}/deactivate"))["is_active"])
        for path in ("/api/v1/auth/me", "/api/v1/keys", "/api/v1/usage/stats"):
            refused = self.server.call("GET", path, headers=program)
            self.assert_problem(refused, 401, "user_disabled")
        refused = self.server.call("GET", "/api/v1/usage/stats", headers=bearer(user.key))
        self.assert_problem(refused, 401, "user_disabled")
        self.assert_problem(user.chat(), 401, "user_disabled", openai=True)
        login = {"email": user.email, "password": user.password}
        self.assert_problem(
            self.server.call("POST", "/api/v1/auth/login", json=login), 401, "user_disabled"
        )
        body = {"refresh_token": user.refresh_token}
        refused = self.server.call("POST", "/api/v1/auth/refresh", json=body)
        self.assertEqual(refused.status_code, 401, refused.text)
        grant = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": device["device_code"],
        }
        refused = self.server.call("POST", "/api/v1/auth/device/token", json=grant)
        self.assertEqual((refused.status_code, refused.json()["error"]), (400, "access_denied"))
        self.assertTrue(self.assert_ok(self.admin("POST", f"/users/{user.id}/activate"))["is_active"])
        self.assert_ok(user.chat())
        user.log_in()

    def test_a_key_that_was_switched_off_by_its_id_stays_off(self):
        user = self.server.register()
        made = user.make_key()
        closed = self.assert_ok(self.admin("POST", f"/users/{made['id']}/deactivate"))
        self.assertEqual((closed["id"], closed["user_id"]), (made["id"], user.id))
        self.assertEqual(closed["status"], "disabled")
        self.assert_problem(user.chat(key=made["key"]), 401, "key_disabled", openai=True)
        self.assert_ok(user.chat())
        for word in ("deactivate", "activate"):
            self.assert_ok(self.admin("POST", f"/users/{user.id}/{word}"))
        self.assert_problem(user.chat(key=made["key"]), 401, "key_disabled", openai=True)
        own = user.api("PATCH", f"/api/v1/keys/{made['id']}", json={"is_active": True})
        self.assert_problem(own, 403, "permission_denied")
        opened = self.assert_ok(self.admin("POST", f"/users/{made['id']}/activate"))
        self.assertEqual(opened["status"], "active")
        self.assert_ok(user.chat(key=made["key"]))

    def test_what_is_not_there_is_not_found(self):
        for named in (NOBODY, "nonsense", str(2**70)):
            for method, path in (
                ("GET", f"/users/{named}"),
                ("PATCH", f"/users/{named}"),
                ("DELETE", f"/users/{named}"),
                ("GET", f"/users/{named}/stats"),
                ("POST", f"/users/{named}/activate"),
                ("POST", f"/users/{named}/deactivate"),
                ("PATCH", f"/keys/{named}"),
                ("DELETE", f"/keys/{named}"),
            ):
                body = {} if method == "PATCH" else None
                self.assert_problem(self.admin(method, path, json=body), 404, "not_found")
        user = self.server.register()
        wrong = self.admin("GET", f"/users/{user.id}/stats", params={"days": 367})
        self.assertEqual(self.assert_problem(wrong, 422, "validation_failed")["errors"][0]["field"], "days")

    def test_every_change_is_told_with_its_administrator(self):
        me = self.assert_ok(self.server.administrator().api("GET", "/api/v1/auth/me"))["id"]
        made = self.create()
        self.admin("POST", f"/users/{made['key_id']}/deactivate")
        self.admin("POST", f"/users/{made['user_id']}/deactivate")
        self.admin("PATCH", f"/keys/{made['key_id']}", json={"name": "another"})
        self.admin("DELETE", f"/keys/{made['key_id']}")
        told = [
            entry
            for named in (made["user_id"], made["key_id"])
            for entry in self.assert_ok(self.admin("GET", "/audit", params={"about": named}))["items"][::-1]
        ]
        self.assertEqual(
            [entry["action"] for entry in told],
            ["user.created", "user.deactivated"]
            + ["key.created", "key.deactivated", "key.updated", "key.revoked"],
        )
        self.assertEqual({entry["actor"] for entry in told}, {me})

    def test_a_key_administers_as_long_as_its_owner_does(self):
        user = self.server.register()
        self.server.edit_user(user, role="admin")
        user.log_in()
        key = user.make_key(permissions=["admin"])
        plain = user.make_key(permissions=["chat"])
        path = "/admin/users"
        self.assert_ok(self.server.call("GET", path, headers={"X-API-Key": key["key"]}))
        made = self.server.call("POST", path, headers=bearer(key["key"]), json={"name": "x"})
        made = self.assert_ok(made, 201)
        told = self.assert_ok(self.admin("GET", "/audit", params={"about": made["key_id"]}))["items"]
        self.assertEqual([entry["actor"] for entry in told], [key["id"]])
        refused = self.server.call("GET", path, headers=bearer(plain["key"]))
        self.assert_problem(refused, 403, "permission_denied")
        for role in ("user", "admin"):
            # With the role the permission went for good.
            self.server.edit_user(user, role=role)
            refused = self.server.call("GET", path, headers=bearer(key["key"]))
            self.assert_problem(refused, 403, "permission_denied")
        self.assert_ok(user.api("GET", path))


if __name__ == "__main__":
    unittest.main()
