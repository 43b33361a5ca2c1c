"""Keys and users of another system, taken over beside a running server."""

import hashlib
import json
import secrets
import unittest

from _server import bearer, question, wait_until
from _testcase import EndToEnd

# How soon the server must know a key, in seconds: the contract's one, with room for a slow machine.
WITHIN = 3
PASSWORD = "testpass123"
# bcrypt of it, with 4 rounds.
HASH = "$2b$04$abcdefghijklmnopqrstuuREh1/hw5XuTS6NG80R7PTwM3oyXSi0i"


class Import(EndToEnd):
    """With the echo provider."""

    def admin(self, *words, code=0):
        done = self.server.installation.admin(*words, "--json")
        self.assertEqual(done.code, code, done.said)
        return json.loads(done.out)

    def write(self, name, text):
        path = self.server.installation.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def chat(self, key):
        return self.server.call("POST", "/v1/chat/completions", headers=bearer(key), json=question())

    def test_an_imported_key_works_at_once(self):
        key = f"sk_live_{secrets.token_hex(16)}"
        self.assert_problem(self.chat(key), 401, "invalid_api_key", openai=True)
        digest = hashlib.sha256(key.encode()).hexdigest()
        names = "id,key_hash,key_prefix,user_id,name,tier"
        file = self.write("keys.csv", f"{names}\r\nold-1,{digest},{key[:12]},user_123,CI,pro\r\n")
        self.assertEqual(self.admin("migrate", "--file", file, "--dry-run")["imported"], 1)
        self.assert_problem(self.chat(key), 401, "invalid_api_key", openai=True)
        report = self.admin("migrate", "--file", file)
        self.assertEqual((report["imported"], report["new_users"], report["skipped"]), (1, 1, 0))
        wait_until(lambda: self.chat(key).status_code == 200, "the imported key works", WITHIN)
        # As with the other system, it manages its user's keys.
        made = self.server.call("POST", "/api/keys", headers={"X-API-Key": key}, json={"name": "Further"})
        self.assertEqual(made.status_code, 201, made.text)
        self.assertEqual(self.admin("migrate", "--file", file)["known"], 1)
        # Revoked, it is not brought back.
        items = self.admin("list", "--user-id", "user_123")["items"]
        [listed] = [one for one in items if one["name"] == "CI"]
        self.admin("revoke", listed["id"], "--force")
        wait_until(lambda: self.chat(key).status_code == 401, "the key is revoked", WITHIN)
        self.assertEqual(self.admin("migrate", "--file", file)["known"], 1)
        self.assert_problem(self.chat(key), 401, "key_revoked", openai=True)

    def test_an_imported_user_signs_in_with_the_old_password(self):
        email = f"{secrets.token_hex(8)}@example.com"
        user = {"_id": {"$oid": secrets.token_hex(12)}, "email": email, "password_hash": HASH}
        file = self.write("users.json", json.dumps([user | {"subscription": "pro", "is_verified": True}]))
        self.assertEqual(self.admin("users", "import", "--file", file)["imported"], 1)
        for _ in range(2):
            body = {"email": email, "password": PASSWORD}
            answer = self.assert_ok(self.server.call("POST", "/api/v1/auth/login", json=body))
            self.assertEqual(answer["user"]["subscription"], "pro")
        body["password"] = PASSWORD + "4"
        refused = self.server.call("POST", "/api/v1/auth/login", json=body)
        self.assert_problem(refused, 401, "invalid_credentials")
        self.assertEqual(self.admin("users", "import", "--file", file)["known"], 1)


if __name__ == "__main__":
    unittest.main()
