"""Letting devices in (RFC 8628), and the pages and cookies by which people do it."""

import base64
import concurrent.futures
import hashlib
import hmac
import html
import json
import re
import time
import unittest
import urllib.parse
import uuid

import requests

import _browser
import _server
import _testcase
from _server import bearer

PREFIXES = ("/api/v1/auth", "/api/auth")
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def code_now(secret):
    """What an authenticator shows (RFC 6238)."""
    counter = int(time.time()) // 30
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Devices(_testcase.EndToEnd):
    """What all of these share."""

    def begin(self, prefix=PREFIXES[0], **fields):
        return self.assert_ok(self.server.call("POST", f"{prefix}/device/code", data=fields))

    def ask(self, codes, prefix=PREFIXES[0], headers=None, **fields):
        form = {"grant_type": GRANT, "device_code": codes["device_code"]} | fields
        return self.server.call("POST", f"{prefix}/device/token", data=form, headers=headers)

    def approve(self, user, code, prefix=PREFIXES[0], **fields):
        return user.api("POST", f"{prefix}/device/approve", json={"user_code": code} | fields)

    def assert_oauth(self, answer, error, status=400):
        problem = self.assert_problem(answer, status, error)
        self.assertEqual(problem["error"], error)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        return problem

    def me(self, token, status=200):
        answer = self.server.call("GET", "/api/v1/auth/me", headers=bearer(token))
        self.assertEqual(answer.status_code, status, answer.text)
        return answer.json()


