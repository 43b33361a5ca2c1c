"""Load: users who ask at once, and what each of them got.

Every question says in its text what the provider is to answer, so that each answer's tokens are known to the asker.
"""

import dataclasses
import http.client
import json
import random
import threading
import time
import urllib.parse
import uuid

import _provider

# How long anybody waits for anything, in seconds: longer than the server may take to answer.
MAX_WAIT = 90


@dataclasses.dataclass
class Wish:
    """An answer that somebody wants from the provider."""

    prompt: int
    completion: int
    stream: bool = False
    words: int = 5
    pause: float = 0.0
    delay: float = 0.0
    # Whether the provider tells what was used.
    told: bool = True

    def text(self):
        return json.dumps(dataclasses.asdict(self))


def answer(asked):
    """The provider's answer, as the question wants it."""
    wish = Wish(**json.loads(asked.body["messages"][-1]["content"]))
    return _provider.Answer(
        text=" ".join(["one"] * wish.words),
        prompt_tokens=wish.prompt,
        completion_tokens=wish.completion,
        usage=wish.told,
        pause=wish.pause,
        delay=wish.delay,
    )


@dataclasses.dataclass
class Asked:
    """A request, and what came of it."""

    user_id: str
    wish: Wish
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    began: float = 0.0
    ended: float = 0.0
    status: int | None = None
    headers: dict = dataclasses.field(default_factory=dict)
    # The client has the last byte; of a stream the first byte of its end marker.
    complete: bool = False
    # The connection ended before.
    broken: str | None = None
    # The code of the problem, in the body or in the stream.
    problem: str | None = None
    # What a busy machine may take beyond what is promised, in seconds.
    slack: float = 1.0
    # When each word of a stream came.
    words: list = dataclasses.field(default_factory=list)

    @property
    def took(self):
        return self.ended - self.began

    @property
    def tokens(self):
        return self.wish.prompt + self.wish.completion

    def __str__(self):
        what = "stream" if self.wish.stream else "whole"
        return (
            f"{what} {self.id}: status {self.status}, complete {self.complete}, took {self.took:.2f} s, "
            f"problem {self.problem}, broken {self.broken}, words {len(self.words)}"
        )


class Connection:
    """One connection of one client, opened again when it was closed."""

    def __init__(self, url, user_id, key):
        self.address = urllib.parse.urlsplit(url)
        self.user_id = user_id
        self.key = key
        self._http = None

    def ask(self, wish):
        asked = Asked(self.user_id, wish)
        asked.began = time.monotonic()
        try:
            self._ask(asked)
        except (OSError, http.client.HTTPException) as error:
            asked.broken = repr(error)
        finally:
            asked.ended = time.monotonic()
        if asked.broken or asked.headers.get("connection") == "close":
            self.close()
        return asked

    def _ask(self, asked):
        body = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": asked.wish.text()}],
            "stream": asked.wish.stream,
        }
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "X-Request-Id": asked.id,
        }
        if self._http is None:
            self._http = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=MAX_WAIT)
        self._http.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = self._http.getresponse()
        asked.headers = {name.lower(): value for name, value in response.getheaders()}
        asked.status = response.status
        if asked.wish.stream and response.status == 200:
            self._read_stream(asked, response)
        else:
            self._read_whole(asked, response)

    @staticmethod
    def _read_whole(asked, response):
        body = b""
        try:
            while piece := response.read1(65_536):
                body += piece
        finally:
            # The last byte of the body may be there although what follows it is not.
            parsed = _parsed(body)
            asked.complete = asked.status == 200 and parsed is not None
        length = response.length
        response.close()
        if length:
            raise http.client.IncompleteRead(body, response.length)
        if asked.status != 200:
            asked.problem = (parsed or {}).get("code", "none")

    @staticmethod
    def _read_stream(asked, response):
        text = ""
        while piece := response.read1(65_536):
            text += piece.decode()
            _see(asked, text)
        if not asked.complete and not asked.problem:
            raise http.client.IncompleteRead(text.encode())

    def close(self):
        if self._http is not None:
            self._http.close()
            self._http = None


def _parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def _see(asked, text):
    """Reads what has come of a stream so far."""
    *events, rest = text.split("\n\n")
    words, finished = 0, False
    for event in events:
        data = event.partition("data: ")[2]
        if data == "[DONE]":
            asked.complete = True
            continue
        data = _parsed(data) or {}
        if "error" in data:
            asked.problem = data["error"].get("code") or "none"
        for choice in data.get("choices", []):
            words += bool(choice["delta"].get("content"))
            finished = finished or choice.get("finish_reason") == "stop"
    # What follows the last piece is the end marker.
    asked.complete = asked.complete or (finished and rest != "")
    asked.words += [time.monotonic()] * (words - len(asked.words))


class Load:
    """Users who ask and ask, each on a connection of its own, until told to stop or until nobody answers."""

    def __init__(self, server, users, seed, slow=4):
        self.asked = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(server.url, user, random.Random(f"{seed}/{number}"), number < slow))
            for number, user in enumerate(users)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, url, user, dice, is_slow):
        connection = Connection(url, user.id, user.key)
        try:
            while not self._stop.is_set():
                asked = connection.ask(_wish(dice, is_slow))
                self.asked.append(asked)
                if asked.broken:
                    break
        finally:
            connection.close()

    def stop(self):
        """Asks nothing new; gives everything that was asked, once all of it has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(MAX_WAIT)
            if thread.is_alive():
                raise AssertionError("a request has neither an answer nor an end")
        return self.asked


def _wish(dice, is_slow):
    wish = Wish(prompt=dice.randint(1, 500), completion=dice.randint(0, 500), stream=dice.random() < 0.5)
    if is_slow and wish.stream:
        # Long enough for an open row, some of them for several.
        wish.words, wish.pause = dice.randint(10, 30), 0.2
    elif is_slow:
        wish.delay = dice.uniform(2, 6)
    else:
        wish.words = dice.randint(1, 8)
        wish.delay = dice.choice([0, 0, 0, 0.01, 0.1])
    return wish
