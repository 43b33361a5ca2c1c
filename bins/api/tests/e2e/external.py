"""Signing in with identity tokens of other issuers."""

import concurrent.futures
import time
import unittest

import _issuer
import second_factor
from _server import bearer
from _testcase import EndToEnd

PATHS = ("/api/v1/auth/external", "/api/auth/external")
PARTY = "https://app.example.com"


class External(EndToEnd):
    """Issuers of the class are in its server's configuration, in their order."""

    issuers = ()
    more = ""

    @classmethod
    def setUpClass(cls):
        entries = []
        for number, issuer in enumerate(cls.issuers):
            cls.addClassCleanup(issuer.close)
            meant = f"audience: {issuer.audience}" if issuer.audience else f"authorized_parties: ['{PARTY}']"
            entries.append(f"  - {{name: issuer{number}, issuer: '{issuer.url}', {meant}}}\n")
        cls.config = cls.more + ("identity_providers:\n" + "".join(entries) if entries else "")
        super().setUpClass()

    def external(self, token, credential=None, path=PATHS[0]):
        headers = bearer(credential) if credential else {}
        return self.server.call("POST", path, headers=headers, json={"token": token})

    def me(self, token):
        return self.server.call("GET", "/api/v1/auth/me", headers=bearer(token))

    def assert_refused(self, token, shown=None):
        with self.subTest(shown or token[:40]):
            answer = self.external(token)
            problem = self.assert_problem(answer, 401, "invalid_credentials")
            self.assertEqual(problem["detail"], "The identity token is invalid or has expired.")
            self.assertIn("WWW-Authenticate", answer.headers)


