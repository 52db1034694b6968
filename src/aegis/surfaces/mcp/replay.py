"""Events of streams that a client may ask for again (`Last-Event-ID`), since 2025-03-26.

Every stream of a session numbers its own events, `STREAM-NUMBER`, and keeps the last ones. A client
that lost a stream opens it again where it stopped and gets what came after, of that stream alone.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING

from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Frame

    Read = Callable[[bytes | None], None]

KEPT_SECONDS = 300.0
"""How long a stream that nobody reads is kept: networks come back within minutes or not at all."""

STREAMS_MAX = 64
"""Most streams of one session that are kept; the oldest that nobody reads goes first."""

BYTES_MAX = 1_048_576
"""Most bytes of events kept for one session: 1 MiB. The oldest events go first."""

PRIMED = "2025-11-25"
"""The first revision whose clients know an event without data, which only gives them an id."""


class Events:
    """One stream: its last events, and who reads it now. `answers` says that it is the one of a
    request, `over` that nothing follows.
    """

    headers = None

    def __init__(self, kept: Kept, answers: bool) -> None:
        self.answers = answers
        self.id = secrets.token_urlsafe(9)
        self.over = False
        self.read: Read | None = None
        self.left = 0.0
        self.events: deque[tuple[int, bytes]] = deque()
        self._last = 0
        self._kept = kept

    async def send(self, frame: Frame) -> None:
        """Add one frame, and hand it to whoever reads."""
        self.tell(rpc.encode(frame))

    def tell(self, body: bytes) -> None:
        """Add one encoded frame, and hand it to whoever reads."""
        event = self.add(body)
        if self.read is not None:
            self.read(event)

    def add(self, body: bytes = b"") -> bytes:
        """Add one event and return it as it is written; without a body it only carries its id."""
        self._last += 1
        kind = b"event: message\n" if body else b""
        event = b"id: %b-%d\n%bdata: %b\n\n" % (self.id.encode(), self._last, kind, body)
        self.events.append((self._last, event))
        self._kept.grew(len(event))
        return event

    def end(self) -> None:
        """Nothing follows."""
        self.over = True
        if self.read is not None:
            self.read(None)

    def after(self, number: int) -> list[bytes] | None:
        """The events after one; None where some of them are gone or it was never sent."""
        first = self.events[0][0] if self.events else self._last + 1
        if not first - 1 <= number <= self._last:
            return None
        return [event for at, event in self.events if at > number]


class Kept:
    """The streams of one session that can be resumed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._streams: dict[str, Events] = {}
        self._bytes = 0

    def open(self, *, answers: bool = False) -> Events:
        """A new stream."""
        self.sweep()
        if len(self._streams) >= STREAMS_MAX:
            idle = next((each for each in self._streams.values() if each.left), None)
            if idle is not None:
                self._forget(idle)
        stream = Events(self, answers)
        self._streams[stream.id] = stream
        return stream

    def sweep(self) -> None:
        """Forget what nobody came back for."""
        late = self._now() - KEPT_SECONDS
        for stream in list(self._streams.values()):
            if stream.left and stream.left < late:
                self._forget(stream)

    def take(self, stream: Events, read: Read) -> None:
        """Somebody reads a stream."""
        stream.read = read
        stream.left = 0.0

    def leave(self, stream: Events) -> None:
        """Nobody reads a stream any more; it is kept for a while."""
        stream.read = None
        stream.left = self._now()

    def find(self, last: str) -> tuple[Events, list[bytes]] | None:
        """The stream of an event's id and what came after it; None where that is not kept."""
        self.sweep()
        id, _, number = last.rpartition("-")
        stream = self._streams.get(id)
        if stream is None or not number.isdecimal() or len(number) > len(str(BYTES_MAX)):
            return None
        after = stream.after(int(number))
        return None if after is None else (stream, after)

    def grew(self, size: int) -> None:
        """Keep within BYTES_MAX."""
        self._bytes += size
        for stream in list(self._streams.values()):
            while self._bytes > BYTES_MAX and stream.events:
                self._bytes -= len(stream.events.popleft()[1])

    def _forget(self, stream: Events) -> None:
        del self._streams[stream.id]
        self._bytes -= sum(len(event) for _, event in stream.events)
        stream.events.clear()
