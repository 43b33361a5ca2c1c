"""What document 002 prints about keys of users, in its order, as printed."""

import datetime
import hashlib
import json
import re
import secrets
import sqlite3
import time
import unittest
import uuid

import requests

from _installation import ON_POSTGRES
from _printed import HOSTS, PAUSE, WITHIN, Printed
from _server import MAX_CALL, question

CREATE = """python scripts/manage_api_keys.py create \\
  --user-id "user_123" \\
  --name "Production API Key"
"""
CREATE_WITH_TIER = """python scripts/manage_api_keys.py create \\
  --user-id "user_123" \\
  --name "Pro Account Key" \\
  --tier pro \\
  --expires-in-days 365 \\
  --email "user@example.com" \\
  --company "Example Corp"
"""
LIST = "python scripts/manage_api_keys.py list"
LIST_OF_USER = 'python scripts/manage_api_keys.py list --user-id "user_123"'
LIST_ALL = "python scripts/manage_api_keys.py list --include-inactive"
REVOKE = "python scripts/manage_api_keys.py revoke <key-id>"
MIGRATE = "python scripts/manage_api_keys.py migrate"
CREATE_CALL = """POST /api/keys
X-API-Key: sk_live_existing_key

{
  "name": "My API Key",
  "tier": "free",
  "expires_in_days": 365,
  "metadata": {
    "email": "user@example.com",
    "company": "Example Corp"
  }
}"""
LIST_CALL = """GET /api/keys?include_inactive=false
X-API-Key: sk_live_your_key"""
REVOKE_CALL = """DELETE /api/keys/{key_id}
X-API-Key: sk_live_your_key"""
USAGE_CALL = """GET /api/keys/{key_id}/usage?days=30
X-API-Key: sk_live_your_key"""
CURL = """curl -H "X-API-Key: sk_live_abc123..." \\
     https://api.example.com/v1/models"""
VIEW = "SELECT * FROM v_user_api_keys WHERE user_id = 'user_123';"
KEY = re.compile(r"sk_live_tg_[0-9A-Za-z]+")
STATS = {
    "total_requests",
    "successful_requests",
    "failed_requests",
    "total_tokens",
    "total_cost_usd",
    "avg_processing_ms",
    "by_day",
    "by_model",
    "by_endpoint",
    "quota",
    "as_of",
}

# As the older systems had them: 002's table with what its migration added, and 000's.
TABLE_002 = """(
    id VARCHAR(64) PRIMARY KEY,
    key_hash VARCHAR(64) NOT NULL,
    key_prefix VARCHAR(20),
    name VARCHAR(255),
    user_id VARCHAR(255),
    tier VARCHAR(50) DEFAULT 'free',
    is_active BOOLEAN DEFAULT TRUE,
    request_count BIGINT DEFAULT 0,
    metadata TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP,
    last_used_at TIMESTAMP,
    expires_at TIMESTAMP
)"""
TABLE_000 = """(
    key_id TEXT PRIMARY KEY,
    key_hash TEXT NOT NULL,
    name TEXT,
    email TEXT,
    permissions TEXT,
    hourly_limit INTEGER,
    daily_limit INTEGER,
    is_active BOOLEAN,
    created_at TIMESTAMP,
    last_used TIMESTAMP,
    metadata TEXT
)"""


def older_key(prefix="sk_live_"):
    """A key as the older systems made them, and what they kept of it."""
    key = prefix + secrets.token_urlsafe(32)
    return key, hashlib.sha256(key.encode()).hexdigest()


