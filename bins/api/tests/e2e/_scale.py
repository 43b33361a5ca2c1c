"""What many keys cost: to import, to look up, to list, to remember.

Run by `cargo xtask bench keys`. For each number of keys an installation is made, the keys are imported from a CSV file
beside the running server, and the same is measured. What is printed is a reading: nothing is asserted but that each call
is answered as it must be.
"""

import contextlib
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import threading
import time
import urllib.parse

import _installation
import _server

SIZES = [int(size) for size in (os.environ.get("TOLLGATE_SCALE_KEYS") or "1000,1000000").split(",")]
# How many different keys are used, at most.
SEEN = int(os.environ.get("TOLLGATE_SCALE_SEEN") or 100_000)
# Calls of each kind.
CALLS = int(os.environ.get("TOLLGATE_SCALE_CALLS") or 2_000)
KEYS_OF_A_USER = 10
# Threads that use keys, so that many are seen soon.
THREADS = 4
# Calls whose times are not taken.
WARMING = 200
# Pages at either end of a list whose times are compared.
PAGES = 20
# How often the memory of a program that ends by itself is looked at, in seconds.
LOOKING = 0.02

# Nobody is refused for asking often.
CONFIG = """
address_limits: {unknown_keys: 1000000000000}
management_limits: {per_minute: 1000000000000}
tiers:
  enterprise: {minute: 1000000000000, hour: 1000000000000, day: 1000000000000, monthly_tokens: 1000000000000}
logging: {level: warn}
"""
NAMES = "id,key_hash,key_prefix,user_id,name,email,tier,permissions,is_active,created_at,last_used\r\n"


def key(number):
    """The text of a key of the other system."""
    return f"sk_old_{number:032x}"


def write_keys(path, count):
    """The file that is imported."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\ufeff" + NAMES)
        for number in range(count):
            digest = hashlib.sha256(key(number).encode()).hexdigest()
            user = number // KEYS_OF_A_USER
            file.write(
                f'old-{number},{digest},{key(number)[:12]},user_{user},"Key ""{number}""",u{user}@example.com,'
                f'enterprise,"chat,usage:read",true,2025-03-04 05:06:07,2025-06-07T08:09:10Z\r\n'
            )


def memory_mib(pid, which="VmRSS"):
    """Resident memory of a process now, or at most (`VmHWM`)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1_024 for line in status if line.startswith(which + ":"))


def run(installation, words, on_line=None):
    """Runs the administrator's program: the seconds, and its memory at most in MiB. Lines go to `on_line`."""
    begun = time.monotonic()
    program = subprocess.Popen(
        [_installation.ADMIN, *words],
        cwd=installation.folder,
        env=installation.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    peaks = [0.0]

    def look():
        while program.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                peaks.append(memory_mib(program.pid, "VmHWM"))
            time.sleep(LOOKING)

    looking = threading.Thread(target=look)
    looking.start()
    for line in program.stdout:
        if on_line:
            on_line(line, time.monotonic() - begun)
    looking.join()
    seconds = time.monotonic() - begun
    if program.returncode != 0:
        raise SystemExit(f"{words}: ended with {program.returncode}")
    return seconds, max(peaks)


class Connection:
    """One connection that is kept, so that a call costs nothing of its own."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_server.MAX_CALL)
        self.connection.connect()

    def timed(self, method, path, credential, status, body=None):
        """A call's time in microseconds, and its answer."""
        headers = {"Authorization": "Bearer " + credential, "Content-Type": "application/json"}
        begun = time.perf_counter_ns()
        self.connection.request(method, path, body, headers=headers)
        answer = self.connection.getresponse()
        said = answer.read()
        took = (time.perf_counter_ns() - begun) / 1_000
        if answer.status != status:
            raise SystemExit(f"{path}: {answer.status} {said[:300]!r}")
        return took, said

    def chat(self, credential, status=200):
        """A chat's time."""
        return self.timed("POST", "/v1/chat/completions", credential, status, CHAT)[0]


CHAT = json.dumps(_server.question("Hi.", max_tokens=1))


def show(size, what, took):
    """A line of the table."""
    ranks = statistics.quantiles(took, n=100)
    print(f"{size:>9,}  {what:<44} {len(took):>7,} {ranks[49]:>9.0f} {ranks[98]:>9.0f}", flush=True)


def tell(size, what, value):
    """A line beside the table."""
    print(f"{size:>9,}  {what:<44} {value}", flush=True)


class Load:
    """One caller who asks without a pause, until told to stop."""

    def __init__(self, url, credential):
        self.took = []
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._ask, args=(Connection(url), credential))
        self.thread.start()

    def _ask(self, connection, credential):
        while not self.ends.is_set():
            self.took.append(connection.chat(credential))

    def end(self):
        self.ends.set()
        self.thread.join()
        return self.took


