"""Mails and what they allow: a new password, a confirmed address, an invitation, the end of an account."""

import html.parser
import re
import stat
import unittest

import _mail
from _installation import free_port
from _server import PASSWORD, bearer, wait_until
from _testcase import EndToEnd

VERIFY = "Confirm your email address"
RESET = "Set a new password"
TAKEN = "Somebody used your email address"
NEW = "newsecurepassword"
KEY = re.compile(r"sk_live_tg_[0-9A-Za-z]+")


class Forms(html.parser.HTMLParser):
    """The forms of a page: where each goes, and the names and values of its fields and buttons."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.forms.append((attrs["method"], attrs["action"], {}))
        elif tag in ("input", "button") and attrs.get("name"):
            self.forms[-1][2][attrs["name"]] = attrs.get("value", "")


class Mails(EndToEnd):
    """What all of these need."""

    def post(self, path, body, prefix="/api/v1/auth"):
        return self.server.call("POST", prefix + path, json=body)

    def login(self, email, password=PASSWORD):
        return self.post("/login", {"email": email, "password": password})

    def mail(self, address, subject, number=1):
        return _mail.await_mail(self.server, address, subject, number)

    def get_page(self, mail, path):
        """The page of a mail's link, and the link."""
        link = _mail.LINK.search(_mail.text(mail))[1]
        self.assertTrue(link.startswith(self.server.url + path + "?"), link)
        answer = self.server.call("GET", link.removeprefix(self.server.url))
        self.assert_page(answer, 200)
        return Forms(answer.text).forms, answer.text

    def assert_page(self, answer, status):
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", answer.headers["Content-Security-Policy"])
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertEqual(answer.headers["Referrer-Policy"], "no-referrer")
        self.assertNotIn("<script", answer.text)

    def assert_field(self, answer, field, code):
        [error] = self.assert_problem(answer, 422, "validation_failed")["errors"]
        self.assertEqual((error["field"], error["code"]), (field, code))


