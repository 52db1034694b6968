"""A bounded pool of HTTP/1.1 connections to one upstream, with deadlines.

Deadlines are watched by one timer per pool instead of one per request: they fire up to a tick
late, and cost nothing on the way. A request is never sent twice: a connection that turns out to
be closed before anything was written is passed over, everything else is an UpstreamError that
says whether the upstream may have seen the request.
"""

from __future__ import annotations

import asyncio
import ssl as _ssl
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ...model import ConfigError, UpstreamError
from .connection import Connection

if TYPE_CHECKING:
    from .connection import Exchange

IDLE_SECONDS = 20.0
"""How long an unused connection is kept. Shorter than the keep-alive of common servers, so that
a request is rarely sent into a connection the other side is just closing."""

WAITING_MAX = 4096
"""Most requests that wait for a free connection."""

TICK_SECONDS = 0.25
"""Coarseness of deadlines; finer where a timeout is itself short."""


class Origin(msgspec.Struct, frozen=True):
    """Where an upstream is: parts of its base URL. `host` is the Host header (RFC 9110, 7.2),
    `name` what its certificate has to bear where that is not its address.
    """

    address: str
    port: int
    tls: bool
    host: str
    path: str
    name: str = ""


def origin(url: str) -> Origin:
    """The parts of a base URL. Raises ConfigError for anything but a plain http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"`base_url` `{url}` is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"`base_url` `{url}` has to start with http:// or https:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            "`base_url` takes no user, query or fragment; put credentials into `api_key`"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"`base_url` {url!r} holds characters that do not belong into a URL")
    tls = parts.scheme == "https"
    return Origin(
        parts.hostname, port or (443 if tls else 80), tls, parts.netloc, parts.path.rstrip("/")
    )


class Pool:
    """Connections to one origin. Belongs to the event loop it is first used on; used from another
    loop later, it starts afresh there.
    """

    def __init__(
        self,
        at: Origin,
        *,
        connections: int = 256,
        connect_seconds: float = 10.0,
        first_byte_seconds: float = 120.0,
        gap_seconds: float = 60.0,
        tls: _ssl.SSLContext | None = None,
    ) -> None:
        self.origin = at
        self.limit = max(1, connections)
        self.connect_seconds = connect_seconds
        self.first_byte_seconds = first_byte_seconds
        self.gap_seconds = gap_seconds
        self._tls = tls
        shortest = min(connect_seconds, first_byte_seconds, gap_seconds)
        self._tick = max(0.01, min(TICK_SECONDS, shortest / 4))
        self._reset(None)

    def _reset(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening = 0
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, data: bytes, streamed: bool) -> Exchange:
        """Send one request and wait for its answer: whole, or (`streamed`) for its head.

        Raises UpstreamError; cancelling closes the connection.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._reset(loop)
        connection = self._pop() or await self._obtain(loop)
        self._busy.add(connection)
        exchange = connection.send(data, streamed, loop.time() + self.first_byte_seconds)
        if self._timer is None:
            self._timer = loop.call_later(self._tick, self._sweep)
        waiter = exchange.waiter
        if waiter is not None:
            try:
                await waiter
            except asyncio.CancelledError:
                exchange.close()
                raise
        if exchange.error is not None:
            raise exchange.error
        return exchange

    async def close(self) -> None:
        """Close every connection; requests under way fail."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in (*self._free, *self._busy):
            connection.abort()
        for waiting in self._queue:
            if not waiting.done():
                waiting.set_exception(UpstreamError("shutting down", status=503, began=False))
        self._reset(None)

    @property
    def open(self) -> int:
        """Connections there are, idle or busy."""
        return len(self._free) + len(self._busy)

    def _pop(self) -> Connection | None:
        free = self._free
        while free:
            connection = free.pop()
            if not connection.closing():
                return connection
        return None

    async def _obtain(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """A connection: a new one, or the next that is given back."""
        deadline = loop.time() + self.connect_seconds
        while self.open + self._opening >= self.limit:
            if len(self._queue) >= WAITING_MAX:
                raise UpstreamError(
                    f"{WAITING_MAX} requests wait for this upstream already",
                    status=503,
                    retry_after=1.0,
                    began=False,
                )
            connection = await self._turn(loop, deadline)
            if connection is not None and not connection.closing():
                return connection
        return await self._connect(loop, deadline)

    async def _turn(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection | None:
        waiting: asyncio.Future[Connection | None] = loop.create_future()
        self._queue.append(waiting)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting
        except BaseException as error:
            if waiting.done() and not waiting.cancelled():
                # handed over in the very turn this caller gave up: the next one gets it
                handed = waiting.result()
                if handed is None or handed.closing():
                    self._next(None)
                else:
                    self._idle(handed)
            elif waiting in self._queue:
                self._queue.remove(waiting)
            if isinstance(error, TimeoutError):
                raise UpstreamError(
                    f"all {self.limit} connections to the upstream were busy for "
                    f"{self.connect_seconds:g} s",
                    status=503,
                    retry_after=1.0,
                    began=False,
                ) from None
            raise

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        at = self.origin
        if at.tls and self._tls is None:
            self._tls = _context()
        self._opening += 1
        try:
            async with asyncio.timeout_at(deadline):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self._idle, self._lost, self.gap_seconds),
                    at.address,
                    at.port,
                    ssl=self._tls,
                    server_hostname=(at.name or at.address) if self._tls else None,
                )
        except BaseException as error:
            self._opening -= 1
            self._next(None)
            if isinstance(error, TimeoutError):
                raise UpstreamError(
                    f"no connection to {at.host} within {self.connect_seconds:g} s",
                    status=504,
                    began=False,
                ) from None
            if isinstance(error, OSError):
                raise UpstreamError(
                    f"cannot connect to {at.host}: {_plain(error)}", status=503, began=False
                ) from None
            raise
        self._opening -= 1
        return connection

    def _idle(self, connection: Connection) -> None:
        """A connection is free: it goes to who waits, or is kept."""
        if self._queue and self._next(connection):
            return
        self._busy.discard(connection)
        if connection.loop is self._loop:
            connection.since = connection.loop.time()
            self._free.append(connection)
        else:
            connection.abort()

    def _lost(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        self._next(None)

    def _next(self, connection: Connection | None) -> bool:
        """Hand a connection, or the room for one, to who waits longest."""
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False

    def _sweep(self) -> None:
        """Fail what is overdue, close what has been idle for too long."""
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        for connection in list(self._busy):
            exchange = connection.exchange
            if exchange is not None and now >= exchange.deadline and not connection.held:
                seconds = self.gap_seconds if exchange.status else self.first_byte_seconds
                what = "went silent for" if exchange.status else "did not answer within"
                exchange.fail(UpstreamError(f"the upstream {what} {seconds:g} s", status=504))
                connection.abort()
        keep = now - IDLE_SECONDS
        while self._free and self._free[0].since < keep:
            self._free.pop(0).abort()
        self._timer = loop.call_later(self._tick, self._sweep) if self._busy or self._free else None


def _context() -> _ssl.SSLContext:
    context = _ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _plain(error: OSError) -> str:
    if isinstance(error, _ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
