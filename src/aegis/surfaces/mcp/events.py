"""Server-sent events as they arrive (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...model import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Event(NamedTuple):
    """One event: its kind (empty: `message`) and its data."""

    kind: str
    data: bytes


class Events:
    """Splits a stream into events of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that are complete now. Raises UpstreamError for one beyond the limit."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) + self._size > self._limit:
            raise UpstreamError(f"an event is larger than {self._limit} bytes")
        for line in lines:
            line = line.rstrip(b"\r")
            if line:
                self._line(line)
            elif self._data or self._kind:
                event = Event(self._kind, b"\n".join(self._data))
                self._kind, self._data, self._size = "", [], 0
                yield event

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._kind = value.decode("latin-1")
