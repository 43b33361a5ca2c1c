"""Configuration: all problems at once, secrets made and kept, and first words that help."""

import contextlib
import os
import re
import stat
import subprocess
import unittest

import requests

import _installation
import _provider
import _server

STRONG = "a-secret-of-more-than-32-bytes-for-"


class Configuration(unittest.TestCase):
    """Programs that end by themselves."""

    def installation(self, environment=None, config=None):
        installation = _installation.Installation(environment, config)
        self.addCleanup(installation.close)
        return installation

    def refused(self, installation, *words):
        """What the server says of its configuration when it refuses it."""
        ended = installation.api(*words)
        self.assertEqual(ended.code, 2, ended.said)
        self.assertNotIn("panicked", ended.said)
        return ended.said

    def test_check_of_a_good_configuration(self):
        ended = self.installation().api("--check")
        self.assertEqual(ended.code, 0, ended.said)

    def test_check_changes_nothing(self):
        installation = self.installation()
        self.assertEqual(installation.api("--check").code, 0)
        self.assertEqual(list(installation.folder.rglob("*")), [])

    def test_every_problem_is_listed_with_a_remedy(self):
        config = (
            "performance:\n  request_timeout: banana\n  cache_sise: 5\nauthentification:\n  enabled: true\n"
        )
        environment = {"ACCESS_TOKEN_EXPIRE_MINUTES": "soon", "TOLLGATE_ENV": "holiday"}
        installation = self.installation(environment, config)
        for words in (["--check"], []):
            with self.subTest(words):
                said = self.refused(installation, *words)
                for part in (
                    "performance.request_timeout",
                    "banana",
                    "cache_size",
                    "authentication",
                    "ACCESS_TOKEN_EXPIRE_MINUTES",
                    "TOLLGATE_ENV",
                    "5 problems",
                ):
                    self.assertIn(part, said)
        self.assertIn("performance.request_timeout", installation.admin("list").said)
        self.assertEqual(installation.admin("list").code, 2)

    def test_production_without_secrets(self):
        said = self.refused(
            self.installation(
                {"TOLLGATE_ENV": "production", "TOLLGATE_PUBLIC_URL": None, "BCRYPT_ROUNDS": None}
            )
        )
        for name in ("JWT_SECRET_KEY", "SECRET_KEY", "ENCRYPTION_MASTER_KEY", "TOLLGATE_PUBLIC_URL"):
            self.assertRegex(said, rf"(?<![A-Z_]){name}")

    def test_production_with_weak_secrets(self):
        environment = {
            "TOLLGATE_ENV": "production",
            "BCRYPT_ROUNDS": "4",
            "JWT_SECRET_KEY": "your-secret-key-change-this-in-production",
            "SECRET_KEY": "short",
            "ENCRYPTION_MASTER_KEY": STRONG + "3",
        }
        said = self.refused(self.installation(environment))
        for part in ("JWT_SECRET_KEY", "BCRYPT_ROUNDS", "SECRET_KEY"):
            self.assertIn(part, said)
        for secret in ("your-secret-key-change-this-in-production", "short:", STRONG):
            self.assertNotIn(secret, said)

    def test_production_with_strong_secrets(self):
        environment = {
            "TOLLGATE_ENV": "production",
            "BCRYPT_ROUNDS": None,
            "JWT_SECRET_KEY": STRONG + "1",
            "SECRET_KEY": STRONG + "2",
            "ENCRYPTION_MASTER_KEY": STRONG + "3",
            "TOLLGATE_PUBLIC_URL": "https://api.example.com",
        }
        ended = self.installation(environment).api("--check")
        self.assertEqual(ended.code, 0, ended.said)

    def test_two_different_databases(self):
        environment = {"DATABASE_URL": "sqlite://a.db", "POSTGRES_URL": "postgres://localhost/b"}
        said = self.refused(self.installation(environment), "--check")
        self.assertIn("DATABASE_URL", said)
        self.assertIn("POSTGRES_URL", said)

    def test_the_command_line(self):
        self.assertEqual(self.installation().api("--no-such-flag").code, 2)
        missing = self.refused(self.installation(), "--check", "--config", "no-such-file.yaml")
        self.assertIn("no-such-file.yaml", missing)
        ended = self.installation().api("--version")
        self.assertEqual(ended.code, 0)
        self.assertRegex(ended.out, r"tollgate-api \d+\.\d+\.\d+")

    def test_a_database_that_cannot_be_opened(self):
        environment = {"DATABASE_URL": "sqlite:///proc/nothing/here.db"}
        ended = self.installation(environment).api()
        self.assertIn(ended.code, (1, 2), ended.said)
        self.assertNotIn("panicked", ended.said)
        self.assertIn("/proc/nothing", ended.said)

    def test_a_port_that_is_taken(self):
        installation = self.installation()
        with _installation.socket.create_server(("127.0.0.1", installation.port)):
            ended = installation.api()
        self.assertEqual(ended.code, 1, ended.said)
        self.assertIn(str(installation.port), ended.said)


