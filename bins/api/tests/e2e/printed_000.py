"""What document 000 prints about keys, limits and their administration, in its order, as printed."""

import datetime
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import unittest

import openai

import _installation
from _printed import CONFIG, LEGACY, PAUSE, WITHIN, Printed
from _server import MAX_CALL, bearer, wait_until

CREATE = """python3 api_key_manager.py create \\
  --name "John Doe" \\
  --email "john@example.com" \\
  --hourly-limit 200 \\
  --daily-limit 2000
"""
CHAT = """curl -X POST http://localhost:8002/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer qwen-YOUR_API_KEY_HERE" \\
  -d '{
    "model": "qwen-agent",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'"""
CREATE_WITH_ALL = """python3 api_key_manager.py create \\
  --name "User Name" \\
  --email "user@example.com" \\
  --permissions "chat,code_generation" \\
  --hourly-limit 100 \\
  --daily-limit 1000 \\
  --metadata '{"department": "engineering", "project": "ai-tools"}'
"""
COLUMNS = (
    "| Key ID              | Name         | Email               | Active | Created    | Last Used           "
    "| Requests (7d)| Tokens (7d)     |"
)
CREATE_USER = """curl -X POST http://localhost:8002/admin/users/create \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "New User",
    "email": "newuser@example.com",
    "permissions": ["chat", "code_generation"],
    "hourly_limit": 150,
    "daily_limit": 1500,
    "metadata": {"team": "research"}
  }'
"""
CONTINUE = """{
  "models": [
    {
      "title": "Qwen-Agent",
      "provider": "openai",
      "model": "qwen-agent",
      "apiBase": "http://localhost:8002/v1",
      "apiKey": "qwen-YOUR_API_KEY_HERE"
    }
  ]
}"""
CLIENT = """import requests

headers = {
    'Authorization': 'Bearer qwen-YOUR_API_KEY_HERE',
    'Content-Type': 'application/json'
}

data = {
    'model': 'qwen-agent',
    'messages': [
        {'role': 'user', 'content': 'Write a Python function to calculate fibonacci'}
    ]
}

response = requests.post(
    'http://localhost:8002/v1/chat/completions',
    headers=headers,
    json=data
)

print(response.json())
"""
KEY = re.compile(r"sk_live_tg_[0-9A-Za-z]+")
# A day, and a time of day after it.
DAY, MINUTE = r"\d{4}-\d\d-\d\d", r"\d{4}-\d\d-\d\d \d\d:\d\d"
HERE = "qwen-YOUR_API_KEY_HERE"