class Files(Mails):
    """Without a mail server each mail is a file."""

    # All of these come from one address.
    config = "address_limits: {reset_mails: 1000}\n"

    def test_a_mail_is_a_private_file_and_the_log_names_it_alone(self):
        user = self.server.register()
        mail = self.mail(user.email, VERIFY)
        self.assertEqual(mail["From"], "noreply@localhost")
        self.assertIn(_mail.token(mail), _mail.html(mail))
        [path] = [path for path in _mail.files(self.server) if user.email in path.read_text()]
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        wait_until(lambda: path.name in self.server.log(), "the log names the file")
        self.assertNotIn(_mail.token(mail), self.server.log())
        self.assertNotIn(user.email, self.server.log())

    def test_document_004_sets_a_new_password_as_printed(self):
        asking = [
            ("/api/auth", "/request-password-reset", "/reset-password"),
            ("/api/v1/auth", "/password/reset", "/password/reset/confirm"),
            ("/api/v1/auth", "/request-password-reset", "/password/reset/confirm"),
            ("/api/auth", "/password/reset", "/reset-password"),
        ]
        for number, (prefix, request, reset) in enumerate(asking):
            with self.subTest(prefix + request):
                user = self.server.register(email=f"reset+{number}@example.com")
                answer = self.post(request, {"email": f" RESET+{number}@Example.com"}, prefix)
                self.assertEqual(self.assert_ok(answer, 202)["status"], "reset_sent")
                token = _mail.token(self.mail(user.email, RESET))
                body = {"token": token, "new_password": NEW}
                answer = self.post(reset, body, prefix)
                self.assertEqual((answer.status_code, answer.content), (204, b""), answer.text)
                self.assert_problem(self.login(user.email), 401, "invalid_credentials")
                self.assert_ok(self.login(user.email, NEW))
                me = self.server.call("GET", "/api/v1/auth/me", headers=bearer(user.token))
                self.assertEqual(me.status_code, 401, "the session has ended")
                self.assert_field(self.post(reset, body, prefix), "token", "invalid_token")
                self.mail(user.email, "Your password was changed")
                # The address had never been confirmed: its key may be a stranger's.
                self.assertEqual(user.chat().status_code, 401)

    def test_known_and_unknown_addresses_are_answered_alike(self):
        user = self.server.register()
        for path in ("/request-password-reset", "/password/reset", "/resend-verification"):
            answers = [self.post(path, {"email": email}) for email in (user.email, "nobody@example.com")]
            self.assertEqual({answer.status_code for answer in answers}, {202})
            self.assertEqual(answers[0].content, answers[1].content)
        self.assertFalse(_mail.mails_to(self.server, "nobody@example.com"))

    def test_what_is_no_address_is_named(self):
        bad = ["", "ann", "a\r\nBcc: b@example.com@example.com", "a@b\x00.de", "a b@c.de"]
        bad.append("a" * 300 + "@example.com")
        for path in ("/request-password-reset", "/resend-verification", "/register"):
            for email in bad:
                with self.subTest(path, email=email[:20]):
                    answer = self.post(path, {"email": email, "password": PASSWORD})
                    self.assert_field(answer, "email", "invalid_email")
        for email in ("zoë@bücher.example", "ann+lists@example.com", "O'Hara@Example.com"):
            self.assert_ok(self.post("/register", {"email": email, "password": PASSWORD}), 201)
        for email in ("ann+lists@example.com", "o'hara@example.com"):
            self.mail(email, VERIFY)
        self.assert_alive()

    def test_no_other_token_sets_a_password(self):
        user = self.server.register()
        verification = _mail.token(self.mail(user.email, VERIFY))
        for token in (verification, user.token, user.refresh_token, user.key, "", "x", "\x00", "y" * 10_000):
            answer = self.post("/reset-password", {"token": token, "new_password": NEW})
            self.assert_field(answer, "token", "invalid_token")
            for path in ("/verify-email",):
                if token != verification:
                    self.assert_field(self.post(path, {"token": token}), "token", "invalid_token")
        self.assert_ok(self.login(user.email))

    def test_five_mails_an_hour(self):
        user = self.server.register()
        for _ in range(8):
            self.assert_ok(self.post("/password/reset", {"email": user.email}), 202)
        self.mail(user.email, RESET, number=4)
        other = self.server.register()
        self.mail(other.email, VERIFY)
        self.assertEqual(len(_mail.mails_to(self.server, user.email)), 5)

    def test_the_page_sets_a_password_and_looking_uses_nothing_up(self):
        user = self.server.register()
        self.assert_ok(self.post("/password/reset", {"email": user.email}), 202)
        mail = self.mail(user.email, RESET)
        for _ in range(3):
            [(method, action, fields)], _text = self.get_page(mail, "/reset-password")
        self.assertEqual((method, action), ("post", "/reset-password"))
        fields.pop("revoke_keys")
        mismatch = fields | {"new_password": NEW, "confirm_password": NEW + "!"}
        answer = self.server.call("POST", action, data=mismatch)
        self.assert_page(answer, 422)
        weak = fields | {"new_password": "password", "confirm_password": "password"}
        self.assert_page(self.server.call("POST", action, data=weak), 422)
        right = fields | {"new_password": NEW, "confirm_password": NEW}
        self.assert_page(self.server.call("POST", action, data=right), 200)
        self.assert_ok(self.login(user.email, NEW))
        self.assert_page(self.server.call("POST", action, data=right), 422)
        link = _mail.LINK.search(_mail.text(mail))[1].removeprefix(self.server.url)
        self.assert_page(self.server.call("GET", link), 404)
        self.assert_page(self.server.call("GET", "/reset-password?token=%3Cscript%3E"), 404)

    def test_another_address_acts_once_it_is_confirmed(self):
        user, other = self.server.register(), self.server.register()
        answer = user.api("PUT", "/api/v1/auth/me", json={"name": "Ann", "metadata": {"team": "x"}})
        self.assertEqual(self.assert_ok(answer)["name"], "Ann")
        new = "new-" + user.email
        self.assert_field(user.api("PUT", "/api/v1/auth/me", json={"email": new}), "password", "missing")
        wrong = {"email": new, "password": "wrong password"}
        self.assert_problem(user.api("PUT", "/api/v1/auth/me", json=wrong), 401, "invalid_credentials")
        answers = [
            user.api("PUT", "/api/v1/auth/me", json={"email": email, "password": PASSWORD})
            for email in (other.email, new)
        ]
        self.assertEqual([answer.status_code for answer in answers], [202, 202])
        self.assertEqual(answers[0].content, answers[1].content)
        self.mail(other.email, TAKEN)
        self.mail(user.email, "Your email address is about to change", number=2)
        token = _mail.token(self.mail(new, "Confirm your new email address"))
        self.assert_ok(self.login(user.email))
        answer = self.assert_ok(self.post("/verify-email", {"token": token}))
        self.assertEqual((answer["user"]["email"], answer["user"]["is_verified"]), (new, True))
        self.assertNotIn("api_key", answer)
        self.assert_problem(self.login(user.email), 401, "invalid_credentials")
        self.assert_ok(self.login(new))
        self.mail(user.email, "Your email address was changed")

    def test_an_account_is_deleted_at_its_users_word(self):
        user = self.server.register()
        self.assert_ok(user.chat())

        def delete(**body):
            return user.api("DELETE", "/api/v1/auth/me", json=body)

        self.assert_field(delete(), "password", "missing")
        self.assert_problem(delete(password="wrong password"), 401, "invalid_credentials")
        self.assertEqual(delete(password=PASSWORD).status_code, 204)
        self.assertEqual(user.chat().status_code, 401)
        self.assertEqual(user.api("GET", "/api/v1/auth/me").status_code, 401)
        self.assert_problem(self.login(user.email), 401, "invalid_credentials")
        self.mail(user.email, "Your account was deleted")
        self.server.register(email=user.email)

    def test_an_administrator_deletes_and_has_passwords_set(self):
        user, admin = self.server.register(), self.server.administrator()
        path = f"/api/v1/admin/users/{user.id}"
        answer = self.assert_ok(admin.api("POST", path + "/password-reset"), 202)
        self.assertEqual(answer["status"], "reset_sent")
        self.assertIn("administrator", _mail.text(self.mail(user.email, RESET)))
        self.assert_ok(self.login(user.email))
        self.assertEqual(admin.api("DELETE", path).status_code, 204)
        self.assertEqual(admin.api("DELETE", path).status_code, 404)
        self.assertEqual(user.chat().status_code, 401)