class SigningIn(External):
    """Good tokens, and whose accounts they open."""

    @classmethod
    def setUpClass(cls):
        cls.first, cls.second = _issuer.Issuer(kind="RS256"), _issuer.Issuer(kind="ES256")
        cls.clerk = _issuer.Issuer(kind="EdDSA", audience=None)
        cls.issuers = (cls.first, cls.second, cls.clerk)
        super().setUpClass()

    def test_a_stranger_is_signed_up_once_with_a_key_under_both_prefixes(self):
        for issuer, path in zip((self.first, self.second), PATHS, strict=True):
            claims = {"email": "New.One@example.com", "email_verified": True, "name": "New One"}
            if path != PATHS[0]:
                claims["email"] = "other.one@example.com"
            answer = self.external(issuer.token("stranger", **claims), path=path)
            made = self.assert_ok(answer)
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertEqual(made["token_type"], "bearer")
            self.assertEqual(made["user"]["email"], claims["email"].lower())
            self.assertEqual((made["user"]["name"], made["user"]["is_verified"]), ("New One", True))
            self.assertEqual(made["api_key"]["name"], "Primary API Key")
            self.assertEqual(self.assert_ok(self.me(made["access_token"]))["id"], made["user"]["id"])
            chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
            key = bearer(made["api_key"]["key"])
            self.assert_ok(self.server.call("POST", "/v1/chat/completions", headers=key, json=chat))

            again = self.assert_ok(self.external(issuer.token("stranger"), path=path))
            self.assertEqual(again["user"], made["user"])
            self.assertNotIn("api_key", again)
            refresh = {"refresh_token": again["refresh_token"]}
            self.assert_ok(self.server.call("POST", "/api/v1/auth/refresh", json=refresh))

    def test_the_same_subject_of_another_issuer_is_another_user(self):
        users = {
            self.assert_ok(self.external(issuer.token("same")))["user"]["id"]
            for issuer in (self.first, self.second)
        }
        self.assertEqual(len(users), 2)

    def test_a_token_without_audience_is_taken_of_an_authorized_party(self):
        token = self.clerk.token("someone", azp=PARTY)
        self.assertIsNone(self.assert_ok(self.external(token))["user"]["email"])
        self.assert_refused(self.clerk.token("someone"), "no party")
        self.assert_refused(self.clerk.token("someone", azp="https://evil.example.com"), "another party")
        self.assert_refused(self.clerk.token("someone", azp=PARTY, aud="other"), "another audience")

    def test_an_account_is_linked_by_its_owner_and_by_nobody_else(self):
        owner, other = self.server.register(), self.server.register()
        claims = {"email": owner.email.upper(), "email_verified": True}
        token = self.first.token("owner", **claims)
        self.assert_problem(self.external(token), 409, "link_required")
        self.assert_problem(self.external(token, other.token), 409, "link_required")
        self.assert_problem(self.external(token, "eyJ.eyJ.x"), 401, "invalid_credentials")
        self.assert_problem(self.external(token, owner.key), 403, "permission_denied")
        self.assert_problem(self.external(token), 409, "link_required")

        linked = self.assert_ok(self.external(token, owner.token))
        self.assertEqual(linked["user"]["id"], owner.id)
        self.assertNotIn("api_key", linked)
        self.assertEqual(self.assert_ok(self.external(token))["user"]["id"], owner.id)
        self.assertEqual(self.assert_ok(self.external(token, owner.token))["user"]["id"], owner.id)
        self.assert_problem(self.external(token, other.token), 409, "link_required")
        plain = self.first.token("owner")
        self.assert_problem(self.external(plain, other.token), 409, "conflict")
        owner.log_in()

    def test_an_address_that_is_not_verified_takes_nothing_over(self):
        owner = self.server.register()
        for number, verified in enumerate((False, None, "false", 0)):
            claims = {"email": owner.email, "email_verified": verified}
            made = self.assert_ok(self.external(self.first.token(f"thief{number}", **claims)))
            self.assertNotEqual(made["user"]["id"], owner.id)
            self.assertIsNone(made["user"]["email"])
            self.assertFalse(made["user"]["is_verified"])

    def test_a_deactivated_user_is_refused(self):
        token = self.first.token("leaver")
        user = self.assert_ok(self.external(token))["user"]["id"]
        administrator = self.server.administrator()
        answer = administrator.api("PATCH", f"/api/v1/admin/users/{user}", json={"is_active": False})
        self.assert_ok(answer)
        self.assert_problem(self.external(token), 401, "user_disabled")

    def test_a_second_factor_is_asked_for(self):
        token = self.first.token("careful")
        signed_in = self.assert_ok(self.external(token))
        headers = bearer(signed_in["access_token"])
        set_up = self.assert_ok(self.server.call("POST", "/api/v1/auth/2fa/setup", headers=headers))
        enable = {"code": second_factor.code(set_up["secret"], -1)}
        self.assert_ok(self.server.call("POST", "/api/v1/auth/2fa/enable", headers=headers, json=enable))
        for credential in (None, signed_in["access_token"]):
            answer = self.external(token, credential)
            problem = self.assert_problem(answer, 401, "mfa_required")
            self.assertNotIn("access_token", answer.text)
        verify = {"mfa_token": problem["mfa_token"], "code": second_factor.code(set_up["secret"])}
        verified = self.assert_ok(self.server.call("POST", "/api/v1/auth/2fa/verify", json=verify))
        self.assertEqual(verified["user"]["id"], signed_in["user"]["id"])

    def test_who_has_no_password_confirms_by_a_fresh_token(self):
        signed_in = self.assert_ok(self.external(self.first.token("gone")))
        headers = bearer(signed_in["access_token"])
        now = int(time.time())
        stale = self.first.token("gone", iat=now - 301)
        for token in (stale, self.first.token("another"), "x"):
            body = {"identity_token": token}
            answer = self.server.call("DELETE", "/api/v1/auth/me", headers=headers, json=body)
            self.assert_problem(answer, 401, "invalid_credentials")
            body = {"identity_token": token, "email": "gone@example.com"}
            answer = self.server.call("PUT", "/api/v1/auth/me", headers=headers, json=body)
            self.assert_problem(answer, 401, "invalid_credentials")
        body = {"identity_token": self.first.token("gone"), "email": "gone@example.com"}
        self.assert_ok(self.server.call("PUT", "/api/v1/auth/me", headers=headers, json=body), 202)
        body = {"identity_token": self.first.token("gone")}
        answer = self.server.call("DELETE", "/api/v1/auth/me", headers=headers, json=body)
        self.assertEqual(answer.status_code, 204, answer.text)
        self.assertEqual(self.me(signed_in["access_token"]).status_code, 401)
        again = self.assert_ok(self.external(self.first.token("gone")))
        self.assertNotEqual(again["user"]["id"], signed_in["user"]["id"])

    def test_strangers_who_come_at_once_are_one(self):
        token = self.first.token("crowd", email="crowd@example.com", email_verified=True)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            made = [self.assert_ok(answer) for answer in pool.map(self.external, [token] * 12)]
        self.assertEqual(len({answer["user"]["id"] for answer in made}), 1)
        self.assertEqual(sum("api_key" in answer for answer in made), 1)

    def test_bad_bodies_name_the_field(self):
        for body, field in (({}, "token"), ({"token": 1}, "token"), ({"token": None}, "token")):
            answer = self.server.call("POST", PATHS[0], json=body)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], field)
        for token in ("", "x", "a.b.c", "é.é.é", "x" * 20_000, "\0"):
            self.assert_refused(token)
        self.assert_alive()