class Flow(Devices):
    """`POST /device/code`, `/device/token`, `/device/approve`."""

    def test_a_device_is_let_in_under_both_prefixes(self):
        user = self.server.register()
        for prefix in PREFIXES:
            codes = self.begin(prefix, client_id="My Editor", scope="anything at all")
            self.assertEqual(
                codes.keys(),
                {
                    "device_code",
                    "user_code",
                    "verification_uri",
                    "verification_uri_complete",
                    "expires_in",
                    "interval",
                },
            )
            self.assertRegex(codes["user_code"], r"^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$")
            self.assertEqual((codes["expires_in"], codes["interval"]), (600, 5))
            self.assertEqual(codes["verification_uri"], self.server.url + "/device")
            self.assertEqual(
                codes["verification_uri_complete"], f"{self.server.url}/device?user_code={codes['user_code']}"
            )
            self.assert_oauth(self.ask(codes, prefix), "authorization_pending")
            self.assertEqual(self.approve(user, codes["user_code"], prefix).status_code, 204)
            agent = {"User-Agent": "Editor/1.2", "X-Forwarded-For": "203.0.113.7"}
            answer = self.ask(codes, prefix, agent, client_id="My Editor")
            pair = self.assert_ok(answer)
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertEqual(pair["token_type"], "bearer")
            self.assertEqual(pair["user"]["id"], user.id)
            self.assertEqual(self.me(pair["access_token"])["id"], user.id)
            listed = self.assert_ok(
                self.server.call("GET", "/api/v1/auth/sessions", headers=bearer(pair["access_token"]))
            )
            current = next(session for session in listed["items"] if session["current"])
            self.assertEqual((current["ip"], current["user_agent"]), ("203.0.113.7", "Editor/1.2"))
            body = {"refresh_token": pair["refresh_token"]}
            self.assert_ok(self.server.call("POST", f"{prefix}/refresh", json=body))
            self.assert_oauth(self.ask(codes, prefix), "invalid_grant")

    def test_json_is_taken_too(self):
        user = self.server.register()
        codes = self.assert_ok(self.server.call("POST", "/api/v1/auth/device/code", json={}))
        self.assertEqual(self.approve(user, codes["user_code"].lower().replace("-", " ")).status_code, 204)
        body = {"grant_type": GRANT, "device_code": codes["device_code"]}
        self.assert_ok(self.server.call("POST", "/api/v1/auth/device/token", json=body))

    def test_who_asks_too_soon_is_told_to_slow_down(self):
        codes = self.begin()
        self.assert_oauth(self.ask(codes), "authorization_pending")
        self.assert_oauth(self.ask(codes), "slow_down")
        # What has been decided is told at once.
        self.assertEqual(self.approve(self.server.register(), codes["user_code"]).status_code, 204)
        self.assert_ok(self.ask(codes))

    def test_a_device_that_is_denied_is_told_so(self):
        user, codes = self.server.register(), self.begin()
        self.assertEqual(self.approve(user, codes["user_code"], approve=False).status_code, 204)
        self.assert_oauth(self.ask(codes), "access_denied")
        self.assert_problem(self.approve(user, codes["user_code"]), 404, "not_found")
        self.assert_oauth(self.ask(codes), "access_denied")

    def test_the_tokens_are_given_once(self):
        user, codes = self.server.register(), self.begin()
        self.assertEqual(self.approve(user, codes["user_code"]).status_code, 204)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: self.ask(codes), range(20)))
        self.assertEqual(sorted(answer.status_code for answer in answers), [200] + [400] * 19)
        for answer in answers:
            if answer.status_code == 400:
                self.assert_oauth(answer, "invalid_grant")

    def test_an_approval_ends_with_the_session_that_gave_it(self):
        user, codes = self.server.register(), self.begin()
        self.assertEqual(self.approve(user, codes["user_code"]).status_code, 204)
        self.assertEqual(user.api("POST", "/api/v1/auth/logout").status_code, 204)
        self.assert_oauth(self.ask(codes), "access_denied")

    def test_what_is_wrong_with_a_question_is_named_as_oauth_does(self):
        codes = self.begin()
        path = "/api/v1/auth/device/token"
        for form, error in [
            ({}, "invalid_request"),
            ({"device_code": codes["device_code"]}, "invalid_request"),
            ({"grant_type": GRANT}, "invalid_request"),
            ({"grant_type": GRANT, "device_code": ""}, "invalid_request"),
            ({"grant_type": "password", "device_code": codes["device_code"]}, "unsupported_grant_type"),
            ({"grant_type": GRANT, "device_code": "x"}, "invalid_grant"),
            ({"grant_type": GRANT, "device_code": "\0" * 100}, "invalid_grant"),
            ({"grant_type": GRANT, "device_code": codes["user_code"]}, "invalid_grant"),
        ]:
            answer = self.server.call("POST", path, data=form)
            self.assertEqual((answer.status_code, answer.json()["error"]), (400, error), form)
        twice = f"grant_type={urllib.parse.quote(GRANT)}&device_code=a&device_code=b"
        typed = {"Content-Type": "application/x-www-form-urlencoded"}
        for data, headers, status in [
            (twice, typed, 400),
            ("%ff", typed, 400),
            ("{}", {"Content-Type": "text/plain"}, 415),
            ('{"grant_type": 1}', {"Content-Type": "application/json"}, 400),
            ('["x"]', {"Content-Type": "application/json"}, 400),
            ("{", {"Content-Type": "application/json"}, 400),
        ]:
            answer = self.server.call("POST", path, data=data, headers=headers)
            self.assertEqual((answer.status_code, answer.json()["error"]), (status, "invalid_request"), data)
        self.assert_oauth(self.ask(codes), "authorization_pending")
        self.begin(client_id="My Editor")
        self.assert_oauth(self.ask(self.begin(client_id="One"), client_id="Another"), "invalid_grant")
        for name in ("x" * 101, "line\nbreak", "turned\u202eround"):
            answer = self.server.call("POST", "/api/v1/auth/device/code", data={"client_id": name})
            self.assertEqual((answer.status_code, answer.json()["error"]), (400, "invalid_request"), name)
            self.assertEqual(answer.json()["errors"][0]["field"], "client_id")

    def test_codes_are_no_other_tokens_and_no_others_are_codes(self):
        user, codes = self.server.register(), self.begin()
        for token in (codes["device_code"], codes["user_code"]):
            self.me(token, 401)
            body = {"refresh_token": token}
            answer = self.server.call("POST", "/api/v1/auth/refresh", json=body)
            self.assert_problem(answer, 401, "invalid_credentials")
        for token in (user.token, user.refresh_token, user.key):
            self.assert_oauth(self.ask({"device_code": token}), "invalid_grant")

    def test_only_a_user_approves(self):
        user, codes = self.server.register(), self.begin()
        path, body = "/api/v1/auth/device/approve", {"user_code": codes["user_code"]}
        self.assert_problem(self.server.call("POST", path, json=body), 401, "missing_credentials")
        answer = self.server.call("POST", path, json=body, headers=bearer(user.key))
        self.assert_problem(answer, 403, "permission_denied")
        for code in ("", "x", "AEIO-UAEI", "WDJB-MJH", "WDJB-MJHTT", "\0", "x" * 1_000):
            problem = self.assert_problem(self.approve(user, code), 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], "user_code")
        for wrong in ({"approve": 1}, {"approve": None}):
            problem = self.assert_problem(self.approve(user, codes["user_code"], **wrong), 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], "approve")
        self.assert_oauth(self.ask(codes), "authorization_pending")

    def test_guesses_are_limited(self):
        user, other, codes = self.server.register(), self.server.register(), self.begin()
        for _ in range(10):
            self.assert_problem(self.approve(user, "BBBB-BBBB"), 404, "not_found")
        answer = self.approve(user, codes["user_code"])
        self.assert_problem(answer, 429, "too_many_attempts")
        self.assertLessEqual(int(answer.headers["Retry-After"]), 601)
        self.assertEqual(self.approve(other, codes["user_code"]).status_code, 204)

    def test_no_code_is_in_the_log(self):
        codes = self.begin()
        self.ask(codes)
        for code in (codes["device_code"], codes["user_code"], codes["user_code"].replace("-", "")):
            self.assertNotIn(code, self.server.log())


