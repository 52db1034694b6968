"""One request on a connection of the gateway's own: its body comes from the parser, its answer goes
to the socket.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from .turn import WORKING, Left, Turn, too_large

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from .errors import Header
    from .headers import Fields

REASONS = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {phrase}".encode() for status, phrase in REASONS.items()
}
_LINE = b": ".join
"""A header line of its name and value: a C function, so that `map` runs no Python for each."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Protocol):
    """What a turn asks of the connection it came on: `lost` where the client is gone, `full` while
    it reads too slowly, `state` the server's headers.
    """

    loop: asyncio.AbstractEventLoop
    lost: bool
    full: asyncio.Future[None] | None
    state: Any

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def finished(self, turn: FrontTurn, last: bytes) -> None:
        """The answer of a turn is complete with these bytes."""
        ...


class FrontTurn(Turn):
    """A turn that writes to its connection itself."""

    received = 0
    complete = False
    keep_alive = True
    chunked = True
    waiter: asyncio.Future[None] | None = None

    def __init__(self, front: Connection, method: str, path: str, headers: Fields) -> None:
        super().__init__(method, path, headers, front.loop)
        self.front = front
        self.parts: list[bytes] = []

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises Failure (413) and Left."""
        if not self.complete:
            self.check_length(limit)
            if self.headers.get(b"expect", b"").lower() == b"100-continue":
                self.front.write(_CONTINUE)
            while not self.complete and self.received <= limit:
                self.front.resume()
                self.waiter = self.loop.create_future()
                await self.waiter
                if self.front.lost:
                    raise Left
        if self.received > limit:
            raise too_large(limit)
        self.phase = WORKING
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts = []
        return data

    def wake(self) -> None:
        """Let the reader look again."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def whole(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer with one body."""
        self.status = status
        self.started = True
        lines = self._head(status, headers)
        lines += (b"content-length: %d" % len(body), b"", b"" if self.method == "HEAD" else body)
        self.front.finished(self, b"\r\n".join(lines))

    async def begin(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer in pieces: chunked, or until close for HTTP/1.0."""
        self.status = status
        self.started = True
        if not self.chunked:
            self.keep_alive = False
        lines = self._head(status, headers)
        if self.chunked:
            lines.append(b"transfer-encoding: chunked")
        lines += (b"", b"")
        self.front.write(b"\r\n".join(lines))

    async def write(self, data: bytes) -> None:
        """One piece; returns when the client can take more."""
        self.writing = True
        self.front.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)
        if self.front.full is not None:
            await self.front.full
        self.writing = False
        self.wrote = self.loop.time()

    async def end(self) -> None:
        """The last piece has been written."""
        self.front.finished(self, b"0\r\n\r\n" if self.chunked else b"")

    def _head(self, status: int, headers: Sequence[Header]) -> list[bytes]:
        lines = [
            _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status,
            *map(_LINE, self.front.state.default_headers),
            *map(_LINE, headers),
        ]
        if status != 200 and any(name == b"connection" for name, _ in headers):
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close")
        return lines
