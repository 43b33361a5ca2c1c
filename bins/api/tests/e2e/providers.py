"""Providers that fail: the caller gets an honest answer, and pays only for what came."""

import json
import unittest

import openai

import _installation
from _server import question
from _testcase import EndToEnd

CONFIG = """
performance:
  request_timeout: 2
providers:
  down: {kind: openai, base_url: "http://127.0.0.1:DOWN/v1", api_key: sk-operator-of-nobody}
models:
  gpt-4o-mini:
    - {provider: openai, model: gpt-4o-mini-2024-07-18}
  down:
    - {provider: down, model: anything}
""".replace("DOWN", str(_installation.free_port()))


class Providers(EndToEnd):
    """One way to fail a test."""

    config = CONFIG

    def setUp(self):
        super().setUp()
        self.user = self.server.register()

    def assert_free(self, status, code, **fields):
        """All ways to ask are refused so, and cost nothing."""
        answers = [
            self.user.chat(**fields),
            self.user.chat(stream=True, **fields),
            self.user.gate("/api/llm/completion", json={"prompt": "Hi.", "model": "gpt-4o-mini"} | fields),
            self.user.gate(
                "/api/llm/completion", json={"prompt": "Hi.", "model": "gpt-4o-mini", "stream": True} | fields
            ),
        ]
        for answer in answers:
            self.assert_problem(answer, status, code)
            self.assertEqual(answer.headers["X-Quota-Remaining"], "10000")
        with self.assertRaises(openai.InternalServerError) as raised:
            self.user.openai().chat.completions.create(**question(**fields))
        self.assertEqual((raised.exception.status_code, raised.exception.code), (status, code))
        self.assert_nothing_charged(self.user)
        stats = self.user.stats()
        self.assertEqual((stats["total_requests"], stats["failed_requests"]), (5, 5))
        self.assert_alive()
        self.provider.answers()
        self.assert_ok(self.user.chat())
        self.assertEqual(self.user.stats()["quota"]["used"], 18)

    def test_down(self):
        self.assert_free(502, "upstream_unreachable", model="down")

    def test_slow(self):
        self.provider.answers(delay=4)
        self.assert_free(504, "upstream_timeout")

    def test_html(self):
        self.provider.answers(body=b"<html><h1>Welcome to nginx!</h1></html>", content_type="text/html")
        self.assert_free(502, "upstream_error")

    def test_html_that_says_it_is_json(self):
        self.provider.answers(body=b"<html></html>")
        self.assert_free(502, "upstream_error")

    def test_empty(self):
        self.provider.answers(body=b"")
        self.assert_free(502, "upstream_error")

    def test_invalid_json(self):
        self.provider.answers(body=b'{"choices": [')
        self.assert_free(502, "upstream_error")

    def test_json_that_is_no_answer(self):
        for body in (b"[]", b"null", b"7", b'"text"'):
            with self.subTest(body):
                self.provider.answers(body=body)
                self.assert_problem(self.user.chat(), 502, "upstream_error")
        self.assert_nothing_charged(self.user)

    def test_an_empty_stream(self):
        self.provider.answers(body=b"", content_type="text/event-stream")
        self.assert_problem(self.user.chat(stream=True), 502, "upstream_error")
        self.assert_nothing_charged(self.user)

    def test_the_operators_key_is_refused(self):
        self.provider.answers(status=401, text="Incorrect API key provided")
        self.assert_free(502, "upstream_error")

    def test_too_many_requests_of_the_operator(self):
        self.provider.answers(status=429, text="Rate limit reached")
        self.assert_free(502, "upstream_error")

    def test_its_own_failure(self):
        self.provider.answers(status=500, text="The server had an error")
        self.assert_free(502, "upstream_error")

    def test_a_stream_that_breaks_off_before_it_begins(self):
        self.provider.answers(break_after=0)
        self.assert_problem(self.user.chat(stream=True), 502, "upstream_error")
        self.assert_nothing_charged(self.user)

    def test_a_stream_that_breaks_off(self):
        self.provider.answers(break_after=3)
        said = []
        with self.assertRaises(openai.APIError):
            for chunk in self.user.openai().chat.completions.create(**question(), stream=True):
                said.append(chunk.choices[0].delta.content)
        self.assertEqual(said, ["", "Hello ", "there, "])
        self.assert_partly_charged(1)
        answer = self.user.chat(stream=True)
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn("[DONE]", answer.text)
        events = [
            line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")
        ]
        self.assertEqual(json.loads(events[-1])["error"]["code"], "upstream_error")
        tokens = self.assert_partly_charged(2)
        # Nothing stays held.
        left = self.user.chat().headers["X-Quota-Remaining"]
        self.assertEqual(left, str(10_000 - tokens - 18))

    def test_a_plain_stream_that_breaks_off(self):
        self.provider.answers(break_after=3)
        answer = self.user.gate(
            "/api/llm/completion", json={"prompt": "Hi.", "model": "gpt-4o-mini", "stream": True}
        )
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn("[DONE]", answer.text)
        self.assertIn('"upstream_error"', answer.text)
        self.assert_partly_charged(1)

    def test_a_stream_that_stalls(self):
        self.provider.answers(hold_after=3)
        with self.provider.holding(), self.assertRaises(openai.APIError):
            list(self.user.openai().chat.completions.create(**question(), stream=True))
        self.assert_partly_charged(1)

    def assert_partly_charged(self, times):
        """The prompt and the two words that came are charged, by an estimate; nothing stays held."""
        stats = self.user.stats()
        tokens = stats["total_tokens"]
        self.assertGreater(tokens, 3 * times)
        self.assertLess(tokens, 40 * times)
        quota = stats["quota"]
        self.assertEqual((quota["used"], quota["remaining"]), (tokens, 10_000 - tokens))
        self.assertEqual(stats["total_cost_usd"] * 10_000, tokens)
        self.assertEqual(stats["total_requests"], times)
        return tokens

    def test_a_stream_longer_than_the_timeout_is_no_failure(self):
        self.provider.answers(text=" ".join(["word"] * 6), pause=0.4)
        answer = self.user.chat(stream=True)
        self.assertTrue(answer.text.endswith("data: [DONE]\n\n"), answer.text[-200:])
        self.assertEqual(self.user.stats()["total_tokens"], 18)


if __name__ == "__main__":
    unittest.main()
