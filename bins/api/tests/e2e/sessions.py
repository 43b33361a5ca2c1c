"""Refreshing, logging out, and the list of sessions."""

import base64
import concurrent.futures
import json
import subprocess
import time
import unittest

import _installation
import _server
from _server import MAX_CALL, bearer, moment, wait_until
from _testcase import EndToEnd

PREFIXES = ("/api/v1/auth", "/api/auth")
# How long a spent token is answered again, in seconds.
FORGIVEN = 10
# Within a second one server hears of what happened in another; a busy machine may take longer for a call.
ONE_SECOND = 5


class Sessions(EndToEnd):
    """Each test makes users of its own."""

    def refresh(self, token, prefix="/api/v1/auth"):
        return self.server.call("POST", prefix + "/refresh", json={"refresh_token": token})

    def refreshed(self, token):
        return self.assert_ok(self.refresh(token))

    def log_in(self, user, **headers):
        body = {"email": user.email, "password": user.password}
        return self.assert_ok(self.server.call("POST", "/api/v1/auth/login", json=body, headers=headers))

    def me(self, token, status=200):
        answer = self.server.call("GET", "/api/v1/auth/me", headers=bearer(token))
        if status == 200:
            return self.assert_ok(answer)
        return self.assert_problem(answer, status, "invalid_credentials")

    def sessions(self, token, **params):
        answer = self.server.call("GET", "/api/v1/auth/sessions", headers=bearer(token), params=params)
        return self.assert_ok(answer)

    def log_out(self, token, **options):
        return self.server.call("POST", "/api/v1/auth/logout", headers=bearer(token), **options)


