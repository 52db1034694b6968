"""E-mail: one mail to each person, with a signed link that only that person got.

Mail scanners open links, so opening one changes nothing; the page behind it has the buttons. With a
mailbox, replies are read, too (`reply.py` says which count).
"""

from __future__ import annotations

import hmac
import smtplib
import ssl
from email.message import EmailMessage
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

from ...approval import PENDING
from ...model import CallerError
from ...plugin.channel import Forged, Heard, Reply
from ..client import ServiceError
from . import message, reply
from .linked import Linked
from .mailbox import Mailbox, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...approval import Request
    from ...plugin.channel import Context

TIMEOUT_SECONDS = 20.0
"""How long one step of the dialogue with the server may take."""

SUBJECT_MAX = 150
"""Characters of a subject: what mail programs show."""


class EmailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server, how its connection is encrypted, the account, and who the mails are from.
    `ca` is a file of certificates to trust instead of the system's. `replies` is the mailbox that
    answers come back to, at the address `reply_to`, or that of the sender.
    """

    host: str
    sender: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    ca: str = ""
    reply_to: str = ""
    replies: Mailbox | None = None


class EmailApprover(Linked):
    """Mails the people who are linked to this channel: their user is their address."""

    Settings = EmailSettings

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        if settings.security == "none" and settings.password:
            raise ValueError("a password is only sent encrypted; set `security` to starttls or tls")
        if not context.people:
            raise ValueError(
                f"nobody would get a mail; name addresses under `approvals.approvers` as "
                f"`PERSON: {{ {context.name}: ADDRESS }}`"
            )
        self._settings = settings
        self._context = context
        self._replies = Reader(settings.replies, context.name) if settings.replies else None

    def post(self, request: Request) -> str:
        """Mail everybody; the mails are called by one id, and by the person."""
        id = f"<{request.id}@aegis.invalid>"
        top = f"{reply.MARK}\n\n" if self._replies is not None else ""
        texts = {
            person: f"{top}{message.text(request)}\n\nLook at it and answer:\n"
            f"{self._context.link(request, person)}\n\nThe link is yours alone and works once."
            for person in self._context.people
        }
        self._send(request, texts, {"Message-ID": id})
        return id

    def update(self, request: Request, reference: str) -> None:
        """Mail everybody what became of it, as a reply to the first mail."""
        texts = dict.fromkeys(self._context.people, message.decided(request))
        self._send(request, texts, {"In-Reply-To": reference, "References": reference})

    def fetch(self) -> Iterator[bytes]:
        """The replies in the mailbox; none where there is no mailbox."""
        if self._replies is not None:
            yield from self._replies.mails()

    def read(self, data: bytes) -> Heard | Reply:
        """The answer in a reply."""
        server = self._settings.replies.server if self._settings.replies is not None else ""
        said = reply.read(data, server)
        if said is None:
            return Reply()
        people = self._context.people
        for person, address in people.items():
            word = self._context.word(said.approval, person)
            if hmac.compare_digest(word, said.word):
                if address.strip().lower() != said.sender:
                    raise Forged(f"`{said.sender[:80]}` replied to a mail that {person} was sent")
                break
        else:
            raise Forged("the reply is to no mail of ours")
        if said.approve is None:
            raise CallerError(f"the reply of {person} is neither `approve` nor `deny`")
        return Heard(said.approval, said.approve, address, said.nonce)

    def respond(self, heard: Heard, request: Request | None, said: str) -> Reply:
        """Mail the one who answered why it was not taken; what came of it everybody is mailed."""
        if request is None:
            mail = self._mail(f"Not taken: {heard.approval}", heard.user, said)
            self._deliver([mail])
        return Reply()

    def close(self) -> None:
        """There is no connection between mails."""

    def _send(self, request: Request, texts: Mapping[str, str], headers: Mapping[str, str]) -> None:
        title = f"Approval: {message.title(request)}"
        mails = []
        for person, text in texts.items():
            tag = ""
            if self._replies is not None and request.state == PENDING:
                tag = f" {reply.tag(request.id, self._context.word(request.id, person))}"
            subject = f"{title[: SUBJECT_MAX - len(tag)]}{tag}"
            mails.append(self._mail(subject, self._context.people[person], text, headers))
        self._deliver(mails)

    def _deliver(self, mails: Sequence[EmailMessage]) -> None:
        try:
            with self._connected() as server:
                for mail in mails:
                    server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise ServiceError(f"{self._context.name}: {type(error).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        where = (settings.host, settings.port)
        tls = ssl.create_default_context(cafile=settings.ca or None)
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(*where, timeout=TIMEOUT_SECONDS)
        try:
            if settings.security == "starttls":
                server.starttls(context=tls)
            if settings.username:
                server.login(settings.username, settings.password)
        except BaseException:
            server.close()
            raise
        return server

    def _mail(
        self, subject: str, to: str, text: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> EmailMessage:
        mail = EmailMessage()
        # an EmailMessage refuses line ends in a header, and nothing here holds one (see message)
        mail["Subject"] = subject
        mail["From"] = self._settings.sender
        mail["To"] = to
        if self._settings.reply_to:
            mail["Reply-To"] = self._settings.reply_to
        for name, value in headers.items():
            mail[name] = value
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834
        mail.set_content(text)
        return mail
