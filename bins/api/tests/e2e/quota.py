"""The month's tokens: held before, settled after, never overspent."""

import concurrent.futures
import unittest

import openai

from _server import question
from _testcase import EndToEnd

# How many ask at once, and for how many of them there is room.
CROWD, ROOM = 200, 20


class Quota(EndToEnd):
    """10,000 tokens a month, as everybody has at first."""

    def spend(self, user):
        """Two answers that use all of their 4,000; gives what is left."""
        self.provider.answers(uses_all=True, prompt_tokens=10)
        client = user.openai()
        for _ in range(2):
            answer = client.chat.completions.create(**question(), max_tokens=4_000)
            self.assertEqual(answer.usage.completion_tokens, 4_000)
        self.provider.answers()
        return 10_000 - 8_020

    def test_what_does_not_fit_is_refused_once_and_reaches_nobody(self):
        user = self.server.register()
        left = self.spend(user)
        self.assertEqual(user.tokens_remaining(), left)
        self.provider.reset()
        sent = []
        client = user.openai(max_retries=2)
        client._client.event_hooks = {"request": [sent.append]}
        with self.assertRaises(openai.RateLimitError) as raised:
            client.chat.completions.create(**question(), max_tokens=4_000)
        self.assertEqual(len(sent), 1, "the client has tried again")
        self.assertEqual(self.provider.asked, [])
        error = raised.exception
        self.assertEqual((error.status_code, error.code), (429, "insufficient_quota"))
        headers = error.response.headers
        self.assertEqual(headers["x-should-retry"], "false")
        self.assertEqual(headers["X-Quota-Remaining"], str(left))
        self.assertEqual(user.tokens_remaining(), left)
        self.assertEqual(user.stats()["quota"]["used"], 8_020)
        self.assertEqual(
            client.chat.completions.create(**question(), max_tokens=1_000).usage.total_tokens, 18
        )
        self.assertEqual(user.tokens_remaining(), left - 18)

    def test_the_refusal_says_what_would_fit_and_that_fits(self):
        user = self.server.register()
        self.spend(user)
        problem = self.assert_problem(user.chat(max_tokens=4_000), 429, "insufficient_quota")
        numbers = [int(word) for word in problem["detail"].replace(",", "").split() if word.isdecimal()]
        fits = numbers[-1]
        self.assertGreater(fits, 1_500)
        self.assertLess(fits, 1_980)
        self.provider.answers(uses_all=True)
        self.assert_ok(user.chat(max_tokens=fits))

    def test_without_a_named_limit_the_rest_is_the_limit(self):
        user = self.server.register()
        left = self.spend(user)
        self.provider.answers(uses_all=True, prompt_tokens=10)
        self.provider.reset()
        self.assert_ok(user.chat())
        sent = self.provider.asked[0].body["max_tokens"]
        self.assertLessEqual(sent, left)
        self.assertGreater(sent, left - 200)

    def test_outputs_are_held_as_often_as_they_are_asked_for(self):
        user = self.server.register()
        problem = self.assert_problem(user.chat(max_tokens=3_000, n=4), 429, "insufficient_quota")
        self.assertIn("10000", problem["detail"].replace(",", ""))
        self.assert_ok(user.chat(max_tokens=3_000, n=3))

    def test_a_long_prompt_does_not_pass_by_itself(self):
        user = self.server.register()
        self.assert_problem(user.chat("word " * 20_000, max_tokens=1), 429, "insufficient_quota")
        self.assertEqual(self.provider.asked, [])
        self.assert_nothing_charged(user)

    def test_refused_streams_are_refused_before_they_begin(self):
        user = self.server.register()
        with self.assertRaises(openai.RateLimitError):
            user.openai().chat.completions.create(**question(), stream=True, max_tokens=20_000)
        self.assert_nothing_charged(user)

    def test_plain_completions_are_held_too(self):
        user = self.server.register()
        answer = user.gate("/api/llm/completion", json={"prompt": "Hi.", "max_tokens": 20_000})
        self.assert_problem(answer, 429, "insufficient_quota")
        self.assertEqual(answer.headers["x-should-retry"], "false")
        self.assert_nothing_charged(user)

    def test_a_failed_answer_gives_its_hold_back(self):
        user = self.server.register()
        self.provider.answers(status=500)
        for _ in range(3):
            self.assertEqual(user.chat(max_tokens=9_000).status_code, 502)
        self.assert_nothing_charged(user)
        self.provider.answers()
        self.assert_ok(user.chat(max_tokens=9_000))

    def test_what_runs_is_reserved_and_then_given_back(self):
        user = self.server.register()
        with self.provider.holding(), concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = pool.submit(user.chat, max_tokens=9_000)
            self.provider.wait_for(1)
            answer = user.chat(max_tokens=5_000)
            self.assert_problem(answer, 429, "quota_reserved")
            self.assertEqual(answer.headers["Retry-After"], "1")
            self.provider.release()
            self.assert_ok(first.result())
        self.assert_ok(user.chat(max_tokens=5_000))


