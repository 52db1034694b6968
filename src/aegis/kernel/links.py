"""Signed links: an address that lets one person answer one request, once, until it expires.

A link is a ticket and its HMAC-SHA256 (RFC 2104), both in base64url. It names a person where it
was sent to that person alone; a link that a group can read names nobody, and its page asks for a
key. Looking at a link changes nothing.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

import msgspec

from ..model import CallerError, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..approval import Request

PURPOSE = "aegis/approval-link/1"
"""What the key of links is derived for."""

PATH = "/v1/approvals/link/"
"""Where the gateway serves links."""

TOKEN_MAX = 1_024
"""Longest token that is looked at, in characters; ours have less than 400."""

WRONG = "this link is not one of ours, or is incomplete; open it as it was sent"


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a link says. `expires` is in microseconds since the Unix epoch."""

    approval: str
    channel: str
    person: str
    expires: int
    nonce: str


_TICKET = Prepared(Ticket)


class Links:
    """Makes and reads the links of one home. `secret` gives the key, and is asked on first use;
    `base_url` is where people reach the gateway.
    """

    def __init__(self, base_url: str, secret: Callable[[], bytes]) -> None:
        self.base_url = base_url.rstrip("/")
        self._secret = secret
        self._key = b""

    def make(self, request: Request, channel: str, person: str = "") -> str:
        """A new link to a request. Raises CallerError where nobody could open it."""
        if not self.base_url:
            raise CallerError("links need `approvals.public_url`: where people reach the gateway")
        nonce = secrets.token_urlsafe(12)
        ticket = msgspec.json.encode(Ticket(request.id, channel, person, request.expires, nonce))
        return f"{self.base_url}{PATH}{_text(ticket)}.{_text(self._mac(ticket))}"

    def read(self, token: str, now: int) -> Ticket:
        """The ticket of a link. Raises CallerError where it is forged, broken or expired."""
        said, _, mac = token[:TOKEN_MAX].partition(".")
        try:
            ticket = urlsafe_b64decode(said + "=" * (-len(said) % 4))
            signed = urlsafe_b64decode(mac + "=" * (-len(mac) % 4))
        except (binascii.Error, ValueError):
            raise CallerError(WRONG) from None
        if not hmac.compare_digest(signed, self._mac(ticket)):
            raise CallerError(WRONG)
        found = _TICKET.decode(ticket)
        if now >= found.expires:
            raise CallerError("this link has expired; the action has to be requested again")
        return found

    def word(self, approval: str, channel: str, person: str) -> str:
        """What one person alone is told about an approval on a channel: 128 bits in base32, small
        letters. It is no ticket, and opens nothing.
        """
        mac = self._mac("\n".join(("word", approval, channel, person)).encode())
        return b32encode(mac[:16]).decode().rstrip("=").lower()

    def _mac(self, data: bytes) -> bytes:
        if not self._key:
            self._key = self._secret()
        return hmac.digest(self._key, data, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
