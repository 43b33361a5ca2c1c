"""Every route, asked by nobody, by a user, by another user and by keys of little power.

The table says what each route answers to whom. A route of the OpenAPI document that is missing from it fails.
"""

import unittest

import _testcase

# For each route: the statuses for (nobody, a user's access token, a user's API key without permissions that
# matter here, another user naming what is not theirs). None where that makes no sense.
OPEN = (200, 200, 200, None)
TABLE = {
    ("get", "/"): OPEN,
    ("get", "/healthz"): OPEN,
    ("get", "/readyz"): OPEN,
    ("get", "/assets/pages.css"): OPEN,
    # Development lets this machine read it; production asks for credentials with `admin`.
    ("get", "/metrics"): OPEN,
    # The body is empty: who may come in is told what is missing.
    ("post", "/api/v1/auth/register"): (422, 422, 422, None),
    ("post", "/api/v1/auth/login"): (422, 422, 422, None),
    ("post", "/api/v1/auth/refresh"): (422, 422, 422, None),
    ("post", "/api/v1/auth/request-password-reset"): (422, 422, 422, None),
    ("post", "/api/v1/auth/password/reset"): (422, 422, 422, None),
    ("post", "/api/v1/auth/reset-password"): (422, 422, 422, None),
    ("post", "/api/v1/auth/password/reset/confirm"): (422, 422, 422, None),
    ("post", "/api/v1/auth/verify-email"): (422, 422, 422, None),
    ("post", "/api/v1/auth/resend-verification"): (422, 422, 422, None),
    # Pages behind links of mails: without what the link carries there is nothing, and only forms are taken.
    ("get", "/reset-password"): (404, 404, 404, None),
    ("post", "/reset-password"): (415, 415, 415, None),
    ("get", "/verify-email"): (404, 404, 404, None),
    ("post", "/verify-email"): (415, 415, 415, None),
    # With credentials it links an identity to their user, for whom they must be an access token.
    ("post", "/api/v1/auth/external"): (422, 422, 403, None),
    # Programs without credentials begin and ask; what they lack is named.
    ("post", "/api/v1/auth/device/code"): (200, 200, 200, None),
    ("post", "/api/v1/auth/device/token"): (400, 400, 400, None),
    ("post", "/api/v1/auth/device/approve"): (401, 422, 403, None),
    # Pages: nobody is signed in without a cookie, and no form is taken that is not the page's own.
    ("get", "/sign-in"): OPEN,
    ("post", "/sign-in"): (403, 403, 403, None),
    ("post", "/sign-in/code"): (403, 403, 403, None),
    ("post", "/sign-out"): (403, 403, 403, None),
    ("get", "/device"): (303, 303, 303, None),
    ("post", "/device"): (403, 403, 403, None),
    ("get", "/api/v1/auth/sessions"): (401, 200, 403, None),
    ("delete", "/api/v1/auth/sessions/{id}"): (401, 404, 403, 404),
    # The body is empty: who has a session is told what is missing.
    ("post", "/api/v1/auth/change-password"): (401, 422, 403, None),
    ("post", "/api/v1/auth/password/change"): (401, 422, 403, None),
    ("post", "/api/v1/auth/2fa/setup"): (401, 200, 403, None),
    ("post", "/api/v1/auth/2fa/enable"): (401, 422, 403, None),
    ("post", "/api/v1/auth/2fa/verify"): (422, 422, 422, None),
    ("post", "/api/v1/auth/2fa/disable"): (401, 422, 403, None),
    ("post", "/api/v1/auth/2fa/backup-codes"): (401, 422, 403, None),
    ("get", "/api/v1/auth/me"): (401, 200, 403, None),
    ("put", "/api/v1/auth/me"): (401, 200, 403, None),
    # The body is empty: deleting is confirmed by the password.
    ("delete", "/api/v1/auth/me"): (401, 422, 403, None),
    ("get", "/api/v1/auth/vscode-config"): (401, 200, 403, None),
    ("get", "/api/v1/keys"): (401, 200, 403, None),
    ("post", "/api/v1/keys"): (401, 201, 403, None),
    ("delete", "/api/v1/keys/{id}"): (401, 404, 403, 404),
    ("get", "/api/v1/keys/{id}"): (401, 404, 403, 404),
    # The body is empty: what shall change is judged before the key is looked for.
    ("patch", "/api/v1/keys/{id}"): (401, 404, 403, 404),
    ("post", "/api/v1/keys/{id}/rotate"): (401, 404, 403, 404),
    ("get", "/api/v1/keys/{id}/usage"): (401, 404, 403, 404),
    # With an access token there is no key to revoke; with a key it would be the one that asks next.
    ("post", "/api/v1/keys/self/revoke"): (401, 403, None, None),
    ("post", "/api/v1/keys/verify"): (401, 403, 403, None),
    ("get", "/api/v1/usage/stats"): (401, 200, 403, None),
    ("get", "/api/v1/usage/logs"): (401, 200, 403, None),
    ("get", "/api/v1/billing/info"): (401, 200, 403, None),
    ("get", "/api/v1/admin/audit"): (401, 403, 403, None),
    ("get", "/api/v1/admin/users"): (401, 403, 403, None),
    ("post", "/api/v1/admin/users"): (401, 403, 403, None),
    ("post", "/api/v1/admin/users/create"): (401, 403, 403, None),
    ("get", "/api/v1/admin/users/{id}"): (401, 403, 403, 403),
    ("get", "/api/v1/admin/users/{id}/stats"): (401, 403, 403, 403),
    ("post", "/api/v1/admin/users/{id}/activate"): (401, 403, 403, 403),
    ("post", "/api/v1/admin/users/{id}/deactivate"): (401, 403, 403, 403),
    ("get", "/api/v1/admin/keys"): (401, 403, 403, None),
    ("delete", "/api/v1/admin/keys/{id}"): (401, 403, 403, 403),
    ("patch", "/api/v1/admin/users/{id}"): (401, 403, 403, 403),
    ("delete", "/api/v1/admin/users/{id}"): (401, 403, 403, 403),
    ("post", "/api/v1/admin/users/{id}/password-reset"): (401, 403, 403, 403),
    ("post", "/api/v1/admin/invites"): (401, 403, 403, None),
    ("post", "/api/v1/admin/users/{id}/unlock"): (401, 403, 403, 403),
    ("post", "/api/v1/admin/users/{id}/reset-2fa"): (401, 403, 403, 403),
    ("patch", "/api/v1/admin/keys/{id}"): (401, 403, 403, 403),
    # The gate takes API keys only.
    ("post", "/v1/chat/completions"): (401, 401, 403, None),
    ("get", "/v1/models"): (401, 401, 403, None),
    ("post", "/api/v1/llm/completion"): (401, 401, 403, None),
    # The last: the session that asks has ended then.
    ("post", "/api/v1/auth/logout"): (401, 204, 403, None),
}
BODIES = {"/api/v1/keys": {"name": "Another"}}
# What these refuse is said on a page.
PAGES = {"/sign-in", "/sign-in/code", "/sign-out", "/device", "/reset-password", "/verify-email"}
METHODS = {"get", "post", "put", "patch", "delete"}


