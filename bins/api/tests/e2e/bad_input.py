"""Bad input: a 4xx in both shapes that says what to do, nothing charged, and the server goes on."""

import json
import socket
import struct
import unittest

import openai

from _server import bearer, question, wait_until
from _testcase import EndToEnd

CONFIG = """
models:
  gpt-4o-mini:
    - {provider: openai, model: gpt-4o-mini-2024-07-18}
  house:
    - {provider: openai, model: some-big-model}
"""

MIB = 1024 * 1024
JSON = "application/json"


class BadInput(EndToEnd):
    """What clients get wrong, by mistake or not."""

    config = CONFIG

    def setUp(self):
        super().setUp()
        self.user = self.server.register()

    def tearDown(self):
        """Nothing reached the provider, nothing is charged, the server goes on."""
        self.assertEqual(self.provider.asked, [])
        self.assert_nothing_charged(self.user)
        self.assert_alive()
        self.assert_ok(self.user.chat())

    def post(self, body, path="/v1/chat/completions", content_type=JSON):
        headers = bearer(self.user.key) | ({"Content-Type": content_type} if content_type else {})
        return self.server.call("POST", path, headers=headers, data=body)

    def test_bodies_that_are_no_json_objects(self):
        deep = b'{"messages":' + b"[" * 100_000
        for body in (
            b"",
            b"{",
            b"nonsense",
            b"[]",
            b"null",
            b'"text"',
            b"7",
            b"\xff\xfe\x00",
            b'{"model": NaN}',
            deep,
        ):
            for path in ("/v1/chat/completions", "/api/llm/completion"):
                with self.subTest(path, body=body[:20]):
                    self.assert_problem(self.post(body, path), 400, "malformed_request")

    def test_wrong_types_are_named(self):
        for fields, field in (
            ({"messages": "Hello"}, "messages"),
            ({"messages": {}}, "messages"),
            ({"messages": [7]}, "messages[0]"),
            ({"messages": [{"content": "x"}]}, "messages[0].role"),
            ({"messages": [{"role": 7, "content": "x"}]}, "messages[0].role"),
            ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
            ({"model": 7}, "model"),
            ({"model": ""}, "model"),
            ({"model": None}, "model"),
            ({"stream": "yes"}, "stream"),
            ({"stream_options": 7, "stream": True}, "stream_options"),
            ({"max_tokens": "many"}, "max_tokens"),
            ({"max_tokens": 1.5}, "max_tokens"),
            ({"max_tokens": -1}, "max_tokens"),
            ({"max_tokens": -(10**30)}, "max_tokens"),
            ({"max_tokens": 10**30}, "max_tokens"),
            ({"max_completion_tokens": -5}, "max_completion_tokens"),
            ({"n": 0}, "n"),
            ({"n": -1}, "n"),
            ({"n": 10**12}, "n"),
        ):
            with self.subTest(fields):
                problem = self.assert_problem(
                    self.post(json.dumps(question(**fields))), 422, "validation_failed"
                )
                [error] = problem["errors"]
                self.assertEqual(error["field"], field)
                self.assertTrue(error["code"] and error["message"])
                self.assertEqual(problem["error"]["param"], field)
                self.assertEqual(problem["error"]["type"], "invalid_request_error")

    def test_no_messages(self):
        client = self.user.openai()
        with self.assertRaises(openai.UnprocessableEntityError) as raised:
            client.chat.completions.create(model="gpt-4o-mini", messages=[])
        self.assertEqual((raised.exception.code, raised.exception.param), ("validation_failed", "messages"))
        self.assert_problem(self.post(b'{"model": "house"}'), 422, "validation_failed")
        self.assert_problem(self.post(b"{}"), 422, "validation_failed")

    def test_everything_wrong_is_named_at_once(self):
        body = {"model": 1, "messages": [], "max_tokens": -1, "stream": "x"}
        problem = self.assert_problem(self.post(json.dumps(body)), 422, "validation_failed")
        fields = {error["field"] for error in problem["errors"]}
        self.assertEqual(fields, {"model", "messages", "max_tokens", "stream"})

    def test_unknown_models(self):
        client = self.user.openai()
        names = [model.id for model in client.models.list()]
        self.assertEqual(sorted(names), ["gpt-4o-mini", "house"])
        with self.assertRaises(openai.NotFoundError) as raised:
            client.chat.completions.create(**question(model="gpt-5"))
        self.assertEqual(raised.exception.code, "model_not_found")
        for name in ("some-big-model", "HOUSE", "x" * 200, "a\r\nX-Evil: 1", "../house", "\u0000"):
            answer = self.post(json.dumps(question(model=name)))
            self.assertNotIn("X-Evil", answer.headers)
            self.assert_problem(answer, 404, "model_not_found")

    def test_prompts_without_a_bound(self):
        part = {"type": "file", "file": {"file_id": "file-1"}}
        for fields in (
            {"messages": [{"role": "user", "content": [part]}]},
            {"web_search_options": {}},
            {"tools": [{"type": "web_search"}]},
        ):
            with self.subTest(fields):
                self.assert_problem(self.post(json.dumps(question(**fields))), 400, "unbounded_prompt")

    def test_other_content_types(self):
        body = json.dumps(question())
        for content_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ):
            with self.subTest(content_type):
                answer = self.post(body, content_type=content_type)
                self.assert_problem(answer, 415, "unsupported_media_type")
        for path in ("/api/v1/auth/register", "/api/v1/auth/login"):
            answer = self.server.call("POST", path, headers={"Content-Type": "text/plain"}, data=body)
            self.assert_problem(answer, 415, "unsupported_media_type")

    def test_bodies_that_are_too_long(self):
        long = b'{"model": "house", "messages": [{"role": "user", "content": "' + b"x" * (40 * MIB) + b'"}]}'
        for path in ("/v1/chat/completions", "/api/llm/completion"):
            with self.subTest(path):
                self.assert_problem(self.post(long, path), 413, "payload_too_large")
        with self.subTest("without a declared length"):
            pieces = (long[at : at + MIB] for at in range(0, len(long), MIB))
            self.assert_problem(self.post(pieces), 413, "payload_too_large")
        with self.subTest("by the official client"), self.assertRaises(openai.APIStatusError) as raised:
            self.user.openai().chat.completions.create(**question("x" * (40 * MIB)))
        self.assertEqual(raised.exception.status_code, 413)

    def test_bodies_that_are_too_long_elsewhere(self):
        body = {"email": "x@example.com", "password": "x" * (64 * 1024)}
        for path in ("/api/v1/auth/register", "/api/v1/auth/login"):
            self.assert_problem(self.server.call("POST", path, json=body), 413, "payload_too_large")
        body = {"name": "x" * (64 * 1024)}
        self.assert_problem(self.user.api("POST", "/api/v1/keys", json=body), 413, "payload_too_large")

    def test_credentials(self):
        other = self.server.register()
        for headers, status, code in (
            ({}, 401, "missing_credentials"),
            (bearer(self.user.token), 401, "invalid_credentials"),
            (bearer(self.user.key) | {"X-API-Key": other.key}, 400, "ambiguous_credentials"),
            (bearer(self.user.token) | {"X-API-Key": self.user.key}, 400, "ambiguous_credentials"),
            (bearer("nonsense"), 401, "invalid_api_key"),
            (bearer("x" * 6_000), 401, "invalid_api_key"),
            ({"X-API-Key": "nonsense"}, 401, "invalid_api_key"),
        ):
            with self.subTest(code, headers=list(headers)):
                answer = self.server.call("POST", "/v1/chat/completions", headers=headers, json=question())
                self.assert_problem(answer, status, code)
        for value in ("Basic abc", "Bearer", "Bearer ", "bearer"):
            with self.subTest(value):
                headers = {"Authorization": value}
                answer = self.server.call("POST", "/v1/chat/completions", headers=headers, json=question())
                self.assertEqual(answer.status_code, 401, answer.text)
        with self.assertRaises(openai.AuthenticationError):
            self.user.openai(key=self.user.token).chat.completions.create(**question())

    def test_ambiguous_credentials_outside_the_gate(self):
        other = self.server.register()
        headers = bearer(self.user.token) | {"X-API-Key": other.key}
        answer = self.server.call("GET", "/api/v1/keys", headers=headers)
        self.assert_problem(answer, 400, "ambiguous_credentials")

    def raw(self, *headers, path=b"/v1/chat/completions"):
        """Sends these header lines as they are; gives the head and the body of the answer."""
        body = json.dumps(question()).encode()
        lines = [b"POST " + path + b" HTTP/1.1", b"Host: localhost", b"Content-Type: application/json"]
        lines += [b"Content-Length: %d" % len(body), b"Connection: close", *headers]
        with socket.create_connection(("127.0.0.1", self.server.installation.port), 30) as connection:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head.decode("latin-1"), rest

    def test_headers_that_are_no_text(self):
        key = self.user.key.encode()
        for header in (
            b"Authorization: Bearer " + key[:-1] + b"\xff",
            b"Authorization: Bearer \xc3\x28",
            b"X-API-Key: \xff\xfe",
            b"Authorization: \x80",
        ):
            with self.subTest(header[-12:]):
                head, body = self.raw(header)
                self.assertRegex(head, r"^HTTP/1.1 (400|401) ")
                problem = json.loads(body)
                self.assertEqual(problem["error"]["code"], problem["code"])
        for header in (
            b"Authorization: Bearer " + key + b"\rX-Evil: 1",
            b"X-Request-Id: a\rb",
            b"X-Y: a\x00b",
        ):
            with self.subTest(header[-12:]):
                head, _ = self.raw(header)
                self.assertRegex(head, r"^HTTP/1.1 4\d\d ")
                self.assertNotIn("X-Evil", head)

    def test_request_ids_that_could_break_a_line(self):
        for header in (b"X-Request-Id: a\xffb", b"X-Request-Id: a b", b"X-Request-Id: " + b"x" * 129):
            with self.subTest(header[:24]):
                head, body = self.raw(header)
                self.assertRegex(head, r"^HTTP/1.1 401 ")
                own = json.loads(body)["request_id"]
                self.assertRegex(own, r"^[A-Za-z0-9._-]{1,128}$")
                self.assertNotIn(own, header.decode("latin-1"))
        head, _ = self.raw(path=b"/v1/%0d%0aX-Evil:%201")
        self.assertRegex(head, r"^HTTP/1.1 4\d\d ")
        self.assertNotIn("X-Evil", head)

    def connect(self, sent):
        """A connection on which this was sent."""
        connection = socket.create_connection(("127.0.0.1", self.server.installation.port), 30)
        connection.sendall(sent)
        return connection

    def head(self, *headers):
        """The head of a chat by a known caller."""
        lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        return "\r\n".join([*lines, f"Authorization: Bearer {self.user.key}", *headers, "", ""]).encode()

    def pipelined(self, sent):
        """The answers to all that is sent at once: status, headers and body of each."""
        with self.connect(sent) as connection:
            rest = b"".join(iter(lambda: connection.recv(65_536), b""))
        answers = []
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            status, *lines = head.decode("ascii").split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            length = int(headers["content-length"])
            answers.append((int(status.split()[1]), headers, rest[:length]))
            rest = rest[length:]
        return answers

    def assert_counted(self, requests):
        """So many requests of the user counted, and each left its event."""
        answer = self.server.call("GET", "/v1/models", headers=bearer(self.user.key))
        self.assertEqual(int(answer.headers["X-RateLimit-Remaining-Minute"]), 60 - requests - 1)
        self.assertEqual(self.user.stats()["total_requests"], requests + 1)

    def test_half_a_body(self):
        body = json.dumps(question()).encode()
        half = body[: len(body) // 2]
        reset = struct.pack("ii", 1, 0)
        for name, headers, part in (
            ("a declared length", [f"Content-Length: {len(body)}"], half),
            ("chunks", ["Transfer-Encoding: chunked"], b"%x\r\n%s" % (len(body), half)),
            ("nothing of it", [f"Content-Length: {len(body)}"], b""),
        ):
            for how in ("FIN", "RST", "half closed"):
                with self.subTest(name, how=how):
                    connection = self.connect(self.head(*headers) + part)
                    wait_until(lambda: self.open_requests() == 1, "the request is being read")
                    if how == "RST":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    if how == "half closed":
                        # Whoever sends no more is taken to be gone.
                        connection.shutdown(socket.SHUT_WR)
                        self.assertNotIn(b" 200 ", connection.recv(65_536))
                    connection.close()
                    wait_until(lambda: self.open_requests() == 0, "the request is given up")
        self.assert_counted(0)

    def test_a_body_that_comes_in_pieces(self):
        """As slowly as they like, within limits."""
        body = json.dumps(question(model="no-such")).encode()
        with self.connect(self.head(f"Content-Length: {len(body)}", "Connection: close")) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in body:
                connection.sendall(bytes([byte]))
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        self.assertIn(b"HTTP/1.1 404 ", answer)
        self.assert_counted(1)

    def test_a_body_longer_than_declared(self):
        """What follows the declared length is no request: the connection ends, answered or not."""
        body = json.dumps(question(model="no-such")).encode()
        for declared, sent in (
            (len(body), body + b"and some more\r\n\r\n"),
            (len(body), body + body),
            (len(body) - 5, body),
        ):
            with self.subTest(declared - len(sent)):
                answers = self.pipelined(self.head(f"Content-Length: {declared}") + sent)
                self.assertLessEqual({status for status, _, _ in answers}, {400, 404})
        wait_until(lambda: self.open_requests() == 0, "the requests have ended")
        self.assert_counted(3)

    def test_chunks_that_are_none(self):
        for chunks in (b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"f" * 18 + b"\r\n{}"):
            with self.subTest(chunks[:8]):
                answers = self.pipelined(self.head("Transfer-Encoding: chunked") + chunks)
                self.assertLessEqual({status for status, _, _ in answers}, {400})
        wait_until(lambda: self.open_requests() == 0, "the requests have ended")

    def test_lengths_that_contradict(self):
        body = json.dumps(question()).encode()
        for headers in (
            [f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"],
            [f"Content-Length: {len(body)}", f"Content-Length: {len(body) + 1}"],
            ["Content-Length: -1"],
            ["Content-Length: many"],
            ["Content-Length: 99999999999999999999999999"],
        ):
            with self.subTest(headers):
                answers = self.pipelined(self.head(*headers, "Connection: close") + body)
                self.assertEqual({status for status, _, _ in answers}, {400})

    def test_pipelined_requests_are_answered_in_their_order(self):
        bodies = [json.dumps(question(model=f"no-such-{number}")).encode() for number in range(4)]
        sent = b"".join(
            self.head(f"Content-Length: {len(body)}", *(["Connection: close"] if body is bodies[-1] else []))
            + body
            for body in bodies
        )
        answers = self.pipelined(sent)
        self.assertEqual([status for status, _, _ in answers], [404] * 4)
        for number, (_, headers, body) in enumerate(answers):
            self.assertIn(f"no-such-{number}", json.loads(body)["detail"])
            self.assertEqual(headers["x-ratelimit-remaining-minute"], str(60 - number - 1))
        self.assert_counted(4)

    def test_pipelined_requests_of_which_one_is_half(self):
        body = json.dumps(question(model="no-such")).encode()
        head = self.head(f"Content-Length: {len(body)}")
        with self.connect((head + body) + (head + body[:5])) as connection:
            self.assertIn(b"HTTP/1.1 404 ", connection.recv(65_536))
            wait_until(lambda: self.open_requests() == 1, "the second request is being read")
        wait_until(lambda: self.open_requests() == 0, "the second request is given up")
        self.assert_counted(1)

    def test_routes_and_methods_that_are_not_there(self):
        for method, path in (
            ("POST", "/v1/no/such"),
            ("GET", "/v1/chat/completions"),
            ("DELETE", "/v1/models"),
            ("GET", "/api/v1/no-such"),
            ("GET", "/no/such"),
        ):
            with self.subTest(path, method=method):
                answer = self.server.call(method, path, headers=bearer(self.user.key))
                self.assertIn(answer.status_code, (404, 405))
                self.assert_problem(answer, answer.status_code, answer.json()["code"])


if __name__ == "__main__":
    unittest.main()