class Tab:
    """A browser without its screen: it keeps cookies, and sends forms as the page has them."""

    def __init__(self, server, **headers):
        self.server, self.session = server, requests.Session()
        self.session.headers.update({"Sec-Fetch-Site": "same-origin"} | headers)
        self.page = None

    def _keep(self, answer):
        self.page = answer
        return answer

    def open(self, path):
        return self._keep(self.session.get(self.server.url + path, timeout=_server.MAX_CALL))

    def token(self):
        return html.unescape(FORM_TOKEN.search(self.page.text).group(1))

    def send(self, path, fields, headers=None, follow=True):
        url = self.server.url + path
        options = {"headers": headers, "allow_redirects": follow, "timeout": _server.MAX_CALL}
        return self._keep(self.session.post(url, data=fields, **options))

    def sign_in(self, email, password, next_page="/device"):
        self.open("/sign-in?" + urllib.parse.urlencode({"next": next_page}))
        fields = {"form_token": self.token(), "email": email, "password": password, "next": next_page}
        return self.send("/sign-in", fields)

    def cookie(self):
        return self.session.cookies.get("tollgate")


class Pages(Devices):
    """`/sign-in`, `/sign-out`, `/device`."""

    def signed_in(self, user):
        tab = Tab(self.server)
        self.assertEqual(tab.sign_in(user.email, user.password).status_code, 200, tab.page.text)
        self.assertIn(html.escape(user.email), tab.page.text)
        return tab

    def assert_page(self, answer, status, *words):
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(
            answer.headers["Content-Security-Policy"],
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
        self.assertNotIn("<script", answer.text)
        for word in words:
            self.assertIn(html.escape(word, quote=False), answer.text)

    def test_a_person_lets_a_device_in(self):
        user, codes = self.server.register(), self.begin(client_id="My <b>Editor</b>")
        tab = Tab(self.server)
        link = codes["verification_uri_complete"].removeprefix(self.server.url)
        answer = tab.open(link)
        self.assert_page(answer, 200, "Sign in")
        fields = {"form_token": tab.token(), "email": user.email, "password": user.password}
        fields["next"] = html.unescape(re.search(r'name="next" value="([^"]+)"', answer.text).group(1))
        answer = tab.send("/sign-in", fields)
        self.assertEqual(answer.url, self.server.url + link)
        self.assert_page(answer, 200, codes["user_code"], "My <b>Editor</b>", "127.0.0.1", "python-requests")
        self.assert_oauth(self.ask(codes), "authorization_pending")
        fields = {"form_token": tab.token(), "user_code": codes["user_code"], "decision": "approve"}
        self.assert_page(tab.send("/device", fields), 200, "Approved")
        pair = self.assert_ok(self.ask(codes))
        self.assertEqual(self.me(pair["access_token"])["id"], user.id)
        # Once.
        tab.open("/device")
        fields["form_token"] = tab.token()
        self.assert_page(tab.send("/device", fields), 404, "There is no such device")

    def test_a_person_denies_a_device(self):
        codes = self.begin()
        tab = self.signed_in(self.server.register())
        self.assert_page(tab.open("/device?user_code=" + codes["user_code"].lower()), 200, codes["user_code"])
        fields = {"form_token": tab.token(), "user_code": codes["user_code"], "decision": "deny"}
        self.assert_page(tab.send("/device", fields), 200, "Denied")
        self.assert_oauth(self.ask(codes), "access_denied")

    def test_wrong_codes_are_said_to_be_and_counted(self):
        tab = self.signed_in(self.server.register())
        self.assert_page(tab.open("/device?user_code=nonsense"), 422, "This is no code")
        for _ in range(10):
            self.assert_page(tab.open("/device?user_code=BBBB-BBBB"), 404, "There is no such device")
        answer = tab.open("/device?user_code=BBBB-BBBB")
        self.assert_page(answer, 429, "too many attempts")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    def test_a_wrong_password_says_nothing_of_the_account(self):
        user = self.server.register()
        pages = []
        for email in (user.email, "nobody@example.com"):
            tab = Tab(self.server)
            answer = tab.sign_in(email, "wrong password")
            self.assert_page(answer, 401, "The email address or the password is wrong.")
            self.assertIsNone(tab.cookie())
            text = FORM_TOKEN.sub("", answer.text).replace(html.escape(email), "")
            pages.append((answer.headers.keys(), text))
        self.assertEqual(*pages)

    def test_with_a_second_factor_its_code_is_asked_for(self):
        user, codes = self.server.register(), self.begin()
        secret = self.assert_ok(user.api("POST", "/api/v1/auth/2fa/setup"))["secret"]
        enabled = user.api("POST", "/api/v1/auth/2fa/enable", json={"code": code_now(secret)})
        backup, *_ = self.assert_ok(enabled)["backup_codes"]
        tab = Tab(self.server)
        answer = tab.sign_in(user.email, user.password, f"/device?user_code={codes['user_code']}")
        self.assert_page(answer, 200, "Enter your code")
        self.assertIsNone(tab.cookie())
        self.assertTrue(tab.open("/device").url.startswith(self.server.url + "/sign-in"))
        hidden = dict(re.findall(r'name="(mfa_token|next|form_token)" value="([^"]*)"', answer.text))
        hidden = {name: html.unescape(value) for name, value in hidden.items()}
        self.assert_page(tab.send("/sign-in/code", hidden | {"code": "000000"}), 401, "Enter your code")
        self.assertIsNone(tab.cookie())
        cross = tab.send("/sign-in/code", hidden | {"code": backup}, {"Sec-Fetch-Site": "cross-site"})
        self.assert_page(cross, 403)
        answer = tab.send("/sign-in/code", hidden | {"code": backup})
        self.assert_page(answer, 200, codes["user_code"])
        fields = {"form_token": tab.token(), "user_code": codes["user_code"], "decision": "approve"}
        self.assert_page(tab.send("/device", fields), 200, "Approved")
        # The second factor was brought where it was approved.
        self.assertEqual(self.me(self.assert_ok(self.ask(codes))["access_token"])["id"], user.id)

    def test_the_cookie_is_an_ordinary_session(self):
        user = self.server.register()
        first, second = self.signed_in(user), self.signed_in(user)
        listed = self.assert_ok(user.api("GET", "/api/v1/auth/sessions"))["items"]
        self.assertEqual(len(listed), 3)
        self.assert_page(first.open("/device"), 200, user.email)
        # Ended from elsewhere, at once.
        ended = user.api("DELETE", f"/api/v1/auth/sessions/{listed[1]['id']}")
        self.assertEqual(ended.status_code, 204)
        self.assertTrue(first.open("/device").url.startswith(self.server.url + "/sign-in"))
        self.assert_page(second.open("/device"), 200, user.email)
        body = {"current_password": user.password, "new_password": "another horse battery"}
        self.assertEqual(user.api("POST", "/api/v1/auth/change-password", json=body).status_code, 204)
        self.assertTrue(second.open("/device").url.startswith(self.server.url + "/sign-in"))

    def test_a_sign_in_makes_a_new_cookie_and_ends_the_session_before(self):
        user = self.server.register()
        tab = self.signed_in(user)
        before = tab.cookie()
        # Somebody else's cookie is not taken on.
        again = Tab(self.server)
        again.session.cookies.set("tollgate", before)
        again.open("/sign-in")
        self.assertEqual(again.page.url, self.server.url + "/device")
        other = Tab(self.server)
        other.open("/sign-in")
        token = other.token()
        other.session.cookies.set("tollgate", before)
        fields = {"form_token": token, "email": user.email, "password": user.password}
        answer = other.send("/sign-in", fields, follow=False)
        self.assertEqual((answer.status_code, answer.headers["Location"]), (303, "/device"))
        [set_cookie] = [c for c in answer.raw.headers.getlist("Set-Cookie") if c.startswith("tollgate=")]
        self.assertNotIn(before, set_cookie)
        self.assertRegex(
            set_cookie, r"^tollgate=[\w-]{43}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax$"
        )
        self.assertTrue(tab.open("/device").url.startswith(self.server.url + "/sign-in"))

    def test_signing_out_ends_the_session(self):
        user = self.server.register()
        tab = self.signed_in(user)
        cookie, token = tab.cookie(), tab.token()
        self.assert_page(tab.send("/sign-out", {"form_token": token}), 200, "Signed out")
        self.assertIsNone(tab.cookie())
        tab.session.cookies.set("tollgate", cookie)
        self.assertTrue(tab.open("/device").url.startswith(self.server.url + "/sign-in"))
        self.assertEqual(len(self.assert_ok(user.api("GET", "/api/v1/auth/sessions"))["items"]), 1)

    def test_forms_of_others_change_nothing(self):
        user, codes = self.server.register(), self.begin()
        tab, stranger = self.signed_in(user), self.signed_in(self.server.register())
        tab.open("/device?user_code=" + codes["user_code"])
        good = {"form_token": tab.token(), "user_code": codes["user_code"], "decision": "approve"}
        theirs = stranger.token()
        for fields in ({}, good | {"form_token": ""}, good | {"form_token": theirs}):
            fields = {"user_code": codes["user_code"], "decision": "approve"} | fields
            answer = tab.send("/device", fields)
            self.assertIn(answer.status_code, (403, 422), answer.text)
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": None},
            {"Sec-Fetch-Site": None, "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": None, "Origin": "null"},
            {"Sec-Fetch-Site": None, "Referer": "https://evil.example/" + self.server.url},
        ):
            self.assert_page(tab.send("/device", good, headers), 403, "That did not work")
            fields = {"form_token": good["form_token"]}
            self.assert_page(tab.send("/sign-out", fields, headers), 403, "That did not work")
        json_body = tab.session.post(self.server.url + "/device", json=good, timeout=_server.MAX_CALL)
        self.assertEqual(json_body.status_code, 415)
        self.assert_oauth(self.ask(codes), "authorization_pending")
        answer = tab.send("/device", good, {"Sec-Fetch-Site": None, "Origin": self.server.url})
        self.assert_page(answer, 200, "Approved")

    def test_nobody_is_signed_in_by_another_site(self):
        user = self.server.register()
        tab = Tab(self.server)
        tab.open("/sign-in")
        fields = {"form_token": tab.token(), "email": user.email, "password": user.password}
        self.assert_page(tab.send("/sign-in", fields, {"Sec-Fetch-Site": "cross-site"}), 403)
        bare = Tab(self.server)
        self.assert_page(bare.send("/sign-in", fields), 403)
        other = Tab(self.server)
        other.open("/sign-in")
        self.assert_page(other.send("/sign-in", fields), 403)
        for each in (tab, bare, other):
            self.assertIsNone(each.cookie())

    def test_a_cookie_is_no_credential_of_the_api(self):
        user = self.server.register()
        tab = self.signed_in(user)
        document = self.server.call("GET", "/openapi.json").json()
        asked = 0
        for path, item in document["paths"].items():
            for method, operation in item.items():
                # Whoever is on this machine reads the metrics.
                if not operation.get("security") or path == "/metrics":
                    continue
                url = self.server.url + path.replace("{id}", user.id)
                answer = tab.session.request(method, url, json={}, timeout=_server.MAX_CALL)
                self.assertEqual(answer.status_code, 401, f"{method} {path}: {answer.text}")
                self.assertEqual(answer.json()["code"], "missing_credentials", path)
                asked += 1
        self.assertGreater(asked, 15)
        for headers in (bearer(tab.cookie()), {"X-API-Key": tab.cookie()}):
            for path in ("/api/v1/auth/me", "/v1/models"):
                self.assertEqual(self.server.call("GET", path, headers=headers).status_code, 401)
        self.assert_page(tab.open("/device"), 200, user.email)

    def test_the_next_page_is_one_of_ours(self):
        user = self.server.register()
        for asked in ("https://evil.example/", "//evil.example", "/\\evil.example", "/device?user_code=x&y=z"):
            tab = Tab(self.server)
            tab.open("/sign-in")
            fields = {"form_token": tab.token(), "email": user.email, "password": user.password, "next": asked}
            answer = tab.send("/sign-in", fields, follow=False)
            self.assertEqual((answer.status_code, answer.headers["Location"]), (303, "/device"))

    def test_the_style_is_served_and_nothing_is_loaded_from_elsewhere(self):
        answer = self.server.call("GET", "/assets/pages.css")
        self.assertEqual(answer.headers["Content-Type"], "text/css; charset=utf-8")
        self.assertNotIn("url(", answer.text)
        self.assertNotIn("@import", answer.text)
        page = self.server.call("GET", "/sign-in").text
        self.assertEqual(re.findall(r'(?:src|href)="([^"]*)"', page), ["/assets/pages.css"])


