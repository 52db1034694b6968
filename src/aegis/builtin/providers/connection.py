"""One HTTP/1.1 connection to an upstream, and one exchange on it (RFC 9112).

Parsing is httptools' (llhttp); this file keeps the books: whose answer is arriving, how much of it
is held, whether it is complete, and whether the connection may be used again. Answers are taken
whole or in pieces. A reader that is slower than the upstream stops the socket, not the process.
Header lines are parsed where somebody asks for one: of most answers the status is enough.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import httptools

from ...model import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_MAX = 64 * 1024
"""Most bytes in a row that bring nothing of an answer's body: its head, its trailers."""

PIECE = 8 * 1024
"""Bytes of a head parsed at once: by how much it may exceed HEAD_MAX unnoticed."""

BODY_MAX = 64 * 1024 * 1024
"""Largest answer taken whole, in bytes."""

HELD_HIGH = 256 * 1024
"""Unread bytes of a streamed answer at which reading from the socket pauses."""

HELD_LOW = 64 * 1024
"""Unread bytes at which it goes on."""


class Exchange:
    """One request and its answer. `opening` is what came until the head was complete."""

    __slots__ = (
        "_fields",
        "connection",
        "deadline",
        "done",
        "error",
        "opening",
        "parts",
        "size",
        "status",
        "streamed",
        "waiter",
    )

    def __init__(
        self, connection: Connection, waiter: asyncio.Future[None], streamed: bool, deadline: float
    ) -> None:
        self.connection = connection
        self.waiter: asyncio.Future[None] | None = waiter
        self.streamed = streamed
        self.deadline = deadline
        self.status = 0
        self.opening = b""
        self._fields: list[tuple[bytes, bytes]] | None = None
        self.parts: list[bytes] = []
        self.size = 0
        self.done = False
        self.error: UpstreamError | None = None

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header lines as they came."""
        if self._fields is None:
            self._fields = _Lines(self.opening).lines
        return self._fields

    def header(self, name: bytes) -> str:
        """A header by its lower-case name; repeated ones are joined, empty where there is none."""
        found = [value for field, value in self.fields if field.lower() == name]
        return b", ".join(found).decode("latin-1")

    def framed(self) -> bool:
        """Whether the answer says itself where it ends (RFC 9112, 6.3)."""
        return bool(self.header(b"content-length")) or (
            "chunked" in self.header(b"transfer-encoding").lower()
        )

    def wake(self) -> None:
        """Let whoever waits look again."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: UpstreamError) -> None:
        """End the exchange with an error."""
        if not self.done:
            self.done = True
            self.error = error
            self.wake()

    def body(self) -> bytes:
        """What has arrived and was not read yet."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.size = 0
        return data

    async def read(self) -> bytes:
        """The next bytes of a streamed answer; empty at its end. Raises UpstreamError."""
        while not self.parts:
            if self.error is not None:
                raise self.error
            if self.done:
                return b""
            self.waiter = self.connection.loop.create_future()
            await self.waiter
        data = self.body()
        self.connection.relieve()
        return data

    async def rest(self, limit: int) -> bytes:
        """What is still to come, at most `limit` bytes; the remainder is not waited for."""
        data = b""
        while len(data) < limit:
            piece = await self.read()
            if not piece:
                break
            data += piece
        return data[:limit]

    def close(self) -> None:
        """Give the connection up if the answer is not complete."""
        if not self.done:
            self.done = True
            self.connection.abort()


class Connection(asyncio.Protocol):
    """A connection of a pool. It calls `idle` when it may be used again, `lost` once at its end;
    `closing` says whether no request may be sent on it any more.
    """

    closing: Callable[[], bool]
    _transport: asyncio.Transport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        idle: Callable[[Connection], None],
        lost: Callable[[Connection], None],
        gap_seconds: float,
    ) -> None:
        self.loop = loop
        self.since = 0.0
        self.exchange: Exchange | None = None
        self._idle = idle
        self._lost = lost
        self._gap = gap_seconds
        self._parser = httptools.HttpResponseParser(self)
        self._paused = False
        self._bare = 0
        self._headed = False
        self._unasked = False
        self._lasting = False

    @property
    def held(self) -> bool:
        """Whether reading is paused because the reader is slower: no silence of the upstream."""
        return self._paused

    def send(self, data: bytes, streamed: bool, deadline: float) -> Exchange:
        """Send a request; its exchange is waited for through `Exchange.waiter`."""
        exchange = Exchange(self, self.loop.create_future(), streamed, deadline)
        self.exchange = exchange
        self._transport.write(data)
        return exchange

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def relieve(self) -> None:
        """Read on after a pause, where the reader has caught up."""
        exchange = self.exchange
        if self._paused and (exchange is None or exchange.size <= HELD_LOW):
            self._paused = False
            if exchange is not None:
                exchange.deadline = self.loop.time() + self._gap
            if not self.closing():
                self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.closing = transport.is_closing

    def data_received(self, data: bytes) -> None:
        """Feed the parser; anything that is not one proper answer ends the connection."""
        exchange = self.exchange
        if exchange is None:
            self.abort()
            return
        try:
            for piece in (data,) if self._headed or len(data) <= PIECE else _pieces(data):
                if not self._headed:
                    exchange.opening += piece
                self._bare += len(piece)
                self._parser.feed_data(piece)
                if self._bare > HEAD_MAX:
                    raise UpstreamError(f"the upstream's headers exceed {HEAD_MAX} bytes")
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, UpstreamError) else _garbled(error))
        except UpstreamError as error:
            self._fail(error)
        else:
            if exchange.done:
                self._finished()
                return
            if self._headed:
                exchange.deadline = self.loop.time() + self._gap
            if exchange.streamed and exchange.size >= HELD_HIGH and not self._paused:
                self._paused = True
                self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The other side is gone: complete a close-delimited answer, or fail the exchange."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None and not exchange.done:
            if self._headed and error is None and not exchange.framed():
                exchange.done = True
                exchange.wake()
            elif self._headed:
                exchange.fail(UpstreamError("the upstream's answer broke off before its end"))
            else:
                exchange.fail(UpstreamError("the upstream closed the connection without an answer"))
        self._lost(self)

    # httptools callbacks

    def on_message_begin(self) -> None:
        """A new answer begins."""
        exchange = self.exchange
        if exchange is None or exchange.done:
            self._unasked = True

    def on_headers_complete(self) -> None:
        """The head is there; interim answers (1xx, RFC 9110 section 15.2) are passed over."""
        status = self._parser.get_status_code()
        exchange = self.exchange
        if exchange is None or exchange.done or status < 200:
            return
        exchange.status = status
        self._headed = True
        if exchange.streamed:
            exchange.wake()

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, within BODY_MAX where it is taken whole."""
        exchange = self.exchange
        if exchange is None or exchange.done:
            return
        self._bare = 0
        exchange.parts.append(data)
        exchange.size += len(data)
        if exchange.size > BODY_MAX:
            raise UpstreamError(f"the upstream's answer exceeds {BODY_MAX} bytes")
        if exchange.streamed:
            exchange.wake()

    def on_message_complete(self) -> None:
        """The answer is complete."""
        exchange = self.exchange
        if exchange is not None and self._headed:
            # the parser knows this only now, not after it has gone on
            self._lasting = self._parser.should_keep_alive()
            exchange.done = True
            exchange.wake()

    def _finished(self) -> None:
        self.exchange = None
        self._headed = False
        self._bare = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        reusable = (
            self._lasting
            and not self._unasked
            and not self.closing()
            and not self._transport.get_write_buffer_size()
        )
        if reusable:
            self._idle(self)
        else:
            self._transport.abort()

    def _fail(self, error: UpstreamError) -> None:
        if self.exchange is not None:
            self.exchange.fail(error)
        self.abort()


class _Lines:
    """The header lines of an answer, read from its opening."""

    def __init__(self, opening: bytes) -> None:
        self.lines: list[tuple[bytes, bytes]] = []
        self._complete = False
        self._parser = httptools.HttpResponseParser(self)
        # what follows a whole answer may be no HTTP at all; the lines before it stand
        with suppress(httptools.HttpParserError):
            self._parser.feed_data(opening)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. A trailer is none (RFC 9110, 6.5.1)."""
        if not self._complete:
            self.lines.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there; those of interim answers do not count."""
        self._complete = self._parser.get_status_code() >= 200
        if not self._complete:
            self.lines.clear()


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]


def _garbled(error: Exception) -> UpstreamError:
    return UpstreamError(f"the upstream does not speak HTTP/1.1 properly: {error}")