class Grants(EndToEnd):
    """`quota_grant`: tokens of the running month beyond its limit."""

    def test_who_was_refused_goes_on_after_a_grant(self):
        user = self.server.register()
        self.assert_problem(user.chat(max_tokens=11_000), 429, "insufficient_quota")
        granted = self.server.edit_user(user, quota_grant=5_000)
        self.assertEqual((granted["quota_grant"], granted["monthly_token_limit"]), (5_000, None))
        answer = user.chat(max_tokens=11_000)
        self.assert_ok(answer)
        self.assertEqual(answer.headers["X-Quota-Limit"], "15000")
        self.assertEqual(answer.headers["X-Quota-Remaining"], str(15_000 - 18))
        quota = user.stats()["quota"]
        self.assertEqual((quota["limit"], quota["used"], quota["remaining"]), (15_000, 18, 15_000 - 18))
        self.assertEqual(user.tokens_remaining(), 15_000 - 18)

    def test_a_grant_sets_and_does_not_add(self):
        user = self.server.register()
        for grant, limit in ((5_000, 15_000), (2_000, 12_000), (0, 10_000), (10**12, 10**12 + 10_000)):
            self.assertEqual(self.server.edit_user(user, quota_grant=grant)["quota_grant"], grant)
            self.assertEqual(user.chat().headers["X-Quota-Limit"], str(limit))
        self.assertEqual(self.server.edit_user(user, quota_grant=None)["quota_grant"], 0)
        self.assertEqual(user.chat().headers["X-Quota-Limit"], "10000")
        # Beyond whatever the limit is, and what is used stays used.
        self.server.edit_user(user, quota_grant=70, monthly_token_limit=1_000)
        self.assertEqual(user.chat().headers["X-Quota-Limit"], "1070")
        self.server.edit_user(user, tier="pro", monthly_token_limit=None)
        self.server.edit_user(user, tier="free")
        headers = user.chat().headers
        self.assertEqual(headers["X-Quota-Limit"], "100070", "the tier that was left, and the grant")
        self.assertEqual(headers["X-Quota-Remaining"], str(100_070 - 7 * 18))

    def test_a_grant_that_is_taken_back_leaves_nothing_and_never_less(self):
        user = self.server.register()
        self.server.edit_user(user, quota_grant=10_000)
        self.provider.answers(prompt_tokens=9_000, completion_tokens=6_000)
        self.assert_ok(user.chat(max_tokens=10_000))
        self.server.edit_user(user, quota_grant=0)
        self.assert_problem(user.chat(max_tokens=1), 429, "insufficient_quota")
        self.assertEqual(user.tokens_remaining(), 0)

    def test_grants_have_bounds_and_come_from_administrators(self):
        user = self.server.register()
        path = f"/api/v1/admin/users/{user.id}"
        admin = self.server.administrator()
        for wrong in (-1, 10**12 + 1, 10**30, 1.5, "many"):
            with self.subTest(wrong):
                answer = admin.api("PATCH", path, json={"quota_grant": wrong})
                problem = self.assert_problem(answer, 422, "validation_failed")
                self.assertEqual([error["field"] for error in problem["errors"]], ["quota_grant"])
        self.assert_problem(user.api("PATCH", path, json={"quota_grant": 5}), 403, "permission_denied")
        self.assertEqual(user.stats()["quota"]["limit"], 10_000)

    def test_a_grant_outlives_a_restart(self):
        user = self.server.register()
        self.server.edit_user(user, quota_grant=5_000)
        self.server.restart()
        self.assertEqual(user.chat().headers["X-Quota-Limit"], "15000")


class Crowd(EndToEnd):
    """Many at once for the last tokens."""

    def hold_of(self, user):
        """What one of the crowd's requests holds, by the headers of a stream."""
        answer = user.chat(stream=True, max_tokens=200)
        return int(answer.headers["X-Quota-Limit"]) - int(answer.headers["X-Quota-Remaining"])

    def test_exactly_as_many_pass_as_there_are_tokens_for(self):
        user = self.server.register()
        hold = self.hold_of(user)
        used = user.stats()["quota"]["used"]
        self.server.edit_user(user, minute_limit=10_000, monthly_token_limit=used + ROOM * hold)
        self.provider.reset()
        with self.provider.holding(), concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
            jobs = [pool.submit(user.chat, max_tokens=200) for _ in range(CROWD)]
            self.provider.wait_for(ROOM)
            refused = []
            for job in concurrent.futures.as_completed(jobs, timeout=60):
                refused.append(job.result())
                if len(refused) == CROWD - ROOM:
                    break
            self.assertEqual(len(self.provider.asked), ROOM)
            self.provider.release()
            answers = [job.result() for job in jobs]
        self.assertEqual(sum(answer.status_code == 200 for answer in answers), ROOM)
        self.assertEqual(len(self.provider.asked), ROOM)
        for answer in refused:
            self.assert_problem(answer, 429, "quota_reserved")
            self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertEqual(user.stats()["quota"]["used"], used + ROOM * 18)

    def test_never_more_is_used_than_there_is(self):
        user = self.server.register()
        hold = self.hold_of(user)
        used = user.stats()["quota"]["used"]
        limit = used + ROOM * hold
        self.server.edit_user(user, minute_limit=10_000, monthly_token_limit=limit)
        # All is used of each hold: the prompt's bound and the output.
        self.provider.answers(prompt_tokens=hold - 200, uses_all=True)
        with concurrent.futures.ThreadPoolExecutor(CROWD // 4) as pool:
            answers = list(pool.map(lambda _: user.chat(max_tokens=200), range(CROWD)))
        passed = sum(answer.status_code == 200 for answer in answers)
        self.assertLessEqual({answer.status_code for answer in answers}, {200, 429})
        quota = user.stats()["quota"]
        self.assertEqual(passed, ROOM)
        self.assertEqual((quota["used"], quota["remaining"]), (limit, 0))
        self.assertEqual(user.tokens_remaining(), 0)


if __name__ == "__main__":
    unittest.main()
