"""Second factors: switching one on and off, signing in with it, and codes that are good once."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import struct
import subprocess
import time
import unittest
import urllib.parse
import zlib

import _mail
import _server
from _server import MAX_CALL, bearer
from _testcase import EndToEnd

PREFIXES = ("/api/v1/auth/2fa", "/api/auth/2fa")
STEP = 30
# Seconds of a step that must be left, so that a call arrives within it.
ROOM = 10


def code(secret, steps=0):
    """What an authenticator shows (RFC 6238), so many steps from now."""
    left = STEP - time.time() % STEP
    if left < ROOM:
        time.sleep(left)
    step = int(time.time()) // STEP + steps
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def modules(png):
    """The modules of a QR code from its PNG of one bit a pixel, without the border; `True` is dark."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + length]
        [crc] = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + content)
        chunks[kind] = chunks.get(kind, b"") + content
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, interlaced) == (1, 0, 0) and width == height
    raw, row_bytes = zlib.decompress(chunks[b"IDAT"]), (width + 7) // 8
    rows, before = [], bytes(row_bytes)
    for y in range(height):
        kind, *line = raw[y * (row_bytes + 1) : (y + 1) * (row_bytes + 1)]
        for x in range(row_bytes):
            a, b, c = line[x - 1] if x else 0, before[x], before[x - 1] if x else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, nearest)[kind]) & 255
        before = bytes(line)
        rows.append([not line[x // 8] >> (7 - x % 8) & 1 for x in range(width)])
    dark = [(x, y) for y in range(height) for x in range(width) if rows[y][x]]
    left, right = min(x for x, _ in dark), max(x for x, _ in dark)
    # A corner square is seven modules wide, and white follows.
    scale = next(x for x in range(left, width) if not rows[left][x]) - left
    assert scale % 7 == 0 and left == 4 * scale // 7
    scale //= 7
    size = (right + 1 - left) // scale
    return [[rows[left + y * scale][left + x * scale] for x in range(size)] for y in range(size)]


class SecondFactors(EndToEnd):
    """Each test makes users of its own."""

    environment = {"MAX_LOGIN_ATTEMPTS": "1000"}

    def enabled(self, prefix=PREFIXES[0]):
        """A user whose second factor is on; it has `secret` and `backup_codes`."""
        user = self.server.register()
        user.secret = self.assert_ok(user.api("POST", prefix + "/setup"))["secret"]
        answer = user.api("POST", prefix + "/enable", json={"code": code(user.secret, -1)})
        user.backup_codes = self.assert_ok(answer)["backup_codes"]
        return user

    def login(self, user, password=None):
        body = {"email": user.email, "password": password or user.password}
        return self.server.call("POST", "/api/v1/auth/login", json=body)

    def asked(self, user):
        """Brings the password; gives the `mfa_token`."""
        problem = self.assert_problem(self.login(user), 401, "mfa_required")
        self.assertNotIn("access_token", problem)
        return problem["mfa_token"]

    def verify(self, token, code, prefix=PREFIXES[0]):
        return self.server.call("POST", prefix + "/verify", json={"mfa_token": token, "code": code})

    def me(self, token):
        return self.server.call("GET", "/api/v1/auth/me", headers=bearer(token)).status_code


class Using(SecondFactors):
    """From setting one up to switching it off."""

    def test_document_003_each_call_as_printed_under_both_prefixes(self):
        for prefix in PREFIXES:
            with self.subTest(prefix):
                user = self.server.register()

                def curl(path, body=None, token=None):
                    words = ["curl", "-sS", "-X", "POST", "-w", "\n%{http_code}", self.server.url + path]
                    words += ["-H", f"Authorization: Bearer {token}"] if token else []
                    if body is not None:
                        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
                    done = subprocess.run(words, capture_output=True, text=True, timeout=MAX_CALL)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    content, status = done.stdout.rsplit("\n", 1)
                    return int(status), json.loads(content) if content else None

                status, set_up = curl(prefix + "/setup", token=user.token)
                self.assertEqual((status, set_up.keys()), (200, {"secret", "otpauth_url", "qr_code"}))
                secret = set_up["secret"]
                body = {"code": code(secret, -1)}
                status, enabled = curl(prefix + "/enable", body, user.token)
                self.assertEqual((status, len(set(enabled["backup_codes"]))), (200, 10))
                login = prefix.removesuffix("/2fa") + "/login"
                status, asked = curl(login, {"email": user.email, "password": user.password})
                self.assertEqual((status, asked["code"]), (401, "mfa_required"))
                body = {"mfa_token": asked["mfa_token"], "code": code(secret)}
                status, pair = curl(prefix + "/verify", body)
                self.assertEqual((status, pair["token_type"], pair["user"]["id"]), (200, "bearer", user.id))
                self.assertEqual(self.me(pair["access_token"]), 200)
                body = {"password": user.password, "code": enabled["backup_codes"][0]}
                status, renewed = curl(prefix + "/backup-codes", body, user.token)
                self.assertEqual((status, len(renewed["backup_codes"])), (200, 10))
                body = {"password": user.password, "code": code(secret, 1)}
                self.assertEqual(curl(prefix + "/disable", body, user.token), (204, None))
                self.assert_ok(self.login(user))

    def test_the_picture_is_a_qr_code(self):
        user = self.server.register()
        set_up = self.assert_ok(user.api("POST", PREFIXES[0] + "/setup"))
        url = urllib.parse.urlsplit(set_up["otpauth_url"])
        self.assertEqual((url.scheme, url.netloc), ("otpauth", "totp"))
        self.assertEqual(urllib.parse.unquote(url.path), f"/Tollgate:{user.email}")
        fields = dict(urllib.parse.parse_qsl(url.query))
        expected = {"secret": set_up["secret"], "issuer": "Tollgate"}
        self.assertEqual(fields, expected | {"algorithm": "SHA1", "digits": "6", "period": "30"})
        start, content = set_up["qr_code"].split(",")
        self.assertEqual(start, "data:image/png;base64")
        code = modules(base64.b64decode(content, validate=True))
        size = len(code)
        self.assertEqual((size - 17) % 4, 0)
        square = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"]
        for x, y in [(0, 0), (size - 7, 0), (0, size - 7)]:
            rows = ["".join(".#"[dark] for dark in code[y + row][x : x + 7]) for row in range(7)]
            self.assertEqual(rows, square)

    def test_nothing_is_on_until_it_is_enabled_and_then_it_stays(self):
        user = self.server.register()
        self.assert_problem(user.api("POST", PREFIXES[0] + "/enable", json={"code": "123456"}), 409, "conflict")
        first = self.assert_ok(user.api("POST", PREFIXES[0] + "/setup"))["secret"]
        second = self.assert_ok(user.api("POST", PREFIXES[0] + "/setup"))["secret"]
        self.assert_ok(self.login(user))
        for wrong in (code(first), "", "abc", "1" * 1_000):
            answer = user.api("POST", PREFIXES[0] + "/enable", json={"code": wrong})
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], "code")
        before = self.assert_ok(self.login(user))
        answer = user.api("POST", PREFIXES[0] + "/enable", json={"code": code(second)})
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assert_ok(answer)
        self.assertEqual(self.me(user.token), 200)
        # A session that brought no code is over, and its refresh token too.
        self.assertEqual(self.me(before["access_token"]), 401)
        body = {"refresh_token": before["refresh_token"]}
        self.assert_problem(
            self.server.call("POST", "/api/v1/auth/refresh", json=body), 401, "invalid_credentials"
        )
        self.asked(user)
        self.assert_problem(user.api("POST", PREFIXES[0] + "/setup"), 409, "conflict")
        self.server.kill()
        self.server.start()
        self.asked(user)

    def test_an_access_token_is_needed_to_manage_it_and_the_owner_is_told(self):
        user = self.enabled()
        body = {"password": user.password, "code": user.backup_codes[0]}
        for call in ("setup", "enable", "disable", "backup-codes"):
            path = f"{PREFIXES[0]}/{call}"
            self.assert_problem(self.server.call("POST", path, json=body), 401, "missing_credentials")
            answer = self.server.call("POST", path, headers=bearer(user.key), json=body)
            self.assert_problem(answer, 403, "permission_denied")
        for wrong, status in [
            (body | {"password": "not it at all"}, 401),
            (body | {"code": "000-000"}, 401),
            ({"code": body["code"]}, 422),
            ({"password": user.password}, 422),
            (body | {"code": 123456}, 422),
        ]:
            for call in ("disable", "backup-codes"):
                answer = user.api("POST", f"{PREFIXES[0]}/{call}", json=wrong)
                self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(user.api("POST", PREFIXES[0] + "/disable", json=body).status_code, 204)
        self.assert_problem(user.api("POST", PREFIXES[0] + "/disable", json=body), 409, "conflict")

        # On, a backup code used, off.
        _server.wait_until(lambda: len(_mail.mails_to(self.server, user.email)) >= 3, "three mails to the owner")

    def test_an_administrator_ends_a_lost_one(self):
        user, other = self.enabled(), self.enabled()
        token = self.asked(user)
        path = f"/api/v1/admin/users/{user.id}/reset-2fa"
        self.assert_problem(other.api("POST", path), 403, "permission_denied")
        self.assert_problem(user.api("POST", path), 403, "permission_denied")
        administrator = self.server.administrator()
        for prefix in ("/api/v1/admin", "/api/admin", "/admin"):
            answer = administrator.api("POST", f"{prefix}/users/{user.id}/reset-2fa")
            self.assertEqual((answer.status_code, answer.content), (204, b""))
        self.assertEqual((self.me(user.token), self.me(other.token)), (401, 200))
        self.assert_problem(self.verify(token, user.backup_codes[0]), 401, "invalid_credentials")
        self.assert_ok(self.login(user))
        self.asked(other)
        answer = administrator.api("POST", "/api/v1/admin/users/00000000000070008000000000000000/reset-2fa")
        self.assert_problem(answer, 404, "not_found")


class Codes(SecondFactors):
    """A code, a backup code and an `mfa_token` are good once, and guesses are few."""

    def test_a_code_and_a_token_work_once(self):
        user = self.enabled()
        one, two = self.asked(user), self.asked(user)
        right = code(user.secret)
        self.assert_ok(self.verify(one, right))
        self.assert_problem(self.verify(one, user.backup_codes[0]), 401, "invalid_credentials")
        self.assert_problem(self.verify(two, right), 401, "invalid_credentials")
        pair = self.assert_ok(self.verify(two, user.backup_codes[0].lower().replace("-", " ")))
        self.assertEqual(self.me(pair["access_token"]), 200)
        self.assert_problem(self.verify(self.asked(user), user.backup_codes[0]), 401, "invalid_credentials")

    def test_of_twenty_at_once_one_is_let_in(self):
        # Those who come too late make a pause: each with a user of its own.
        for kind in ("a backup code", "the authenticator's"):
            with self.subTest(kind):
                user = self.enabled()
                tokens = [self.asked(user) for _ in range(20)]
                right = user.backup_codes[0] if kind == "a backup code" else code(user.secret)
                with concurrent.futures.ThreadPoolExecutor(20) as pool:
                    answers = list(pool.map(lambda token, right=right: self.verify(token, right), tokens))
                statuses = sorted(answer.status_code for answer in answers)
                self.assertEqual(statuses[0], 200, statuses)
                self.assertLessEqual(set(statuses[1:]), {401, 429}, statuses)

    def test_of_twenty_with_one_token_one_is_let_in(self):
        user = self.enabled()
        token = self.asked(user)
        codes = user.backup_codes * 2
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda right: self.verify(token, right), codes))
        self.assertEqual(sorted(answer.status_code for answer in answers), [200] + [401] * 19)

    def test_after_five_wrong_ones_none_is_taken_for_a_while(self):
        user, other = self.enabled(), self.enabled()
        tokens = [self.asked(user) for _ in range(5)]
        for token in tokens:
            self.assert_problem(self.verify(token, "ABCD-EFGH-JKMN-PQRS"), 401, "invalid_credentials")
        for token in [tokens[0], self.asked(user)]:
            for right in (user.backup_codes[0], code(user.secret)):
                answer = self.verify(token, right)
                self.assert_problem(answer, 429, "too_many_attempts")
                self.assertTrue(1 <= int(answer.headers["Retry-After"]) <= 1_800)
        self.server.kill()
        self.server.start()
        self.assert_problem(self.verify(self.asked(user), user.backup_codes[0]), 429, "too_many_attempts")
        self.assert_ok(self.verify(self.asked(other), other.backup_codes[0]))

    def test_no_other_token_is_an_mfa_token_and_it_is_no_other(self):
        user = self.enabled()
        token = self.asked(user)
        for other in (user.token, user.refresh_token, user.key, token[:-1], token + "x", "x" * 3_000, ""):
            answer = self.verify(other, user.backup_codes[0])
            self.assertIn(answer.status_code, (401, 413), answer.text)
        self.assertEqual(self.me(token), 401)
        answer = self.server.call("POST", "/api/v1/auth/refresh", json={"refresh_token": token})
        self.assert_problem(answer, 401, "invalid_credentials")
        self.assert_ok(self.verify(token, user.backup_codes[0]))

    def test_a_changed_password_ends_what_stands_for_the_old_one(self):
        user = self.enabled()
        token = self.asked(user)
        body = {"old_password": user.password, "new_password": "newsecurepassword"}
        self.assertEqual(user.api("POST", "/api/v1/auth/change-password", json=body).status_code, 204)
        self.assert_problem(self.verify(token, user.backup_codes[0]), 401, "invalid_credentials")
        self.assert_problem(self.login(user, "newsecurepassword"), 401, "mfa_required")

    def test_its_secrets_are_readable_nowhere(self):
        user = self.enabled()
        token = self.asked(user)
        self.assert_ok(self.verify(self.asked(user), user.backup_codes[1]))
        raw = base64.b32decode(user.secret)
        secrets = [user.secret.encode(), raw, raw.hex().encode(), token.encode()]
        secrets += [code.encode() for code in user.backup_codes]
        secrets += [code.replace("-", "").encode() for code in user.backup_codes]
        for place, content in self.server.installation.content().items():
            for secret in secrets:
                self.assertFalse(secret in content, f"a secret of a second factor is in {place}")


if __name__ == "__main__":
    unittest.main()
