"""Every channel that ships: its contract, its options, its page, and what its errors leave out."""

from __future__ import annotations

import datetime
import re
import ssl
from pathlib import Path

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aegis.approval import DENIED, Request
from aegis.builtin.approvers.discord import DiscordApprover
from aegis.builtin.approvers.email import EmailApprover
from aegis.builtin.approvers.github import GithubApprover
from aegis.builtin.approvers.notice import NoticeApprover
from aegis.builtin.approvers.pagerduty import PagerdutyApprover
from aegis.builtin.approvers.slack import SlackApprover
from aegis.builtin.approvers.teams import TeamsApprover
from aegis.builtin.approvers.telegram import TelegramApprover
from aegis.builtin.approvers.webhook import WebhookApprover
from aegis.kernel import discover
from aegis.kernel.config import parse
from aegis.model import AegisError, CallerError, ConfigError
from aegis.plugin.channel import Callback, Context, Forged
from aegis.plugin.contracts import Approver, Channel

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/approvers.md"
GONE = "http://127.0.0.1:9"
SECRET = "very-secret-token"

CHANNELS = {
    "discord": (DiscordApprover, {"token": SECRET, "channel": "1", "public_key": "00" * 32}),
    "github": (
        GithubApprover,
        {"token": SECRET, "repository": "a/b", "number": 1, "webhook_secret": SECRET},
    ),
    "pagerduty": (PagerdutyApprover, {"routing_key": SECRET}),
    "slack": (SlackApprover, {"token": SECRET, "channel": "C", "signing_secret": SECRET}),
    "teams": (TeamsApprover, {"url": f"{GONE}/{SECRET}"}),
    "telegram": (TelegramApprover, {"token": SECRET, "chat": "1", "secret_token": SECRET}),
    "webhook": (WebhookApprover, {"url": f"{GONE}/{SECRET}", "secret": "whsec_" + "A" * 32}),
    "email": (
        EmailApprover,
        {"host": "127.0.0.1", "port": 9, "sender": "a@example.com", "security": "none"},
    ),
}
REQUEST = Request("ap_0123456789abcdef", "0" * 64, "a", "delete", "crm", agent="bot", expires=1)


def context(name):
    link = lambda request, person: f"{GONE}/{person}"  # noqa: E731
    return Context(name, {"mary": "mary@example.com"}, link, lambda approval, person: "w" * 26)


def made(name, **options):
    kind, known = CHANNELS[name]
    fields = {**known, **options}
    if "base_url" in kind.Settings.__struct_fields__:
        fields.setdefault("base_url", GONE)
    return kind(kind.Settings(**fields), context(name))


def test_all_of_them_are_here():
    assert set(discover.BUILTIN["approver"]) == {*CHANNELS, "notice"}


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_keeps_the_contract(name):
    assert isinstance(made(name), Channel)
    assert not isinstance(made(name), Approver)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_service_that_is_not_there_is_an_error_without_secrets(name):
    channel = made(name)
    for deliver in (lambda: channel.post(REQUEST), lambda: channel.update(REQUEST, "1")):
        with pytest.raises(AegisError) as caught:
            deliver()
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
    channel.close()


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b"[[[[", b"approve"])
def test_a_callback_of_nobody_is_refused(name, body):
    with pytest.raises(CallerError):
        made(name).hear(Callback({}, body, 1))


@pytest.mark.parametrize("name", ["discord", "slack", "webhook"])
@pytest.mark.parametrize("stamp", ["", "-1", "1e9", "٣", "9" * 40, "1.5", " 1"])
def test_a_time_that_is_none_is_refused(name, stamp):
    headers = {
        "discord": {"x-signature-timestamp": stamp},
        "slack": {"x-slack-request-timestamp": stamp},
        "webhook": {"webhook-timestamp": stamp, "webhook-id": "1"},
    }[name]
    with pytest.raises(Forged):
        made(name).hear(Callback(headers, b"{}", 10**15))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("discord", {"public_key": "00"}, "32 bytes"),
        ("discord", {"public_key": "zz"}, "hexadecimal"),
        ("telegram", {"secret_token": "short"}, "at least 16"),
        ("github", {"webhook_secret": "short"}, "at least 16"),
        ("webhook", {"secret": "A" * 32}, "whsec_"),
        ("webhook", {"secret": "whsec_AAAA"}, "24 to 64 bytes"),
        ("webhook", {"secret": "whsec_!!!!"}, "base64"),
        ("email", {"password": "x"}, "only sent encrypted"),
    ],
)
def test_an_option_that_cannot_work_is_refused(name, options, said):
    with pytest.raises(ValueError, match=said):
        made(name, **options)


def test_mails_to_nobody_are_refused():
    kind, known = CHANNELS["email"]
    nobody = Context("email", {}, lambda request, person: "", lambda approval, person: "")
    with pytest.raises(ValueError, match="nobody would get a mail"):
        kind(kind.Settings(**known), nobody)


