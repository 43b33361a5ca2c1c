"""The README's transcript: what a newcomer pastes works."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import _server

README = pathlib.Path(__file__).parents[4] / "README.md"
PRINTED_KEY = re.compile(r"sk_live_tg_[0-9A-Za-z]+…")


class Readme(unittest.TestCase):
    """On a server with no configuration at all."""

    @classmethod
    def setUpClass(cls):
        cls.server = _server.Server()
        cls.addClassCleanup(cls.server.close)
        cls.user = cls.server.register()
        cls.text = README.read_text(encoding="utf-8")

    def blocks(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def here(self, words):
        """An example with this server's address and a key that exists."""
        words = words.replace("http://localhost:8000", self.server.url)
        words = words.replace("localhost:8000", self.server.url)
        return PRINTED_KEY.sub(self.user.key, words)

    def test_the_commands(self):
        commands = []
        for block in self.blocks("console"):
            commands += re.findall(r"^\$ (curl (?:[^\n]*\\\n)*[^\n]*)", block, re.MULTILINE)
        self.assertGreaterEqual(len(commands), 2)
        for command in commands:
            with self.subTest(command):
                done = subprocess.run(
                    ["bash", "-c", self.here(command)], capture_output=True, text=True, timeout=60
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn('"status_code"', done.stdout)
                self.assertTrue("api_key" in done.stdout or "Hello!" in done.stdout, done.stdout)

    def test_the_program(self):
        blocks = self.blocks("python")
        self.assertTrue(blocks)
        for program in blocks:
            environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(
                [sys.executable, "-c", self.here(program)],
                capture_output=True,
                text=True,
                timeout=120,
                env=environment,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Hello!", done.stdout)


if __name__ == "__main__":
    unittest.main()
