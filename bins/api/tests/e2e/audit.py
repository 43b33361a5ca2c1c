"""The audit log: what it tells, and that whoever changes it behind Tollgate's back is found out."""

import json
import sqlite3
import unittest

from _server import PASSWORD, bearer, moment, wait_until
from _testcase import EndToEnd

# The server writes the log's head outside the database every minute.
HEAD_EVERY = 75


class Audit(EndToEnd):
    """With a server, and the administrator's program beside it."""

    def entries(self, **params):
        answer = self.server.administrator().api("GET", "/api/v1/admin/audit", params=params)
        return self.assert_ok(answer)

    def actions(self, about):
        return [item["action"] for item in reversed(self.entries(about=about)["items"])]

    def admin(self, *words, code=0):
        ended = self.server.installation.admin(*words)
        self.assertEqual(ended.code, code, ended.said)
        return ended

    def tamper(self, *statements):
        database = self.server.installation.database
        if database:
            for statement in statements:
                database._psql(database.url, "SET search_path TO tollgate; " + statement)
            return
        with sqlite3.connect(self.server.installation.data / "tollgate.db", timeout=30) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def test_the_events_of_an_account_are_told(self):
        user = self.server.register()
        body = {"email": user.email, "password": "another password"}
        headers = {"User-Agent": "audited/1", "X-Forwarded-For": "203.0.113.77"}
        answer = self.server.call("POST", "/api/v1/auth/login", json=body, headers=headers)
        self.assert_problem(answer, 401, "invalid_credentials")
        made = user.make_key()
        self.assertEqual(user.api("DELETE", f"/api/v1/keys/{made['id']}").status_code, 204)
        self.server.edit_user(user, is_active=False)
        self.assertEqual(
            self.actions(user.id),
            [
                "user.registered",
                "key.created",
                "session.login",
                "session.login_failed",
                "key.created",
                "key.revoked",
                "user.deactivated",
            ],
        )
        self.assertEqual(self.actions(made["id"]), ["key.created", "key.revoked"])
        [failed] = self.entries(about=user.id, action="session.login_failed")["items"]
        self.assertEqual(
            (failed["actor"], failed["subject"], failed["subject_kind"], failed["ip"], failed["user_agent"]),
            ("anonymous", user.id, "user", "203.0.113.77", "audited/1"),
        )
        self.assertEqual(failed["email"], user.email)
        self.assertTrue(failed["time"].endswith("Z"))
        [closed] = self.entries(about=user.id, action="user.deactivated")["items"]
        self.assertEqual((closed["actor_kind"], closed["subject"]), ("user", user.id))
        text = json.dumps(self.entries(about=user.id))
        for secret in (PASSWORD, "another password", user.key, user.token, user.refresh_token):
            self.assertNotIn(secret, text)

    def test_the_log_is_paged_newest_first(self):
        user = self.server.register()
        for _ in range(4):
            user.log_in()
        seen, cursor = [], None
        while True:
            page = self.entries(about=user.id, limit=2, **({"cursor": cursor} if cursor else {}))
            self.assertLessEqual(len(page["items"]), 2)
            seen += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        self.assertEqual(len({item["id"] for item in seen}), 7)
        self.assertEqual(len(seen), 7)
        times = [moment(item["time"]) for item in seen]
        self.assertEqual(times, sorted(times, reverse=True))

    def test_only_administrators_see_it(self):
        user = self.server.register()
        path = "/api/v1/admin/audit"
        self.assert_problem(self.server.call("GET", path), 401, "missing_credentials")
        self.assert_problem(user.api("GET", path), 403, "permission_denied")
        keyed = self.server.call("GET", path, headers=bearer(user.key))
        self.assert_problem(keyed, 403, "permission_denied")
        admin = self.server.administrator()
        for wrong in ({"limit": "0"}, {"cursor": "x"}, {"about": "x"}, {"action": "x" * 101}):
            self.assert_problem(admin.api("GET", path, params=wrong), 422, "validation_failed")

    def test_the_program_lists_it(self):
        user = self.server.register()
        listed = json.loads(self.admin("audit", "list", "--about", user.id, "--json").out)
        self.assertEqual(
            [item["action"] for item in listed["items"]],
            ["session.login", "key.created", "user.registered"],
        )
        self.assertEqual(listed["items"], self.entries(about=user.id)["items"])
        table = self.admin("audit", "list", "--about", user.id).out
        self.assertIn("user.registered", table)
        none = self.admin("audit", "list", "--about", user.id, "--action", "user.deleted", "--json").out
        self.assertEqual(json.loads(none)["items"], [])

    def test_whoever_changes_it_is_found_out(self):
        """The last test of this installation: its log is broken afterwards."""
        user = self.server.register()
        whole = self.admin("audit", "verify").out
        self.assertIn("whole", whole)
        head = self.server.installation.data / "audit-head"
        rows = json.loads(self.admin("audit", "verify", "--json").out)["good_rows"]
        wait_until(
            lambda: head.exists() and int(head.read_text().split()[0]) >= rows,
            "the log's head outside the database",
            seconds=HEAD_EVERY,
        )
        self.assertEqual(head.stat().st_mode & 0o777, 0o600)
        outside = int(head.read_text().split()[0])
        self.assertGreaterEqual(outside, rows)
        cut = outside - 2
        self.tamper(
            f"DELETE FROM audit_log WHERE seq > {cut}",
            f"DELETE FROM audit_personal WHERE seq > {cut}",
            f"UPDATE audit_head SET seq = {cut}, hash = (SELECT hash FROM audit_log WHERE seq = {cut})",
        )
        ended = self.admin("audit", "verify", code=1)
        self.assertIn(f"row {cut + 1} is missing", ended.err)
        # What comes afterwards is chained to the shorter log, and does not hide the cut.
        for _ in range(4):
            user.log_in()
        ended = self.admin("audit", "verify", "--json", code=1)
        self.assertEqual(json.loads(ended.out)["first_bad_row"], outside)
        for statement, row in (
            ("UPDATE audit_log SET actor = 'system' WHERE seq = 5", 5),
            ("DELETE FROM audit_log WHERE seq = 3", 3),
            ("UPDATE audit_log SET action = 'session.logout' WHERE seq = 1", 1),
        ):
            self.tamper(statement)
            found = json.loads(self.admin("audit", "verify", "--json", code=1).out)
            self.assertEqual((found["whole"], found["first_bad_row"]), (False, row))


if __name__ == "__main__":
    unittest.main()
