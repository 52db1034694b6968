"""Answers over HTTP: one JSON body, or a stream of events as soon as there is more to say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import protocol as rpc
from .replay import PRIMED

if TYPE_CHECKING:
    from ..gateway.turn import Turn
    from .protocol import Frame
    from .replay import Events, Kept

    Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
SSE = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
"""What a stream says so that no proxy holds it back."""

COMMENT = b": keep-alive\n\n"

QUEUE_MAX = 1_000
"""Most frames that wait for a client that does not read; more end its stream."""


class Reply:
    """The answer to one POST. Frames sent before the answer turn it into a stream, where the
    client takes one; what comes after it goes to the session's own stream. With `kept` the stream
    can be resumed, and goes on without its client.
    """

    def __init__(
        self,
        turn: Turn,
        streams: bool,
        headers: Headers | None = None,
        kept: Kept | None = None,
        revision: str = "",
    ) -> None:
        self.headers = turn.headers
        self._turn = turn
        self._streams = streams
        self._headers = headers or []
        self._kept = kept
        self._primed = revision >= PRIMED
        self._events: Events | None = None
        self._gone = False
        self._lock = asyncio.Lock()
        self._over = False
        if streams:
            turn.silent = self._remind

    def leave(self) -> bool:
        """The client is gone; whether it can come back for the rest."""
        if self._kept is None or self._events is None or not self._events.events:
            return False
        self._gone = True
        self._kept.leave(self._events)
        return True

    async def send(self, frame: Frame) -> None:
        """A frame before the answer. Raises RpcError for a request that cannot be delivered."""
        if self._over or not self._streams:
            if "id" in frame:
                raise rpc.RpcError(rpc.INTERNAL, "the client cannot be asked: it takes no stream")
            return
        await self._event(rpc.encode(frame))

    async def finish(self, status: int, answer: object) -> None:
        """The answer itself."""
        turn = self._turn
        turn.silent = None
        body = rpc.encode(answer)
        async with self._lock:
            self._over = True
            elsewhere = self._elsewhere()
            if elsewhere is not None:
                elsewhere.tell(body)
                elsewhere.end()
                if not self._gone:
                    await turn.end()
            elif turn.started:
                await turn.write(self._framed(body))
                await turn.end()
                if self._kept is not None and self._events is not None:
                    self._events.over = True
                    self._kept.leave(self._events)
            else:
                await turn.whole(status, [JSON, *self._headers], body)

    async def _event(self, body: bytes) -> None:
        async with self._lock:
            if self._over:
                return
            elsewhere = self._elsewhere()
            if elsewhere is not None:
                elsewhere.tell(body)
                return
            await self._begin()
            await self._turn.write(self._framed(body))

    def _elsewhere(self) -> Events | None:
        """The stream, where the client reads it on another connection or may come back to it."""
        events = self._events
        return events if events is not None and (self._gone or events.read is not None) else None

    async def _begin(self) -> None:
        if self._turn.started:
            return
        await self._turn.begin(200, [*SSE, *self._headers])
        if self._kept is not None:
            self._events = self._kept.open(answers=True)
            if self._primed:
                await self._turn.write(self._events.add())

    def _framed(self, body: bytes) -> bytes:
        if self._events is not None:
            return self._events.add(body)
        return b"event: message\ndata: %b\n\n" % body

    async def _remind(self) -> None:
        """Show that the answer is still worked on."""
        if not self._lock.locked() and not self._over:
            async with self._lock:
                await self._begin()
                await self._turn.write(COMMENT)


class Stream:
    """A stream a client keeps open for what is said between its requests."""

    def __init__(self, turn: Turn) -> None:
        self.headers = None
        self._turn = turn
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)

    async def send(self, frame: Frame) -> None:
        """Queue one frame."""
        self.put(b"event: message\ndata: %b\n\n" % rpc.encode(frame))

    def put(self, event: bytes | None) -> None:
        """Queue one event; None ends the stream, and so does a queue that is full."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._turn.stop("left")

    async def run(self, headers: Headers) -> None:
        """Write what is queued until the stream ends or the client leaves."""
        turn = self._turn
        await turn.begin(200, [*SSE, *headers])
        await turn.write(COMMENT)
        turn.silent = self._remind
        turn.endless = True
        while (event := await self._queue.get()) is not None:
            await turn.write(event)
        turn.silent = None
        await turn.end()

    async def _remind(self) -> None:
        self.put(COMMENT)
