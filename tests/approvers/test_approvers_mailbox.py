"""Approvals by mail, read back: a real SMTP server sends, a real IMAP server keeps the replies."""

from __future__ import annotations

import datetime
import imaplib
import ipaddress
import re
import socket
import ssl
import subprocess
import sys
import time
from email import message_from_string, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from aegis.builtin.approvers import reply
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.model import Action, Actor, ConfigError

from .test_approvers_reply import MARY, PASSED, written


def certificate(folder):
    """A certificate for the address servers of tests have."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, form, plain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def eventually(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)
    return found


class Post:
    """Two real mail servers, and the people who use them."""

    def __init__(self, folder):
        self.cert, key = certificate(folder)
        self.port = free_port()
        self.imap = subprocess.Popen(
            [sys.executable, "-c", "from pymap.main import main; main()",
             "--host", "127.0.0.1", "--port", str(self.port), "--cert", self.cert, "--key", key,
             "dict", "--demo-user", "aegis", "--demo-password", "secret"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.mails = []
        self.smtp = Controller(self, hostname="127.0.0.1", port=free_port())
        self.smtp.start()
        eventually(self.reachable)

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos[0], envelope.content.decode()))
        return "250 OK"

    def reachable(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def box(self):
        box = imaplib.IMAP4("127.0.0.1", self.port)
        box.starttls(ssl.create_default_context(cafile=self.cert))
        box.login("aegis", "secret")
        box.select("INBOX")
        return box

    def got(self, to, said=""):
        """A mail that somebody was sent, with this in it."""

        def look():
            for address, text in list(self.mails):
                mail = message_from_string(text, policy=policy.default)
                if address == to and said in f"{mail['subject']}\n{mail.get_content()}":
                    return mail
            return None

        return eventually(look)

    def reply(self, mail, text, sender, results=PASSED):
        """Answer a mail as a mail program does; the receiving server adds what it found."""
        answer = EmailMessage()
        answer["Authentication-Results"] = results
        answer["From"], answer["To"] = sender, mail["reply-to"]
        answer["Subject"] = f"Re: {mail['subject']}"
        answer["Message-ID"] = f"<{time.monotonic_ns()}@example.com>"
        quoted = "\n".join(f"> {line}" for line in mail.get_content().splitlines())
        answer.set_content(f"{text}\n\nOn Tuesday Aegis wrote:\n{quoted}\n")
        self.deliver(answer.as_bytes())
        return answer.as_bytes()

    def deliver(self, data):
        box = self.box()
        assert box.append("INBOX", "", None, data)[0] == "OK"
        box.logout()

    def unread(self):
        box = self.box()
        found = box.search(None, "UNSEEN")[1][0].split()
        box.logout()
        return len(found)

    def close(self):
        self.smtp.stop()
        self.imap.terminate()
        self.imap.wait(20)


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    made = Post(tmp_path_factory.mktemp("mail"))
    yield made
    made.close()


def document(home, post, **changes):
    replies = {
        "host": "127.0.0.1", "port": post.port, "security": "starttls", "username": "aegis",
        "password": "secret", "seconds": 0.1, "server": "mx.example.org", "ca": str(post.cert),
        **changes,
    }  # fmt: skip
    mail = {
        "type": "email", "host": "127.0.0.1", "port": post.smtp.port, "security": "none",
        "sender": "aegis@example.org", "reply_to": "approvals@example.org", "replies": replies,
    }  # fmt: skip
    return {
        "home": str(home),
        "policy": {"defaults": {"approval": "approve"}},
        "guardrails": {},
        "approvals": {
            "wait_seconds": 0,
            "public_url": "https://aegis.example",
            "channels": {"mail": mail},
            "approvers": {"mary": {"mail": MARY}, "john": {"mail": "john@example.com"}},
        },
    }


@pytest.fixture
def runtime(tmp_path, post):
    post.mails.clear()
    made = open_runtime(parse(document(tmp_path, post), "test.yaml"))
    yield made
    made.close()


def ask(runtime, target):
    action = Action("deploy", target, {"n": 1}, actor=Actor("john", "bot"))
    return action, runtime.govern(action, lambda _: pytest.fail("performed")).approval


def refusals(runtime):
    kept = (record.fields for record in runtime.journal.records() if record.kind == "admin")
    return [fields["details"]["reason"] for fields in kept if fields["event"] == "approval.refused"]


class TestThroughTheMailbox:
    def test_a_reply_approves_and_the_action_happens(self, runtime, post):
        action, id = ask(runtime, "shop")
        mail = post.got(MARY, id)
        assert reply.MARK in mail.get_content()
        assert mail["reply-to"] == "approvals@example.org"
        post.reply(mail, "Approve", f"Mary Jones <{MARY}>")
        eventually(lambda: runtime.desk.find(id).state == "approved")
        found = runtime.desk.find(id)
        assert (found.by, found.channel) == ("mary", "mail")
        assert runtime.govern(action, lambda _: "done").result == "done"
        assert "by mary" in post.got("john@example.com", "by mary").get_content()
        assert eventually(lambda: post.unread() == 0)

    def test_a_reply_denies(self, runtime, post):
        _, id = ask(runtime, "bank")
        post.reply(post.got(MARY, id), "deny", MARY)
        eventually(lambda: runtime.desk.find(id).state == "denied")

    def test_what_is_no_answer_changes_nothing_and_is_recorded(self, runtime, post):
        _, id = ask(runtime, "store")
        mail = post.got(MARY, id)
        post.reply(mail, "I do NOT approve", MARY)
        post.reply(mail, "approve", MARY, results="mx.example.org; dkim=fail")
        # whoever knows the word that mary was sent is not mary by that alone
        post.reply(mail, "approve", "Mary <mary@example.com.evil.example>")
        other = message_from_string(mail.as_string(), policy=policy.default)
        word = re.search(r"ap_\w+ (\w+)\]", mail["subject"])[1]
        other.replace_header("Subject", mail["subject"].replace(word, "a" * 26))
        post.reply(other, "approve", MARY)
        told = eventually(lambda: len(refusals(runtime)) == 4 and refusals(runtime))
        for part in ("neither `approve` nor `deny`", "genuine", "no mail of ours"):
            assert any(part in reason for reason in told), told
        assert runtime.desk.find(id).state == "pending"

    def test_one_mail_is_taken_once(self, runtime, post):
        _, id = ask(runtime, "once")
        data = post.reply(post.got(MARY, id), "deny", MARY)
        eventually(lambda: runtime.desk.find(id).state == "denied")
        post.deliver(data)
        (told,) = eventually(lambda: refusals(runtime))
        assert "received already" in told

    def test_whoever_asked_is_told_that_they_cannot_answer(self, runtime, post):
        _, id = ask(runtime, "own")
        post.reply(post.got("john@example.com", id), "approve", "john@example.com",
                   "mx.example.org; dmarc=pass header.from=example.com")  # fmt: skip
        mail = post.got("john@example.com", f"Not taken: {id}")
        assert "another person has to" in mail.get_content().replace("\n", " ")
        assert runtime.desk.find(id).state == "pending"

    def test_other_mail_is_left_alone(self, runtime, post):
        before = post.unread()
        post.deliver(written("approve", subject="lunch?"))
        _, id = ask(runtime, "last")
        post.reply(post.got(MARY, id), "approve", MARY)
        eventually(lambda: runtime.desk.find(id).state == "approved")
        eventually(lambda: post.unread() == before + 1)

    def test_a_mailbox_out_of_reach_holds_up_no_mail(self, tmp_path, post, caplog):
        post.mails.clear()
        given = document(tmp_path, post, password="wrong")
        runtime = open_runtime(parse(given, "test.yaml"))
        _, id = ask(runtime, "closed")
        post.got(MARY, id)
        eventually(lambda: "cannot be read" in caplog.text)
        assert "wrong" not in caplog.text
        runtime.close()


def test_a_mailbox_is_opened_encrypted_only(tmp_path, post):
    with pytest.raises(ConfigError, match="security"):
        parse(document(tmp_path, post, security="none"), "test.yaml")