class Refusals(_testcase.EndToEnd):
    """Nobody gets in who should not."""

    def test_every_route_refuses_as_the_table_says(self):
        document = self.server.call("GET", "/openapi.json").json()
        routes = {
            (method, path) for path, item in document["paths"].items() for method in item if method in METHODS
        }
        self.assertEqual(routes, set(TABLE), "routes and table differ")
        owner, other = self.server.register(), self.server.register()
        weak = self.weak_key(owner)
        [session] = self.server.call(
            "GET", "/api/v1/auth/sessions", headers={"Authorization": f"Bearer {owner.token}"}
        ).json()["items"]
        ids = {"users": owner.id, "keys": owner.key_id, "sessions": session["id"]}
        for (method, path), (nobody, token, key, another) in TABLE.items():
            own = path.replace("{id}", "00000000000070008000000000000000")
            noun = next((noun for noun in ids if noun in path), "keys")
            theirs = path.replace("{id}", ids[noun])
            self.expect(nobody, method, own, {})
            self.expect(token, method, own, {"Authorization": f"Bearer {owner.token}"})
            if key is not None:
                self.expect(key, method, own, {"X-API-Key": weak})
            if another is not None:
                self.expect(another, method, theirs, {"Authorization": f"Bearer {other.token}"})
        still = self.server.call("GET", "/v1/models", headers={"X-API-Key": owner.key})
        self.assertEqual(still.status_code, 200, "somebody else's call changed the owner's key")

    def test_the_older_prefixes_refuse_alike(self):
        owner = self.server.register()
        for method, path, status in [
            ("GET", "/api/auth/me", 401),
            ("POST", "/api/auth/logout", 401),
            ("POST", "/api/auth/device/approve", 401),
            ("POST", "/api/auth/change-password", 401),
            ("POST", "/api/auth/password/change", 401),
            ("GET", "/api/auth/sessions", 401),
            ("DELETE", "/api/auth/sessions/00000000000070008000000000000000", 401),
            ("GET", "/api/keys", 401),
            ("GET", "/api/v1/auth/api-keys", 401),
            ("GET", "/api/v1/auth/usage/stats", 401),
            ("POST", "/api/llm/completion", 401),
            ("PATCH", f"/admin/users/{owner.id}", 401),
            ("POST", "/admin/users/create", 401),
            ("GET", "/api/admin/keys", 401),
        ]:
            self.expect(status, method, path, {})
        headers = {"Authorization": f"Bearer {owner.token}"}
        self.expect(403, "PATCH", f"/admin/users/{owner.id}", headers)

    def test_a_stranger_in_production_reads_no_metrics(self):
        # A forwarded address is believed from a proxy on this machine, and is not this machine's.
        headers = {"X-Forwarded-For": "203.0.113.9"}
        self.assertIn(self.server.call("GET", "/metrics", headers=headers).status_code, (401, 403))

    def weak_key(self, user):
        """A key that may do nothing that the table asks for."""
        made = self.server.call(
            "POST",
            "/api/v1/keys",
            headers={"Authorization": f"Bearer {user.token}"},
            json={"name": "weak", "permissions": ["services"]},
        )
        self.assertEqual(made.status_code, 201, made.text)
        return made.json()["api_key"]

    def expect(self, status, method, path, headers):
        body = BODIES.get(path, {}) if method.upper() in ("POST", "PUT", "PATCH") else None
        answer = self.server.call(method.upper(), path, headers=headers, json=body)
        self.assertEqual(answer.status_code, status, f"{method} {path} {sorted(headers)}: {answer.text}")
        if status == 401:
            self.assertIn("WWW-Authenticate", answer.headers, f"{method} {path}")
        if status >= 400:
            content_type = "text/html; charset=utf-8" if path in PAGES else "application/problem+json"
            self.assertEqual(answer.headers["Content-Type"], content_type)


if __name__ == "__main__":
    unittest.main()
