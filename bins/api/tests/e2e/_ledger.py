"""What the database says was used, against what the clients know."""

import collections
import datetime
import json
import sqlite3
import subprocess
import time
import urllib.parse

import _installation
import _load
import _server

# Tokens per month and requests per window, for users who are never to be refused.
PLENTY = 1_000_000_000

# What a token costs by default, in pico-dollars.
PICO_PER_TOKEN = 100_000_000
PICO = 10**12

# A request has an open row once it is as old as this, in seconds, by the contract; and the row is refreshed as often.
OPEN_AFTER = 2.0

# Statuses of answers that do not count in the windows.
UNCOUNTED = (401, 403, 429, 503)


def users(server, count):
    """New users with a key each, whom no limit stops."""
    limits = dict.fromkeys(("minute_limit", "hourly_limit", "daily_limit", "monthly_token_limit"), PLENTY)
    made = [server.register() for _ in range(count)]
    for user in made:
        server.edit_user(user, **limits)
    return made


class Ledger:
    """The events of an installation."""

    def __init__(self, installation):
        self.installation = installation

    @property
    def url(self):
        return self.installation.environment.get("DATABASE_URL")

    def query(self, sql):
        """Rows as dictionaries."""
        if not self.url or self.url.startswith("sqlite"):
            return self._query_sqlite(sql)
        words = [_installation.postgres_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        words += ["-d", self.url, "-c", f"SET search_path TO tollgate; SELECT row_to_json(r) FROM ({sql}) AS r"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_installation.MAX_RUN)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _query_sqlite(self, sql):
        path = self.installation.data / "tollgate.db"
        database = sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=ro", uri=True, timeout=30)
        try:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql)]
        finally:
            database.close()

    def events(self):
        """All of them."""
        events = self.query(
            "SELECT request_id, user_id, time, status, prompt_tokens, completion_tokens, usage_source, cost_pico, "
            "error_code, repeat FROM usage_events"
        )
        for event in events:
            # As the API tells it.
            event["user_id"] = event["user_id"].replace("-", "")
        return events


def compare(server, users, asked, *, refusals=False):
    """Compares what `users` were answered (`asked` is all that they ever asked) with events and sums.

    Gives what was compared; raises `AssertionError` with all that is wrong. With `refusals` a 503 is nothing wrong.
    """
    found = collections.Counter()
    ledger = Ledger(server.installation)
    events = ledger.events()
    by_request = collections.defaultdict(list)
    for event in events:
        by_request[event["request_id"]].append(event)
    wrong = []
    for one in asked:
        own = by_request.pop(one.id, [])
        if refusals and one.problem and len(own) <= 1:
            found["told to come again"] += 1
            continue
        wrong += [f"{one}: {what}" for what in _compare_one(one, own, found)]
    known = {user.id for user in users}
    strangers = [event for rest in by_request.values() for event in rest if event["user_id"] in known]
    wrong += [f"nobody asked for this: {event}" for event in strangers]
    for user in users:
        wrong += _compare_sums(user, [event for event in events if event["user_id"] == user.id])
    if wrong:
        raise AssertionError(f"{len(wrong)} differences:\n" + "\n".join(wrong[:20]))
    return found


def _compare_one(one, events, found):
    """What is wrong with the events of one request."""
    if len(events) > 1:
        return [f"{len(events)} events"]
    event = events[0] if events else None
    if one.complete:
        found["complete answers"] += 1
        return ["no event"] if event is None else _compare_whole(one, event)
    if one.status not in (None, 200):
        return [f"was refused: {one.status} {one.problem}"]
    if event is None:
        found["forgotten, younger than 2 s"] += 1
        is_old = one.took > OPEN_AFTER + one.slack
        return ["an answer that ran longer than 2 s left nothing"] if is_old else []
    if event["error_code"] == "interrupted":
        found["interrupted"] += 1
        return _compare_interrupted(one, event)
    found["recorded, the answer lost"] += 1
    return _compare_whole(one, event) if event["usage_source"] == "reported" else [f"strange: {event}"]


def _compare_whole(one, event):
    wanted = {
        "user_id": one.user_id,
        "status": 200,
        "prompt_tokens": one.wish.prompt,
        "completion_tokens": one.wish.completion,
        "usage_source": "reported",
        "cost_pico": one.tokens * PICO_PER_TOKEN,
        "error_code": None,
        "repeat": 1,
    }
    return [f"{name} is {event[name]}, not {value}" for name, value in wanted.items() if event[name] != value]