@pytest.mark.parametrize("name", [*CHANNELS, "notice"])
def test_every_option_is_on_the_page(name):
    kind = CHANNELS[name][0] if name in CHANNELS else NoticeApprover
    section = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (own,) = [part for part in section if part.startswith(f"`{name}`")]
    for field in msgspec.structs.fields(kind.Settings):
        assert f"`{field.name}`" in own, field.name


class TestConfiguration:
    def complaints(self, tmp_path, **approvals):
        with pytest.raises(ConfigError) as caught:
            parse({"home": str(tmp_path), "approvals": approvals}, "a.yaml")
        return str(caught.value)

    def test_options_are_typed_and_unknown_ones_named(self, tmp_path):
        said = self.complaints(
            tmp_path,
            channels={
                "slack": {"token": "x", "chanel": "C", "signing_secret": "y"},
                "github": {**CHANNELS["github"][1], "number": "nine"},
                "pagerduty": {"routing_key": "x", "severity": "loud"},
                "ops": {"type": "carrier_pigeon"},
                "Bad Name": {"type": "notice"},
            },
            escalate_to=["nobody"],
            approvers={"mary": {"slak": "U1", "api": "mary"}},
        )
        for part in (
            "approvals.channels.slack.chanel: unknown key `chanel` (did you mean `channel`?)",
            "approvals.channels.slack: key `channel` is missing",
            "approvals.channels.github.number: has to be a whole number",
            "approvals.channels.pagerduty: sends links, which need `approvals.public_url`",
            "approvals.channels.pagerduty.severity: has to be one of",
            "no approver plugin `carrier_pigeon`",
            "lower-case letters",
            "there is no channel `nobody`",
            "approvals.approvers.mary.slak: there is no channel `slak`",
            "`escalate_seconds` and `escalate_to` have an effect together only",
        ):
            assert part in said, said

    def test_a_secret_is_resolved_and_a_missing_one_named(self, tmp_path):
        said = self.complaints(
            tmp_path, channels={"teams": {"url": "secret://env/NO_SUCH"}}, public_url="https://x"
        )
        assert "NO_SUCH" in said

    def test_more_than_sixteen_are_refused(self, tmp_path):
        many = {f"n{i}": {"type": "notice"} for i in range(17)}
        assert "more than 16 channels" in self.complaints(tmp_path, channels=many)

    def test_a_list_of_names_is_short_for_channels_without_options(self, tmp_path):
        loaded = parse({"home": str(tmp_path), "approvals": {"channels": ["notice"]}}, "a.yaml")
        assert loaded.settings.approvals.channels == {"notice": {}}


def certificate(folder):
    """A key and a certificate for this machine, in files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


class Keeping:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, envelope.content.decode(), session.ssl is not None))
        return "250 OK"


class Smtp(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class TestMail:
    @pytest.fixture
    def server(self, tmp_path):
        cert, key = certificate(tmp_path)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(cert, key)

        def known(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login, data.password) == (b"aegis", b"pw"))

        keeping = Keeping()
        running = Smtp(
            keeping, hostname="localhost", port=0, tls_context=tls, require_starttls=True,
            authenticator=known, auth_required=True,
        )  # fmt: skip
        running.start()
        yield keeping, running.port, cert
        running.stop()

    def channel(self, server, **options):
        fields = {
            "host": "localhost", "port": server[1], "security": "starttls", "ca": str(server[2]),
            "username": "aegis", "password": "pw",
        }  # fmt: skip
        return made("email", **{**fields, **options})

    def test_it_is_encrypted_authenticated_and_a_reply_to_the_first_says_what_became(self, server):
        channel = self.channel(server)
        odd = msgspec.structs.replace(REQUEST, type="x\r\nBcc: eve@example.com", target="é")
        reference = channel.post(odd)
        denied = msgspec.structs.replace(odd, state=DENIED, by="mary", comment="no")
        channel.update(denied, reference)
        (to, first, encrypted), (_, second, _) = server[0].mails
        assert to == ["mary@example.com"]
        assert encrypted
        assert not re.search(r"^Bcc:", first, re.MULTILINE)
        assert f"{GONE}/mary" in first
        assert f"In-Reply-To: {reference}" in second

    @pytest.mark.parametrize("options", [{"ca": ""}, {"password": "wrong"}, {"security": "tls"}])
    def test_nothing_is_sent_to_whom_it_does_not_trust(self, server, options, monkeypatch):
        monkeypatch.setattr("aegis.builtin.approvers.email.TIMEOUT_SECONDS", 0.5)
        with pytest.raises(AegisError):
            self.channel(server, **options).post(REQUEST)
        assert server[0].mails == []
