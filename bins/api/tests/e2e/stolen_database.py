"""The database in a thief's hands: whatever was done with keys before, without the pepper none can be used or tested.

An installation is filled with everything that has to do with secrets; then its database is searched, as it lies on the
disk and row by row, for each of them in every form in which it could be tried against a guess.
"""

import base64
import hashlib
import hmac
import json
import math
import secrets
import sqlite3
import unittest
import uuid

import _mail
from _installation import ON_POSTGRES
from _server import bearer, question, wait_until
from _testcase import EndToEnd

BUILT_IN = ("sk_live_tg_", "sk_test_tg_")
# Digits of a key that people are shown after its prefix, and at its end a checksum of all before it.
SHOWN, CHECKSUM = 4, 6
# No piece of a secret of this length is there by chance.
PIECE = 9
# What must stay unknown of a key, in bits.
UNKNOWN_BITS = 128
LEGACY = "legacy-key-of-the-configuration-7f2c91d05b"
# Keys that are no secret: what a thief tries first.
POWERLESS = {"no pepper": b"", "zeros": bytes(32), "the purpose": b"key", "the name": b"tollgate"}
OTHER = {"SECRET_KEY": "x" * 40, "JWT_SECRET_KEY": "y" * 40, "ENCRYPTION_MASTER_KEY": "z" * 40}


def spellings(digest):
    """A digest in all forms in which one is stored."""
    plain, address = base64.b64encode(digest), base64.urlsafe_b64encode(digest)
    return {
        "raw": digest,
        "hex": digest.hex().encode(),
        "HEX": digest.hex().upper().encode(),
        "base64": plain.rstrip(b"="),
        "base64url": address.rstrip(b"="),
    }


def trials(secret):
    """What could be compared with a guess of `secret`, by what it is."""
    text = secret.encode()
    found = {}
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, text).digest()
        found[name] = digest
        found[f"sha256 of its {name}"] = hashlib.sha256(digest).digest()
        found[f"sha256 of its {name} as hex"] = hashlib.sha256(digest.hex().encode()).digest()
    for name, key in POWERLESS.items():
        for what, data in (("it", text), ("its sha256", hashlib.sha256(text).digest())):
            found[f"hmac of {what} under {name}"] = hmac.digest(key, data, "sha256")
    return found


def pieces(secret, start=0):
    """Every piece of a secret from `start` on."""
    return {secret[at : at + PIECE].encode() for at in range(start, len(secret) - PIECE + 1)}