class Commands(Printed):
    """`manage_api_keys.py`, the calls and the view."""

    def make(self, command, user):
        """Makes a key as printed, for a user of the test's own; gives its id and its secret."""
        said = self.shell(command, user_123=user)
        [secret] = set(KEY.findall(said))
        return self.details(said)["Key ID"], secret

    def listed(self, command, **here):
        """The rows of a list by their ids."""
        head, *rows = self.rows(self.shell(command, **here))
        self.assertEqual((head[0], head[3]), ("Key ID", "Active"))
        return {row[0]: row for row in rows}

    def request(self, printed, key, **here):
        """Sends a request as printed, by `requests`: nothing names the type of a body."""
        head, _, body = printed.partition("\n\n")
        line, header = head.split("\n")
        (method, path), (name, _) = line.split(" "), header.split(": ")
        for placeholder, text in here.items():
            path = path.replace("{" + placeholder + "}", text)
        return requests.request(
            method,
            self.server.url + path,
            headers={name: key},
            data=body.encode() or None,
            timeout=MAX_CALL,
        )

    def chat(self, key):
        return self.server.call(
            "POST", "/v1/chat/completions", headers={"X-API-Key": key}, json=question(max_tokens=10)
        )

    def assert_refused_soon(self, key, since, code):
        """From `WITHIN` after `since` at the latest, the server refuses a key that it knew."""
        asked = time.monotonic()
        while (answer := self.chat(key)).status_code == 200:
            self.assertLessEqual(asked - since, WITHIN, "the server still takes the key")
            time.sleep(PAUSE)
            asked = time.monotonic()
        self.assert_problem(answer, 401, code)

    def sql(self, statement):
        """Rows of the installation's database, as names and values."""
        database = self.server.installation.database
        if database:
            words = f"SELECT coalesce(json_agg(t), '[]') FROM ({statement.rstrip(';')}) t"
            return json.loads(database._psql(database.url, words))
        path = self.server.installation.data / "tollgate.db"
        connection = sqlite3.connect(path, timeout=MAX_CALL)
        try:
            connection.row_factory = sqlite3.Row
            with connection:
                return [dict(row) for row in connection.execute(statement)]
        finally:
            connection.close()

    def execute(self, statement):
        """Changes something behind Tollgate's back."""
        database = self.server.installation.database
        if database:
            database._psql(database.url, statement)
        else:
            self.sql(statement)

    def fill(self, table, columns, rows):
        """Makes a table of an older system in the configured database."""
        self.execute(f"CREATE TABLE {table} {columns}")
        self.addCleanup(self.execute, f"DROP TABLE {table}")
        for row in rows:
            values = ", ".join(
                "NULL" if value is None else str(value).upper() if isinstance(value, int) else f"'{value}'"
                for value in row.values()
            )
            self.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")

    def imported(self):
        """A key of a user of 002's, as `migrate` takes it over."""
        key, digest = older_key()
        user = f"user_{uuid.uuid4().hex[:8]}"
        row = {"id": uuid.uuid4().hex, "key_hash": digest, "key_prefix": key[:12], "name": "Old"}
        row["user_id"] = user
        path = self.server.installation.folder / f"{user}.jsonl"
        path.write_text(json.dumps(row | {"tier": "pro"}), encoding="utf-8")
        done = self.server.installation.admin("migrate", "--file", str(path))
        self.assertEqual(done.code, 0, done.said)
        return user, key

    def test_create(self):
        user = f"user_{uuid.uuid4().hex[:8]}"
        first, secret = self.make(CREATE, user)
        second, with_tier = self.make(CREATE_WITH_TIER, user)
        answer = self.chat(secret)
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Minute"], "60")
        answer = self.chat(with_tier)
        self.assert_ok(answer)
        limits = [answer.headers[f"X-RateLimit-Limit-{window}"] for window in ("Minute", "Hour", "Day")]
        self.assertEqual(limits, ["600", "20000", "500000"])
        admin = self.server.administrator()
        keys = self.assert_ok(admin.api("GET", "/api/v1/admin/keys", params={"limit": 100}))["items"]
        keys = {key["id"]: key for key in keys}
        self.assertEqual(keys[first]["user_id"], keys[second]["user_id"])
        self.assertEqual((keys[first]["name"], keys[first]["tier"]), ("Production API Key", None))
        self.assertEqual((keys[second]["name"], keys[second]["tier"]), ("Pro Account Key", "pro"))
        self.assertEqual(
            keys[second]["metadata"], {"email": "user@example.com", "company": "Example Corp"}
        )
        made, ends = (
            datetime.datetime.fromisoformat(keys[second][name]) for name in ("created_at", "expires_at")
        )
        self.assertEqual(ends - made, datetime.timedelta(days=365))

    def test_each_tier(self):
        for tier, windows in (
            ("free", ["60", "1000", "10000"]),
            ("pro", ["600", "20000", "500000"]),
            ("enterprise", ["6000", "200000", "10000000"]),
        ):
            command = CREATE_WITH_TIER.replace("--tier pro", f"--tier {tier}")
            _, secret = self.make(command, f"user_{uuid.uuid4().hex[:8]}")
            answer = self.chat(secret)
            self.assert_ok(answer)
            shown = [answer.headers[f"X-RateLimit-Limit-{window}"] for window in ("Minute", "Hour", "Day")]
            self.assertEqual(shown, windows)

    def test_list_and_revoke(self):
        user = f"user_{uuid.uuid4().hex[:8]}"
        (first, secret), (second, _) = self.make(CREATE, user), self.make(CREATE_WITH_TIER, user)
        other, _ = self.make(CREATE, f"user_{uuid.uuid4().hex[:8]}")
        self.assertLessEqual({first, second, other}, self.listed(LIST).keys())
        self.assertEqual(self.listed(LIST_OF_USER, user_123=user).keys(), {first, second})
        self.assert_ok(self.chat(secret))
        # It asks, and nobody is there to answer.
        self.shell(REVOKE.replace("<key-id>", first), code=1)
        self.assert_ok(self.chat(secret))
        self.shell("yes | " + REVOKE.replace("<key-id>", first), code=1)
        self.assert_ok(self.chat(secret))
        self.shell(REVOKE.replace("<key-id>", first) + " --force")
        since = time.monotonic()
        self.assert_refused_soon(secret, since, "key_revoked")
        self.assertNotIn(first, self.listed(LIST))
        self.assertEqual(self.listed(LIST_OF_USER, user_123=user).keys(), {second})
        self.assertEqual(self.listed(LIST_ALL)[first][3], "no (revoked)")
        self.assertEqual(self.listed(LIST_ALL)[second][3], "yes")

    def test_migrate(self):
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
        user = f"user_{uuid.uuid4().hex[:8]}"
        good, good_hash = older_key()
        disabled, disabled_hash = older_key()
        expired, expired_hash = older_key()
        row = {"key_prefix": "sk_live_abcd", "user_id": user, "tier": "pro", "request_count": 7}
        rows = [
            row
            | {
                "id": "a",
                "key_hash": good_hash,
                "name": "Production API Key",
                "is_active": True,
                "metadata": '{"company": "Example Corp"}',
                "created_at": "2024-01-15 10:00:00",
                "last_used_at": "2024-02-01 11:30:00",
                "expires_at": str(now + datetime.timedelta(days=30)),
            },
            row | {"id": "b", "key_hash": disabled_hash, "name": "Off", "is_active": False},
            row
            | {"id": "c", "key_hash": expired_hash, "name": "Over", "expires_at": "2024-01-16 00:00:00"},
        ]
        self.fill("divv_api_keys", TABLE_002, rows)
        said = self.shell(MIGRATE)
        self.assertIn("3", said)
        self.assert_ok(self.chat(good))
        self.assert_problem(self.chat(disabled), 401, "key_disabled")
        self.assert_problem(self.chat(expired), 401, "key_expired")
        self.assertEqual(self.chat(good).headers["X-RateLimit-Limit-Minute"], "600")
        listed = {row[1]: row for row in self.listed(LIST_ALL).values()}
        self.assertEqual(listed["Off"][3], "no (disabled)")
        self.assertEqual(listed["Over"][3], "no (expired)")
        mine = self.listed(LIST_OF_USER, user_123=user)
        [found] = mine.values()
        self.assertEqual((found[1], found[3], found[4]), ("Production API Key", "yes", "2024-01-15"))
        # As in the older system, it manages its user's keys.
        keys = self.assert_ok(self.request(LIST_CALL, good))["keys"]
        self.assertEqual([key["metadata"]["company"] for key in keys], ["Example Corp"])
        # Again, and nothing comes twice.
        self.shell(MIGRATE)
        self.assertEqual(self.listed(LIST_OF_USER, user_123=user).keys(), mine.keys())

    def test_migrate_from_the_old_table(self):
        old, old_hash = older_key()
        user = f"user_{uuid.uuid4().hex[:8]}"
        row = {"id": "old", "key_hash": old_hash, "name": "Old", "user_id": user, "tier": "enterprise"}
        if ON_POSTGRES:
            self.fill("public.api_keys", TABLE_002, [row])
            self.shell(MIGRATE)
        else:
            # In one file there is one table of that name: Tollgate's. The old one is in a file of its own.
            path = self.server.installation.folder / "old.db"
            connection = sqlite3.connect(path)
            with connection:
                connection.execute(f"CREATE TABLE api_keys {TABLE_002}")
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO api_keys ({names}) VALUES ({marks})", list(row.values()))
            connection.close()
            self.shell(f"{MIGRATE} --from-url sqlite://{path}")
        answer = self.chat(old)
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Minute"], "6000")
        self.assertEqual(len(self.listed(LIST_OF_USER, user_123=user)), 1)

    def test_migrate_from_the_table_of_document_000(self):
        old, old_hash = older_key("qwen-")
        email = f"{uuid.uuid4().hex[:8]}@example.com"
        row = {
            "key_id": "a1b2c3d4e5f6g7h8",
            "key_hash": old_hash,
            "name": "John Doe",
            "email": email,
            "permissions": '["chat"]',
            "hourly_limit": 200,
            "daily_limit": 2000,
            "is_active": True,
            "created_at": "2024-01-15T14:30:00",
            "last_used": "2024-01-15T14:30:00",
            "metadata": '{"department": "engineering"}',
        }
        self.fill("old_keys", TABLE_000, [row])
        url = ["--from-url", f"sqlite://{self.server.installation.data / 'tollgate.db'}"]
        url = [] if ON_POSTGRES else url
        done = self.server.installation.admin("migrate", *url, "--table", "old_keys")
        self.assertEqual(done.code, 0, done.said)
        answer = self.chat(old)
        self.assert_ok(answer)
        limits = [answer.headers[f"X-RateLimit-Limit-{window}"] for window in ("Hour", "Day")]
        self.assertEqual(limits, ["200", "2000"])
        answer = self.server.call("GET", "/api/keys", headers={"X-API-Key": old})
        self.assert_problem(answer, 403, "permission_denied")
        [found] = [row for row in self.listed(LIST).values() if row[2] == email]
        self.assertEqual((found[1], found[3], found[4]), ("John Doe", "yes", "2024-01-15"))

    def test_the_calls(self):
        user, existing = self.imported()
        answer = self.request(CREATE_CALL, existing)
        made = self.assert_ok(answer, 201)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual((made["name"], made["tier"], made["api_key"]), ("My API Key", "free", made["key"]))
        self.assertEqual(made["metadata"], {"email": "user@example.com", "company": "Example Corp"})
        self.assertTrue(made["created_by_key"])
        answer = self.chat(made["api_key"])
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Minute"], "60")
        listed = self.assert_ok(self.request(LIST_CALL, existing))
        self.assertEqual([key["name"] for key in listed["keys"]], ["My API Key", "Old"])
        self.assertNotIn(made["api_key"], json.dumps(listed))
        self.await_sums()
        usage = self.assert_ok(self.request(USAGE_CALL, existing, key_id=made["id"]))
        self.assertLessEqual(STATS, usage.keys())
        self.assertEqual((usage["total_requests"], usage["successful_requests"]), (1, 1))
        # The key itself sees itself.
        own = self.assert_ok(self.request(USAGE_CALL, made["api_key"], key_id=made["id"]))
        self.assertEqual(own["total_requests"], 1)
        gone = self.request(REVOKE_CALL, existing, key_id=made["id"])
        self.assertEqual((gone.status_code, gone.content), (204, b""))
        self.assert_problem(self.chat(made["api_key"]), 401, "key_revoked")
        names = [key["name"] for key in self.assert_ok(self.request(LIST_CALL, existing))["keys"]]
        self.assertEqual(names, ["Old"])
        everything = LIST_CALL.replace("=false", "=true")
        names = [key["name"] for key in self.assert_ok(self.request(everything, existing))["keys"]]
        self.assertEqual(names, ["My API Key", "Old"])

    def test_the_header_by_curl_and_by_requests(self):
        _, secret = self.make(CREATE, f"user_{uuid.uuid4().hex[:8]}")
        status, headers, models = self.curl(CURL.replace("sk_live_abc123...", secret))
        self.assertEqual((status, models["object"]), (200, "list"))
        self.assertIn("x-ratelimit-remaining-minute", headers)
        response = requests.get(
            f"{HOSTS[1]}/v1/models".replace(HOSTS[1], self.server.url),
            headers={"X-API-Key": secret},
            timeout=MAX_CALL,
        )
        self.assertEqual(response.status_code, 200)

    def test_the_view(self):
        user = f"user_{uuid.uuid4().hex[:8]}"
        good, secret = self.make(CREATE, user)
        disabled, _ = self.make(CREATE, user)
        expired, _ = self.make(CREATE_WITH_TIER, user)
        revoked, _ = self.make(CREATE, user)
        self.shell(f"python scripts/manage_api_keys.py deactivate {disabled}")
        self.shell(f"python scripts/manage_api_keys.py revoke {revoked} --force")
        schema, past = ("tollgate." if ON_POSTGRES else ""), "2024-01-15T00:00:00.000000Z"
        named = str(uuid.UUID(expired)) if ON_POSTGRES else expired
        self.execute(f"UPDATE {schema}api_keys SET expires_at = '{past}' WHERE id = '{named}'")
        self.assert_ok(self.chat(secret))
        self.await_sums()
        usage = self.request(USAGE_CALL, secret, key_id=good)
        self.assertEqual(self.assert_ok(usage)["total_requests"], 1)
        rows = {row["name"] + row["status"]: row for row in self.sql(VIEW.replace("user_123", user))}
        self.assertEqual(
            {name: bool(row["is_valid"]) for name, row in rows.items()},
            {
                "Production API Keyactive": True,
                "Production API Keydisabled": True,
                "Production API Keyrevoked": True,
                "Pro Account Keyexpired": False,
            },
        )
        active = {name for name, row in rows.items() if row["is_active"]}
        self.assertEqual(active, {"Production API Keyactive", "Pro Account Keyexpired"})
        row = rows["Production API Keyactive"]
        self.assertEqual((row["user_id"], row["request_count"]), (user, 1))
        self.assertTrue(row["last_used_at"] and row["updated_at"] and row["created_at"])
        self.assertEqual(row["key_prefix"], "sk_live_tg_")
        self.assertEqual(rows["Pro Account Keyexpired"]["tier"], "pro")

    def test_the_complete_flow(self):
        made = self.server.installation.admin(
            "create",
            "--user-id",
            f"user_{uuid.uuid4().hex[:8]}",
            "--name",
            "Development Key",
            "--tier",
            "pro",
            "--expires-in-days",
            "30",
            "--metadata",
            '{"email": "dev@example.com"}',
            "--json",
        )
        self.assertEqual(made.code, 0, made.said)
        made = json.loads(made.out)
        self.assertEqual(made["metadata"], {"email": "dev@example.com"})
        self.assertTrue(made["api_key"].startswith("sk_live_"))
        answer = self.chat(made["api_key"])
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-RateLimit-Limit-Minute"], "600")
        self.await_sums()
        usage = self.assert_ok(self.request(USAGE_CALL, made["api_key"], key_id=made["key_id"]))
        self.assertEqual(usage["total_requests"], 1)
        admin = self.server.administrator()
        keys = self.assert_ok(admin.api("GET", "/api/v1/admin/keys", params={"limit": 100}))["items"]
        [shown] = [key for key in keys if key["id"] == made["key_id"]]
        self.assertEqual(shown["request_count"], 1)
        self.assertTrue(shown["last_used_at"])

    def test_keys_that_are_not_found(self):
        for key in ("sk_live_unknown", "sk_test_unknown", "sk_live_" + secrets.token_urlsafe(32)):
            self.assert_problem(self.chat(key), 401, "invalid_api_key")


class OverTheApi(Commands):
    """The same commands, from where the database is not, but for the import."""

    over_the_api = True
    test_migrate = test_migrate_from_the_old_table = test_migrate_from_the_table_of_document_000 = None


if __name__ == "__main__":
    unittest.main()
