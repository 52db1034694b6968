"""HTTP/1.1 for the gateway, straight from httptools' parser to a turn (RFC 9112).

uvicorn keeps the sockets, signals and the graceful end; this protocol stands where its own would,
and spares each request the ASGI messages, which cost more than governing it. The same gateway
runs as an ordinary ASGI application under any other server.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from .errors import Failure
from .front_turn import REASONS, FrontTurn
from .headers import Fields
from .heads import HEAD_KEPT, Head, Heads
from .turn import DONE, JSON, READING

if TYPE_CHECKING:
    from .app import Gateway

HEAD_MAX = 64 * 1024
"""Most bytes of request line and headers."""

PIPELINED_MAX = 64
"""Requests taken from a connection ahead of their answers; then the socket waits."""

PIECE = 8 * 1024
"""Bytes parsed at once: what one piece may hold beyond PIPELINED_MAX are a few hundred requests."""

HELD_MAX = 256 * 1024
"""Bytes of a body that may arrive before somebody reads it; then the socket waits."""

SINGLE = frozenset({b"authorization", b"host", b"x-api-key"})
"""Headers beside `x-aegis-*` that are refused where they are repeated: two readers could differ
(`host`: RFC 9112, 3.2).
"""

log = logging.getLogger("aegis.gateway")


class Front(asyncio.Protocol):
    """One client connection; uvicorn makes it where its own HTTP protocol would stand."""

    heads = Heads()
    """The heads every connection of this process knows."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.gateway: Gateway = config.app
        self.state = server_state
        self.seconds: float = config.timeout_keep_alive
        self.loop = _loop or asyncio.get_running_loop()
        self.lost = False
        self.full: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._turn: FrontTurn | None = None
        self._arriving: FrontTurn | None = None
        self._waiting: deque[FrontTurn] = deque()
        self._url = b""
        self._headers = Fields()
        self._head = 0
        self._between = True
        self._opening = b""
        self._rest = b""
        self._refused: Failure | None = None
        self._paused = False
        self._stopping = False
        self._quiet_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        if not self.lost:
            self._transport.write(data)

    def resume(self) -> None:
        """Read on: what came already first, then from the socket."""
        if self._rest:
            data, self._rest = self._rest, b""
            self._parse(data)
        if self._paused and not (self._rest or self.lost):
            self._paused = False
            self._transport.resume_reading()

    def finished(self, turn: FrontTurn, last: bytes) -> None:
        """The answer of a turn is complete with these bytes: the next one, the next request, or
        the end.
        """
        turn.phase = DONE
        if last and not self.lost:
            self._transport.write(last)
        if self._turn is not turn:
            return
        self._turn = None
        self.state.total_requests += 1
        if self.lost:
            return
        if self._stopping or not turn.keep_alive or not turn.complete:
            self._transport.close()
            return
        self._quiet_since = self.loop.time()
        # mostly nothing came ahead of this answer
        if (self._waiting or self._paused or self._rest or self._refused) and self.full is None:
            self._go_on()

    def _go_on(self) -> None:
        """The next request, once the answers before it have left."""
        if self._waiting:
            self._start(self._waiting.popleft())
        elif self._refused is not None:
            self._refuse(self._refused)
        else:
            self.resume()

    # asyncio.Protocol and what uvicorn calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self.state.connections.add(self)
        self._quiet_since = self.loop.time()
        self._timer = self.loop.call_later(self.seconds, self._expire)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone: whatever is done for it stops."""
        self.lost = True
        if self._timer is not None:
            # a timer that is still to come would keep all of this for a minute
            self._timer.cancel()
            self._timer = None
        self.state.connections.discard(self)
        self.resume_writing()
        self._waiting.clear()
        turn = self._turn
        if turn is not None:
            turn.wake()
            turn.stop("left")

    def data_received(self, data: bytes) -> None:
        """Begin a turn where the whole request is known, else feed the parser."""
        if self._refused is not None:
            return
        if self._between and self._turn is None and not self._rest:
            end = data.find(b"\r\n\r\n") + 4
            opening = data[:end] if 3 < end <= HEAD_KEPT else b""
            known = self.heads.get(opening)
            if known is not None and len(data) == end + known.length:
                turn = FrontTurn(self, known.method, known.path, known.headers)
                turn.complete = True
                if known.length:
                    turn.parts.append(data[end:])
                    turn.received = known.length
                self._start(turn)
                return
            self._opening = opening
        self._parse(self._rest + data if self._rest else data)

    def _parse(self, data: bytes) -> None:
        """Feed the parser piece by piece, until enough requests wait: the rest waits unparsed."""
        try:
            at = 0
            while at < len(data):
                if len(self._waiting) >= PIPELINED_MAX:
                    self._rest = data[at:]
                    return
                try:
                    self._parser.feed_data(data[at : at + PIECE])
                    at += PIECE
                except httptools.HttpParserUpgrade as offer:
                    at += offer.args[0]
                    self._stay()
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, Failure):
                cause = Failure(400, "this is not proper HTTP/1.1", "invalid_request")
            self._refuse(cause)

    def _stay(self) -> None:
        """Take up an offer of another protocol as HTTP/1.1 (RFC 9110 section 7.8): java.net.http
        offers h2c with every request. The parser stops at such a head, so a new one gets it again
        without the offer.
        """
        method, url = self._parser.get_method(), self._url
        lines = [b"%b: %b" % one for one in self._headers.items() if one[0] != b"upgrade"]
        version = self._parser.get_http_version().encode()
        self._parser = httptools.HttpRequestParser(self)
        head = b"%b %b HTTP/%b\r\n%b\r\n\r\n"
        self._parser.feed_data(head % (method, url, version, b"\r\n".join(lines)))

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self.full is None:
            self.full = self.loop.create_future()

    def resume_writing(self) -> None:
        """The client caught up, or is gone."""
        full, self.full = self.full, None
        if full is not None and not full.done():
            full.set_result(None)
        if full is not None and self._turn is None and not self.lost and not self._stopping:
            self._go_on()

    def shutdown(self) -> None:
        """The server ends: finish what is under way, then close."""
        self._stopping = True
        if self._turn is None:
            self._transport.close()
        elif self._turn.endless:
            self._turn.stop("left")

    # httptools callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        self._url = b""
        self._headers = Fields()
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; repeated ones are joined, but for those of SINGLE."""
        self._grow(len(name) + len(value))
        if self._arriving is not None:
            return  # a trailer: nothing of the head may come after the body (RFC 9110, 6.5.1)
        name, value = name.lower(), value.strip(b" \t")
        known = self._headers.get(name)
        if known is not None and (name in SINGLE or name.startswith(b"x-aegis-")):
            raise Failure(400, f"the header `{name.decode()}` stands there twice", "invalid_header")
        self._headers[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        """The head is complete: the turn begins, or waits for the one before it."""
        parser = self._parser
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                raise Failure(400, "this server is no proxy", "invalid_request")
            self._opening = b""
            return
        method, path = parser.get_method().decode(), _path(self._url)
        turn = FrontTurn(self, method, path, self._headers)
        turn.keep_alive = parser.should_keep_alive()
        turn.chunked = parser.get_http_version() != "1.0"
        if turn.chunked and b"host" not in self._headers:
            # RFC 9112, 3.2; a head that came before has one, or it would not be remembered
            raise Failure(400, "a request needs a `host` header", "invalid_header")
        if self._headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            # RFC 9112, 6.1: its content would be taken for the text it is not
            raise Failure(501, "`chunked` is the only transfer coding known here", "invalid_header")
        opening, self._opening = self._opening, b""
        if opening and turn.keep_alive:
            self.heads.keep(opening, self._url, Head(method, path, self._headers, 0))
        self._arriving = turn
        if self._turn is None:
            self._start(turn)
        else:
            self._waiting.append(turn)
            self._pause()

    def on_body(self, data: bytes) -> None:
        """A piece of the body; nobody keeps it once the answer is out."""
        turn = self._arriving
        if turn is None or turn.phase != READING:
            return
        turn.parts.append(data)
        turn.received += len(data)
        if turn.received > HELD_MAX and turn.waiter is None:
            self._pause()
        turn.wake()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._between = True
        turn, self._arriving = self._arriving, None
        if turn is not None:
            turn.complete = True
            turn.wake()

    def _grow(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_MAX:
            raise Failure(
                431, f"the head of the request exceeds {HEAD_MAX} bytes", "head_too_large"
            )

    def _start(self, turn: FrontTurn) -> None:
        self._turn = turn
        turn.began = turn.wrote = self.loop.time()
        turn.task = self.loop.create_task(self._run(turn))

    async def _run(self, turn: FrontTurn) -> None:
        try:
            await self.gateway.answer(turn)
        except asyncio.CancelledError:
            self._drop(turn)
            raise
        except Exception:
            log.exception("an answer broke off")
        self._drop(turn)

    def _drop(self, turn: FrontTurn) -> None:
        """Close the connection where a turn ended without its whole answer."""
        if self._turn is turn:
            self._turn = None
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused and not self.lost:
            self._paused = True
            self._transport.pause_reading()

    def _refuse(self, failure: Failure) -> None:
        """Answer what is no request once the answers before it have left, and close."""
        if self.lost:
            return
        turn = self._turn
        if turn is not None and not (turn.complete or turn.started):
            # the body of this very request is broken. Its task may not have run yet, and a task
            # that is cancelled before it runs tells nobody that it ended
            self._turn = None
            turn.stop("left")
        if self._turn is None:
            body = failure.body()
            reason = REASONS.get(failure.status, "").encode()
            self.write(
                b"HTTP/1.1 %d %b\r\n%b: %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
                % (failure.status, reason, *JSON, len(body), body)
            )
            self._transport.close()
            return
        self._refused = failure
        self._rest = b""
        self._pause()
        if self._waiting and not self._waiting[-1].complete:
            self._waiting.pop()
        if not self._turn.complete:
            self._turn.stop("left")

    def _expire(self) -> None:
        """Close a connection nothing happens on; one timer each, not one per request."""
        if self.lost:
            return
        left = self.seconds
        if self._turn is None:
            left = self._quiet_since + self.seconds - self.loop.time()
            if left <= 0:
                # what is still unsent then is not read by anybody
                self._transport.abort()
                return
        self._timer = self.loop.call_later(left, self._expire)


def _path(url: bytes) -> str:
    """The path of a request target, decoded."""
    if not url.startswith(b"/"):
        try:
            url = httptools.parse_url(url).path or b"/"
        except httptools.HttpParserInvalidURLError:
            raise Failure(400, "this request target is not a URL", "invalid_request") from None
    path = url.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path
