"""How well the time of an answer tells whether an email address is known.

Run by `cargo xtask timing`. Each call that must not tell is made for known and unknown addresses in turn, in random order,
on one connection. Shown are the medians, Welch's t, and how often a threshold that was chosen on one half of the
calls is right on the other half: 50 % is guessing. Nothing is asserted: times are the machine's.
"""

import http.client
import json
import os
import random
import statistics
import time
import urllib.parse

import _server

# bcrypt's cost, and calls for each side.
RUNS = (
    (4, int(os.environ.get("TOLLGATE_TIMING_CALLS") or 2_000)),
    (12, int(os.environ.get("TOLLGATE_TIMING_SLOW_CALLS") or 50)),
)
CALLS = {
    "login with a wrong password": ("login", 401, {"password": "not the password"}),
    "password reset request": ("request-password-reset", 202, {}),
    "resend verification": ("resend-verification", 202, {}),
    "register, verified email required": ("register", 202, {"password": _server.PASSWORD}),
}
# Nothing is to be refused: each address is asked for once by each call.
CONFIG = """
registration: {mode: open, require_verified_email: true}
address_limits: {failed_logins: 1000000, sign_ups: 1000000, reset_mails: 1000000}
"""
WARMING = 20


class Connection:
    """One connection that is kept, so that a call costs nothing of its own."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_server.MAX_CALL)
        self.connection.connect()

    def timed(self, path, status, body):
        """A call's time in microseconds."""
        text = json.dumps(body)
        begun = time.perf_counter_ns()
        self.connection.request(
            "POST", "/api/v1/auth/" + path, text, headers={"Content-Type": "application/json"}
        )
        answer = self.connection.getresponse()
        said = answer.read()
        took = (time.perf_counter_ns() - begun) / 1_000
        if answer.status != status:
            raise SystemExit(f"{path}: {answer.status} {said[:300]!r}")
        return took


def welch(left, right):
    """Welch's t."""
    spread = statistics.variance(left) / len(left) + statistics.variance(right) / len(right)
    return (statistics.fmean(left) - statistics.fmean(right)) / spread**0.5 if spread else 0.0


def right_of(threshold, known_is_slower, known, unknown):
    """How often a threshold is right, as a share."""
    hits = sum((took > threshold) == known_is_slower for took in known)
    hits += sum((took > threshold) != known_is_slower for took in unknown)
    return hits / (len(known) + len(unknown))


def classifier(known, unknown):
    """The accuracy, on the second half, of the threshold that does best on the first."""
    half = len(known) // 2
    train = known[:half], unknown[:half]
    steps = statistics.quantiles(train[0] + train[1], n=100)
    best = max(((step, slower) for step in steps for slower in (True, False)), key=lambda of: right_of(*of, *train))
    return right_of(*best, known[half:], unknown[half:])


def measure(connection, name, users, calls):
    path, status, fields = CALLS[name]
    sides = {True: [], False: []}
    chances = random.SystemRandom()
    for number in range(calls):
        order = [True, False]
        chances.shuffle(order)
        for is_known in order:
            # As long as the known ones.
            email = users[number] if is_known else f"n{chances.getrandbits(64):016x}@example.com"
            sides[is_known].append(connection.timed(path, status, {"email": email} | fields))
    return sides[True], sides[False]


def run(cost, calls):
    environment = {"BCRYPT_ROUNDS": str(cost)}
    server = _server.Server(environment, CONFIG)
    try:
        connection = Connection(server.url)
        users = [f"k{number:016x}@example.com" for number in range(calls + WARMING)]
        for email in users:
            connection.timed("register", 202, {"email": email, "password": _server.PASSWORD})
        for name in CALLS:
            measure(connection, name, users[calls:], WARMING)
            known, unknown = measure(connection, name, users, calls)
            print(
                f"{cost:>4} {calls:>6}  {name:<34} {statistics.median(known):>9.0f} {statistics.median(unknown):>9.0f}"
                f" {welch(known, unknown):>8.2f} {classifier(known, unknown):>8.1%}",
                flush=True,
            )
    finally:
        server.close()


def main():
    print("cost  calls  call                                known us unknown us  Welch t  accuracy", flush=True)
    for cost, calls in RUNS:
        run(cost, calls)


if __name__ == "__main__":
    main()
