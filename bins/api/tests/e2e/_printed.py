"""Commands and calls as the requirement documents print them: all but host, credentials and ids stays."""

import json
import re
import shlex
import subprocess

import _installation
from _server import MAX_CALL
from _testcase import EndToEnd

# How soon a server knows of what the command line did, in seconds: the contract's figure, and what a busy machine takes
# beyond it.
WITHIN = 1 + 4
# Between two looks at it, in seconds. Each answer counts: the limit of a minute is not to be reached before.
PAUSE = 0.2

# The legacy key and the `config.yaml` of document 000.
LEGACY = "V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY"
CONFIG = """
# config.yaml
authentication:
  enabled: true
  api_keys:
    # Legacy keys (for backward compatibility)
    "V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY":
      name: "Continue/Roo Code"
      permissions: ["chat", "code_generation"]
      rate_limit: 100
  default_permissions: ["chat"]

performance:
  max_concurrent_requests: 10
  request_timeout: 300
  enable_caching: true
  cache_size: 100

logging:
  level: "DEBUG"
"""

# What stands for `tollgate-admin` in the documents.
PROGRAMS = ("python3 api_key_manager.py", "python scripts/manage_api_keys.py")
HOSTS = ("http://localhost:8002", "https://api.example.com")


class Printed(EndToEnd):
    """Runs what is printed in a shell, with the echo provider."""

    environment = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
    # Whether the program works over the server's API, not on its database.
    over_the_api = False

    def shell(self, command, code=0, **here):
        """Runs a command line as printed, `here` in place of its placeholders; gives what it wrote."""
        words, environment = [_installation.ADMIN], self.server.installation.environment | {"NO_PROXY": "*"}
        if self.over_the_api:
            words += ["--server", self.server.url]
            environment["TOLLGATE_TOKEN"] = self.server.administrator().token
        for program in PROGRAMS:
            command = command.replace(program, shlex.join(words))
        for host in HOSTS:
            command = command.replace(host, self.server.url)
        for placeholder, text in here.items():
            command = command.replace(placeholder, text)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.server.installation.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_CALL,
        )
        self.assertEqual(done.returncode, code, f"{command}\n{done.stdout}{done.stderr}")
        self.assertNotIn("panicked", done.stderr)
        return done.stdout

    def curl(self, command, credentials="", **here):
        """Runs a `curl` as printed, with a header of credentials besides; gives status, headers and JSON."""
        if credentials:
            command = command.rstrip() + f" -H {shlex.quote(credentials)}"
        said = self.shell(command.rstrip() + " -s -D - -w '\\n%{http_code}'", **here)
        said, _, status = said.rpartition("\n")
        head, _, body = said.replace("\r\n", "\n").partition("\n\n")
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        return int(status), {name.lower(): value for name, value in headers.items()}, json.loads(body)

    def await_sums(self):
        """Waits until the sums of everybody hold what was answered."""
        self.server.administrator().stats()

    def as_administrator(self):
        """The header of an administrator."""
        return f"Authorization: Bearer {self.server.administrator().token}"

    def details(self, said):
        """What a command printed as names and values."""
        lines = (re.split(r"\s{2,}|:\s+", line.strip(), maxsplit=1) for line in said.splitlines())
        return {line[0].rstrip(":"): line[1] for line in lines if len(line) == 2}

    def rows(self, said):
        """The cells of a boxed table, row by row, its head first."""
        lines = [line for line in said.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
