"""The edge: ids of requests, headers, health, metrics, the start page, and the document of the API."""

import re
import unittest
import urllib.parse

from _server import bearer
from _testcase import EndToEnd

# Every route of this version, under its first name.
ROUTES = {
    ("post", "/api/v1/auth/register"),
    ("post", "/api/v1/auth/login"),
    ("get", "/api/v1/auth/me"),
    ("get", "/api/v1/auth/vscode-config"),
    ("get", "/api/v1/keys"),
    ("post", "/api/v1/keys"),
    ("delete", "/api/v1/keys/{id}"),
    ("get", "/api/v1/usage/stats"),
    ("get", "/api/v1/usage/logs"),
    ("patch", "/api/v1/admin/users/{id}"),
    ("patch", "/api/v1/admin/keys/{id}"),
    ("post", "/v1/chat/completions"),
    ("get", "/v1/models"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


class Edge(EndToEnd):
    """What every answer has, and what is for operators."""

    def test_request_ids_are_kept_or_made(self):
        for path in ("/", "/healthz", "/v1/models", "/api/v1/keys", "/no/such"):
            kept = self.server.call("GET", path, headers={"X-Request-Id": "my-id_1.2"})
            self.assertEqual(kept.headers["X-Request-Id"], "my-id_1.2", path)
            for bad in ("with space", "semi;colon", "x" * 129, "ä"):
                answer = self.server.call("GET", path, headers={"X-Request-Id": bad.encode()})
                made = answer.headers["X-Request-Id"]
                self.assertNotEqual(made, bad)
                self.assertRegex(made, r"^[A-Za-z0-9._-]{1,128}$")
        first, second = (self.server.call("GET", "/healthz").headers["X-Request-Id"] for _ in range(2))
        self.assertNotEqual(first, second)

    def test_security_headers_are_everywhere(self):
        user = self.server.register()
        answers = [
            self.server.call("GET", path) for path in ("/", "/healthz", "/docs", "/v1/models", "/no/such")
        ]
        answers += [
            user.chat(),
            user.chat(stream=True),
            user.api("GET", "/api/v1/keys"),
            user.gate(data=b"{"),
        ]
        for answer in answers:
            with self.subTest(answer.url):
                headers = answer.headers
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                framed = headers.get("X-Frame-Options") == "DENY"
                self.assertTrue(framed or "frame-ancestors" in headers.get("Content-Security-Policy", ""))
                self.assertIn("Referrer-Policy", headers)
                self.assertRegex(headers.get("Server", "tollgate"), r"^tollgate$")

    def test_pages_of_this_machine_may_call(self):
        user = self.server.register()
        origin = "http://localhost:3000"
        asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asking["Access-Control-Request-Headers"] = "authorization,content-type"
        before = self.server.call("OPTIONS", "/v1/chat/completions", headers=asking)
        self.assertIn(before.status_code, (200, 204))
        self.assertEqual(before.headers["Access-Control-Allow-Origin"], origin)
        self.assertIn("authorization", before.headers["Access-Control-Allow-Headers"].lower())
        answer = self.server.call("GET", "/v1/models", headers=bearer(user.key) | {"Origin": origin})
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        self.assertIn("x-quota-remaining", answer.headers["Access-Control-Expose-Headers"].lower())
        stranger = {"Origin": "https://evil.example"}
        answer = self.server.call("GET", "/v1/models", headers=bearer(user.key) | stranger)
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)

    def test_health(self):
        self.assertEqual(self.server.call("GET", "/healthz").status_code, 200)
        self.assertEqual(self.assert_ok(self.server.call("GET", "/readyz")), {"status": "ready"})

    def test_metrics_count_what_happens(self):
        user = self.server.register()
        self.assert_ok(user.chat())
        user.chat(key="sk_live_tg_nonsense")
        answer = self.server.call("GET", "/metrics")
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
        for line in answer.text.splitlines():
            self.assertRegex(line, r"^(#.*|[a-z_]+(\{.*\})? [-+.0-9a-zA-Z]+|)$")
        for part in (
            'tollgate_requests_total{endpoint="/v1/chat/completions",status="200"}',
            'tollgate_refusals_total{code="invalid_api_key"}',
            "tollgate_tokens_total{",
            "tollgate_upstream_seconds_bucket{",
            "tollgate_record_commit_seconds_count",
        ):
            self.assertIn(part, answer.text)
        self.assertNotIn(user.id, answer.text)

    def test_the_start_page(self):
        answer = self.server.call("GET", "/")
        page = self.assert_ok(answer)
        self.assertEqual((page["name"], page["authentication"]), ("tollgate", "enabled"))
        self.assertRegex(page["version"], r"^\d+\.\d+\.\d+")
        browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
        answer = self.server.call("GET", "/", headers=browser, allow_redirects=True)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))

    def test_the_document_names_every_route(self):
        document = self.assert_ok(self.server.call("GET", "/openapi.json"))
        self.assertTrue(document["openapi"].startswith("3.1"))
        named = {(method, path) for path, item in document["paths"].items() for method in item}
        self.assertEqual(ROUTES - named, set())
        self.assertTrue({("post", "/api/llm/completion"), ("post", "/api/v1/llm/completion")} & named)
        for path, item in document["paths"].items():
            for method, operation in item.items():
                with self.subTest(path, method=method):
                    self.assertTrue(operation["responses"])
                    self.assertTrue(operation.get("summary") or operation.get("description"))
        names = [
            operation["operationId"] for item in document["paths"].values() for operation in item.values()
        ]
        self.assertEqual(len(names), len(set(names)))

    def test_every_reference_of_the_document_leads_somewhere(self):
        document = self.assert_ok(self.server.call("GET", "/openapi.json"))
        references = set(re.findall(r'"\$ref":\s*"([^"]+)"', self.server.answers[-1].text))
        self.assertTrue(references)
        for reference in references:
            place = document
            for part in reference.removeprefix("#/").split("/"):
                self.assertIn(part, place, reference)
                place = place[part]

    def test_every_route_that_needs_credentials_refuses_without(self):
        document = self.assert_ok(self.server.call("GET", "/openapi.json"))
        tried = 0
        # Which these are, and what the others answer, is in the table of refusals.
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if {} in operation.get("security", [{}]):
                    continue
                with self.subTest(path, method=method):
                    answer = self.server.call(method.upper(), re.sub(r"\{\w+\}", "x", path), json={})
                    self.assert_problem(answer, 401, "missing_credentials")
                    tried += 1
        self.assertGreater(tried, 20)

    def test_the_documents_pages_load_nothing_from_elsewhere(self):
        answer = self.server.call("GET", "/docs", allow_redirects=True)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))
        parts = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)["']""", answer.text)
        self.assertTrue(parts)
        for part in parts:
            if part.startswith("data:"):
                continue
            url = urllib.parse.urljoin(answer.url, part)
            self.assertTrue(url.startswith(self.server.url + "/"), part)
            loaded = self.server.call("GET", url.removeprefix(self.server.url))
            self.assertEqual(loaded.status_code, 200, part)
            if part.endswith(".css"):
                self.assertNotRegex(loaded.text, r"@import|url\(['\"]?(https?:)?//")
        self.assertNotRegex(answer.text, r"https?://(?!127\.0\.0\.1|localhost)")

    def test_administration_is_for_administrators(self):
        user, other = self.server.register(), self.server.register()
        for path in (f"/api/v1/admin/users/{other.id}", f"/api/v1/admin/keys/{other.key_id}"):
            for credential in (user.token, user.key):
                answer = self.server.call("PATCH", path, headers=bearer(credential), json={"minute_limit": 5})
                self.assert_problem(answer, 403, "permission_denied")
        admin = self.server.administrator()
        path = f"/api/v1/admin/users/{other.id}"
        for body, field in (
            ({"tier": "platinum"}, "tier"),
            ({"role": "god"}, "role"),
            ({"minute_limit": 0}, "minute_limit"),
            ({"minute_limit": 10**13}, "minute_limit"),
            ({"is_active": "yes"}, "is_active"),
        ):
            with self.subTest(body):
                problem = self.assert_problem(admin.api("PATCH", path, json=body), 422, "validation_failed")
                self.assertEqual([error["field"] for error in problem["errors"]], [field])
        self.assert_problem(admin.api("PATCH", "/api/v1/admin/users/no-such", json={}), 404, "not_found")
        self.assert_ok(other.chat())


if __name__ == "__main__":
    unittest.main()