class Commands(Printed):
    """`api_key_manager.py` and `curl`, with the echo provider."""

    def make(self, command=CREATE):
        """Makes a key as printed; gives its id and its secret."""
        said = self.shell(command)
        [secret] = set(KEY.findall(said))
        return self.details(said)["Key ID"], secret

    def chat(self, secret, text="Hello!"):
        body = {"model": "qwen-agent", "messages": [{"role": "user", "content": text}]}
        return self.server.call("POST", "/v1/chat/completions", headers=bearer(secret), json=body)

    def assert_refused_soon(self, secret, since, code):
        """From `WITHIN` after `since` at the latest, the server refuses a key that it knew."""
        asked = time.monotonic()
        while (answer := self.chat(secret)).status_code == 200:
            self.assertLessEqual(asked - since, WITHIN, "the server still takes the key")
            time.sleep(PAUSE)
            asked = time.monotonic()
        self.assert_problem(answer, 401, code)

    def test_quick_start(self):
        _, secret = self.make()
        status, headers, answer = self.curl(CHAT.replace(HERE, secret))
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["object"], "chat.completion")
        self.assertIn("Hello!", answer["choices"][0]["message"]["content"])
        self.assertEqual(headers["x-ratelimit-limit-hour"], "200")
        self.assertEqual(headers["x-ratelimit-limit-day"], "2000")

    def test_create_with_everything(self):
        key_id, secret = self.make(CREATE_WITH_ALL)
        admin = self.server.administrator()
        listed = self.assert_ok(admin.api("GET", "/api/v1/admin/keys", params={"limit": 100}))["items"]
        [key] = [key for key in listed if key["id"] == key_id]
        self.assertEqual((key["name"], key["email"]), ("User Name", "user@example.com"))
        self.assertEqual(key["permissions"], ["chat", "code_generation"])
        self.assertEqual((key["hourly_limit"], key["daily_limit"]), (100, 1000))
        self.assertEqual(key["metadata"], {"department": "engineering", "project": "ai-tools"})
        self.assertEqual(self.chat(secret).status_code, 200)

    def test_list(self):
        john, secret = self.make()
        jane, _ = self.make(CREATE.replace("John Doe", "Jane Smith").replace("john@", "jane@"))
        for _ in range(3):
            self.assert_ok(self.chat(secret))

        def rows():
            rows = self.rows(self.shell("python3 api_key_manager.py list"))
            # Both are of the last sums, and sums may come between the one and the other.
            [summed] = [(row[5] != "never", row[6]) for row in rows if row[0] == john]
            return rows if summed == (True, "3") else None

        head, *rows = wait_until(rows, "the sums of the key")
        self.assertEqual(head, [cell.strip() for cell in COLUMNS.strip("|").split("|")])
        [row] = [row for row in rows if row[0] == john]
        self.assertEqual(row[1:4], ["John Doe", "john@example.com", "yes"])
        self.assertRegex(row[4], f"^{DAY}$")
        self.assertRegex(row[5], f"^{MINUTE}$")
        self.assertRegex(row[7], r"^\d{1,3}(,\d{3})*$")
        [row] = [row for row in rows if row[0] == jane]
        self.assertEqual(row[1:4], ["Jane Smith", "jane@example.com", "yes"])
        self.assertEqual(row[5:], ["never", "0", "0"])

    def test_stats(self):
        key_id, secret = self.make()
        self.assert_ok(self.chat(secret))
        self.assert_ok(
            self.server.call("GET", f"/api/keys/{key_id}/usage", headers=bearer(secret))
        )
        self.await_sums()
        for named in (key_id, key_id[:31]):
            said = self.shell("python3 api_key_manager.py stats a1b2c3d4e5f6g7h8", a1b2c3d4e5f6g7h8=named)
            shown = self.details(said)
            self.assertEqual((shown["Key ID"], shown["Name"]), (key_id, "John Doe"))
            self.assertTrue(shown["Requests"].startswith("1 "), said)
        said = self.shell(
            "python3 api_key_manager.py stats a1b2c3d4e5f6g7h8 --days 30 --detailed", a1b2c3d4e5f6g7h8=key_id
        )
        today = datetime.datetime.now(datetime.UTC).date()
        days = [row for row in self.rows(said) if re.fullmatch(DAY, row[0])]
        self.assertEqual(len(days), 31)
        self.assertIn(datetime.date.fromisoformat(days[-1][0]), (today, today - datetime.timedelta(1)))
        self.assertEqual(sum(int(row[1]) for row in days), 1)
        self.assertIn("/v1/chat/completions", said)

    def test_deactivate(self):
        key_id, secret = self.make()
        self.assert_ok(self.chat(secret))
        self.shell("python3 api_key_manager.py deactivate a1b2c3d4e5f6g7h8", a1b2c3d4e5f6g7h8=key_id)
        self.assert_refused_soon(secret, time.monotonic(), "key_disabled")
        shown = [row for row in self.rows(self.shell("python3 api_key_manager.py list")) if row[0] == key_id]
        self.assertEqual(shown, [])
        self.shell("python3 api_key_manager.py activate a1b2c3d4e5f6g7h8", a1b2c3d4e5f6g7h8=key_id)
        wait_until(lambda: self.chat(secret).status_code == 200, "the server takes the key again", WITHIN)

    def test_administration(self):
        status, headers, made = self.curl(CREATE_USER, self.as_administrator())
        self.assertEqual(status, 201, made)
        self.assertEqual(headers["cache-control"], "no-store")
        self.assertEqual((made["api_key"], made["user_id"]), (made["key"], made["user"]["id"]))
        self.assertEqual((made["hourly_limit"], made["daily_limit"]), (150, 1500))
        self.assertEqual(made["permissions"], ["chat", "code_generation"])
        self.assertEqual(made["metadata"], {"team": "research"})
        self.assert_ok(self.chat(made["api_key"]))
        users = "curl http://localhost:8002/admin/users"
        status, _, listed = self.curl(users, self.as_administrator())
        self.assertEqual(status, 200, listed)
        self.assertIn("newuser@example.com", [user["email"] for user in listed["users"]])
        stats = "curl http://localhost:8002/admin/users/a1b2c3d4e5f6g7h8/stats?days=30"
        close = "curl -X POST http://localhost:8002/admin/users/a1b2c3d4e5f6g7h8/deactivate"
        self.await_sums()
        for named in (made["key_id"], made["user_id"]):
            status, _, shown = self.curl(stats, self.as_administrator(), a1b2c3d4e5f6g7h8=named)
            self.assertEqual((status, shown["total_requests"]), (200, 1), shown)
        for named, code in ((made["key_id"], "key_disabled"), (made["user_id"], "key_disabled")):
            status, _, shown = self.curl(close, self.as_administrator(), a1b2c3d4e5f6g7h8=named)
            self.assertEqual((status, shown["is_active"]), (200, False), shown)
            # At once, where it was done.
            self.assert_problem(self.chat(made["api_key"]), 401, code)
        for command in (users, stats, close, CREATE_USER):
            status, headers, problem = self.curl(command)
            self.assertEqual((status, problem["code"]), (401, "missing_credentials"), command)
            self.assertIn("www-authenticate", headers)

    def test_watch(self):
        key_id, _ = self.make()
        command = "watch -n 10 'python3 api_key_manager.py stats USER_KEY_ID'"
        command = command.replace("python3 api_key_manager.py", _installation.ADMIN)
        here, there = pty.openpty()
        watching = subprocess.Popen(
            ["bash", "-c", "exec " + command.replace("USER_KEY_ID", key_id)],
            cwd=self.server.installation.folder,
            env=self.server.installation.environment | {"TERM": "xterm", "LINES": "40", "COLUMNS": "120"},
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
        os.close(there)
        try:
            seen, deadline = b"", time.monotonic() + MAX_CALL
            while b"John Doe" not in seen:
                self.assertLess(time.monotonic(), deadline, seen)
                seen += os.read(here, 4_096)
        finally:
            os.killpg(watching.pid, signal.SIGKILL)
            watching.wait()
            os.close(here)

    def test_rate_limits(self):
        _, secret = self.make(CREATE_WITH_ALL.replace("User Name", "Rate").replace("user@", "rate@"))
        first = self.chat(secret)
        self.assert_ok(first)
        left = {"Hour": (100, 99, 3_600), "Day": (1000, 999, 86_400)}
        now = datetime.datetime.now(datetime.UTC)
        for window, (limit, remaining, seconds) in left.items():
            self.assertEqual(first.headers[f"X-RateLimit-Limit-{window}"], str(limit))
            self.assertEqual(first.headers[f"X-RateLimit-Remaining-{window}"], str(remaining))
            reset = first.headers[f"X-RateLimit-Reset-{window}"]
            self.assertRegex(reset, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
            reset = datetime.datetime.fromisoformat(reset)
            self.assertTrue(now < reset <= now + datetime.timedelta(seconds=seconds * 1.1 + 1), reset)
        for _ in range(59):
            self.assert_ok(self.chat(secret))
        # Beyond its user's minute, which an administrator makes longer.
        refused = self.chat(secret)
        detail = "Rate limit exceeded. Minute: 60/60, Hourly: 60/100, Daily: 60/1000"
        self.assertEqual(self.assert_problem(refused, 429, "rate_limit_exceeded")["detail"], detail)
        email = "rate@example.com"
        [user] = self.assert_ok(
            self.server.administrator().api("GET", "/admin/users", params={"search": email})
        )["users"]
        changes = {"minute_limit": 1_000}
        self.assert_ok(self.server.administrator().api("PATCH", f"/admin/users/{user['id']}", json=changes))
        for _ in range(40):
            self.assert_ok(self.chat(secret))
        refused = self.chat(secret)
        self.assertEqual(refused.headers["X-RateLimit-Remaining-Hour"], "0")
        self.assertEqual(refused.headers["X-RateLimit-Remaining-Day"], "900")
        problem = self.assert_problem(refused, 429, "rate_limit_exceeded")
        printed = {"detail": "Rate limit exceeded. Hourly: 100/100, Daily: 100/1000", "status_code": 429}
        self.assertLessEqual(printed.items(), problem.items())

    def test_continue(self):
        _, secret = self.make()
        printed = CONTINUE.replace("http://localhost:8002", self.server.url).replace(HERE, secret)
        [model] = json.loads(printed)["models"]
        with openai.OpenAI(api_key=model["apiKey"], base_url=model["apiBase"], max_retries=0) as client:
            messages = [{"role": "user", "content": "Hello!"}]
            answer = client.chat.completions.create(model=model["model"], messages=messages)
            self.assertIn("Hello!", answer.choices[0].message.content)
            stream = client.chat.completions.create(model=model["model"], messages=messages, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
            self.assertIn("Hello!", text)

    def test_the_python_client(self):
        _, secret = self.make()
        program = CLIENT.replace("http://localhost:8002", self.server.url).replace(HERE, secret)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=MAX_CALL,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Write a Python function to calculate fibonacci", done.stdout)

    def test_troubleshooting(self):
        said = self.shell("curl http://localhost:8002/ | grep authentication")
        self.assertEqual(json.loads(said)["authentication"], "enabled")
        key_id, _ = self.make()
        said = self.shell("python3 api_key_manager.py list | grep YOUR_KEY_ID", YOUR_KEY_ID=key_id)
        self.assertIn("john@example.com", said)
        said = self.shell("python3 api_key_manager.py stats YOUR_KEY_ID", YOUR_KEY_ID=key_id)
        self.assertIn(key_id, said)
        self.shell("python3 api_key_manager.py list | grep YOUR_KEY_ID", code=1, YOUR_KEY_ID="0" * 32)
        ended = self.server.installation.admin("stats", key_id[:-1] + ("0" if key_id[-1] != "0" else "1"))
        self.assertEqual(ended.code, 1, ended.said)
        self.assertIn(key_id, ended.err, "the nearest is named")


class OverTheApi(Commands):
    """The same commands, from where the database is not."""

    over_the_api = True
    # It runs the program by itself.
    test_watch = None


class Configured(Printed):
    """The printed `config.yaml`."""

    config = CONFIG

    def test_the_legacy_key(self):
        status, headers, answer = self.curl(CHAT.replace(HERE, LEGACY))
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["x-ratelimit-limit-hour"], "100")
        rows = self.rows(self.shell("python3 api_key_manager.py list"))
        [key] = [row for row in rows if row[1].startswith("Continue")]
        self.assertEqual((key[1], key[3]), ("Continue/Roo Code", "yes"))
        shown = self.server.installation.admin("config", "show")
        self.assertNotIn(LEGACY, shown.said)
        self.assertNotIn(LEGACY, self.server.log())

    def test_default_permissions(self):
        said = self.shell(CREATE)
        self.assertEqual(self.details(said)["Permissions"], "chat")
        [secret] = set(KEY.findall(said))
        status, _, answer = self.curl(CHAT.replace(HERE, secret))
        self.assertEqual(status, 200, answer)


if __name__ == "__main__":
    unittest.main()
