"""What is secret stays so: in answers, logs, metrics, in the database and on the way to providers."""

import json
import re
import unittest

import openai

from _server import PASSWORD, bearer, question, wait_until
from _testcase import OPERATOR_KEY, EndToEnd

# A whole key, not one of its previews.
KEY = re.compile(r"sk_(live|test)_tg_[0-9A-Za-z]{20}")


class Confidential(EndToEnd):
    """Every call here is searched for everything that is secret."""

    def tearDown(self):
        """The operator's key is in no answer, and a caller's only in the one that gives it."""
        giving = ("/register", "/keys", "/vscode-config")
        for answer in self.server.answers:
            seen = answer.text + str(answer.headers)
            place = f"{answer.request.method} {answer.url}"
            self.assertNotIn(OPERATOR_KEY, seen, place)
            if not answer.url.endswith(giving):
                self.assertNotRegex(seen, KEY, place)
        self.server.answers.clear()

    def everything(self):
        """A user who has done everything that has to do with secrets, and these secrets."""
        user = self.server.register()
        made = user.make_key(name="Further")["key"]
        test = user.make_key(name="Test", environment="test")["key"]
        config = self.assert_ok(user.api("GET", "/api/v1/auth/vscode-config"))
        editor = config["backend_api_key"]
        for key in (user.key, made, test, editor):
            self.assert_ok(user.chat(key=key))
            self.assertEqual(user.chat(key=key, stream=True).status_code, 200)
            headers = {"X-API-Key": key}
            self.assert_ok(self.server.call("POST", "/v1/chat/completions", headers=headers, json=question()))
            user.gate("/api/llm/completion", key=key, json={"prompt": "Hi."})
            self.assertEqual(user.gate(key=key, data=b"{" + key.encode()).status_code, 400)
            self.server.call("GET", f"/v1/models?api_key={key}", headers=bearer(key))
            self.server.call("POST", f"/no/such/route?key={key}", headers=bearer(key), data=key)
            # Easily taken for its id.
            self.assertEqual(user.api("DELETE", f"/api/v1/keys/{key}").status_code, 404)
            typo = key[:-1] + ("a" if key[-1] != "a" else "b")
            self.assertEqual(user.chat(key=typo).status_code, 401)
        self.server.administrator()
        wrong = {"email": user.email, "password": PASSWORD + " but wrong"}
        self.server.call("POST", "/api/v1/auth/login", json=wrong)
        spent = {"refresh_token": user.refresh_token}
        pair = self.assert_ok(self.server.call("POST", "/api/v1/auth/refresh", json=spent))
        self.server.call("POST", "/api/v1/auth/refresh", json=spent)
        again = pair["refresh_token"]
        self.server.call("GET", f"/no/such/route?token={again}", headers=bearer(again))
        secrets = {
            "the operator's key": OPERATOR_KEY,
            "the primary key": user.key,
            "a further key": made,
            "a test key": test,
            "the editor's key": editor,
            "the password": PASSWORD,
            "the access token": user.token,
            "the refresh token": user.refresh_token,
            "the access token after it": pair["access_token"],
            "the refresh token after it": pair["refresh_token"],
        }
        return user, secrets

    def test_nothing_is_written_in_plain(self):
        user, secrets = self.everything()
        metrics = self.server.call("GET", "/metrics")
        self.assertEqual(metrics.status_code, 200)
        user.stats()
        self.server.stop()
        try:
            written = self.server.installation.content() | {"the metrics": metrics.content}
        finally:
            self.server.start()
        self.assertIn("server.log", written)
        for place, content in written.items():
            for name, secret in secrets.items():
                self.assertFalse(secret.encode() in content, f"{name} is in {place}")
        # The search finds what is there.
        found = [place for place, content in written.items() if user.email.encode() in content]
        self.assertTrue(found, "the address is not in the database: was the right one searched?")

    def test_nothing_is_written_in_plain_while_the_server_runs(self):
        _, secrets = self.everything()
        for place, content in self.server.installation.content().items():
            for name, secret in secrets.items():
                self.assertFalse(secret.encode() in content, f"{name} is in {place}")

    def test_prompts_and_answers_are_in_no_log_and_no_table(self):
        user = self.server.register()
        self.provider.answers(text="answer-5417-of-the-provider")
        self.assert_ok(user.chat("prompt-8812-of-the-caller"))
        self.assertEqual(user.chat("prompt-8812-of-the-caller", stream=True).status_code, 200)
        self.provider.answers(text="answer-5417-of-the-provider", status=500)
        self.assertEqual(user.chat("prompt-8812-of-the-caller").status_code, 502)
        user.stats()
        for place, content in self.server.installation.content().items():
            for text in (b"prompt-8812", b"answer-5417"):
                self.assertFalse(text in content, f"{text} is in {place}")

    def test_callers_keys_never_reach_the_provider(self):
        _, secrets = self.everything()
        del secrets["the operator's key"]
        self.assertGreater(len(self.provider.asked), 5)
        for asked in self.provider.asked:
            sent = str(asked.headers).encode() + asked.path.encode() + asked.raw
            for name, secret in secrets.items():
                self.assertNotIn(secret.encode(), sent, name)
            self.assertEqual(asked.header("Authorization"), "Bearer " + OPERATOR_KEY)

    def test_only_what_a_provider_needs_reaches_it(self):
        user = self.server.register()
        extra = {
            "Cookie": "session=abc",
            "X-Forwarded-For": "192.0.2.7",
            "X-User-Id": "somebody",
            "Referer": "https://example.com/private",
            "Proxy-Authorization": "Basic abc",
        }
        answer = self.server.call(
            "POST", "/v1/chat/completions", headers=bearer(user.key) | extra, json=question()
        )
        self.assert_ok(answer)
        [asked] = self.provider.asked
        for name in extra:
            self.assertIsNone(asked.header(name), name)

    def test_a_provider_that_repeats_the_key_is_not_repeated(self):
        user = self.server.register()
        client = user.openai()
        for status in (400, 401, 403, 429, 500, 503):
            with self.subTest(status):
                self.provider.answers(status=status, echo_authorization=True)
                with self.assertRaises(openai.APIStatusError) as raised:
                    client.chat.completions.create(**question())
                self.assertNotIn(OPERATOR_KEY, raised.exception.response.text)
                self.assertNotEqual(user.chat().status_code, 200)
                self.assertNotEqual(user.chat(stream=True).status_code, 200)
                plain = user.gate("/api/llm/completion", json={"prompt": "Hi."})
                self.assertNotEqual(plain.status_code, 200)
        self.provider.answers(echo_authorization=True)
        for answer in (user.chat(), user.chat(stream=True)):
            self.assertEqual(answer.status_code, 200)
            self.assertIn("did", answer.text)
        self.assert_ok(user.gate("/api/llm/completion", json={"prompt": "Hi."}))
        user.gate("/api/llm/completion", json={"prompt": "Hi.", "stream": True})
        self.assertFalse(OPERATOR_KEY in self.server.log(), "the log has the operator's key")

    def test_broken_answers_with_the_key_are_not_repeated(self):
        user = self.server.register()
        body = f"<html>Bearer {OPERATOR_KEY}</html>".encode()
        for status in (200, 400, 500):
            self.provider.answers(status=status, body=body, content_type="text/html")
            self.assertNotEqual(user.chat().status_code, 200)
        self.assertFalse(OPERATOR_KEY in self.server.log(), "the log has the operator's key")


class Talkative(Confidential):
    """The same, with everything logged that can be."""

    config = "logging:\n  level: trace\n  format: json\n"

    def test_every_line_of_the_log_is_json(self):
        self.assert_ok(self.server.register().chat())

        def logged():
            # The last line may be half there.
            lines = self.server.log().rpartition("\n")[0].splitlines()
            return [json.loads(line) for line in lines if line.startswith("{")]

        self.assertTrue(any(line["level"] == "INFO" for line in logged()))
        wait_until(
            lambda: any("/v1/chat/completions" in json.dumps(line) for line in logged()), "the access log has the chat"
        )


if __name__ == "__main__":
    unittest.main()