class OverTls(Devices):
    """The public URL is https: a proxy in front ends TLS."""

    environment = {"TOLLGATE_PUBLIC_URL": "https://gate.example"}

    def test_cookies_are_those_of_this_host_over_tls(self):
        user = self.server.register()
        page = self.server.call("GET", "/sign-in")
        form_cookie = page.headers["Set-Cookie"]
        self.assertRegex(
            form_cookie, r"^__Host-tollgate-form=[\w-]{43}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure$"
        )
        fields = {
            "form_token": html.unescape(FORM_TOKEN.search(page.text).group(1)),
            "email": user.email,
            "password": user.password,
        }
        headers = {"Cookie": form_cookie.split(";")[0], "Origin": "https://gate.example"}
        answer = self.server.call("POST", "/sign-in", data=fields, headers=headers)
        self.assertEqual(answer.status_code, 303, answer.text)
        cookies = answer.raw.headers.getlist("Set-Cookie")
        self.assertEqual(len(cookies), 2)
        session = next(cookie for cookie in cookies if cookie.startswith("__Host-tollgate="))
        self.assertRegex(session, r"; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$")
        self.assertNotIn("Domain", session)
        value = session.split(";")[0].removeprefix("__Host-tollgate=")
        page = self.server.call("GET", "/device", headers={"Cookie": f"__Host-tollgate={value}"})
        self.assertEqual(page.status_code, 200)
        # The plain name is nothing here.
        page = self.server.call("GET", "/device", headers={"Cookie": f"tollgate={value}"})
        self.assertEqual(page.status_code, 303)
        codes = self.begin()
        self.assertEqual(codes["verification_uri"], "https://gate.example/device")


