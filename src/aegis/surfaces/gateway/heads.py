"""Request heads that came before, so that the same bytes are parsed once.

A client on a kept connection sends the same head again with every request. What a head means
follows from its bytes alone, so it is remembered; a head is only taken from here where the
message it opens is complete and nothing of it is in doubt: HTTP/1.1, lines ended by CRLF, a
length in digits, no transfer coding, no expectation, no end of the connection (RFC 9112).
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .headers import Fields

HEAD_KEPT = 2_048
"""Longest head remembered, in bytes; clients that send more (large cookies) are parsed."""

HEADS_BYTES_MAX = 4 << 20
"""Memory of the heads remembered, in bytes; then all are forgotten, and keys revoked since go too.
Clients' heads take two kilobytes each, one made of nothing but short headers thirty."""

_ENTRY_BYTES = 400
"""A head and its place among the others, without its bytes and headers (CPython 3.11)."""

LENGTH_DIGITS = 10
"""Most digits of a content length that is remembered."""

_IN_DOUBT = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"connection"})


class Head(NamedTuple):
    """What a head says. `length` is that of the body, in bytes."""

    method: str
    path: str
    headers: Fields
    length: int


class Heads:
    """The memo of one process."""

    __slots__ = ("_bytes", "_known", "get")

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self._bytes = 0
        self.get = self._known.get

    def keep(self, data: bytes, target: bytes, head: Head) -> None:
        """Remember what the parser made of `data`, the bytes of one whole head.

        `target` is the request target as it was sent.
        """
        headers = head.headers
        opening = b"%b %b HTTP/1.1\r\n" % (head.method.encode(), target)
        # nothing before the request line, and no line that ends some other way: else the
        # first empty line of `data` may not be where the parser saw the end of the head
        if not data.startswith(opening) or data.count(b"\n") != data.count(b"\r\n"):
            return
        if data.count(b"\r") != data.count(b"\n") or not _IN_DOUBT.isdisjoint(headers):
            return
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or len(stated) > LENGTH_DIGITS:
            return
        pairs = sum(getsizeof(name) + getsizeof(value) for name, value in headers.items())
        size = _ENTRY_BYTES + getsizeof(data) + getsizeof(headers) + pairs
        if self._bytes + size > HEADS_BYTES_MAX:
            self._known.clear()
            self._bytes = 0
        self._known[data] = head._replace(length=int(stated))
        self._bytes += size