def _compare_interrupted(one, event):
    """At most what had come in the last refresh's time is missing."""
    tokens = (event["prompt_tokens"] or 0) + (event["completion_tokens"] or 0)
    old = sum(1 for at in one.words if at < one.ended - OPEN_AFTER - one.slack)
    wrong = []
    if (event["completion_tokens"] or 0) < old:
        wrong.append(f"{old} words had come 2 s before the end, and {event['completion_tokens']} are recorded")
    if (event["completion_tokens"] or 0) > 2 * one.wish.words + 8:
        wrong.append(f"{event['completion_tokens']} tokens are recorded of {one.wish.words} words")
    if event["cost_pico"] != tokens * PICO_PER_TOKEN:
        wrong.append(f"{tokens} tokens cost {event['cost_pico']}")
    return wrong


def tokens_of(events):
    return sum((event["prompt_tokens"] or 0) + (event["completion_tokens"] or 0) for event in events)


def _compare_sums(user, events):
    """What is wrong with a user's sums and windows, seen from outside."""
    stats = user.stats()
    used = tokens_of(events)
    cost = sum(event["cost_pico"] or 0 for event in events)
    wanted = {
        "total_requests": sum(event["repeat"] for event in events),
        "total_tokens": used,
        "total_cost_usd": cost,
        "quota.used": used,
        "quota.remaining": PLENTY - used,
    }
    told = {name: stats.get(name) for name in ("total_requests", "total_tokens")}
    told["total_cost_usd"] = int(stats["total_cost_usd"] * PICO)
    told |= {f"quota.{name}": stats["quota"][name] for name in ("used", "remaining")}
    return [f"{user.email}: {name} is {told[name]}, not {wanted[name]}" for name in wanted if told[name] != wanted[name]]


def compare_logs(server, user):
    """A user's own list of events, page by page, is what the database has of that user."""
    own = [event for event in Ledger(server.installation).events() if event["user_id"] == user.id]
    listed, cursor = [], None
    while True:
        answer = user.api("GET", "/api/v1/usage/logs", params={"limit": 100, "cursor": cursor})
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        page = _server.decimals(answer)
        listed += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    names = ("request_id", "user_id", "status", "prompt_tokens", "completion_tokens", "usage_source", "error_code", "repeat")
    told = sorted(([str(event[name]) for name in names], _pico(event["cost_usd"])) for event in listed)
    there = sorted(([str(event[name]) for name in names], event["cost_pico"]) for event in own)
    if told != there:
        raise AssertionError(f"{len(told)} events are listed, {len(there)} are there; {told[:2]}, {there[:2]}")
    return len(told)


def _pico(usd):
    return None if usd is None else int(usd * PICO)


def probe(server, users, asked):
    """Each user asks once more: the headers must show what the events say, and nothing held. Adds to `asked`."""
    events = Ledger(server.installation).events()
    wrong = []
    for user in users:
        own = [event for event in events if event["user_id"] == user.id]
        connection = _load.Connection(server.url, user.id, user.key)
        before = time.time()
        one = connection.ask(_load.Wish(prompt=3, completion=2))
        connection.close()
        asked.append(one)
        if not one.complete:
            wrong.append(f"{user.email}: {one}")
            continue
        wrong += [f"{user.email}: {what}" for what in _compare_headers(one, own, before, time.time())]
    if wrong:
        raise AssertionError("\n".join(wrong[:20]))


def _compare_headers(one, events, before, after):
    remaining = int(one.headers["x-quota-remaining"])
    wanted = PLENTY - tokens_of(events) - one.tokens
    if remaining != wanted:
        yield f"X-Quota-Remaining is {remaining}, not {wanted}"
    times = [_seconds(event["time"]) for event in events if event["status"] not in UNCOUNTED]
    for window, length, bucket in (("Minute", 60, 1), ("Hour", 3_600, 60), ("Day", 86_400, 900)):
        told = PLENTY - 1 - int(one.headers[f"x-ratelimit-remaining-{window.lower()}"])
        least = sum(1 for at in times if at > after - length)
        # What leaves a window leaves it late by a bucket's width at most.
        most = sum(1 for at in times if at > before - length - bucket - 1)
        if not least <= told <= most:
            yield f"{window}: {told} requests are counted, not {least} to {most}"


def _seconds(time_of_event):
    return datetime.datetime.fromisoformat(time_of_event.replace("Z", "+00:00")).timestamp()