class Verified(Mails):
    """Where addresses must be confirmed before an account works."""

    config = "registration: {require_verified_email: true}\n"

    def register(self, email, password=PASSWORD):
        return self.post("/register", {"email": email, "password": password})

    def test_the_key_comes_with_the_confirmation(self):
        answers = [self.register("ann@example.com", password) for password in (PASSWORD, NEW)]
        self.assertEqual([answer.status_code for answer in answers], [202, 202])
        self.assertEqual(answers[0].content, answers[1].content)
        self.assertEqual(answers[0].json()["status"], "verification_sent")
        self.mail("ann@example.com", TAKEN)
        mail = self.mail("ann@example.com", VERIFY)
        self.assert_problem(self.login("ann@example.com"), 403, "email_not_verified")
        self.assert_problem(self.login("ann@example.com", NEW), 401, "invalid_credentials")
        answer = self.assert_ok(self.post("/verify-email", {"token": _mail.token(mail)}))
        self.assertTrue(answer["user"]["is_verified"])
        self.assertEqual(answer["api_key"]["name"], "Primary API Key")
        models = self.server.call("GET", "/v1/models", headers=bearer(answer["api_key"]["key"]))
        self.assertEqual(models.status_code, 200)
        self.assert_ok(self.login("ann@example.com"))
        self.assert_field(self.post("/verify-email", {"token": _mail.token(mail)}), "token", "invalid_token")

    def test_another_mail_makes_the_first_useless(self):
        self.register("bob@example.com")
        first = self.mail("bob@example.com", VERIFY)
        self.assert_ok(self.post("/resend-verification", {"email": "bob@example.com"}), 202)
        second = self.mail("bob@example.com", VERIFY, number=2)
        self.assert_field(self.post("/verify-email", {"token": _mail.token(first)}), "token", "invalid_token")
        self.assert_ok(self.post("/verify-email", {"token": _mail.token(second)}))

    def test_the_page_confirms_at_the_press_of_a_button(self):
        self.register("cyd@example.com")
        mail = self.mail("cyd@example.com", VERIFY)
        for _ in range(3):
            (confirm, disown), text = self.get_page(mail, "/verify-email")
        self.assertIn("cyd@example.com", text)
        self.assertEqual([form[2]["decision"] for form in (confirm, disown)], ["confirm", "disown"])
        answer = self.server.call("POST", confirm[1], data=confirm[2])
        self.assert_page(answer, 200)
        [key] = KEY.findall(answer.text)
        self.assertEqual(self.server.call("GET", "/v1/models", headers=bearer(key)).status_code, 200)
        for form in (confirm, disown):
            self.assert_page(self.server.call("POST", form[1], data=form[2]), 404)
        self.assert_ok(self.login("cyd@example.com"))

    def test_who_did_not_sign_up_ends_the_account(self):
        self.register("dan@example.com")
        (_confirm, disown), _text = self.get_page(self.mail("dan@example.com", VERIFY), "/verify-email")
        self.assert_page(self.server.call("POST", disown[1], data=disown[2]), 200)
        self.assert_problem(self.login("dan@example.com"), 401, "invalid_credentials")
        self.assertEqual(self.register("dan@example.com").status_code, 202)
        self.mail("dan@example.com", VERIFY, number=2)

    def test_a_reset_proves_the_address_too(self):
        self.register("eve@example.com")
        self.assert_ok(self.post("/password/reset", {"email": "eve@example.com"}), 202)
        token = _mail.token(self.mail("eve@example.com", RESET))
        self.assertEqual(self.post("/reset-password", {"token": token, "new_password": NEW}).status_code, 204)
        self.assert_ok(self.login("eve@example.com", NEW))


