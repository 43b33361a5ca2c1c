"""Chats as the documents print them and as OpenAI's own client makes them, plain and streamed."""

import json
import unittest

import openai
import requests

from _server import bearer, question
from _testcase import OPERATOR_KEY, EndToEnd

TEXT = "Hello there, friend."


class Chat(EndToEnd):
    """`/v1/chat/completions` and `/v1/models`."""

    def test_as_printed_by_requests(self):
        user = self.server.register()
        headers = {"Authorization": f"Bearer {user.key}", "Content-Type": "application/json"}
        data = {
            "model": "qwen-agent",
            "messages": [
                {"role": "user", "content": "Write a Python function to calculate fibonacci"},
            ],
        }
        response = requests.post(
            self.server.url + "/v1/chat/completions", headers=headers, json=data, timeout=60
        )
        answer = self.assert_ok(response)
        self.assertEqual(answer["choices"][0]["message"], {"role": "assistant", "content": TEXT})
        self.assertEqual(answer["usage"], {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
        [asked] = self.provider.asked
        self.assertEqual(asked.path, "/v1/chat/completions")
        self.assertEqual(asked.body["messages"], data["messages"])
        self.assertEqual(asked.header("Authorization"), "Bearer " + OPERATOR_KEY)

    def test_by_the_official_client(self):
        client = self.server.register().openai()
        answer = client.chat.completions.create(**question())
        self.assertEqual(answer.choices[0].message.content, TEXT)
        self.assertEqual(answer.usage.total_tokens, 18)
        self.assertTrue(answer._request_id)

    def test_by_x_api_key(self):
        user = self.server.register()
        headers = {"X-API-Key": user.key}
        answer = self.server.call("POST", "/v1/chat/completions", headers=headers, json=question())
        self.assert_ok(answer)
        both = headers | bearer(user.key)
        answer = self.server.call("POST", "/v1/chat/completions", headers=both, json=question())
        self.assert_ok(answer)
        for asked in self.provider.asked:
            self.assertIsNone(asked.header("X-API-Key"))

    def test_streamed_by_the_official_client(self):
        client = self.server.register().openai()
        stream = client.chat.completions.create(**question(), stream=True)
        chunks = list(stream)
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        self.assertEqual(said.strip(), TEXT)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertEqual(self.provider.asked[0].body["stream_options"]["include_usage"], True)

    def test_the_usage_chunk_reaches_only_those_who_asked(self):
        client = self.server.register().openai()
        without = list(client.chat.completions.create(**question(), stream=True))
        self.assertTrue(all(chunk.choices for chunk in without))
        self.assertTrue(all(chunk.usage is None for chunk in without))
        refused = list(
            client.chat.completions.create(**question(), stream=True, stream_options={"include_usage": False})
        )
        self.assertTrue(all(chunk.choices and chunk.usage is None for chunk in refused))
        asked = list(
            client.chat.completions.create(**question(), stream=True, stream_options={"include_usage": True})
        )
        self.assertEqual(asked[-1].choices, [])
        self.assertEqual(asked[-1].usage.total_tokens, 18)
        self.assertEqual(len(asked), len(without) + 1)

    def test_a_stream_is_events_that_end_in_done(self):
        answer = self.server.register().chat(stream=True)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/event-stream"))
        events = [
            line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")
        ]
        self.assertEqual(events[-1], "[DONE]")
        for event in events[:-1]:
            self.assertEqual(json.loads(event)["object"], "chat.completion.chunk")

    def test_chunks_are_passed_on_as_they_come(self):
        client = self.server.register().openai()
        self.provider.answers(hold_after=2)
        with self.provider.holding():
            stream = client.chat.completions.create(**question(), stream=True)
            next(stream)
            second = next(stream)
            # The provider has not sent more than this yet.
            self.assertEqual(second.choices[0].delta.content, "Hello ")
            self.provider.release()
            self.assertEqual(len(list(stream)), 3)

    def test_what_the_caller_sends_goes_upstream_as_it_is(self):
        user = self.server.register()
        tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
        fields = {"temperature": 0.25, "seed": 7, "tools": [tool], "stop": ["END"], "user": "end-user-1"}
        self.assert_ok(user.chat("Grüße, 世界 🌍", **fields))
        body = self.provider.asked[0].body
        for name, value in fields.items():
            self.assertEqual(body[name], value)
        self.assertEqual(body["messages"][0]["content"], "Grüße, 世界 🌍")

    def test_exactly_the_held_output_limit_goes_upstream(self):
        user = self.server.register()
        self.server.edit_user(user, monthly_token_limit=1_000_000)
        for sent, name, value in [
            ({}, "max_tokens", 4096),
            ({"max_tokens": 17}, "max_tokens", 17),
            ({"max_completion_tokens": 18}, "max_completion_tokens", 18),
        ]:
            with self.subTest(sent):
                self.provider.reset()
                self.assert_ok(user.chat(**sent))
                body = self.provider.asked[0].body
                limits = {key: body[key] for key in ("max_tokens", "max_completion_tokens") if key in body}
                self.assertEqual(list(limits.values()), [value])
                if sent:
                    self.assertEqual(list(limits), [name])

    def test_models_are_listed(self):
        user = self.server.register()
        names = [model.id for model in user.openai().models.list()]
        self.assertIn("gpt-4o-mini", names)
        self.assert_problem(self.server.call("GET", "/v1/models"), 401, "missing_credentials")

    def test_the_providers_own_refusal_is_the_callers(self):
        self.provider.answers(status=400, text="temperature must not be 9")
        client = self.server.register().openai()
        with self.assertRaises(openai.BadRequestError) as raised:
            client.chat.completions.create(**question(), temperature=9)
        self.assertIn("temperature must not be 9", str(raised.exception))


class Plain(EndToEnd):
    """`/api/llm/completion`."""

    def ask(self, user, **fields):
        body = {"prompt": "Say hello.", "model": "gpt-4o-mini"} | fields
        return user.gate("/api/llm/completion", json=body)

    def test_a_whole_answer(self):
        user = self.server.register()
        answer = self.assert_ok(self.ask(user))
        self.assertEqual(
            (answer["text"], answer["model"], answer["provider"]), (TEXT, "gpt-4o-mini", "openai")
        )
        self.assertEqual(answer["usage"]["total_tokens"], 18)
        self.assertEqual(str(answer["cost_usd"]), "0.0018")
        self.assertEqual(answer["tokens_remaining"], 10_000 - 18)
        self.assertTrue(answer["id"])
        message = {"role": "user", "content": "Say hello."}
        self.assertEqual(self.provider.asked[0].body["messages"], [message])

    def test_without_a_model_the_providers_default_is_asked(self):
        user = self.server.register()
        answer = self.assert_ok(user.gate("/api/llm/completion", json={"prompt": "Hi."}))
        self.assertEqual(answer["model"], self.provider.asked[0].body["model"])

    def test_under_v1_too(self):
        user = self.server.register()
        self.assert_ok(user.gate("/api/v1/llm/completion", json={"prompt": "Hi.", "max_tokens": 9}))
        self.assertIn(9, self.provider.asked[0].body.values())

    def test_streamed(self):
        user = self.server.register()
        answer = self.ask(user, stream=True)
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/event-stream"))
        events = [
            line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")
        ]
        self.assertEqual(events[-1], "[DONE]")
        *texts, last = [json.loads(event) for event in events[:-1]]
        self.assertEqual("".join(event["text"] for event in texts).strip(), TEXT)
        self.assertTrue(all(event.keys() == {"text"} for event in texts))
        self.assertEqual(last["usage"]["total_tokens"], 18)
        self.assertEqual(last["tokens_remaining"], 10_000 - 18)
        self.assertEqual(str(last["cost_usd"]), "0.0018")
        self.assertLessEqual({"id", "model", "provider"}, last.keys())

    def test_a_prompt_is_needed(self):
        user = self.server.register()
        for body in ({}, {"prompt": 7}, {"prompt": None}):
            with self.subTest(body):
                answer = user.gate("/api/llm/completion", json=body)
                problem = self.assert_problem(answer, 422, "validation_failed")
                self.assertEqual(problem["errors"][0]["field"], "prompt")
        self.assert_nothing_charged(user)


class Echo(EndToEnd):
    """Without any provider, development answers with the caller's own words."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}

    def test_a_newcomer_can_try_everything_offline(self):
        user = self.server.register()
        client = user.openai()
        answer = client.chat.completions.create(**question("What is the capital of France?"))
        self.assertIn("What is the capital of France?", answer.choices[0].message.content)
        self.assertIn("echo", answer.choices[0].message.content.lower() + answer.model.lower())
        used = answer.usage.total_tokens
        self.assertGreater(used, 0)
        stream = client.chat.completions.create(**question("A stream of words"), stream=True)
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        self.assertIn("A stream of words", said)
        stats = user.stats()
        self.assertEqual(stats["total_requests"], 2)
        self.assertGreater(stats["quota"]["used"], used)
        self.assertEqual(self.provider.asked, [])


if __name__ == "__main__":
    unittest.main()
