"""Server-sent events, as a stream of bytes is cut anywhere (WHATWG HTML, section 9.2).

Only the data of events is read; comments, `id`, `retry` and event names mean nothing here.
"""

from __future__ import annotations

from ...model import UpstreamError

EVENT_MAX = 8 * 1024 * 1024
"""Largest single event in bytes; a longer one is no chat chunk."""

_BOM = b"\xef\xbb\xbf"


class Events:
    """Bytes in, the data of complete events out."""

    def __init__(self) -> None:
        self._buffer = b""
        self._searched = 0
        self._after_cr = False
        self._begun = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that is complete now. Raises UpstreamError above EVENT_MAX."""
        if self._after_cr or b"\r" in piece:
            piece = self._newlines(piece)
        if not self._begun:
            piece = self._start(piece)
        data = self._buffer + piece if self._buffer else piece
        end = data.rfind(b"\n\n", max(0, self._searched - 1))
        if end < 0:
            if len(data) > EVENT_MAX:
                raise UpstreamError(f"an event of the upstream exceeds {EVENT_MAX} bytes")
            self._buffer, self._searched = data, len(data)
            return []
        self._buffer, self._searched = data[end + 2 :], 0
        found: list[bytes] = []
        for block in data[:end].split(b"\n\n"):
            if block.startswith(b"data: ") and b"\n" not in block:
                found.append(block[6:])
            else:
                payload = _data(block)
                if payload is not None:
                    found.append(payload)
        return found

    @property
    def rest(self) -> bytes:
        """What came after the last complete event."""
        return self._buffer

    def _newlines(self, piece: bytes) -> bytes:
        """The piece with CRLF and CR as LF, also where a CRLF is cut in two."""
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_cr = False
            if not piece:
                return piece
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _start(self, piece: bytes) -> bytes:
        """Drop one byte order mark at the very start."""
        data = self._buffer + piece
        if len(data) < len(_BOM) and _BOM.startswith(data):
            return piece
        self._begun = True
        self._buffer = b""
        return data.removeprefix(_BOM)


def _data(block: bytes) -> bytes | None:
    """The data lines of an event, joined; None where it has none."""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None