class Forgeries(External):
    """Tokens that look good; each is refused."""

    @classmethod
    def setUpClass(cls):
        cls.issuer, cls.other = _issuer.Issuer(), _issuer.Issuer()
        cls.issuers = (cls.issuer,)
        cls.addClassCleanup(cls.other.close)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        # Otherwise the forgeries might be refused for another reason than theirs.
        self.assert_ok(self.external(self.issuer.token("victim")))

    def test_forgeries(self):
        key, claims = self.issuer.key, self.issuer.claims("victim")
        now = int(time.time())
        own = _issuer.Key(key.name)
        for algorithm in ("none", "None", ""):
            self.assert_refused(_issuer.unsigned(key.header(alg=algorithm), claims), f"alg {algorithm}")
        for secret in (key.pem(), key.pem().strip(), b""):
            self.assert_refused(_issuer.hs256(key.header(alg="HS256"), claims, secret), "the public key as secret")
            self.assert_refused(_issuer.hs256(key.header(), claims, secret), "HS256 called RS256")
        for name, value in (
            ("jwk", own.jwk()),
            ("jku", f"{self.other.url}/keys"),
            ("x5u", f"{self.other.url}/chain"),
            ("crit", ["exp"]),
        ):
            self.assert_refused(own.token(claims, **{name: value}), f"{name} of the forger")
            self.assert_refused(key.token(claims, **{name: value}), f"{name} of the issuer")
        self.assert_refused(own.token(claims), "another key of the same name")
        self.assert_refused(self.other.token("victim"), "another issuer")
        self.assert_refused(self.other.key.token(claims), "another issuer's key")
        for shown, changed in (
            ("another audience", {"aud": "other"}),
            ("no audience", {"aud": None}),
            ("no issuer", {"iss": None}),
            ("expired by a second", {"exp": now - 1}),
            ("no end", {"exp": None}),
            ("not yet", {"nbf": now + 120}),
            ("from the future", {"iat": now + 120}),
            ("nobody", {"sub": ""}),
            ("a log-out", {"events": {}}),
            ("an access token", {"typ": "Bearer"}),
        ):
            self.assert_refused(key.token(self.issuer.claims("victim", **changed)), shown)
        self.assert_refused(key.token(claims, typ="at+jwt"), "the header of an access token")
        for kid in ("../../etc/passwd", "' OR 1=1 --", "x" * 5_000, "\r\nSet-Cookie: a=b"):
            self.assert_refused(key.token(claims, kid=kid), f"kid {kid[:20]!r}")
        self.assertEqual((self.issuer.fetches, self.other.fetches), (1, 0))
        self.assertNotIn("Set-Cookie", self.server.log())

    def test_no_kind_of_token_is_taken_for_another(self):
        user = self.server.register()
        identity = self.issuer.token("victim")
        self.assert_problem(self.me(identity), 401, "invalid_credentials")
        self.assert_refused(user.token, "an access token as identity token")
        self.assert_refused(user.refresh_token, "a refresh token as identity token")
        self.assert_refused(user.key, "a key as identity token")
        refresh = {"refresh_token": identity}
        answer = self.server.call("POST", "/api/v1/auth/refresh", json=refresh)
        self.assert_problem(answer, 401, "invalid_credentials")
        self.assert_problem(user.gate(key=identity, json={}), 401, "invalid_credentials", openai=True)


class Keys(External):
    """The issuer's keys over time."""

    @classmethod
    def setUpClass(cls):
        cls.issuer, cls.away = _issuer.Issuer(), _issuer.Issuer()
        cls.away.is_away = True
        cls.issuers = (cls.issuer, cls.away)
        super().setUpClass()

    def test_keys_are_remembered_and_follow_a_rotation(self):
        for subject in ("one", "two", "one"):
            self.assert_ok(self.external(self.issuer.token(subject)))
        self.assertEqual(self.issuer.fetches, 1)
        before = self.issuer.token("one")
        old = self.issuer.rotate()
        # Fetched a moment ago: the new key must wait, however often it is asked for.
        for _ in range(20):
            self.assert_refused(self.issuer.token("one"), "a key that is not known yet")
        self.assertEqual(self.issuer.fetches, 1)
        self.assert_ok(self.external(before))
        self.server.restart()
        self.assert_ok(self.external(self.issuer.token("one")))
        self.assert_refused(old.token(self.issuer.claims("one")), "a key that was withdrawn")
        self.assertEqual(self.issuer.fetches, 2)

        self.issuer.is_away = True
        try:
            self.assert_ok(self.external(self.issuer.token("one")))
        finally:
            self.issuer.is_away = False

    def test_an_issuer_that_was_never_reached_is_502_until_it_is_there(self):
        answer = self.external(self.away.token("one"))
        self.assert_problem(answer, 502, "upstream_unreachable")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertNotIn(self.away.url, answer.text)
        # A token that is no good needs no keys to be refused.
        self.assert_refused(self.away.token("one", aud="other"))
        self.assert_alive()


class Closed(External):
    """Who is known comes in where nobody may sign up."""

    more = "registration: {mode: closed}\n"

    @classmethod
    def setUpClass(cls):
        cls.issuer = _issuer.Issuer()
        cls.issuers = (cls.issuer,)
        super().setUpClass()

    def test_newcomers_are_refused_and_users_link(self):
        self.assert_problem(self.external(self.issuer.token("new")), 403, "registration_closed")
        administrator = self.server.administrator()
        token = self.issuer.token("boss")
        self.assert_ok(self.external(token, administrator.token))
        signed_in = self.assert_ok(self.external(token))
        self.assertEqual(signed_in["user"]["email"], administrator.email)


class Without(External):
    """No identity providers."""

    def test_there_is_nothing_to_sign_in_with(self):
        self.assert_problem(self.external("x"), 404, "not_found")
        user = self.server.register()
        self.assert_problem(self.external("x", user.token), 404, "not_found")


if __name__ == "__main__":
    unittest.main()