class FirstStart(unittest.TestCase):
    """What a newcomer meets."""

    def start(self, environment=None, config=None):
        server = _server.Server(environment, config)
        self.addCleanup(server.close)
        return server

    def test_the_first_words_can_be_pasted(self):
        server = self.start()

        def pasted():
            return [words for words in re.split(r"\n\s*\n", server.log()) if "curl " in words]

        # They are said when the server is ready, not before.
        paragraphs = _server.wait_until(pasted, "the first words")
        self.assertEqual(len(paragraphs), 1, server.log())
        for _ in range(2):
            done = subprocess.run(["bash", "-c", paragraphs[0]], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("chat.completion", done.stdout)
            self.assertNotIn('"status_code"', done.stdout)
        for part in (server.url, "data"):
            self.assertIn(part, server.log())

    def test_secrets_are_made_once_and_are_nobody_elses(self):
        server = self.start()
        user = server.register()
        secrets = sorted((server.installation.data / "secrets").iterdir())
        names = {path.name for path in secrets}
        self.assertEqual(names, {"JWT_SECRET_KEY", "SECRET_KEY", "ENCRYPTION_MASTER_KEY"})
        before = [path.read_bytes() for path in secrets]
        for path in server.installation.data.rglob("*"):
            # Some have another name until they are whole.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if stat.S_ISREG(found.st_mode) and "lock" not in path.name:
                    self.assertEqual(oct(stat.S_IMODE(found.st_mode)), oct(0o600), path)
        server.restart()
        self.assertEqual([path.read_bytes() for path in secrets], before)
        self.assertEqual(user.chat().status_code, 200)
        self.assertEqual(user.api("GET", "/api/v1/auth/me").status_code, 200)
        for secret in before:
            self.assertNotIn(secret.decode().strip(), server.log())

    @unittest.skipIf(_installation.ON_POSTGRES, "on Postgres a second server waits 30 s; a file says at once")
    def test_a_second_server_on_the_same_file_names_the_first(self):
        server = self.start()
        port = str(_installation.free_port())
        server.installation.set(TOLLGATE_BIND="127.0.0.1:" + port)
        ended = server.installation.api()
        self.assertEqual(ended.code, 1, ended.said)
        self.assertRegex(ended.said, rf"\b{server.process.pid}\b")
        self.assertEqual(server.call("GET", "/readyz").status_code, 200)

    @unittest.skipIf(_installation.ON_POSTGRES, "on Postgres the address is what both want")
    def test_a_server_started_twice_names_the_first(self):
        server = self.start()
        ended = server.installation.api()
        self.assertEqual(ended.code, 1, ended.said)
        self.assertRegex(ended.said, rf"\b{server.process.pid}\b")

    @unittest.skipUnless(_installation.ON_POSTGRES, "a file is refused at once")
    def test_a_second_server_on_the_same_database_ends_and_says_why(self):
        server = self.start()
        port = str(_installation.free_port())
        server.installation.set(TOLLGATE_BIND="127.0.0.1:" + port, TOLLGATE_DATA_DIR="other-data")
        ended = server.installation.api()
        self.assertEqual(ended.code, 1, ended.said)
        self.assertIn("Redis", ended.said)
        self.assertEqual(server.call("GET", "/readyz").status_code, 200)

    def test_a_lock_outlives_nobody(self):
        server = self.start()
        server.kill()
        server.start()
        self.assertEqual(server.register().chat().status_code, 200)

    def test_secrets_in_files(self):
        provider = _provider.Provider()
        self.addCleanup(provider.close)
        folder = _installation.tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        environment = {"OPENAI_BASE_URL": provider.url}
        for name, value in {
            "OPENAI_API_KEY": "sk-operator-from-a-file",
            "SECRET_KEY": STRONG + "file",
        }.items():
            path = os.path.join(folder.name, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(value + "\n")
            os.chmod(path, 0o600)
            environment[name + "_FILE"] = path
        server = self.start(environment)
        self.assertEqual(server.register().chat().status_code, 200)
        self.assertEqual(provider.asked[0].header("Authorization"), "Bearer sk-operator-from-a-file")
        self.assertFalse((server.installation.data / "secrets" / "SECRET_KEY").exists())

    def test_dotenv_and_the_file_are_read_and_the_environment_wins(self):
        installation = _installation.Installation({"ACCESS_TOKEN_EXPIRE_MINUTES": "7"})
        self.addCleanup(installation.close)
        (installation.folder / ".env").write_text(
            "ACCESS_TOKEN_EXPIRE_MINUTES=9\nREFRESH_TOKEN_EXPIRE_DAYS=3\n"
        )
        shown = installation.admin("config", "show")
        self.assertEqual(shown.code, 0, shown.said)
        lines = shown.out.splitlines()
        minutes = [line for line in lines if "ACCESS_TOKEN_EXPIRE_MINUTES" in line]
        days = [line for line in lines if "REFRESH_TOKEN_EXPIRE_DAYS" in line]
        self.assertTrue(minutes and "7" in minutes[0] and "9" not in minutes[0], shown.out)
        self.assertTrue(days and "3" in days[0] and ".env" in days[0], shown.out)

    def test_prefixes_of_keys_can_be_the_older_systems(self):
        server = self.start(config='keys:\n  prefix: "qwen-"\n')
        user = server.register()
        self.assertTrue(user.key.startswith("qwen-"))
        self.assertEqual(user.chat().status_code, 200)
        self.assertEqual(user.chat(key=user.key[:-1] + "!").status_code, 401)

    def test_sign_up_can_be_closed(self):
        server = self.start(config="registration:\n  mode: closed\n")
        body = {"email": "late@example.com", "password": "a good long one"}
        answer = requests.post(server.url + "/api/v1/auth/register", json=body, timeout=60)
        self.assertEqual(answer.status_code, 403, answer.text)


if __name__ == "__main__":
    unittest.main()