def import_keys(size, server, credential):
    """Imports the keys beside a caller, and once more when all are known."""
    installation = server.installation
    path = installation.folder / "keys.csv"
    write_keys(path, size)
    words = ["keys", "import", "--file", str(path), "--json"]
    beside = Load(server.url, credential)
    seconds, peak = run(installation, words)
    show(size, "a chat while keys are imported", beside.end())
    tell(size, "import beside the server", f"{size / seconds:>9,.0f} keys/s, {peak:.0f} MiB at most")
    seconds, peak = run(installation, words)
    tell(size, "import of what is known", f"{size / seconds:>9,.0f} keys/s, {peak:.0f} MiB at most")
    path.unlink()


def look_up(size, server, credential):
    """Known and unknown keys, remembered and not."""
    connection = Connection(server.url)
    used = min(size, CALLS)
    for _ in range(WARMING):
        connection.chat(credential)
    show(size, "a chat, the same key", [connection.chat(credential) for _ in range(CALLS)])
    # Spread over all, as the keys of those who call are.
    spread = [number * size // used for number in range(used)]
    show(size, "a chat, each key for the first time", [connection.chat(key(number)) for number in spread])
    show(size, "a chat, each key for the second time", [connection.chat(key(number)) for number in spread])
    unknown = [f"sk_none_{number:031x}" for number in range(CALLS)]
    show(size, "an unknown key", [connection.chat(key, 401) for key in unknown])


def remember(size, server):
    """The server's memory before and after many different keys."""
    before = memory_mib(server.process.pid)
    count = min(size, SEEN)

    def use(part):
        connection = Connection(server.url)
        for number in range(part, count, THREADS):
            connection.chat(key(number))

    threads = [threading.Thread(target=use, args=(part,)) for part in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = memory_mib(server.process.pid)
    each = (after - before) * 1_048_576 / count
    tell(size, f"server after {count:,} keys", f"{before:.0f} -> {after:.0f} MiB, {each:,.0f} bytes a key")


def list_over_api(size, server):
    """Pages of everybody's keys, at either end."""
    administrator = server.administrator()
    connection = Connection(server.url)
    took, cursor = [], ""
    while True:
        path = "/api/v1/admin/keys?limit=100" + (f"&cursor={cursor}" if cursor else "")
        if len(took) % 5_000 == 0:
            administrator.log_in()
        each, said = connection.timed("GET", path, administrator.token, 200)
        took.append(each)
        cursor = json.loads(said)["next_cursor"]
        if cursor is None:
            break
        cursor = urllib.parse.quote(cursor)
    if len(took) > 2 * PAGES:
        show(size, "the first pages of the list", took[:PAGES])
        show(size, "the last pages of the list", took[-PAGES:])
    show(size, "each page of the list", took if len(took) > 1 else took * 2)


def list_on_command_line(size, server):
    """How soon the list begins, how long it takes, and what it needs."""
    for words in (["list"], ["list", "--json"]):
        first, lines = 0.0, 0

        def line(_, seconds):
            nonlocal first, lines
            first, lines = first or seconds, lines + 1

        seconds, peak = run(server.installation, words, line)
        value = f"first line after {first * 1_000:.0f} ms, {lines:,} in {seconds:.1f} s, {peak:.0f} MiB at most"
        tell(size, "tollgate-admin " + " ".join(words), value)


def measure(size):
    server = _server.Server({}, CONFIG)
    try:
        made = server.installation.admin("create", "--name", "Caller", "--tier", "enterprise", "--json")
        credential = json.loads(made.out)["api_key"]
        import_keys(size, server, credential)
        server.restart()
        look_up(size, server, credential)
        remember(size, server)
        list_over_api(size, server)
        list_on_command_line(size, server)
    finally:
        server.close()


def main():
    print(f"{'keys':>9}  {'what':<44} {'calls':>7} {'p50 us':>9} {'p99 us':>9}", flush=True)
    for size in SIZES:
        measure(size)


if __name__ == "__main__":
    main()
