"""E-mail: one mail to each person, with a signed link that only that person got.

A mail is never read back as an answer: whose it is cannot be told from it. Mail scanners open
links, so opening one changes nothing; the page behind it has the buttons.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING, Literal

import msgspec

from ..client import ServiceError
from . import message
from .linked import Linked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...approval import Request
    from ...plugin.channel import Context

TIMEOUT_SECONDS = 20.0
"""How long one step of the dialogue with the server may take."""

SUBJECT_MAX = 150
"""Characters of a subject: what mail programs show."""


class EmailSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server, how its connection is encrypted, the account, and who the mails are from.
    `ca` is a file of certificates to trust instead of the system's.
    """

    host: str
    sender: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    ca: str = ""


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

    def post(self, request: Request) -> str:
        """Mail everybody; the mails are called by one id, and by the person."""
        id = f"<{request.id}@aegis.invalid>"
        texts = {
            person: f"{message.text(request)}\n\nLook at it and answer:\n"
            f"{self._context.link(request, person)}\n\nThe link is yours alone and works once."
            for person in self._context.people
        }
        self._send(request, texts, {"Message-ID": id})
        return id

    def update(self, request: Request, reference: str) -> None:
        """Mail everybody what became of it, as a reply to the first mail."""
        texts = dict.fromkeys(self._context.people, message.decided(request))
        self._send(request, texts, {"In-Reply-To": reference, "References": reference})

    def close(self) -> None:
        """There is no connection between mails."""

    def _send(self, request: Request, texts: Mapping[str, str], headers: Mapping[str, str]) -> None:
        try:
            with self._connected() as server:
                for person, text in texts.items():
                    server.send_message(self._mail(request, person, text, headers))
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
        self, request: Request, person: str, text: str, headers: Mapping[str, str]
    ) -> EmailMessage:
        mail = EmailMessage()
        # an EmailMessage refuses line ends in a header, and nothing here holds one (see message)
        mail["Subject"] = f"Approval: {message.title(request)}"[:SUBJECT_MAX]
        mail["From"] = self._settings.sender
        mail["To"] = self._context.people[person]
        for name, value in headers.items():
            mail[name] = value
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834
        mail.set_content(text)
        return mail
