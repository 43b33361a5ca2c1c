"""Mails that a server has sent: the files it writes, and a mail server that takes them."""

import email
import email.policy
import re
import socketserver
import threading

from _server import wait_until

LINK = re.compile(r"^(https?://\S+\?token=([A-Za-z0-9_-]{43}))$", re.MULTILINE)


def parse(content):
    """A mail from its bytes."""
    return email.message_from_bytes(content, policy=email.policy.default)


def text(mail):
    """What a mail says, as plain text."""
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def html(mail):
    """The same as HTML."""
    return mail.get_body(("html",)).get_content()


def token(mail):
    """What the link of a mail carries."""
    return LINK.search(text(mail))[2]


def files(server):
    """The files of mails that the server has written, oldest first."""
    return sorted((server.installation.data / "mail").glob("*.eml"))


def mails_to(server, address):
    """The mails to an address, oldest first."""
    mails = [parse(path.read_bytes()) for path in files(server)]
    return [mail for mail in mails if mail["To"] == address]


def await_mail(server, address, subject, number=1):
    """The so-manieth mail to an address with this subject."""

    def there():
        found = [mail for mail in mails_to(server, address) if mail["Subject"] == subject]
        return found[number - 1] if len(found) >= number else None

    return wait_until(there, f"mail {number} to {address}: {subject}")


class _Handler(socketserver.StreamRequestHandler):
    """One conversation."""

    def handle(self):
        self.say("220 test")
        sender, recipients = None, []
        for line in self.rfile:
            words = line.decode().strip()
            command = words.upper()
            if command.startswith(("EHLO", "HELO")):
                self.say("250-test\r\n250 8BITMIME")
            elif command.startswith("MAIL FROM:"):
                sender = words[len("MAIL FROM:") :].strip().split(" ")[0]
                self.say("250 ok")
            elif command.startswith("RCPT TO:"):
                recipients.append(words[len("RCPT TO:") :].strip())
                self.say("250 ok")
            elif command == "DATA":
                self.say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.taken.append((sender, recipients, parse(content)))
                sender, recipients = None, []
                self.say("250 taken")
            elif command == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, words):
        self.wfile.write(words.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server on a port of the loopback address, which keeps what it takes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), _Handler)
        self.taken = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()