@unittest.skipUnless(_browser.PROGRAM, "no Chromium here")
class InABrowser(Devices):
    """A real browser, whose page may run no script."""

    def test_a_link_a_password_and_one_press_let_a_device_in(self):
        user = self.server.register(f"{'long' * 12}-{uuid.uuid4().hex[:10]}@example.com")
        codes = self.begin(client_id="My Editor")
        browser = _browser.Browser()
        self.addCleanup(browser.close)
        browser.without_scripts()
        started = time.monotonic()
        browser.open(codes["verification_uri_complete"])
        self.assertIn("Sign in", browser.text())
        browser.fill("#email", user.email)
        browser.fill("#password", user.password)
        browser.press("button[type=submit]")
        self.assertIn("My Editor", browser.text())
        self.assertIn(codes["user_code"], browser.text())
        cookie = browser.cookies()["tollgate"]
        self.assertEqual((cookie["httpOnly"], cookie["sameSite"], cookie["path"]), (True, "Lax", "/"))
        self.assertNotIn("tollgate-form", browser.cookies())
        # The style is there in spite of the policy, and nothing sticks out of a small screen.
        self.assertGreaterEqual(browser.run("document.querySelector('button').offsetHeight"), 44)
        self.assertLessEqual(browser.run("document.documentElement.scrollWidth"), 360)
        browser.press("button[value=approve]")
        self.assertIn("Approved", browser.text())
        self.assertLess(time.monotonic() - started, _browser.MAX_WAIT)
        self.assertEqual(self.me(self.assert_ok(self.ask(codes))["access_token"])["id"], user.id)
        browser.press("form[action='/sign-out'] button")
        self.assertIn("Signed out", browser.text())
        self.assertNotIn("tollgate", browser.cookies())

    def test_the_keyboard_is_enough(self):
        user, codes = self.server.register(), self.begin()
        browser = _browser.Browser()
        self.addCleanup(browser.close)
        browser.open(self.server.url + "/device")
        browser.wait_for("document.activeElement.id === 'email'")
        browser.ask("Input.insertText", text=user.email)
        browser.key("Tab")
        browser.ask("Input.insertText", text=user.password)
        browser.key("Enter")
        browser.wait_for("document.activeElement.id === 'user_code'")
        browser.ask("Input.insertText", text=codes["user_code"].lower())
        browser.key("Enter")
        browser.wait_for("document.readyState === 'complete' && !!document.querySelector('button[value=deny]')")
        browser.key("Tab")
        browser.key("Tab")
        self.assertEqual(browser.run("document.activeElement.value"), "deny")
        browser.key("Enter")
        browser.wait_for("document.querySelector('h1').innerText === 'Denied'")
        self.assert_oauth(self.ask(codes), "access_denied")

    def test_another_site_sends_no_form(self):
        user, codes = self.server.register(), self.begin()
        browser = _browser.Browser()
        self.addCleanup(browser.close)
        browser.open(self.server.url + "/device?user_code=" + codes["user_code"])
        browser.fill("#email", user.email)
        browser.fill("#password", user.password)
        browser.press("button[type=submit]")
        # Even one that has got hold of the token.
        token = browser.run("document.querySelector('[name=form_token]').value")
        fields = {"form_token": token, "user_code": codes["user_code"], "decision": "approve"}
        browser.open("about:blank")
        browser.run(
            f"""
            const form = document.body.appendChild(document.createElement("form"));
            form.method = "post";
            form.action = {json.dumps(self.server.url + "/device")};
            for (const [name, value] of Object.entries({json.dumps(fields)})) {{
              Object.assign(form.appendChild(document.createElement("input")), {{ name, value }});
            }}
            form.submit();
            """
        )
        browser.wait_for("document.body && document.body.innerText.includes('That did not work')")
        self.assert_oauth(self.ask(codes), "authorization_pending")
        browser.open(self.server.url + "/device")
        self.assertIn(user.email, browser.text())


@unittest.skipUnless(_browser.PROGRAM, "no Chromium here")
class WithoutTls(Devices):
    """A public URL in a network of one's own, to which browsers do not send `Sec-Fetch-Site`."""

    def test_forms_are_known_by_their_origin(self):
        name = f"gate.test:{self.server.installation.port}"
        self.server.installation.set(TOLLGATE_PUBLIC_URL=f"http://{name}")
        self.server.restart()
        user, codes = self.server.register(), self.begin()
        browser = _browser.Browser("--host-resolver-rules=MAP gate.test 127.0.0.1")
        self.addCleanup(browser.close)
        browser.open(codes["verification_uri_complete"])
        self.assertEqual((browser.run("location.host"), browser.run("isSecureContext")), (name, False))
        browser.fill("#email", user.email)
        browser.fill("#password", user.password)
        browser.press("button[type=submit]")
        browser.press("button[value=approve]")
        self.assertIn("Approved", browser.text())
        self.assert_ok(self.ask(codes))


if __name__ == "__main__":
    unittest.main()
