"""A provider of OpenAI's shape that can be told what to do, and remembers what it was asked."""

import contextlib
import dataclasses
import http.server
import json
import socket
import threading
import time

# How long a held request waits to be released, in seconds: longer than any test.
MAX_HOLD = 120


@dataclasses.dataclass
class Answer:
    """What the provider does with a request."""

    text: str = "Hello there, friend."
    prompt_tokens: int = 11
    completion_tokens: int = 7
    # Whether usage is told at all.
    usage: bool = True
    # The answer uses all of the output limit that it was sent.
    uses_all: bool = False
    status: int = 200
    # In place of the JSON.
    body: bytes | None = None
    content_type: str = "application/json"
    # Seconds before the first byte.
    delay: float = 0.0
    # Seconds before each chunk of a stream.
    pause: float = 0.0
    # The connection is cut after so many chunks of a stream.
    break_after: int | None = None
    # The stream waits after so many chunks until it is released.
    hold_after: int | None = None
    # The caller's Authorization header is put in place of the text.
    echo_authorization: bool = False

    def used(self, body):
        """The usage that is told."""
        completion = self.completion_tokens
        if self.uses_all:
            completion = body.get("max_tokens") or body["max_completion_tokens"]
        total = self.prompt_tokens + completion
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": completion, "total_tokens": total}


@dataclasses.dataclass
class Asked:
    """A request that came."""

    path: str
    headers: list
    raw: bytes

    @property
    def body(self):
        return json.loads(self.raw)

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Provider:
    """A provider on a port of its own."""

    def __init__(self):
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.provider = self
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self.reset()
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def reset(self):
        """Forgets what was asked, and answers as usual."""
        with self._changed:
            self.asked = []
            self.answer = Answer()
            self.answer_by = None
            self._released.set()

    def answers(self, **fields):
        """From now on, answers so."""
        self.answer = Answer(**fields)

    def answers_by(self, choose):
        """From now on, `choose` gives the answer to each request."""
        self.answer_by = choose

    @contextlib.contextmanager
    def holding(self):
        """Within, requests are taken but not answered until `release`."""
        self._released.clear()
        try:
            yield
        finally:
            self.release()

    def release(self):
        """Lets held requests go on."""
        self._released.set()

    def wait_for(self, count, seconds=30):
        """Waits until so many requests have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.asked) >= count, seconds):
                raise AssertionError(f"{len(self.asked)} requests came to the provider, not {count}")

    def close(self):
        self.release()
        self._http.shutdown()
        self._http.server_close()

    def _came(self, asked):
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()

    def _wait(self):
        self._released.wait(MAX_HOLD)


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Clients that hang up are not worth a line."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        provider = self.server.provider
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.path, list(self.headers.items()), raw)
        answer = provider.answer_by(asked) if provider.answer_by else dataclasses.replace(provider.answer)
        provider._came(asked)
        if answer.hold_after is None:
            provider._wait()
        time.sleep(answer.delay)
        if answer.echo_authorization:
            answer.text = f"You sent {asked.header('Authorization')}, did you not?"
        if answer.body is not None or answer.status != 200:
            self._whole(answer.status, self._failure(answer), answer.content_type)
        elif asked.body.get("stream"):
            self._stream(answer, asked.body)
        else:
            self._whole(200, self._completion(answer, asked.body), "application/json")

    def do_GET(self):
        self._whole(404, b"{}", "application/json")

    @staticmethod
    def _failure(answer):
        if answer.body is not None:
            return answer.body
        error = {"message": answer.text, "type": "some_error", "code": None, "param": None}
        return json.dumps({"error": error}).encode()

    @staticmethod
    def _completion(answer, body):
        message = {"role": "assistant", "content": answer.text}
        whole = {
            "id": "chatcmpl-whole",
            "object": "chat.completion",
            "created": 1700000000,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        if answer.usage:
            whole["usage"] = answer.used(body)
        return json.dumps(whole).encode()

    def _whole(self, status, body, content_type):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        wants_usage = (body.get("stream_options") or {}).get("include_usage")
        words = [word + " " for word in answer.text.split(" ")]
        pieces = [self._chunk(body, {"role": "assistant", "content": ""})]
        pieces += [self._chunk(body, {"content": word}) for word in words]
        pieces.append(self._chunk(body, {}, finish="stop"))
        if answer.usage and wants_usage:
            pieces.append(self._chunk(body, None, usage=answer.used(body)))
        for number, piece in enumerate(pieces):
            if number == answer.break_after:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if number == answer.hold_after:
                self.server.provider._wait()
            time.sleep(answer.pause)
            self._send(json.dumps(piece))
        self._send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def _chunk(body, delta, finish=None, usage=None):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {
            "id": "chatcmpl-stream",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": body["model"],
            "choices": choices,
            "usage": usage,
        }

    def _send(self, data):
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.flush()

    def log_message(self, *_):
        """Nothing is logged."""
