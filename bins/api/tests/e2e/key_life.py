"""The life of a key: bound, changed, rotated, ended; and what the gate makes of it."""

import unittest

from _server import bearer, question, wait_until
from _testcase import EndToEnd

PREFIXES = ("/api/v1/keys", "/api/keys", "/api/v1/auth/api-keys", "/api/auth/api-keys")
# Where the test's calls come from, behind a proxy that is trusted.
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.7"
# Seconds of a grace that is waited for, and in which a call arrives before.
GRACE = 6


class KeyLife(EndToEnd):
    """With the echo provider."""

    def chat_from(self, key, address, **fields):
        headers = bearer(key) | {"X-Forwarded-For": address}
        return self.server.call("POST", "/v1/chat/completions", headers=headers, json=question(**fields))

    def test_a_key_is_shown_under_every_name(self):
        user, other = self.server.register(), self.server.register()
        made = user.make_key(allowed_ips=["10.0.0.0/8"], allowed_models=["echo"])
        for prefix in PREFIXES:
            with self.subTest(prefix):
                shown = self.assert_ok(user.api("GET", f"{prefix}/{made['id']}"))
                self.assertNotIn("key", shown)
                self.assertEqual(
                    (shown["allowed_ips"], shown["allowed_models"]), (["10.0.0.0/8"], ["echo"])
                )
                self.assert_problem(other.api("GET", f"{prefix}/{made['id']}"), 404, "not_found")

    def test_a_key_works_only_from_its_networks(self):
        user = self.server.register()
        made = user.make_key(allowed_ips=["203.0.113.0/24"], permissions=["chat", "keys:manage"])
        self.assert_ok(self.chat_from(made["key"], HERE))
        refused = self.chat_from(made["key"], ELSEWHERE)
        self.assert_problem(refused, 403, "ip_not_allowed", openai=True)
        # Everywhere else as well.
        headers = bearer(made["key"]) | {"X-Forwarded-For": ELSEWHERE}
        self.assert_problem(self.server.call("GET", "/api/v1/keys", headers=headers), 403, "ip_not_allowed")
        headers["X-Forwarded-For"] = HERE
        self.assert_ok(self.server.call("GET", "/api/v1/keys", headers=headers))

        def events():
            return self.assert_ok(user.api("GET", "/api/v1/usage/logs"))["items"]

        # Nobody waits for the record of a refusal.
        wait_until(lambda: len(events()) == 2, "both events")
        recorded = events()
        self.assertEqual([event["error_code"] for event in recorded], ["ip_not_allowed", None])
        self.assertEqual([event["total_tokens"] for event in recorded][0], None)
        body = {"allowed_ips": None}
        self.assert_ok(user.api("PATCH", f"/api/v1/keys/{made['id']}", json=body))
        self.assert_ok(self.chat_from(made["key"], ELSEWHERE))

    def test_a_key_asks_only_its_models(self):
        user = self.server.register()
        made = user.make_key(allowed_models=["echo"])
        self.assert_ok(user.chat(key=made["key"], model="echo"))
        refused = user.chat(key=made["key"], model="another")
        self.assert_problem(refused, 403, "model_not_allowed", openai=True)
        remaining = int(user.chat(key=made["key"], model="echo").headers["X-RateLimit-Remaining-Hour"])
        user.chat(key=made["key"], model="another")
        after = int(user.chat(key=made["key"], model="echo").headers["X-RateLimit-Remaining-Hour"])
        self.assertEqual(remaining - after, 1, "a 403 counts in no window")
        with user.openai(made["key"]) as client:
            self.assertEqual({model.id for model in client.models.list()} - {"echo"}, set())

    def test_a_key_is_changed_and_holds_at_once(self):
        user = self.server.register()
        made = user.make_key()
        path = f"/api/v1/keys/{made['id']}"
        changes = {
            "name": "renamed",
            "metadata": {"team": "research"},
            "permissions": ["embeddings"],
            "minute_limit": 5,
        }
        changed = self.assert_ok(user.api("PATCH", path, json=changes))
        self.assertEqual({field: changed[field] for field in changes}, changes)
        self.assert_problem(user.chat(key=made["key"]), 403, "permission_denied", openai=True)
        self.assert_ok(user.api("PATCH", path, json={"permissions": ["chat"], "minute_limit": 1}))
        self.assert_ok(user.chat(key=made["key"]))
        self.assert_problem(user.chat(key=made["key"]), 429, "rate_limit_exceeded", openai=True)
        self.assert_ok(user.api("PATCH", path, json={"is_active": False}))
        self.assert_problem(user.chat(key=made["key"]), 401, "key_disabled", openai=True)
        self.assert_ok(user.api("PATCH", path, json={"is_active": True, "minute_limit": None}))
        self.assert_ok(user.chat(key=made["key"]))

    def test_what_an_administrator_switched_off_stays_off(self):
        user = self.server.register()
        made = user.make_key()
        admin = self.server.administrator()
        path = f"/api/v1/admin/keys/{made['id']}"
        self.assert_ok(admin.api("PATCH", path, json={"is_active": False, "hourly_limit": 50}))
        own = f"/api/v1/keys/{made['id']}"
        for wish in ({"is_active": True}, {"hourly_limit": 51}, {"hourly_limit": None}):
            self.assert_problem(user.api("PATCH", own, json=wish), 403, "permission_denied")
        self.assert_problem(user.chat(key=made["key"]), 401, "key_disabled", openai=True)
        self.assert_ok(admin.api("PATCH", path, json={"is_active": True}))
        self.assert_ok(user.chat(key=made["key"]))

    def test_bad_changes_are_named(self):
        user = self.server.register()
        path = f"/api/v1/keys/{user.make_key()['id']}"
        for wish, field in (
            ({"name": ""}, "name"),
            ({"name": "x" * 10_000}, "name"),
            ({"metadata": {"x": "y" * 5_000}}, "metadata"),
            ({"minute_limit": 0}, "minute_limit"),
            ({"daily_limit": 10**13}, "daily_limit"),
            ({"daily_limit": -1}, "daily_limit"),
            ({"permissions": ["everything"]}, "permissions"),
            ({"allowed_ips": ["10.0.0.1/8"]}, "allowed_ips"),
            ({"allowed_ips": ["localhost"]}, "allowed_ips"),
            ({"allowed_ips": ["10.0.0.0/8"] * 101}, "allowed_ips"),
            ({"allowed_models": [""]}, "allowed_models"),
            ({"tier": "pro"}, "tier"),
            ({"is_active": "yes"}, "is_active"),
        ):
            with self.subTest(wish):
                problem = self.assert_problem(user.api("PATCH", path, json=wish), 422, "validation_failed")
                self.assertTrue(problem["errors"][0]["field"].startswith(field), problem["errors"])

    def test_a_key_is_rotated_with_and_without_a_grace(self):
        user = self.server.register()
        made = user.make_key()
        path = f"/api/v1/keys/{made['id']}/rotate"
        answer = user.api("POST", path, json={"grace_period_seconds": GRACE})
        second = self.assert_ok(answer)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(second["id"], made["id"])
        self.assertNotEqual(second["key"], made["key"])
        self.assert_ok(user.chat(key=made["key"]))
        self.assert_ok(user.chat(key=second["key"]))
        stats = "/api/v1/usage/stats"
        old = bearer(made["key"])
        wait_until(
            lambda: self.server.call("GET", stats, headers=old).status_code == 401, "the end of the grace"
        )
        self.assert_ok(user.chat(key=second["key"]))
        third = self.assert_ok(user.api("POST", path))
        self.assert_problem(user.chat(key=second["key"]), 401, "invalid_api_key", openai=True)
        self.assert_ok(user.chat(key=third["key"]))
        # Counts go on under the same id.
        sums = user.stats()
        usage = self.assert_ok(user.api("GET", f"/api/v1/keys/{made['id']}/usage", params={"days": 1}))
        self.assertGreaterEqual(usage["successful_requests"], 4)
        self.assertEqual(usage["successful_requests"], sums["successful_requests"])
        own = f"/api/v1/keys/{made['id']}"
        wait_until(lambda: self.assert_ok(user.api("GET", own))["request_count"] >= 4, "the key's count")
        fourth = self.assert_ok(user.api("POST", path))
        self.assertGreaterEqual(fourth["request_count"], 4)
        self.assertTrue(fourth["last_used_at"])
        too_long = user.api("POST", path, json={"grace_period_seconds": 10**8})
        self.assert_problem(too_long, 422, "validation_failed")

    def test_a_key_rotates_no_stronger_one(self):
        user = self.server.register()
        weak = user.make_key(permissions=["chat", "keys:manage"])
        headers = bearer(weak["key"])
        for method, path, body in (
            ("POST", f"/api/v1/keys/{user.key_id}/rotate", None),
            ("PATCH", f"/api/v1/keys/{user.key_id}", {"name": "mine"}),
        ):
            refused = self.server.call(method, path, headers=headers, json=body)
            self.assert_problem(refused, 403, "permission_denied")
        own = self.server.call("POST", f"/api/v1/keys/{weak['id']}/rotate", headers=headers)
        self.assert_ok(own)

    def test_a_leaked_key_revokes_itself(self):
        user = self.server.register()
        made = user.make_key(permissions=["chat"])
        path = "/api/v1/keys/self/revoke"
        self.assert_problem(user.api("POST", path), 403, "permission_denied")
        self.assertEqual(self.server.call("POST", path, headers=bearer(made["key"])).status_code, 204)
        self.assert_problem(user.chat(key=made["key"]), 401, "key_revoked", openai=True)
        self.assert_problem(self.server.call("POST", path, headers=bearer(made["key"])), 401, "key_revoked")

    def test_descendants_go_with_their_maker(self):
        user = self.server.register()
        maker = user.make_key(permissions=["chat", "keys:manage"])
        made = []
        key = maker["key"]
        for _ in range(3):
            body = {"name": "child", "permissions": ["chat", "keys:manage"]}
            answer = self.server.call("POST", "/api/v1/keys", headers=bearer(key), json=body)
            child = self.assert_ok(answer, 201)
            made.append(child["key"])
            key = child["key"]
        path = f"/api/v1/keys/{maker['id']}"
        self.assertEqual(user.api("DELETE", path, params={"descendants": "true"}).status_code, 204)
        for key in [maker["key"], *made]:
            self.assert_problem(user.chat(key=key), 401, "key_revoked", openai=True)
        self.assert_ok(user.chat())


class NewPepper(EndToEnd):
    """`SECRET_KEY` gets a newer first secret; the older one is taken away later."""

    environment = {"SECRET_KEY": "o" * 40}

    def restart_with(self, secrets):
        self.server.installation.set(SECRET_KEY=secrets)
        self.server.restart()

    def test_a_key_that_is_used_meanwhile_outlives_the_older_secret(self):
        user = self.server.register()
        unused = user.make_key()
        rotated = user.make_key()
        grace = {"grace_period_seconds": 3_600}
        path = f"/api/v1/keys/{rotated['id']}/rotate"
        newer = self.assert_ok(user.api("POST", path, json=grace))
        self.restart_with("n" * 40 + "," + "o" * 40)
        for key in (user.key, rotated["key"], newer["key"]):
            self.assert_ok(user.chat(key=key))
            # Remembered by its older hash.
            self.assert_ok(user.chat(key=key))
        self.restart_with("n" * 40)
        for key in (user.key, rotated["key"], newer["key"]):
            self.assert_ok(user.chat(key=key))
        self.assert_problem(user.chat(key=unused["key"]), 401, "invalid_api_key", openai=True)


if __name__ == "__main__":
    unittest.main()