class StolenDatabase(EndToEnd):
    """With the echo provider."""

    config = f"""
authentication:
  api_keys:
    "{LEGACY}": {{name: Legacy}}
"""

    def admin(self, *words):
        done = self.server.installation.admin(*words, "--json")
        self.assertEqual(done.code, 0, done.said)
        return json.loads(done.out)

    def chats(self, key, status=200):
        answer = self.server.call("POST", "/v1/chat/completions", headers=bearer(key), json=question())
        self.assertEqual(answer.status_code, status, answer.text)

    def keys(self, user):
        """Keys of every kind that work, by what they are; and one that ended."""
        made = user.make_key(name="Further", metadata={"note": "mine"})
        rotated = user.make_key(name="Rotated")
        path = f"/api/v1/keys/{rotated['id']}"
        again = self.assert_ok(user.api("POST", path + "/rotate", json={"grace_period_seconds": 3_600}))
        twice = self.assert_ok(user.api("POST", path + "/rotate", json={"grace_period_seconds": 3_600}))
        ended = user.make_key(name="Ended")
        self.chats(ended["key"])
        self.assertEqual(user.api("DELETE", f"/api/v1/keys/{ended['id']}").status_code, 204)
        headers = bearer(user.token) | {"Idempotency-Key": str(uuid.uuid4())}
        body = {"name": "Sealed"}
        sealed = self.server.call("POST", "/api/v1/keys", headers=headers, json=body)
        self.assertEqual(sealed.status_code, 201, sealed.text)
        again_sealed = self.server.call("POST", "/api/v1/keys", headers=headers, json=body)
        self.assertEqual(again_sealed.status_code, 201, again_sealed.text)
        provisioned = self.admin("create", "--name", "Somebody", "--email", f"{uuid.uuid4().hex}@example.com")
        return {
            "primary": user.key,
            "further": made["key"],
            "test": user.make_key(name="Test", environment="test")["key"],
            "made by a key": self.made_by(user),
            "editor": self.assert_ok(user.api("GET", "/api/v1/auth/vscode-config"))["backend_api_key"],
            "rotated once": rotated["key"],
            "rotated twice": again["key"],
            "after rotations": twice["key"],
            "answered again": sealed.json()["key"],
            "made by the program": provisioned["api_key"],
            "imported": self.imported(),
            "legacy": LEGACY,
        }, ended["key"]

    def made_by(self, user):
        answer = self.server.call(
            "POST", "/api/v1/keys", headers=bearer(user.key), json={"name": "Child", "permissions": ["chat"]}
        )
        self.assertEqual(answer.status_code, 201, answer.text)
        return answer.json()["key"]

    def imported(self):
        """A key of another system, of which no more than the SHA-256 was told."""
        key = "sk_live_" + secrets.token_hex(24)
        row = {
            "key_id": "k1",
            "key_hash": hashlib.sha256(key.encode()).hexdigest(),
            "key_prefix": key[:12],
            "user_id": f"user_{secrets.token_hex(4)}",
        }
        path = self.server.installation.folder / "keys.jsonl"
        path.write_text(json.dumps(row), encoding="utf-8")
        self.assertEqual(self.admin("migrate", "--file", str(path))["imported"], 1)
        path.unlink()
        return key

    def tokens(self, user):
        """Tokens of every kind, by what they are."""
        refreshed = self.assert_ok(
            self.server.call("POST", "/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
        )
        codes = self.assert_ok(self.server.call("POST", "/api/v1/auth/device/code", data={}))
        body = {"email": user.email}
        self.assert_ok(self.server.call("POST", "/api/v1/auth/request-password-reset", json=body), 202)
        mails = wait_until(lambda: _mail.mails_to(self.server, user.email), "a mail")
        found = {
            "access token": user.token,
            "refresh token": user.refresh_token,
            "refresh token after it": refreshed["refresh_token"],
            "device code": codes["device_code"],
            "user code": codes["user_code"],
            "password": user.password,
        }
        links = [mail for mail in mails if _mail.LINK.search(_mail.text(mail))]
        self.assertTrue(links, "a mail has a link")
        return found | {f"token of mail {at}": _mail.token(mail) for at, mail in enumerate(links)}

    def stolen(self):
        """The database, by form: what lies on the disk, and its rows as texts."""
        installation = self.server.installation
        if ON_POSTGRES:
            return {"the dump": installation.database.content()}
        path = installation.data / "tollgate.db"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            dump = "\n".join(connection.iterdump()).encode()
        finally:
            connection.close()
        files = {file.name: file.read_bytes() for file in installation.data.glob("tollgate.db*")}
        self.assertIn("tollgate.db-wal", files)
        return files | {"the dump": dump}

    def assert_absent(self, stolen, what, needle):
        for place, content in stolen.items():
            self.assertNotIn(needle, content, f"{what} is in {place}")

    def assert_untestable(self, stolen, name, secret):
        """Nothing is there that a guess could be compared with."""
        for trial, digest in trials(secret).items():
            for spelling, needle in spellings(digest).items():
                self.assert_absent(stolen, f"{trial} of {name} as {spelling}", needle)

    def peppered(self, key):
        """What is stored of a key."""
        pepper = (self.server.installation.data / "secrets/SECRET_KEY").read_bytes().strip()
        return hmac.digest(pepper, hashlib.sha256(key.encode()).digest(), "sha256")

    def test_nothing_in_it_tells_a_key_without_the_pepper(self):
        user = self.server.register()
        keys, ended = self.keys(user)
        for key in keys.values():
            self.chats(key)
        tokens = self.tokens(user)
        # Where they are easily put by mistake.
        for secret in (*keys.values(), *tokens.values()):
            self.server.call("GET", f"/no/such/route?key={secret}", headers={"User-Agent": "Test"})
        self.chats(keys["primary"][:-1] + "~", 401)
        stolen = self.stolen()
        for name, key in (keys | {"ended": ended}).items():
            with self.subTest(name):
                shown = max(key.rfind("_"), key.rfind("-")) + 1 + SHOWN
                for piece in pieces(key, min(shown, len(key) // 2) - PIECE + SHOWN):
                    self.assert_absent(stolen, f"a piece of {name}", piece)
                self.assert_untestable(stolen, name, key)
                # The search finds what is there: the hash with the pepper.
                needles = spellings(self.peppered(key)).values()
                self.assertTrue(any(needle in content for content in stolen.values() for needle in needles), name)
        for name, token in tokens.items():
            with self.subTest(name):
                self.assert_absent(stolen, name, token.encode())
                self.assert_untestable(stolen, name, token)

    def test_what_people_are_shown_leaves_a_key_unknown(self):
        user = self.server.register()
        for environment in ("live", "test"):
            made = user.make_key(environment=environment)
            digits = made["key"].removeprefix(made["key_prefix"])
            shown = made["key_preview"].removeprefix(made["key_prefix"]).rstrip("…")
            self.assertIn(made["key_prefix"], BUILT_IN)
            self.assertTrue(digits.startswith(shown), shown)
            hidden = len(digits) - len(shown) - CHECKSUM
            self.assertGreaterEqual(hidden * math.log2(62), UNKNOWN_BITS)

    def test_it_opens_nothing_under_other_secrets(self):
        user = self.server.register()
        keys, ended = self.keys(user)
        del keys["legacy"]
        installation = self.server.installation
        self.server.stop()
        installation.set(**OTHER)
        installation.configure("")
        self.server.start()
        try:
            for name, key in (keys | {"ended": ended}).items():
                with self.subTest(name):
                    answer = self.server.call("GET", "/v1/models", headers=bearer(key))
                    self.assert_problem(answer, 401, "invalid_api_key")
            me = self.server.call("GET", "/api/v1/auth/me", headers=bearer(user.token))
            self.assertEqual(me.status_code, 401, me.text)
        finally:
            self.server.stop()
            installation.set(**dict.fromkeys(OTHER))
            installation.configure(self.config)
            self.server.start()
        for name, key in keys.items():
            with self.subTest(name):
                self.chats(key)
        self.chats(ended, 401)


if __name__ == "__main__":
    unittest.main()
