"""Answers over HTTP: one JSON body, or a stream of events as soon as there is more to say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import protocol as rpc

if TYPE_CHECKING:
    from ..gateway.turn import Turn
    from .protocol import Frame

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
    client takes one; what comes after it goes to the session's own stream.
    """

    def __init__(self, turn: Turn, streams: bool, headers: Headers | None = None) -> None:
        self.headers = turn.headers
        self._turn = turn
        self._streams = streams
        self._headers = headers or []
        self._lock = asyncio.Lock()
        self._over = False
        if streams:
            turn.silent = self._remind

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
            if turn.started:
                await turn.write(b"event: message\ndata: %b\n\n" % body)
                await turn.end()
            else:
                await turn.whole(status, [JSON, *self._headers], body)

    async def _event(self, body: bytes) -> None:
        async with self._lock:
            if self._over:
                return
            await self._begin()
            await self._turn.write(b"event: message\ndata: %b\n\n" % body)

    async def _begin(self) -> None:
        if not self._turn.started:
            await self._turn.begin(200, [*SSE, *self._headers])

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
