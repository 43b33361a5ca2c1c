"""A real browser without a window, told what to do over its debugging pipe."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# How long anything that the browser does may take, in seconds.
MAX_WAIT = 60
MAX_READ = 1 << 16


class Browser:
    """A browser with one page and a profile of its own, started with these `words` more."""

    def __init__(self, *more_words, width=360, height=740):
        self._folder = tempfile.TemporaryDirectory(prefix="tollgate-browser-", ignore_cleanup_errors=True)
        self._number, self._answers, self._buffer = 0, {}, b""
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        words = [
            PROGRAM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-pipe",
            "--no-proxy-server",
            f"--user-data-dir={self._folder.name}",
            *more_words,
            "about:blank",
        ]

        def arrange():
            # The browser reads from 3 and writes to 4, whatever these pipes were numbered.
            kept = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=arrange,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self._ask("Target.createTarget", {"url": "about:blank"}, None)["targetId"]
        attach = {"targetId": target, "flatten": True}
        self._session = self._ask("Target.attachToTarget", attach, None)["sessionId"]
        self.ask("Page.enable")
        # Fields have the focus as if the window had it.
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(width, height)

    def close(self):
        """Ends the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def ask(self, method, **parameters):
        """Calls a method of the debugging protocol for the page."""
        return self._ask(method, parameters, self._session)

    def _ask(self, method, parameters, session):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + MAX_WAIT
        while number not in self._answers:
            self._read(deadline)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self, deadline):
        ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
        data = os.read(self._in, MAX_READ) if ready else b""
        if not data:
            raise AssertionError("the browser does not answer")
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message

    def resize(self, width, height):
        """Gives the page this size, in its own pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def scheme(self, name):
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def without_scripts(self):
        """From now on pages run no script of theirs; what tests run is not theirs."""
        self.ask("Emulation.setScriptExecutionDisabled", value=True)

    def open(self, url):
        """Goes to an address, as if it were typed in."""
        self._going(lambda: self.ask("Page.navigate", url=url))

    def press(self, selector):
        """Presses a button, and waits for the page behind it."""
        self._going(lambda: self.run(f"document.querySelector({json.dumps(selector)}).click()"))

    def key(self, name):
        """Presses a key: `Tab`, or `Enter` on what has the focus."""
        code = {"Tab": 9, "Enter": 13}[name]
        event = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        if name == "Enter":
            event["text"] = "\r"
        self.ask("Input.dispatchKeyEvent", type="keyDown", **event)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    def _going(self, leave):
        """Leaves the page, and waits until another is whole."""
        with contextlib.suppress(AssertionError):
            self.run("window.before = true")
        leave()
        self.wait_for("!window.before && document.readyState === 'complete'")

    def wait_for(self, expression):
        """Waits until an expression is true in the page."""
        deadline = time.monotonic() + MAX_WAIT
        while True:
            # A page that is just leaving answers nothing.
            with contextlib.suppress(AssertionError):
                if self.run(expression):
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}\n{self.text()}")
            time.sleep(0.02)

    def run(self, expression):
        """The value of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def fill(self, selector, text):
        """Types into a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def text(self):
        """What the page says."""
        return self.run("document.body.innerText")

    def cookies(self):
        """The cookies that the browser has, by name."""
        return {cookie["name"]: cookie for cookie in self.ask("Network.getCookies")["cookies"]}

    def picture(self, path):
        """Takes a picture of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