class Refreshing(Sessions):
    """`POST /refresh`."""

    def test_document_004_refreshes_and_logs_out_as_printed(self):
        user = self.server.register()
        for prefix in PREFIXES:
            with self.subTest(prefix):
                login = self.log_in(user)
                answer = self.refresh(login["refresh_token"], prefix)
                pair = self.assert_ok(answer)
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
                self.assertEqual(
                    pair.keys(), {"access_token", "refresh_token", "token_type", "expires_in"}
                )
                self.assertEqual((pair["token_type"], pair["expires_in"]), ("bearer", 30 * 60))
                self.assertNotEqual(pair["refresh_token"], login["refresh_token"])
                self.assertNotEqual(pair["access_token"], login["access_token"])
                self.assertEqual(self.me(pair["access_token"])["id"], user.id)
                # As the document prints it: without any body.
                words = ["curl", "-sS", "--fail-with-body", "-X", "POST", "-w", "%{http_code}"]
                words += ["-H", f"Authorization: Bearer {pair['access_token']}"]
                words += [self.server.url + prefix + "/logout"]
                done = subprocess.run(words, capture_output=True, text=True, timeout=MAX_CALL)
                self.assertEqual((done.returncode, done.stdout), (0, "204"), done.stderr)
                self.me(pair["access_token"], 401)

    def test_a_lost_answer_is_given_again(self):
        user = self.server.register()
        first = self.refresh(user.refresh_token)
        again = self.refresh(user.refresh_token)
        self.assert_ok(first)
        self.assertEqual(again.content, first.content)
        # The successor is good for both.
        last = self.refreshed(again.json()["refresh_token"])
        self.me(last["access_token"])

    def test_a_spent_token_whose_successor_was_used_ends_the_session(self):
        user = self.server.register()
        other = self.log_in(user)
        thief = self.refreshed(user.refresh_token)
        thief = self.refreshed(thief["refresh_token"])
        self.me(thief["access_token"])
        self.assert_problem(self.refresh(user.refresh_token), 401, "refresh_reused")
        # At once, and for everybody who holds anything of it.
        self.me(thief["access_token"], 401)
        self.me(user.token, 401)
        self.assert_problem(self.refresh(thief["refresh_token"]), 401, "invalid_credentials")
        self.assert_problem(self.refresh(user.refresh_token), 401, "invalid_credentials")
        self.assertEqual(len(self.sessions(other["access_token"])["items"]), 1)
        self.assertIn("a spent refresh token was presented again", self.server.log())

    def test_a_token_that_was_spent_ten_seconds_ago_ends_the_session(self):
        user = self.server.register()
        pair = self.refreshed(user.refresh_token)
        time.sleep(FORGIVEN + 0.1)
        self.assert_problem(self.refresh(user.refresh_token), 401, "refresh_reused")
        self.me(pair["access_token"], 401)
        self.assert_problem(self.refresh(pair["refresh_token"]), 401, "invalid_credentials")

    def test_of_many_refreshes_at_once_all_get_the_one_successor(self):
        user = self.server.register()
        token = user.refresh_token
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                answers = list(pool.map(self.refresh, [token] * 8))
                pairs = {self.assert_ok(answer)["refresh_token"] for answer in answers}
                self.assertEqual(len(pairs), 1)
                self.assertEqual(len({answer.content for answer in answers}), 1)
                [token] = pairs
        self.me(answers[0].json()["access_token"])
        self.assertEqual(len(self.sessions(answers[0].json()["access_token"])["items"]), 1)

    def test_a_lost_answer_survives_a_restart(self):
        for _ in range(3):
            user = self.server.register()
            began = time.monotonic()
            pair = self.refreshed(user.refresh_token)
            self.server.kill()
            self.server.start()
            again = self.refresh(user.refresh_token)
            # On a busy machine the start alone may take as long as a spent token is answered.
            if time.monotonic() - began < FORGIVEN:
                break
        self.assertEqual(self.assert_ok(again), pair)
        self.me(pair["access_token"])

    def test_nothing_of_it_is_readable_in_what_is_written(self):
        user = self.server.register()
        first = self.refreshed(user.refresh_token)
        secrets = [user.refresh_token, user.token, first["refresh_token"], first["access_token"]]
        last = self.refreshed(first["refresh_token"])
        secrets += [last["refresh_token"], last["access_token"]]
        self.assert_problem(self.refresh(user.refresh_token), 401, "refresh_reused")
        for place, content in self.server.installation.content().items():
            for secret in secrets:
                for written in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
                    self.assertFalse(written in content, f"a token is in {place}")

    def test_no_token_of_another_kind_is_taken(self):
        user, other = self.server.register(), self.server.register()
        header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
        body = user.token.split(".")[1]
        wrong = [
            user.token,
            other.token,
            user.key,
            f"{header}.{body}.",
            user.refresh_token[:-1],
            user.refresh_token + "=",
            " " + user.refresh_token,
            user.refresh_token.swapcase(),
            "",
            "\0",
            "😀" * 100,
            "x" * 10_000,
        ]
        for token in wrong:
            with self.subTest(token[:20]):
                self.assert_problem(self.refresh(token), 401, "invalid_credentials")
        # And the other way round.
        for path in ("/api/v1/auth/me", "/api/v1/auth/sessions", "/api/v1/keys"):
            answer = self.server.call("GET", path, headers=bearer(user.refresh_token))
            self.assertEqual(answer.status_code, 401, answer.text)
        self.assertEqual(user.gate(key=user.refresh_token, json={}).status_code, 401)
        # None of that has harmed the session.
        self.me(user.token)
        self.refreshed(user.refresh_token)

    def test_a_token_of_another_installation_is_unknown(self):
        other = type(self.server)()
        self.addCleanup(other.close)
        stranger = other.register()
        self.assert_problem(self.refresh(stranger.refresh_token), 401, "invalid_credentials")

    def test_bad_bodies_name_the_field(self):
        for body, code in [
            ({}, "missing"),
            ({"refresh_token": None}, "wrong_type"),
            ({"refresh_token": 1}, "wrong_type"),
            ({"refresh_token": {"a": 1}}, "wrong_type"),
        ]:
            for prefix in PREFIXES:
                answer = self.server.call("POST", prefix + "/refresh", json=body)
                problem = self.assert_problem(answer, 422, "validation_failed")
                [error] = problem["errors"]
                self.assertEqual((error["field"], error["code"]), ("refresh_token", code))
        headers = {"Content-Type": "application/json"}

        def call(data):
            return self.server.call("POST", "/api/v1/auth/refresh", data=data, headers=headers)

        self.assert_problem(call(b"{"), 400, "malformed_request")
        self.assert_problem(call(b'{"refresh_token": "\xff"}'), 400, "malformed_request")
        self.assert_problem(call(b'{"refresh_token": "a", "refresh_token": "b"}'), 422, "validation_failed")
        long = json.dumps({"refresh_token": "x" * 2_000_000}).encode()
        self.assert_problem(call(long), 413, "payload_too_large")
        form = self.server.call("POST", "/api/v1/auth/refresh", data={"refresh_token": "x"})
        self.assert_problem(form, 415, "unsupported_media_type")

    def test_who_is_deactivated_refreshes_nothing(self):
        user = self.server.register()
        self.server.edit_user(user, is_active=False)
        self.assert_problem(self.refresh(user.refresh_token), 401, "user_disabled")
        self.server.edit_user(user, is_active=True)
        self.refreshed(user.refresh_token)


