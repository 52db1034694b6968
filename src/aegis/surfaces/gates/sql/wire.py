"""Messages of PostgreSQL's protocol 3 as bytes (PostgreSQL documentation, chapter "Frontend/Backend
Protocol"). A message is one `bytes`: its type, its length, its body. Nothing here waits.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD_BYTES = 5
"""A type of one byte and a length of four, which counts itself."""

PROTOCOL = 3 << 16
"""Version 3.0; a later minor version is negotiated down to it."""

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
"""Codes in the place of a version (section "Message Formats")."""

SYNC = b"S\x00\x00\x00\x04"
FLUSH = b"H\x00\x00\x00\x04"
COPY_DONE = b"c\x00\x00\x00\x04"

_LENGTH = struct.Struct("!I")
_SHORT = struct.Struct("!h")
_LONG = struct.Struct("!i")


class ProtocolError(Exception):
    """The peer said what the protocol does not know. The text is for the peer."""


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One message."""
    return kind + _LENGTH.pack(len(body) + 4) + body


def failure(severity: str, code: str, text: str, detail: str = "", hint: str = "") -> bytes:
    """ErrorResponse. `severity` is `ERROR` or `FATAL`, `code` an SQLSTATE."""
    return told(b"E", {"S": severity, "V": severity, "C": code, "M": text, "D": detail, "H": hint})


def told(kind: bytes, fields: dict[str, str]) -> bytes:
    """ErrorResponse or NoticeResponse of its fields."""
    body = b"".join(
        key.encode() + value.replace("\0", "").encode("utf-8", "replace") + b"\0"
        for key, value in fields.items()
        if value
    )
    return message(kind, body + b"\0")


def fields_of(raw: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse, by their letters."""
    parts = raw[HEAD_BYTES:].split(b"\0")
    return {
        part[:1].decode("latin-1"): part[1:].decode("utf-8", "replace") for part in parts if part
    }


def ready(status: bytes) -> bytes:
    """ReadyForQuery: `I` idle, `T` in a transaction, `E` in a failed one."""
    return message(b"Z", status)


def text_of(value: str) -> bytes:
    """A string as messages carry it."""
    return value.encode("utf-8") + b"\0"


def parse(name: str, text: str, types: Iterable[int]) -> bytes:
    """Parse: a statement of that name, with the types of its first parameters."""
    given = tuple(types)
    body = text_of(name) + text_of(text) + struct.pack(f"!h{len(given)}I", len(given), *given)
    return message(b"P", body)


def execute(portal: str, rows: int = 0) -> bytes:
    """Execute: at most so many rows; 0 is all."""
    return message(b"E", text_of(portal) + _LONG.pack(rows))


def describe(portal: str) -> bytes:
    """Describe, of a portal."""
    return message(b"D", b"P" + text_of(portal))


class Body:
    """Reads the body of one message. Raises ProtocolError where it ends too early."""

    __slots__ = ("_at", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = HEAD_BYTES

    def text(self) -> str:
        """A string. It has to be UTF-8: how it is read here has to be how the server reads it."""
        end = self._raw.find(b"\0", self._at)
        if end < 0:
            raise ProtocolError("a string in a message does not end")
        data, self._at = self._raw[self._at : end], end + 1
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolError("a string in a message is not UTF-8") from None

    def short(self) -> int:
        """A number of two bytes."""
        return self._number(_SHORT)

    def long(self) -> int:
        """A number of four bytes."""
        return self._number(_LONG)

    def shorts(self) -> list[int]:
        """A count, and as many numbers of two bytes."""
        return [self.short() for _ in range(self._count())]

    def oids(self) -> list[int]:
        """A count, and as many object identifiers."""
        return [self.long() & 0xFFFFFFFF for _ in range(self._count())]

    def values(self) -> list[bytes | None]:
        """A count, and as many values; None is NULL."""
        return [self._value() for _ in range(self._count())]

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if size < 0 or self._at + size > len(self._raw):
            raise ProtocolError("a message is shorter than it says")
        data = self._raw[self._at : self._at + size]
        self._at += size
        return data

    def end(self) -> None:
        """Raises ProtocolError where something is left: two readers would read two messages."""
        if self._at != len(self._raw):
            raise ProtocolError("a message is longer than it says")

    def _count(self) -> int:
        return self.short() & 0xFFFF

    def _value(self) -> bytes | None:
        size = self.long()
        return None if size == -1 else self.take(size)

    def _number(self, form: struct.Struct) -> int:
        number: int = form.unpack(self.take(form.size))[0]
        return number


def bind(portal: str, formats: Iterable[int], values: list[bytes | None], results: bytes) -> bytes:
    """Bind of the unnamed statement; `results` are the formats of its rows, as they were sent."""
    given = tuple(formats)
    body = [text_of(portal), b"\0", struct.pack(f"!h{len(given)}h", len(given), *given)]
    body.append(struct.pack("!H", len(values)))
    return message(b"B", b"".join((*body, *map(_cell, values), results)))


def columns_of(raw: bytes) -> list[tuple[int, int]]:
    """Type and format of each column of a RowDescription."""
    body = Body(raw)
    found = []
    for _ in range(body.short()):
        body.text()
        body.take(6)
        oid = body.long() & 0xFFFFFFFF
        body.take(6)
        found.append((oid, body.short()))
    return found


def cells_of(raw: bytes) -> list[bytes | None]:
    """The values of a DataRow."""
    return Body(raw).values()


def row(cells: list[bytes | None]) -> bytes:
    """DataRow."""
    return message(b"D", struct.pack("!H", len(cells)) + b"".join(map(_cell, cells)))


def _cell(value: bytes | None) -> bytes:
    return _LONG.pack(-1) if value is None else _LONG.pack(len(value)) + value


def split(buffer: bytearray, most: int) -> list[bytes]:
    """Takes the complete messages off a buffer. Raises ProtocolError for one that is too long."""
    found = []
    at = 0
    while len(buffer) - at >= HEAD_BYTES:
        size = _LENGTH.unpack_from(buffer, at + 1)[0]
        if not 4 <= size <= most:
            raise ProtocolError(f"a message is longer than {most} bytes, or none")
        if len(buffer) - at <= size:
            break
        found.append(bytes(buffer[at : at + size + 1]))
        at += size + 1
    del buffer[:at]
    return found
