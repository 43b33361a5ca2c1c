"""No key gets, or gives, more than it holds; what is ended or narrowed stays so, also in a race."""

import concurrent.futures
import threading
import time
import unittest

import _mail
from _server import bearer, wait_until
from _testcase import EndToEnd

# Where the test's calls come from, behind a proxy that is trusted.
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.7"
# How many try at once.
CROWD = 50


class Powers(EndToEnd):
    """With the echo provider."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}

    def call(self, key, method, path="", body=None, address=None, **options):
        headers = bearer(key) | ({"X-Forwarded-For": address} if address else {})
        return self.server.call(method, "/api/v1/keys" + path, headers=headers, json=body, **options)

    def make(self, key, **fields):
        """A key made by a key."""
        return self.call(key, "POST", body={"name": "child"} | fields)

    def admin(self, method, path, **options):
        return self.server.administrator().api(method, "/api/v1/admin" + path, **options)

    def refuse_all(self, key, wishes):
        for wish in wishes:
            with self.subTest(wish):
                self.assert_problem(self.make(key, **wish), 403, "permission_denied")

    # What a key makes

    def test_a_key_makes_no_stronger_key(self):
        user = self.server.register()
        self.server.edit_user(user, tier="pro")
        manager = user.make_key(
            permissions=["chat", "services:stocks", "keys:manage"],
            minute_limit=5,
            expires_in_days=3,
            allowed_ips=["203.0.113.0/24", "2001:db8::/32"],
            allowed_models=["echo"],
        )["key"]
        with_address = dict(address=HERE)

        def make(**fields):
            return self.call(manager, "POST", body={"name": "child"} | fields, **with_address)

        for wish in (
            {"permissions": ["embeddings"]},
            {"permissions": ["services"]},
            {"permissions": ["services:bonds"]},
            {"permissions": ["chat", "usage:read"]},
            {"permissions": ["admin"]},
            {"tier": "enterprise"},
            {"minute_limit": 6},
            {"hourly_limit": 20_001},
            {"expires_in_days": 4},
            {"environment": "test"},
            {"allowed_ips": []},
            {"allowed_ips": ["0.0.0.0/0"]},
            {"allowed_ips": ["203.0.112.0/23"]},
            {"allowed_ips": ["203.0.113.0/24", "198.51.100.7"]},
            {"allowed_ips": ["::/0"]},
            {"allowed_models": []},
            {"allowed_models": ["echo", "another"]},
        ):
            with self.subTest(wish):
                self.assert_problem(make(**wish), 403, "permission_denied")
        child = self.assert_ok(make(), 201)
        self.assertEqual(child["permissions"], ["chat"])
        self.assertEqual((child["minute_limit"], child["environment"]), (5, "live"))
        self.assertEqual(child["allowed_ips"], ["203.0.113.0/24", "2001:db8::/32"])
        self.assertEqual(child["allowed_models"], ["echo"])
        self.assertTrue(child["expires_at"])
        # A tier of which the calling key has less.
        tiered = self.assert_ok(make(tier="pro"), 201)
        self.assertEqual(tiered["minute_limit"], 5)
        narrower = self.assert_ok(
            make(
                permissions=["services:stocks"],
                minute_limit=4,
                expires_in_days=2,
                allowed_ips=["203.0.113.7", "2001:db8:1::/48"],
            ),
            201,
        )
        self.assertEqual(narrower["created_by_key"], child["created_by_key"])

    def test_a_key_of_a_lower_tier_leads_to_no_higher_one(self):
        user = self.server.register()
        self.server.edit_user(user, tier="pro")
        manager = user.make_key(permissions=["chat", "keys:manage"], tier="free")
        few = dict(minute_limit=1, hourly_limit=1, daily_limit=1)
        higher = user.make_key(permissions=["chat"], tier="pro", **few)
        self.assert_problem(self.make(manager["key"], tier="pro", **few), 403, "permission_denied")
        self.assertEqual(self.assert_ok(self.make(manager["key"]), 201)["tier"], "free")
        for method, path, body in (
            ("POST", f"/{higher['id']}/rotate", None),
            ("PATCH", f"/{higher['id']}", {"name": "mine"}),
        ):
            refused = self.call(manager["key"], method, path, body)
            self.assert_problem(refused, 403, "permission_denied")

    def test_a_test_key_leads_to_no_live_key(self):
        user = self.server.register()
        manager = user.make_key(environment="test", permissions=["chat", "keys:manage"])
        live = user.make_key(permissions=["chat"])
        self.assert_problem(self.make(manager["key"], environment="live"), 403, "permission_denied")
        child = self.assert_ok(self.make(manager["key"]), 201)
        self.assertEqual(child["environment"], "test")
        self.assertTrue(child["key"].startswith("sk_test_tg_"))
        for method, path, body in (
            ("POST", f"/{live['id']}/rotate", None),
            ("PATCH", f"/{live['id']}", {"name": "mine"}),
        ):
            refused = self.call(manager["key"], method, path, body)
            self.assert_problem(refused, 403, "permission_denied")

    def test_a_key_changes_itself_only_to_less(self):
        user = self.server.register()
        manager = user.make_key(permissions=["chat", "keys:manage"], hourly_limit=10, allowed_models=["echo"])
        path = f"/{manager['id']}"
        for wish in (
            {"permissions": ["chat", "keys:manage", "embeddings"]},
            {"hourly_limit": 11},
            {"hourly_limit": None},
            {"allowed_models": None},
            {"allowed_models": []},
            {"allowed_models": ["echo", "another"]},
        ):
            with self.subTest(wish):
                refused = self.call(manager["key"], "PATCH", path, wish)
                self.assert_problem(refused, 403, "permission_denied")
        less = {"permissions": ["keys:manage"], "hourly_limit": 9, "allowed_ips": ["0.0.0.0/0"]}
        self.assert_ok(self.call(manager["key"], "PATCH", path, less))
        # What it gave up it does not get back.
        back = {"permissions": ["chat", "keys:manage"]}
        self.assert_problem(self.call(manager["key"], "PATCH", path, back), 403, "permission_denied")
        self.assert_problem(self.make(manager["key"], permissions=["chat"]), 403, "permission_denied")
        self.assert_ok(self.call(manager["key"], "PATCH", path, {"permissions": []}))
        self.assert_problem(self.call(manager["key"], "PATCH", path, back), 403, "permission_denied")

    def test_a_retired_secret_prolongs_nothing(self):
        user = self.server.register()
        made = user.make_key(permissions=["chat", "keys:manage"])
        path = f"/api/v1/keys/{made['id']}/rotate"
        newer = self.assert_ok(user.api("POST", path, json={"grace_period_seconds": 3_600}))
        old = made["key"]
        self.assert_ok(user.chat(key=old))
        for method, rest, body in (
            ("POST", f"/{made['id']}/rotate", {"grace_period_seconds": 2_592_000}),
            ("PATCH", f"/{made['id']}", {"name": "mine"}),
        ):
            self.assert_problem(self.call(old, method, rest, body), 403, "permission_denied")
        child = self.assert_ok(self.make(old), 201)
        self.assertTrue(child["expires_at"], "it ends with the grace")
        self.assert_problem(self.make(old, expires_in_days=1), 403, "permission_denied")
        # What is narrowed, disabled or revoked is so for the old secret too.
        own = f"/api/v1/keys/{made['id']}"
        self.assert_ok(user.api("PATCH", own, json={"permissions": ["embeddings"]}))
        for key in (old, newer["key"]):
            self.assert_problem(user.chat(key=key), 403, "permission_denied")
        self.assert_ok(user.api("PATCH", own, json={"permissions": ["chat"], "is_active": False}))
        for key in (old, newer["key"]):
            self.assert_problem(user.chat(key=key), 401, "key_disabled")
        self.assert_ok(user.api("PATCH", own, json={"is_active": True}))
        self.assert_ok(user.chat(key=old))
        self.assertEqual(user.api("DELETE", own).status_code, 204)
        for key in (old, newer["key"]):
            self.assert_problem(user.chat(key=key), 401, "key_revoked")

    def test_a_leaked_key_ends_itself_from_anywhere(self):
        user = self.server.register()
        bound = user.make_key(permissions=["chat"], allowed_ips=["203.0.113.0/24"])
        self.assert_problem(self.call(bound["key"], "GET", "", address=ELSEWHERE), 403, "ip_not_allowed")
        ended = self.call(bound["key"], "POST", "/self/revoke", address=ELSEWHERE)
        self.assertEqual((ended.status_code, ended.content), (204, b""), ended.text)
        self.assert_problem(self.call(bound["key"], "GET", "", address=HERE), 401, "key_revoked")
        # By an old secret as well.
        made = user.make_key()
        path = f"/api/v1/keys/{made['id']}/rotate"
        newer = self.assert_ok(user.api("POST", path, json={"grace_period_seconds": 3_600}))
        self.assertEqual(self.call(made["key"], "POST", "/self/revoke").status_code, 204)
        self.assert_problem(user.chat(key=newer["key"]), 401, "key_revoked")

    def test_what_an_administrator_gave_its_owner_lowers_only(self):
        user = self.server.register()
        made = user.make_key()
        self.assert_ok(
            self.admin(
                "PATCH", f"/keys/{made['id']}", json={"hourly_limit": 50, "permissions": ["usage:write"]}
            )
        )
        path = f"/api/v1/keys/{made['id']}"
        less = {"hourly_limit": 40, "permissions": ["usage:write", "chat"]}
        self.assert_ok(user.api("PATCH", path, json=less))
        for wish in ({"hourly_limit": 41}, {"hourly_limit": None}):
            self.assert_problem(user.api("PATCH", path, json=wish), 403, "permission_denied")
        self.assertEqual(user.chat(key=made["key"]).headers["X-RateLimit-Limit-Hour"], "40")
        self.assert_ok(user.api("PATCH", path, json={"permissions": ["chat"]}))
        again = {"permissions": ["chat", "usage:write"]}
        self.assert_problem(user.api("PATCH", path, json=again), 403, "permission_denied")

    def test_a_key_with_an_administrators_limit_gives_its_user_no_more(self):
        user = self.server.register()
        made = user.make_key(permissions=["chat", "keys:manage"])
        self.assert_ok(self.admin("PATCH", f"/keys/{made['id']}", json={"minute_limit": 600, "tier": "pro"}))
        child = self.assert_ok(self.make(made["key"]), 201)
        answer = user.chat(key=child["key"])
        limits = [answer.headers[f"X-RateLimit-Limit-{window}"] for window in ("Minute", "Hour", "Day")]
        self.assertEqual(limits, ["60", "1000", "10000"])
        self.assert_problem(self.make(made["key"], minute_limit=61), 403, "permission_denied")
        self.assert_problem(self.make(made["key"], tier="pro"), 403, "permission_denied")

    # Who sees what

    def test_usage_of_other_keys_is_seen_by_managers_only(self):
        user = self.server.register()
        reader, other = user.make_key(permissions=["usage:read", "chat"]), user.make_key()
        for key in (reader["key"], other["key"], other["key"]):
            self.assert_ok(user.chat(key=key))
        # Every sum holds them from now on.
        user.stats()
        stats = self.server.call("GET", "/api/v1/usage/stats", headers=bearer(reader["key"]))
        self.assertEqual(self.assert_ok(stats)["total_requests"], 1)
        logs = self.server.call("GET", "/api/v1/usage/logs", headers=bearer(reader["key"]))
        self.assertEqual({event["api_key_id"] for event in self.assert_ok(logs)["items"]}, {reader["id"]})
        own = self.assert_ok(self.call(reader["key"], "GET", f"/{reader['id']}/usage"))
        self.assertEqual(own["total_requests"], 1)
        refused = self.call(reader["key"], "GET", f"/{other['id']}/usage")
        self.assert_problem(refused, 404, "not_found")
        for path in ("", f"/{reader['id']}", f"/{other['id']}"):
            self.assert_problem(self.call(reader["key"], "GET", path), 403, "permission_denied")
        stranger = self.server.register()
        self.assert_problem(self.call(stranger.key, "GET", f"/{other['id']}/usage"), 404, "not_found")
        # Whoever manages keys needs no more for this; for all other usage, `usage:read`.
        manager = user.make_key(permissions=["keys:manage"])
        for key, requests in ((manager, 0), (reader, 1), (other, 2)):
            usage = self.assert_ok(self.call(manager["key"], "GET", f"/{key['id']}/usage"))
            self.assertEqual(usage["total_requests"], requests)
        for path in ("/api/v1/usage/stats", "/api/v1/usage/logs"):
            refused = self.server.call("GET", path, headers=bearer(manager["key"]))
            self.assert_problem(refused, 403, "permission_denied")
        deaf = user.make_key(permissions=["chat"])
        refused = self.call(deaf["key"], "GET", f"/{deaf['id']}/usage")
        self.assert_problem(refused, 403, "permission_denied")

    # Test and live

    def test_test_and_live_count_apart(self):
        user = self.server.register()
        self.server.edit_user(user, minute_limit=2)
        test = user.make_key(environment="test")
        for key in (user.key, test["key"], user.key, test["key"]):
            self.assert_ok(user.chat(key=key))
        for key in (user.key, test["key"]):
            answer = user.chat(key=key)
            self.assert_problem(answer, 429, "rate_limit_exceeded")
            self.assertEqual(answer.headers["X-RateLimit-Remaining-Minute"], "0")
            self.assertEqual(answer.headers["X-RateLimit-Remaining-Hour"], "998")
        live = user.stats()
        tested = self.server.call("GET", "/api/v1/usage/stats", headers=bearer(test["key"]))
        self.assertEqual(live["successful_requests"], 2)
        self.assertEqual(self.assert_ok(tested)["successful_requests"], 2)
        self.assertEqual(
            int(user.chat(key=user.key).headers["X-Quota-Remaining"]), live["quota"]["remaining"]
        )

    def test_headers_on_refusals(self):
        user = self.server.register()
        made = user.make_key(permissions=["chat"], allowed_models=["echo"], minute_limit=3)
        kinds, windows = ("Limit", "Remaining", "Reset"), ("Minute", "Hour", "Day")
        names = [f"X-RateLimit-{kind}-{window}" for kind in kinds for window in windows]
        names += ["RateLimit", "RateLimit-Policy"]
        refused = user.chat(key=made["key"], model="another")
        self.assert_problem(refused, 403, "model_not_allowed")
        self.assertLessEqual({name.lower() for name in names}, {name.lower() for name in refused.headers})
        self.assertEqual(refused.headers["X-RateLimit-Remaining-Minute"], "3", "a 403 counts nothing")
        for _ in range(3):
            self.assert_ok(user.chat(key=made["key"], model="echo"))
        refused = user.chat(key=made["key"], model="echo")
        self.assert_problem(refused, 429, "rate_limit_exceeded")
        self.assertLessEqual({name.lower() for name in names}, {name.lower() for name in refused.headers})
        self.assertEqual(refused.headers["X-RateLimit-Limit-Minute"], "3")

    # The end of an account

    def test_a_closed_account_closes_its_keys_and_opening_it_brings_no_single_one_back(self):
        user = self.server.register()
        off, own = user.make_key(), user.make_key()
        self.assert_ok(self.admin("POST", f"/users/{off['id']}/deactivate"))
        self.assert_ok(user.api("PATCH", f"/api/v1/keys/{own['id']}", json={"is_active": False}))
        self.assert_ok(self.admin("POST", f"/users/{user.id}/deactivate"))
        for key in (user.key,):
            self.assert_problem(user.chat(key=key), 401, "user_disabled")
            self.assert_problem(self.make(key), 401, "user_disabled")
        self.assert_ok(self.admin("POST", f"/users/{user.id}/activate"))
        self.assert_ok(user.chat())
        for key in (off, own):
            self.assert_problem(user.chat(key=key["key"]), 401, "key_disabled")
        user.log_in()
        self.assert_ok(user.api("PATCH", f"/api/v1/keys/{own['id']}", json={"is_active": True}))
        refused = user.api("PATCH", f"/api/v1/keys/{off['id']}", json={"is_active": True})
        self.assert_problem(refused, 403, "permission_denied")
        # Nor by a detour.
        self.assert_ok(user.api("PATCH", f"/api/v1/keys/{off['id']}", json={"is_active": False}))
        refused = user.api("PATCH", f"/api/v1/keys/{off['id']}", json={"is_active": True})
        self.assert_problem(refused, 403, "permission_denied")
        rotated = self.assert_ok(user.api("POST", f"/api/v1/keys/{off['id']}/rotate"))
        self.assert_problem(user.chat(key=rotated["key"]), 401, "key_disabled")


class Races(EndToEnd):
    """Many at once."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
    config = "keys:\n  max_per_user: 10\nmanagement_limits:\n  per_minute: 100000\n"

    def at_once(self, jobs):
        """What each is answered at last.

        All want one user's row, one after the other: on a slow disk the last wait longer than a call waits for the
        database. They are told to come again, and nothing was done.
        """
        together = threading.Barrier(len(jobs))

        def run(job):
            together.wait(60)
            return wait_until(lambda: told(job()), "another answer than to come again", 60)

        def told(answer):
            if answer.status_code != 503:
                return [answer]
            self.assert_problem(answer, 503, "store_unavailable")
            time.sleep(int(answer.headers["Retry-After"]))
            return []

        with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
            return [answer for [answer] in pool.map(run, jobs)]

    def test_no_more_keys_than_a_user_may_have(self):
        user = self.server.register()
        body = {"name": "one of many"}
        answers = self.at_once([lambda: user.api("POST", "/api/v1/keys", json=body)] * CROWD)
        made = [answer for answer in answers if answer.status_code == 201]
        self.assertEqual(len(made), 9)
        for answer in answers:
            if answer.status_code != 201:
                self.assert_problem(answer, 409, "too_many_keys")
        self.assertEqual(len(self.assert_ok(user.api("GET", "/api/v1/keys"))["items"]), 10)

    def test_rotated_by_many_at_once(self):
        user = self.server.register()
        made = user.make_key()
        path = f"/api/v1/keys/{made['id']}/rotate"
        answers = self.at_once([lambda: user.api("POST", path)] * 10)
        keys = [self.assert_ok(answer)["key"] for answer in answers]
        self.assertEqual(len(set(keys)), 10)
        worked = [key for key in [made["key"], *keys] if user.chat(key=key).status_code == 200]
        self.assertEqual(len(worked), 1, "one secret alone is left")

    def test_revoked_while_it_is_rotated_and_changed(self):
        for _ in range(5):
            user = self.server.register()
            made = user.make_key()
            path = f"/api/v1/keys/{made['id']}"
            grace = {"grace_period_seconds": 3_600}
            rotated, changed, revoked = self.at_once(
                [
                    lambda: user.api("POST", path + "/rotate", json=grace),
                    lambda: user.api("PATCH", path, json={"is_active": True}),
                    lambda: user.api("DELETE", path),
                ]
            )
            self.assertEqual(revoked.status_code, 204)
            self.assertIn(rotated.status_code, (200, 409))
            self.assertIn(changed.status_code, (200, 409))
            for key in [made["key"]] + ([rotated.json()["key"]] if rotated.status_code == 200 else []):
                self.assertEqual(user.chat(key=key).status_code, 401)
            self.assertEqual(self.assert_ok(user.api("GET", path))["status"], "revoked")

    def test_made_while_the_account_is_deleted(self):
        admin = self.server.administrator()
        for _ in range(8):
            user = self.server.register()
            body = {"name": "late"}
            make = lambda: user.api("POST", "/api/v1/keys", json=body)
            editor = lambda: user.api("GET", "/api/v1/auth/vscode-config")
            given = lambda: admin.api("POST", "/api/v1/admin/users", json=body | {"email": user.email})
            delete = lambda: user.api("DELETE", "/api/v1/auth/me", json={"password": user.password})
            answers = self.at_once([make, editor, given, delete, given, make, editor, make])
            self.assertEqual(answers[3].status_code, 204)
            for answer in answers[:3] + answers[4:]:
                if answer.status_code >= 400:
                    self.assertIn(answer.json()["code"], ("invalid_credentials", "conflict"), answer.text)
            # An administrator's key is the old account's, or a new one's.
            for answer in (answers[2], answers[4]):
                self.assert_ok(answer, 201)
            for answer in (answers[0], answers[5], answers[7]):
                if answer.status_code == 201:
                    self.assertEqual(user.chat(key=answer.json()["key"]).status_code, 401)

    def test_switched_on_while_an_administrator_switches_it_off(self):
        admin = self.server.administrator()
        for _ in range(5):
            user = self.server.register()
            made = user.make_key()
            path = f"/keys/{made['id']}"
            off, on = self.at_once(
                [
                    lambda: admin.api("PATCH", "/api/v1/admin" + path, json={"is_active": False}),
                    lambda: user.api("PATCH", "/api/v1" + path, json={"is_active": True}),
                ]
            )
            self.assert_ok(off)
            self.assertIn(on.status_code, (200, 403))
            self.assert_problem(user.chat(key=made["key"]), 401, "key_disabled")

    def test_a_key_that_is_revoked_with_its_descendants_leaves_none(self):
        for _ in range(5):
            user = self.server.register()
            maker = user.make_key(permissions=["chat", "keys:manage"])
            body = {"name": "child", "permissions": ["chat", "keys:manage"]}
            child = lambda: self.server.call("POST", "/api/v1/keys", headers=bearer(maker["key"]), json=body)
            path = f"/api/v1/keys/{maker['id']}"
            revoke = lambda: user.api("DELETE", path, params={"descendants": "true"})
            answers = self.at_once([child, child, child, revoke, child, child, child])
            self.assertEqual(answers[3].status_code, 204)
            made = [answer.json()["key"] for answer in answers if answer.status_code == 201]
            for key in [maker["key"], *made]:
                self.assert_problem(user.chat(key=key), 401, "key_revoked")

    def test_a_session_that_a_reset_ends_leaves_no_key(self):
        user = self.server.register()
        asked = self.server.call("POST", "/api/v1/auth/request-password-reset", json={"email": user.email})
        self.assertEqual(asked.status_code, 202)
        mail = _mail.await_mail(self.server, user.email, "Set a new password")
        made = [user.key]

        def go_on_making():
            for _ in range(10_000):
                answer = user.api("POST", "/api/v1/keys", json={"name": "thief's"})
                if answer.status_code == 201:
                    made.append(answer.json()["key"])
                elif answer.status_code == 401:
                    return True
            return False

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            thieves = [pool.submit(go_on_making) for _ in range(16)]
            wait_until(lambda: len(made) >= 10, "there are as many keys as there may be")
            body = {"token": _mail.token(mail), "new_password": "another horse battery", "revoke_keys": True}
            reset = self.server.call("POST", "/api/v1/auth/reset-password", json=body)
            self.assertEqual(reset.status_code, 204)
            self.assertTrue(all(thief.result() for thief in thieves))
        for key in made:
            self.assert_problem(user.chat(key=key), 401, "key_revoked")


if __name__ == "__main__":
    unittest.main()
