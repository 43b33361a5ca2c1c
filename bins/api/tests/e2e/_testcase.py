"""The test case that all files share: a provider, a server that uses it, and what answers must look like."""

import faulthandler
import sys
import time
import unittest

import _provider
import _server

OPERATOR_KEY = "sk-operator-0f6b7d9e2c4a4b1f8d3e5a7c9b1d2e3f"

# Seconds to the end of a day in UTC in which no test begins: sums are by day, and quota is by month.
LAST_SECONDS = 20
DAY = 24 * 60 * 60

# Seconds after which a test hangs: where it stands is printed, and the file ends.
MAX_TEST = 600

# Members of every problem, beside `errors`.
PROBLEM = {"type", "title", "status", "detail", "code", "request_id", "status_code"}


class EndToEnd(unittest.TestCase):
    """A server and a provider for the tests of a class. Each test makes users of its own."""

    environment = {}
    config = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.provider = _provider.Provider()
        cls.addClassCleanup(cls.provider.close)
        environment = {"OPENAI_API_KEY": OPERATOR_KEY, "OPENAI_BASE_URL": cls.provider.url} | cls.environment
        cls.server = _server.Server(
            environment, cls.config and cls.config.replace("PROVIDER_URL", cls.provider.url)
        )
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.provider.reset()

    def run(self, result=None):
        """Begins in a day that does not end soon; shows the end of the server's log after a failure."""
        left = DAY - time.time() % DAY
        if left < LAST_SECONDS:
            time.sleep(left)
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        faulthandler.dump_traceback_later(MAX_TEST, exit=True)
        super().run(result)
        faulthandler.cancel_dump_traceback_later()
        if len(result.failures) + len(result.errors) > before and not self._is_closed():
            print(f"--- the end of the server's log after {self.id()}:", file=sys.stderr)
            print(self.server.log()[-3000:], file=sys.stderr)
        return result

    @classmethod
    def _is_closed(cls):
        return not cls.server.log_path.exists()

    def assert_problem(self, answer, status, code, openai=None):
        """An answer is a problem of this status and code; under `/v1/`, in OpenAI's shape too."""
        shown = f"{answer.status_code} {answer.headers.get('Content-Type')}: {answer.text[:500]}"
        self.assertEqual(answer.status_code, status, shown)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/problem+json"), shown)
        problem = answer.json()
        self.assertLessEqual(PROBLEM, problem.keys(), shown)
        self.assertEqual((problem["status"], problem["status_code"]), (status, status), shown)
        self.assertEqual(problem["code"], code, shown)
        self.assertEqual(problem["request_id"], answer.headers["X-Request-Id"], shown)
        self.assertTrue(problem["detail"] and problem["title"], shown)
        if openai if openai is not None else "/v1/" in answer.url and "/api/" not in answer.url:
            self.assertEqual(problem["error"].keys(), {"message", "type", "code", "param"}, shown)
            self.assertEqual(problem["error"]["code"], code, shown)
            self.assertEqual(problem["error"]["message"], problem["detail"], shown)
        if status == 401:
            self.assertIn("WWW-Authenticate", answer.headers, shown)
        if status in (429, 503):
            retries = int(answer.headers["Retry-After"]) if "Retry-After" in answer.headers else None
            self.assertTrue(retries is None or retries >= 1, shown)
        return problem

    def assert_ok(self, answer, status=200):
        """An answer has this status; gives its JSON."""
        self.assertEqual(answer.status_code, status, answer.text[:1000])
        return answer.json()

    def assert_alive(self):
        """The server still runs and serves."""
        self.assertIsNone(self.server.process.poll(), "the server has ended")
        self.assertEqual(self.server.call("GET", "/healthz").status_code, 200)

    def open_requests(self):
        """How many gated requests run."""
        lines = self.server.call("GET", "/metrics").text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("tollgate_open_requests "))

    def assert_nothing_charged(self, user):
        """A user has used nothing, and nothing is held."""
        stats = user.stats()
        self.assertEqual((stats["total_tokens"], stats["total_cost_usd"]), (0, 0))
        self.assertEqual(stats["quota"]["used"], 0)
        self.assertEqual(stats["quota"]["remaining"], stats["quota"]["limit"])