class Invited(Mails):
    """Where sign-up takes an invitation."""

    config = "registration: {mode: invite}\n"

    def test_an_invitation_signs_one_account_up(self):
        admin = self.server.administrator()
        refused = self.post("/register", {"email": "ann@example.com", "password": PASSWORD})
        self.assert_problem(refused, 403, "registration_closed")
        made = self.assert_ok(admin.api("POST", "/api/v1/admin/invites"), 201)
        self.assertEqual(made.keys(), {"id", "invite", "url", "expires_at"})
        body = {"email": "ann@example.com", "password": PASSWORD, "invite": made["invite"]}
        self.assert_ok(self.post("/register", body), 201)
        again = body | {"email": "bob@example.com"}
        self.assert_field(self.post("/register", again), "invite", "invalid_token")

        named = {"email": "Cyd@example.com"}
        made = self.assert_ok(admin.api("POST", "/api/v1/admin/invites", json=named), 201)
        self.assertIn(made["invite"], _mail.text(self.mail("cyd@example.com", "You are invited")))
        for email, status in (("eve@example.com", 422), ("cyd@example.com", 201)):
            body = {"email": email, "password": PASSWORD, "invite": made["invite"]}
            self.assertEqual(self.post("/register", body).status_code, status)


class Smtp(Mails):
    """With a mail server, also one that is away."""

    port = free_port()
    environment = {
        "SMTP_URL": f"smtp://127.0.0.1:{port}",
        "MAIL_FROM": "Tollgate <noreply@gate.example>",
    }

    def metric(self, name):
        text = self.server.call("GET", "/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def test_a_mail_waits_for_its_server_and_comes_once(self):
        user = self.server.register()
        wait_until(
            lambda: self.metric('tollgate_mails_total{outcome="failed"}') >= 1
            and self.metric("tollgate_mails_waiting") == 1,
            "the failure is in the metrics",
        )
        self.assertIn("a mail was not sent and is tried again", self.server.log())
        self.assertNotIn(user.email, self.server.log())
        self.server.restart()
        mails = _mail.MailServer(self.port)
        self.addCleanup(mails.close)
        wait_until(lambda: mails.taken, "the mail", 60)
        [(sender, recipients, mail)] = mails.taken
        self.assertEqual((sender, recipients), ("<noreply@gate.example>", [f"<{user.email}>"]))
        self.assertEqual((mail["Subject"], mail["From"]), (VERIFY, "Tollgate <noreply@gate.example>"))
        self.assertIn(_mail.token(mail), _mail.html(mail))
        wait_until(lambda: self.metric("tollgate_mails_waiting") == 0, "no mail waits")
        other = self.server.register()
        wait_until(lambda: len(mails.taken) == 2, "the second mail")
        self.assertEqual(mails.taken[1][1], [f"<{other.email}>"])
        self.assertFalse(_mail.files(self.server))


if __name__ == "__main__":
    unittest.main()
