"""Plan, usage and cost of the running month."""

import datetime
import decimal
import unittest

from _server import bearer, decimals
from _testcase import EndToEnd

PATHS = ("/api/v1/billing/info", "/api/billing/info", "/api/v1/auth/billing/info", "/api/auth/billing/info")


class Billing(EndToEnd):
    """`GET /billing/info`."""

    def info(self, user, path=PATHS[0]):
        answer = user.api("GET", path)
        self.assert_ok(answer)
        return decimals(answer)

    def test_a_new_user_has_a_month_without_usage(self):
        user = self.server.register()
        info = self.info(user)
        month = datetime.datetime.now(datetime.UTC).strftime("%Y-%m")
        self.assertEqual((info["tier"], info["status"], info["period"]["month"]), ("free", "active", month))
        self.assertEqual((info["usage"]["requests"], info["usage"]["tokens"]), (0, 0))
        self.assertEqual((info["cost_to_date_usd"], info["projected_cost_usd"]), (0, 0))
        self.assertEqual((info["records"], info["provider"]), ([], {"customer_id": None, "portal_url": None}))
        self.assertLess(info["period"]["start"], info["period"]["end"])

    def test_what_was_used_and_what_it_cost_is_there_under_every_name(self):
        user = self.server.register()
        used = 0
        for _ in range(3):
            answer = self.assert_ok(user.chat("Hello!"))
            used += answer["usage"]["total_tokens"]
        stats = user.stats()
        for path in PATHS:
            with self.subTest(path):
                info = self.info(user, path)
                self.assertEqual((info["usage"]["requests"], info["usage"]["tokens"]), (3, used))
                self.assertEqual(info["cost_to_date_usd"], stats["total_cost_usd"])
                self.assertEqual(info["cost_to_date_usd"], used * decimal.Decimal("0.0001"))
                self.assertGreaterEqual(info["projected_cost_usd"], info["cost_to_date_usd"])
                self.assertEqual(info["usage"]["quota"]["used"], used)

    def test_a_key_asks_too_and_sees_its_users_month(self):
        user, other = self.server.register(), self.server.register()
        self.assert_ok(user.chat("Hello!"))
        user.stats()
        keyed = self.server.call("GET", PATHS[0], headers={"X-API-Key": user.key})
        self.assertEqual(self.assert_ok(keyed)["usage"]["requests"], 1)
        self.assertEqual(self.info(other)["usage"]["requests"], 0)
        weak = user.make_key(permissions=["chat"])["key"]
        refused = self.server.call("GET", PATHS[0], headers=bearer(weak))
        self.assert_problem(refused, 403, "permission_denied")
        self.assert_problem(self.server.call("GET", PATHS[0]), 401, "missing_credentials")


if __name__ == "__main__":
    unittest.main()
