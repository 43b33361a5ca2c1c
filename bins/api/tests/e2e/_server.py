"""A running `tollgate-api`, and the people who call it."""

import contextlib
import dataclasses
import datetime
import decimal
import signal
import subprocess
import time
import uuid

import openai
import requests

import _installation

# Deadlines of things that usually take milliseconds, in seconds.
MAX_START = 60
MAX_STOP = 60
MAX_WAIT = 20
MAX_CALL = 60
# Between two looks at what is waited for, in seconds: a user has so many calls a minute only.
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.1

PASSWORD = "correct horse battery"


def wait_until(condition, what, seconds=MAX_WAIT):
    """The first true value that `condition` gives; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.25, LONGEST_PAUSE)


def decimals(response):
    """The body of an answer, its numbers as they were written."""
    return response.json(parse_float=decimal.Decimal)


def moment(text):
    """A time of an answer. As texts they do not sort: zeros at the end of a fraction are left out."""
    return datetime.datetime.fromisoformat(text)


class Server:
    """The server of an installation: started when made, gone when closed."""

    def __init__(self, environment=None, config=None):
        self.installation = _installation.Installation(environment, config)
        self.url = self.installation.url
        self.log_path = self.installation.folder / "server.log"
        self.process = None
        self.answers = []
        self._administrator = None
        try:
            self.start()
        except BaseException:
            self.kill()
            self.installation.close()
            raise

    def start(self):
        """Starts the process and waits until it is ready."""
        self.launch()
        try:
            wait_until(self._is_ready, "the server is ready", MAX_START)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from None

    def launch(self):
        """Starts the process."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [_installation.API],
                cwd=self.installation.folder,
                env=self.installation.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=_installation.NO_UMASK,
            )

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url + "/readyz", timeout=MAX_CALL).status_code == 200
        return False

    def log(self):
        """What the server has said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def terminate(self):
        """Asks the server to end."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Ends the server as an operator does; it must take that well."""
        self.terminate()
        self.wait_for_exit()

    def wait_for_exit(self):
        """Waits until the server has ended, which must be with code 0."""
        try:
            code = self.process.wait(MAX_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"the server did not end within {MAX_STOP} s:\n{self.log()[-4000:]}"
            ) from None
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{self.log()[-4000:]}")

    def kill(self):
        """Ends the server at once, whatever it is doing."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self):
        """Stops and starts."""
        self.stop()
        self.start()

    def close(self):
        """Stops the server, and removes all that was its own."""
        try:
            if self.process.poll() is None:
                self.stop()
            if "panicked at" in self.log():
                raise AssertionError(f"the server panicked:\n{self.log()[-4000:]}")
        finally:
            self.kill()
            self.installation.close()

    def call(self, method, path, **options):
        """An HTTP call. Its answer is kept in `answers`."""
        options.setdefault("timeout", MAX_CALL)
        options.setdefault("allow_redirects", False)
        response = requests.request(method, self.url + path, **options)
        self.answers.append(response)
        return response

    def register(self, email=None, password=PASSWORD, name="Some One"):
        """A new user, signed in."""
        email = email or f"user-{uuid.uuid4().hex[:10]}@example.com"
        body = {"email": email, "password": password, "name": name}
        made = self.call("POST", "/api/v1/auth/register", json=body)
        if made.status_code != 201:
            raise AssertionError(f"{made.status_code}: {made.text}")
        made = made.json()
        user = User(self, email, password, made["user"]["id"], made["api_key"]["id"], made["api_key"]["key"])
        user.log_in()
        return user

    def administrator(self):
        """The administrator, made by the command line program."""
        if self._administrator is None:
            email = "admin@example.com"
            words = ["users", "create-admin", "--email", email, "--password-stdin"]
            made = self.installation.admin(*words, stdin=PASSWORD + "\n")
            if made.code != 0:
                raise AssertionError(f"{made.code}: {made.said}")
            self._administrator = User(self, email, PASSWORD)
            self._administrator.log_in()
        return self._administrator

    def edit_user(self, user, **changes):
        """Changes a user as an administrator."""
        answer = self.administrator().api("PATCH", f"/api/v1/admin/users/{user.id}", json=changes)
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        return answer.json()


@dataclasses.dataclass
class User:
    """Somebody with an account."""

    server: Server
    email: str
    password: str
    id: str = ""
    key_id: str = ""
    key: str = dataclasses.field(default="", repr=False)
    token: str = dataclasses.field(default="", repr=False)
    refresh_token: str = dataclasses.field(default="", repr=False)

    def log_in(self):
        """A new session."""
        body = {"email": self.email, "password": self.password}
        answer = self.server.call("POST", "/api/v1/auth/login", json=body)
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        answer = answer.json()
        self.token, self.refresh_token = answer["access_token"], answer["refresh_token"]

    def api(self, method, path, **options):
        """A call with the access token."""
        return self.server.call(method, path, headers=bearer(self.token), **options)

    def gate(self, path="/v1/chat/completions", *, key=None, **options):
        """A `POST` with the API key."""
        return self.server.call("POST", path, headers=bearer(key or self.key), **options)

    def chat(self, text="Hello!", *, key=None, **fields):
        """A chat by plain HTTP."""
        return self.gate(key=key, json=question(text, **fields))

    def openai(self, key=None, **options):
        """The official client; it does not retry unless told to."""
        options.setdefault("max_retries", 0)
        options.setdefault("timeout", MAX_CALL)
        return openai.OpenAI(api_key=key or self.key, base_url=self.server.url + "/v1", **options)

    def make_key(self, **fields):
        """A further key."""
        answer = self.api("POST", "/api/v1/keys", json={"name": "Further"} | fields)
        if answer.status_code != 201:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        return answer.json()

    def stats(self):
        """The statistics, as exact numbers, of all that is on record now; the server waits for them a second only."""
        asked = datetime.datetime.now(datetime.UTC)

        def recent():
            answer = self.api("GET", "/api/v1/usage/stats")
            if answer.status_code != 200:
                raise AssertionError(f"{answer.status_code}: {answer.text}")
            stats = decimals(answer)
            return stats if stats["as_of"] and moment(stats["as_of"]) >= asked else None

        return wait_until(recent, f"the statistics are of {asked} or later")

    def tokens_remaining(self):
        """What an editor is told is left, of what the statistics hold."""
        self.stats()
        answer = self.api("GET", "/api/v1/auth/vscode-config")
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        return answer.json()["user"]["tokens_remaining"]


def bearer(credential):
    """The header for a token or a key."""
    return {"Authorization": f"Bearer {credential}"}


def question(text="Hello!", **fields):
    """The body of a chat."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]} | fields