class Ending(Sessions):
    """`POST /logout`, `GET /sessions`, `DELETE /sessions/{id}`."""

    def test_logging_out_ends_this_session_and_no_other(self):
        user, other = self.server.register(), self.server.register()
        second = self.log_in(user)
        answer = self.log_out(user.token, json={})
        self.assertEqual((answer.status_code, answer.content), (204, b""))
        self.me(user.token, 401)
        self.assert_problem(self.log_out(user.token, json={}), 401, "invalid_credentials")
        self.assert_problem(self.refresh(user.refresh_token), 401, "invalid_credentials")
        self.me(second["access_token"])
        self.me(other.token)
        # Keys are not of a session.
        self.assert_ok(user.chat())

    def test_logging_out_everywhere_ends_every_session(self):
        user, other = self.server.register(), self.server.register()
        logins = [self.log_in(user) for _ in range(3)]
        answer = self.server.call(
            "POST", "/api/auth/logout", headers=bearer(logins[1]["access_token"]), json={"all": True}
        )
        self.assertEqual(answer.status_code, 204, answer.text)
        for token in [user.token] + [login["access_token"] for login in logins]:
            self.me(token, 401)
        for login in logins:
            self.assert_problem(self.refresh(login["refresh_token"]), 401, "invalid_credentials")
        self.me(other.token)
        self.me(self.log_in(user)["access_token"])

    def test_bad_wishes_to_log_out_end_nothing(self):
        user = self.server.register()
        for body in ({"all": 1}, {"all": None}, {"all": "true"}):
            answer = self.log_out(user.token, json=body)
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], "all")
        text = {"Content-Type": "text/plain"} | bearer(user.token)
        answer = self.server.call("POST", "/api/v1/auth/logout", headers=text, data=b"all")
        self.assert_problem(answer, 415, "unsupported_media_type")
        self.me(user.token)

    def test_the_list_says_where_and_when_and_which_is_this_one(self):
        user = self.server.register()
        second = self.log_in(user, **{"User-Agent": "Editor/1.2", "X-Forwarded-For": "203.0.113.7"})
        listed = self.sessions(second["access_token"])
        self.assertIsNone(listed["next_cursor"])
        newest, oldest = listed["items"]
        keys = {"id", "ip", "user_agent", "created_at", "last_seen_at", "current"}
        self.assertEqual(newest.keys(), keys)
        self.assertEqual((newest["current"], oldest["current"]), (True, False))
        # A forwarded address is believed from a proxy on this machine.
        self.assertEqual((newest["ip"], newest["user_agent"]), ("203.0.113.7", "Editor/1.2"))
        self.assertEqual(oldest["ip"], "127.0.0.1")
        self.assertIn("python-requests", oldest["user_agent"])
        self.assertEqual(newest["created_at"], newest["last_seen_at"])
        for time_text in (newest["created_at"], newest["last_seen_at"]):
            self.assertRegex(time_text, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        # Calls are not noted, refreshes are.
        pair = self.refreshed(second["refresh_token"])
        seen = self.sessions(pair["access_token"])["items"][0]
        self.assertEqual((seen["id"], seen["created_at"]), (newest["id"], newest["created_at"]))
        self.assertGreater(moment(seen["last_seen_at"]), moment(newest["last_seen_at"]))
        self.assertEqual(self.sessions(pair["access_token"])["items"][0], seen)

    def test_a_long_agent_is_cut_and_odd_ones_do_no_harm(self):
        user = self.server.register()
        self.log_in(user, **{"User-Agent": "x" * 4_000})
        last = self.log_in(user, **{"User-Agent": "tab\there"})
        agents = [session["user_agent"] for session in self.sessions(last["access_token"])["items"]]
        self.assertIn("x" * 256, agents)

    def test_the_list_has_pages(self):
        user = self.server.register()
        for _ in range(4):
            self.log_in(user)
        ids, cursor = [], None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = self.sessions(user.token, **params)
            self.assertLessEqual(len(page["items"]), 2)
            ids += [session["id"] for session in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        self.assertEqual((len(ids), len(set(ids))), (5, 5))
        self.assertEqual([s["id"] for s in self.sessions(user.token)["items"]], ids)
        for query, field in [("limit=0", "limit"), ("limit=101", "limit"), ("cursor=x", "cursor")]:
            answer = self.server.call("GET", f"/api/auth/sessions?{query}", headers=bearer(user.token))
            problem = self.assert_problem(answer, 422, "validation_failed")
            self.assertEqual(problem["errors"][0]["field"], field)

    def test_one_session_is_ended_by_its_user_alone(self):
        user, other = self.server.register(), self.server.register()
        second = self.log_in(user)
        by_current = {s["current"]: s["id"] for s in self.sessions(user.token)["items"]}

        def end(token, session, prefix="/api/v1/auth"):
            return self.server.call("DELETE", f"{prefix}/sessions/{session}", headers=bearer(token))

        self.assert_problem(end(other.token, by_current[False]), 404, "not_found")
        self.me(second["access_token"])
        self.assertEqual(end(user.token, by_current[False]).status_code, 204)
        self.me(second["access_token"], 401)
        self.assert_problem(self.refresh(second["refresh_token"]), 401, "invalid_credentials")
        self.assert_problem(end(user.token, by_current[False]), 404, "not_found")
        self.assertEqual([s["id"] for s in self.sessions(user.token)["items"]], [by_current[True]])
        for nonsense in ("x", "%00", "0" * 32, user.id):
            self.assert_problem(end(user.token, nonsense), 404, "not_found")
        # Ending the session of the call is logging out.
        self.assertEqual(end(user.token, by_current[True], "/api/auth").status_code, 204)
        self.me(user.token, 401)

    def test_keys_are_not_for_sessions(self):
        user = self.server.register()
        for method, path in [
            ("POST", "/logout"),
            ("GET", "/sessions"),
            ("DELETE", f"/sessions/{self.sessions(user.token)['items'][0]['id']}"),
        ]:
            for prefix in PREFIXES:
                answer = self.server.call(method, prefix + path, headers=bearer(user.key))
                self.assert_problem(answer, 403, "permission_denied")
        self.me(user.token)

    def test_a_session_that_ended_stays_so_after_a_restart(self):
        user = self.server.register()
        self.assertEqual(self.log_out(user.token).status_code, 204)
        self.server.kill()
        self.server.start()
        self.me(user.token, 401)
        self.assert_problem(self.refresh(user.refresh_token), 401, "invalid_credentials")


@unittest.skipUnless(_installation.ON_POSTGRES, "several servers share PostgreSQL only")
class TwoServers(Sessions):
    """Two servers over one database, with the same secrets."""

    config = "cluster:\n  allow_inexact: true\n"
    environment = {
        "JWT_SECRET_KEY": "signs-access-tokens-0123456789abcdef",
        "SECRET_KEY": "peppers-all-the-hashes-0123456789abcdef",
        "ENCRYPTION_MASTER_KEY": "seals-what-is-read-again-0123456789abcdef",
    }

    def test_what_ends_in_one_ends_in_the_other_within_a_second(self):
        first = self.server
        shared = {"DATABASE_URL": first.installation.database.url, "TOLLGATE_PUBLIC_URL": first.url}
        second = _server.Server(self.environment | shared, self.config)
        self.addCleanup(second.close)
        for server in (first, second):
            self.assertIn("WARN tollgate_api::serve: cluster.allow_inexact: each server", server.log())

        def status(token):
            return second.call("GET", "/api/v1/auth/me", headers=bearer(token)).status_code

        user = self.server.register()
        self.assertEqual(status(user.token), 200)
        self.assertEqual(self.log_out(user.token).status_code, 204)
        wait_until(lambda: status(user.token) == 401, "the second server has heard of the end", ONE_SECOND)
        # A reuse that one server sees is the end in the other as well; each refreshes what the other gave.
        user.log_in()
        pair = self.refreshed(user.refresh_token)
        body = {"refresh_token": pair["refresh_token"]}
        pair = self.assert_ok(second.call("POST", "/api/v1/auth/refresh", json=body))
        self.me(pair["access_token"])
        self.assertEqual(status(pair["access_token"]), 200)
        self.assert_problem(self.refresh(user.refresh_token), 401, "refresh_reused")
        token = pair["access_token"]
        wait_until(lambda: status(token) == 401, "the second server has heard of the end", ONE_SECOND)


class Lifetimes(Sessions):
    """Short ones."""

    environment = {"ACCESS_TOKEN_EXPIRE_MINUTES": "1", "REFRESH_TOKEN_EXPIRE_DAYS": "1"}

    def test_the_answer_says_how_long_the_access_token_is_good(self):
        user = self.server.register()
        self.assertEqual(self.refreshed(user.refresh_token)["expires_in"], 60)
        claims = user.token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self.assertEqual(claims["exp"] - claims["iat"], 60)


if __name__ == "__main__":
    unittest.main()
