"""The server a TLS client asks for, read from its first message (RFC 8446, 4.1.2; RFC 6066, 3).

Nothing else of TLS is read, and nothing is decrypted.
"""

from __future__ import annotations

RECORD, SERVER_NAME, HOST_NAME = 5, 0, 0
"""Size of a record's header, in bytes; type of the extension, and of a name in it."""

HELLO_MAX = 64 * 1024
"""Longest first message that is read, in bytes: post-quantum keys take a few thousand."""


class NotTls(Exception):
    """The bytes are no beginning of TLS."""


def server_name(data: bytes) -> str | None:
    """The name a client asks for, in lower case; empty where it names none, None where more bytes
    are needed. Raises NotTls.
    """
    message = _message(data)
    if message is None:
        return None
    try:
        return _name(_Bytes(message))
    except IndexError:
        raise NotTls("its first message is cut off") from None


def _message(data: bytes) -> bytes | None:
    """The handshake message, put together from its records; None while it is not complete."""
    message, position = b"", 0
    while True:
        if message[:1] not in (b"", b"\x01") or len(data) > HELLO_MAX:
            raise NotTls("it does not begin with a ClientHello")
        size = int.from_bytes(message[1:4])
        if len(message) >= 4 and len(message) >= 4 + size:
            return message[4 : 4 + size]
        header = data[position : position + RECORD]
        if header[:1] not in (b"", b"\x16") or header[1:2] not in (b"", b"\x03"):
            raise NotTls("it does not begin with TLS")
        if len(header) < RECORD:
            return None
        size = int.from_bytes(header[3:])
        if not size:
            raise NotTls("a record of it is empty")
        position += RECORD
        if len(data) < position + size:
            return None
        message += data[position : position + size]
        position += size


def _name(hello: _Bytes) -> str:
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    found = ""
    extensions = _Bytes(hello.vector(2)) if hello.left else _Bytes(b"")
    while extensions.left:
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind != SERVER_NAME:
            continue
        names = _Bytes(_Bytes(content).vector(2))
        while names.left:
            host = names.number(1) == HOST_NAME
            name = names.vector(2)
            if not host or found:
                raise NotTls("it names more than one server")
            found = name.decode("latin-1").lower()
    return found


class _Bytes:
    """Reads numbers and vectors one after the other. Raises IndexError beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise IndexError
        self._position += size
        return self._data[self._position - size : self._position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))
