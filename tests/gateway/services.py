"""Stand-ins of the services channels speak to: real servers on real sockets that keep what came.

Run by the tests of channels in threads of their own process, so the gateway meets them over TCP.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller

from aegis.cli import home
from aegis.kernel.config import load
from aegis.ledger.entry import Query

spec = importlib.util.spec_from_file_location("signers", Path(__file__).with_name("signers.py"))
signers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(signers)


class Received:
    """One request as it came."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Service:
    """An HTTP service. `answers` maps the end of a path to (status, JSON), with headers behind
    them where there are some, or to a function.
    """

    def __init__(self, answers):
        self.answers = answers
        self.received = []
        self.failing = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                size = int(self.headers.get("content-length") or 0)
                got = Received(self.command, self.path, self.headers, self.rfile.read(size))
                service.received.append(got)
                status, answer, *more = service.answer(got)
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_PATCH = do_GET = do_DELETE = do_PUT = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, got):
        if self.failing:
            return 503, {"error": "down"}
        for end, answer in self.answers.items():
            if got.path.endswith(end):
                return answer(got) if callable(answer) else answer
        return 404, {"error": "no such method"}

    def wait(self, wanted, seconds=15):
        """The first request that `wanted` is true of."""
        deadline = time.monotonic() + seconds
        while True:
            for got in list(self.received):
                if wanted(got):
                    return got
            assert time.monotonic() < deadline, [got.body for got in self.received]
            time.sleep(0.02)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Mailbox:
    """What an SMTP server received."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos[0], envelope.content.decode()))
        return "250 OK"


class Smtp(Controller):
    """A mail server on whatever port is free."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class World:
    """The services, the mail server, and a gateway with a channel to each."""

    def __init__(self, start, folder):
        self.webhook = Service({"/hook": (200, {})})
        self.slack = Service(
            {
                "chat.postMessage": (200, {"ok": True, "channel": "C1", "ts": "1700.1"}),
                "chat.update": (200, {"ok": True}),
                "chat.postEphemeral": (200, {"ok": True}),
            }
        )
        self.discord = Service(
            {"/channels/77/messages": (200, {"id": "m1"}), "/messages/m1": (200, {})}
        )
        self.telegram = Service(
            {
                "/sendMessage": (200, {"ok": True, "result": {"message_id": 42}}),
                "/editMessageText": (200, {"ok": True, "result": {}}),
            }
        )
        self.github = Service(
            {
                "/issues/9/comments": (201, {"id": 501}),
                "/pulls/9": (200, {"head": {"sha": "c0ffee"}}),
                "/check-runs": (201, {"id": 601}),
                "/issues/comments/501": (200, {}),
                "/check-runs/601": (200, {}),
            }
        )
        self.teams = Service({"/workflow": (202, {})})
        self.pagerduty = Service({"/v2/enqueue": (202, {"status": "success"})})
        self.mailbox = Mailbox()
        self.smtp = Smtp(self.mailbox, hostname="127.0.0.1", port=0)
        self.smtp.start()
        self.folder = folder
        key = base64.b64encode(signers.HOOK_KEY).decode()
        (folder / "hook-secret").write_text(f"whsec_{key}")
        self.gateway = start(folder, approvals=self.approvals())

    def approvals(self):
        """The section of the configuration that has a channel to each."""
        public = signers.DISCORD.public_key().public_bytes_raw().hex()
        return {
            "wait_seconds": 0.2,
            "public_url": "https://aegis.example",
            "channels": {
                "webhook": {
                    "url": f"{self.webhook.url}/hook",
                    "secret": f"secret://file/{self.folder}/hook-secret",
                },
                "slack": {
                    "token": "xoxb-token",
                    "channel": "C1",
                    "signing_secret": signers.SLACK_SECRET,
                    "team": "T1",
                    "base_url": self.slack.url,
                },
                "discord": {
                    "token": "discord-token",
                    "channel": "77",
                    "public_key": public,
                    "base_url": self.discord.url,
                },
                "telegram": {
                    "token": signers.TELEGRAM_TOKEN,
                    "chat": "-100",
                    "secret_token": signers.TELEGRAM_SECRET,
                    "base_url": self.telegram.url,
                },
                "github": {
                    "token": "ghs_token",
                    "repository": "acme/shop",
                    "number": 9,
                    "webhook_secret": signers.GITHUB_SECRET,
                    "base_url": self.github.url,
                },
                "teams": {"url": f"{self.teams.url}/workflow"},
                "pagerduty": {"routing_key": "rk", "base_url": self.pagerduty.url},
                "mail": {
                    "type": "email",
                    "host": "127.0.0.1",
                    "port": self.smtp.port,
                    "security": "none",
                    "sender": "aegis@example.com",
                },
            },
            "approvers": {
                "mary": {
                    "webhook": "u-mary",
                    "slack": "UMARY",
                    "discord": "1001",
                    "telegram": "2001",
                    "github": "mary-gh",
                    "mail": "mary@example.com",
                },
                "plain": {"slack": "UPLAIN", "api": "plain"},
            },
        }

    @property
    def services(self):
        chats = (self.webhook, self.slack, self.discord, self.telegram)
        return (*chats, self.github, self.teams, self.pagerduty)

    def held(self, content):
        """A request that waits, once every channel has shown it: its id."""
        reply = self.gateway.chat("reviewed", content)
        assert reply.status == 403, reply.body
        id = reply.error["aegis"]["approval"]
        for service in self.services:
            service.wait(lambda got: id in got.body.decode())
        self.mail(id)
        return id

    def mail(self, id, said="works once", seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            for to, text in list(self.mailbox.mails):
                plain = text.replace("=\r\n", "").replace("=\n", "")
                if id in plain and said in plain:
                    return to, plain
            assert time.monotonic() < deadline, self.mailbox.mails
            time.sleep(0.02)

    def call(self, channel, body, headers):
        return self.gateway.request(
            "POST", f"/v1/approvals/callback/{channel}", body, headers, key=None
        )

    def state(self, id):
        return self.gateway.request("GET", f"/v1/approvals/{id}").json

    def refusals(self):
        """The reasons of refused callbacks on record."""
        stores = home.readers(load(self.folder / "aegis.yaml", resolve=False))
        rows = [row for store in stores for row in store.rows(Query(kind="admin"))]
        entries = [row.entry.decode() for row in rows]
        return "\n".join(entry for entry in entries if "approval.refused" in entry)

    def close(self):
        self.smtp.stop()
        for service in self.services:
            service.close()
