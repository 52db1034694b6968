"""One HTTP request and its answer, free of how the server hands them over.

Handlers see headers and bytes coming in, and give a whole answer or pieces of one. `front.py`
carries turns over its own connections, `AsgiTurn` over ASGI messages.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .errors import Failure
from .headers import Fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .errors import Header

    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON = (b"content-type", b"application/json")

READING, WORKING, DONE = range(3)
"""The phases of a turn: its body arrives, it is worked on, it is over."""


class Left(Exception):
    """The client is gone; there is nobody to answer."""


class Turn:
    """One request. The watch looks at `phase`, `wrote` and `writing`, and calls `silent` when a
    stream has been silent for long. `endless` marks one that has no end of its own: it ends with
    the server. `began` and `wrote` are of the loop's clock, which stands still while a piece of
    Python runs; `clock` is of `perf_counter`.
    """

    # defaults on the class: an ordinary turn sets few of them
    phase = READING
    reason = ""
    route = ""
    status = 0
    started = False
    silent: Callable[[], Awaitable[None]] | None = None
    writing = False
    endless = False
    task: asyncio.Task[Any] | None = None
    upstream_seconds = 0.0

    began: float
    wrote: float

    def __init__(
        self, method: str, path: str, headers: Fields, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.loop = loop
        self.clock = perf_counter()

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises Failure (413) and Left."""
        raise NotImplementedError

    async def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer with one body."""
        raise NotImplementedError

    async def begin(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer in pieces."""
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        """One piece; returns when the client can take more."""
        raise NotImplementedError

    async def end(self) -> None:
        """The last piece has been written."""
        raise NotImplementedError

    def listen(self) -> None:
        """Begin to notice that the client leaves, where the server does not say so by itself."""

    def close(self) -> None:
        """The turn is over, whatever became of it."""
        self.phase = DONE

    def check_length(self, limit: int) -> None:
        """Refuse a body that says it is too large before any of it is read. Raises Failure."""
        stated = self.headers.get(b"content-length")
        if stated is not None and (not stated.isdigit() or int(stated) > limit):
            raise too_large(limit)

    def stop(self, reason: str) -> None:
        """Cancel the work on this turn, saying why. Once."""
        if not self.reason and self.phase != DONE and self.task is not None:
            self.reason = reason
            self.task.cancel()


class AsgiTurn(Turn):
    """A turn over ASGI messages (ASGI 3, HTTP)."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        fields = Fields(scope["headers"])
        super().__init__(scope["method"], scope["path"], fields, asyncio.get_running_loop())
        self.began = self.wrote = self.loop.time()
        self.receive = receive
        self.send = send
        self.task = asyncio.current_task()
        self.listener: asyncio.Task[None] | None = None

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises Failure (413) and Left."""
        self.check_length(limit)
        message = await self.receive()
        pieces: list[bytes] = [message.get("body", b"")]
        size = len(pieces[0])
        while message.get("more_body", False) and size <= limit:
            message = await self.receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
        if message["type"] == "http.disconnect":
            raise Left
        if size > limit:
            raise too_large(limit)
        self.phase = WORKING
        return b"".join(pieces)

    async def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer with one body."""
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.send({"type": "http.response.body", "body": body})
        self.phase = DONE

    async def begin(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer in pieces."""
        self.status = status
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, data: bytes) -> None:
        """One piece; returns when the client can take more."""
        self.writing = True
        try:
            await self.send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self.writing = False
            self.wrote = self.loop.time()

    async def end(self) -> None:
        """The last piece has been written."""
        await self.send({"type": "http.response.body", "body": b""})
        self.phase = DONE

    def listen(self) -> None:
        """Wait for the message that says the client left."""
        if self.listener is None:
            self.listener = self.loop.create_task(self._left())

    def close(self) -> None:
        """The turn is over; nobody listens any more."""
        super().close()
        if self.listener is not None and not self.listener.done():
            self.listener.cancel()

    async def _left(self) -> None:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.stop("left")


def too_large(limit: int) -> Failure:
    """The refusal of a body above the limit."""
    return Failure(
        413,
        f"the body is larger than {limit} bytes; send less, or raise `limits.body_bytes`",
        "request_too_large",
        close=True,
    )
