"""The mailbox that replies come to, over IMAP (RFC 9051)."""

from __future__ import annotations

import imaplib
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from ..client import ServiceError
from .reply import BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 20.0
"""How long one step of the dialogue with the server may take."""

MAILS_MAX = 50
"""Most mails that are read at a time; the rest waits for the next."""


class Mailbox(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where replies arrive: server, encryption (there is no other way), account, and the folder.
    `seconds` is how often it is looked at, `server` the `authserv-id` of whoever checks senders
    before mails get there.
    """

    host: str
    username: str
    password: str
    port: int = 993
    security: Literal["tls", "starttls"] = "tls"
    folder: str = "INBOX"
    seconds: Annotated[float, msgspec.Meta(ge=0.1)] = 15.0
    server: str = ""
    ca: str = ""


class Reader:
    """Reads the unread replies of a mailbox, each once."""

    def __init__(self, mailbox: Mailbox, name: str) -> None:
        self._mailbox = mailbox
        self._name = name
        self._next = 0.0

    def mails(self) -> Iterator[bytes]:
        """The replies that came, none where it was looked a short time ago. Each is marked as read
        once the next is asked for. Raises ServiceError.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._mailbox.seconds
        try:
            with self._opened() as box:
                for number in self._found(box):
                    _, parts = box.uid("FETCH", number, f"(BODY.PEEK[]<0.{BYTES_MAX}>)")
                    # an answer that is a tuple holds the literal; what else comes is its frame
                    for part in parts or ():
                        if isinstance(part, tuple):
                            yield part[1]
                    box.uid("STORE", number, "+FLAGS", r"(\Seen)")
        except (imaplib.IMAP4.error, OSError) as error:
            raise ServiceError(f"{self._name}: {type(error).__name__}") from None

    def _found(self, box: imaplib.IMAP4) -> list[str]:
        state, answer = box.uid("SEARCH", "UNSEEN", "SUBJECT", '"[aegis ap_"')
        if state != "OK" or not answer or not answer[0]:
            return []
        return [number.decode("ascii", "replace") for number in answer[0].split()[:MAILS_MAX]]

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        mailbox = self._mailbox
        tls = ssl.create_default_context(cafile=mailbox.ca or None)
        host, port, wait = mailbox.host, mailbox.port, TIMEOUT_SECONDS
        if mailbox.security == "tls":
            box: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=tls, timeout=wait)
        else:
            box = imaplib.IMAP4(host, port, wait)
        try:
            if mailbox.security == "starttls":
                box.starttls(tls)
            box.login(mailbox.username, mailbox.password)
            state, _ = box.select(f'"{mailbox.folder}"')
            if state != "OK":
                raise ServiceError(f"{self._name}: there is no folder `{mailbox.folder[:80]}`")
            yield box
        finally:
            box.shutdown()
