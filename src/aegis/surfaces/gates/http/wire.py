"""HTTP/1.1 of one client of the proxy: requests in, answers out, nothing about what they mean.

llhttp parses (RFC 9112): of the parsers at hand it is the one that refuses what two readers could
read differently, whether length and chunks together, repeated lengths, folded lines, bare line
feeds or spaces before a colon. One request is under way at a time. What follows a chunked body at
once ends the connection, once the answer is out: the parser does not say where it begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools
import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from typing import Any

    from .sealed import Sealed

Field = tuple[str, str]
"""A header: its name in lower case, and its value."""

HEAD_MAX = 64 * 1024
"""Most bytes of request line and headers: what common servers take, and then some."""

PIECE_BYTES = 64 * 1024
"""Bytes read from a socket at once."""

CHUNKING_MAX = 1024 * 1024
"""Most bytes a chunked body may spend on sizes, extensions and trailers."""

IDLE_SECONDS = 65.0
"""How long a client may keep an unused connection: longer than the idle limit of common clients."""

GAP_SECONDS = 30.0
"""How long a body may stand still, and a client may refuse to take more of an answer."""

BODY_SECONDS = 300.0
"""How long a whole body may take: ten megabytes over a slow line."""

LINGER_SECONDS = 1.0
"""How long a refused client may go on sending before the connection is closed (RFC 9112, 9.6)."""

LINGER_MAX = 1024 * 1024
"""How many bytes of it are dropped at most."""

_END = b"\r\n\r\n"


class Gone(Exception):
    """The client left, or went silent; there is nobody to answer."""

    def __str__(self) -> str:
        return "the client left"


class BadRequest(Exception):
    """A request nobody may guess at; the connection ends with its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(msgspec.Struct, frozen=True):
    """Request line and fields; names are in lower case."""

    method: str
    target: str
    fields: tuple[Field, ...]

    def every(self, name: str) -> list[str]:
        """The values of a field, in order."""
        return [value for known, value in self.fields if known == name]

    def get(self, name: str) -> str:
        """The values of a field joined (RFC 9110, 5.3); empty where there is none."""
        return ", ".join(self.every(name))

    @property
    def bodied(self) -> bool:
        """Whether a body follows."""
        return bool(self.get("transfer-encoding")) or self.get("content-length") not in ("", "0")


class _Sink:
    """What the parser says of one request; what belongs to a second one is not looked at."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[Field] = []
        self.body: list[bytes] = []
        self.size = 0
        self.begun = 0
        self.headed = False
        self.complete = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        if self.begun == 1:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # a trailer says nothing that the head may say (RFC 9110, 6.5.1)
        if self.begun == 1 and not self.headed:
            text = value.decode("latin-1").strip(" \t")
            self.fields.append((name.decode("latin-1").lower(), text))

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, data: bytes) -> None:
        if self.begun == 1:
            self.body.append(data)
            self.size += len(data)

    def on_message_complete(self) -> None:
        self.complete = True


class Wire:
    """One client connection. `last` says that it ends with the answer under way, `read` that the
    body of the request was read, and `started` that the answer has begun.
    """

    chunking_share = 1
    """How many bytes a chunked body may be on the wire for each of its content, beside
    CHUNKING_MAX.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader | Sealed,
        writer: asyncio.StreamWriter | Sealed,
        head_seconds: float,
    ) -> None:
        """`head_seconds` is how long the first request may take to begin, and each head to end."""
        self.writer = writer
        self.last = False
        self.started = self.read = False
        self._reader = reader
        self._head_seconds = self._patience = head_seconds
        self._kept = b""
        self._sink = _Sink()
        self._parser = httptools.HttpRequestParser(self._sink)
        self._chunked = self._plain = self._bodiless = False

    async def head(self) -> Head | None:
        """The next request; None where the client has no more. Raises BadRequest, Gone."""
        self.started = self.read = False
        try:
            async with asyncio.timeout(self._patience):
                while not self._kept.lstrip(b"\r\n"):
                    self._kept = await self._reader.read(PIECE_BYTES)
                    if not self._kept:
                        return None
        except (TimeoutError, OSError):
            return None
        # empty lines before a request are passed over (RFC 9112, 2.2)
        self._kept = self._kept.lstrip(b"\r\n")
        try:
            async with asyncio.timeout(self._head_seconds):
                raw = await self._whole_head()
        except TimeoutError:
            raise BadRequest(408, f"the head took more than {self._head_seconds:g} s") from None
        self._patience = IDLE_SECONDS
        return self._parsed(raw)

    async def _whole_head(self) -> bytes:
        while (end := self._kept.find(_END)) < 0:
            if not self._kept[:1].isalpha() or self._kept.count(b"\n") != self._kept.count(b"\r\n"):
                raise BadRequest(400, "this is not proper HTTP/1.1")
            if len(self._kept) > HEAD_MAX:
                break
            self._kept += await self._more()
        if not 0 <= end <= HEAD_MAX:
            raise BadRequest(431, f"request line and headers exceed {HEAD_MAX} bytes")
        raw, self._kept = self._kept[: end + 4], self._kept[end + 4 :]
        return raw

    def _parsed(self, raw: bytes) -> Head:
        sink = self._sink = _Sink()
        parser = self._parser = httptools.HttpRequestParser(sink)
        try:
            parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, or an upgrade that is not taken
        except httptools.HttpParserInvalidMethodError:
            raise BadRequest(501, "this method is not known here") from None
        except httptools.HttpParserError as error:
            raise BadRequest(400, f"this is not proper HTTP/1.1: {error}") from None
        if not sink.headed:
            raise BadRequest(400, "this is not proper HTTP/1.1")
        version = parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise BadRequest(505, "only HTTP/1.1 and 1.0 are spoken here")
        self._plain = version == "1.0"
        if sum(name == "host" for name, _ in sink.fields) > 1:
            raise BadRequest(400, "the header `host` stands there twice")
        head = Head(parser.get_method().decode("ascii"), _ascii(sink.url), tuple(sink.fields))
        self._bodiless = head.method == "HEAD"
        wishes = f"{head.get('connection')},{head.get('proxy-connection')}".lower()
        self.last = self._plain or "close" in (wish.strip() for wish in wishes.split(","))
        return head

    async def body(self, head: Head, limit: int) -> bytes:
        """The body of the request, at most `limit` bytes. Raises BadRequest, Gone."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return b"".join([piece async for piece in self.pieces(head, limit)])
        except TimeoutError:
            raise BadRequest(408, f"the body took more than {BODY_SECONDS:g} s") from None

    async def pieces(self, head: Head, limit: int) -> AsyncIterator[bytes]:
        """The body of the request as it comes, at most `limit` bytes. Raises BadRequest, Gone."""
        coding, stated = head.every("transfer-encoding"), head.every("content-length")
        length = int(stated[0]) if stated else 0
        if coding:
            if self._plain or [value.lower() for value in coding] != ["chunked"]:
                raise BadRequest(501, "the only transfer coding taken is `chunked`")
            if self._parser.should_upgrade():
                raise BadRequest(400, "a chunked body and an upgrade do not go together")
        elif not length:
            return
        elif length > limit:
            raise self.too_large(limit)
        if head.get("expect").lower() == "100-continue" and not self._plain:
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in self._chunks(limit) if coding else self._sized(length):
            yield piece
        self.read = True

    def too_large(self, limit: int) -> BadRequest:
        """The refusal of a body above the limit."""
        return BadRequest(
            413,
            f"the body is larger than {limit} bytes; send less, or raise `gates.http.body_bytes`",
        )

    async def _sized(self, missing: int) -> AsyncIterator[bytes]:
        while missing:
            data = self._kept or await self._more()
            piece, self._kept = data[:missing], data[missing:]
            missing -= len(piece)
            yield piece

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        sink = self._sink
        spent = 0
        data, self._kept = self._kept, b""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                # what follows a complete body is not looked at
                if not sink.complete:
                    raise BadRequest(400, f"the body is not properly chunked: {error}") from None
                self.last = True
            spent += len(data)
            if sink.size > limit:
                raise self.too_large(limit)
            if spent > self.chunking_share * sink.size + CHUNKING_MAX:
                raise BadRequest(400, "the body is more chunking than content")
            yield b"".join(sink.body)
            sink.body.clear()
            if sink.complete:
                self.last = self.last or sink.begun > 1
                return
            data = await self._more()

    async def _more(self) -> bytes:
        """What comes next. Raises Gone where nothing does."""
        try:
            async with asyncio.timeout(GAP_SECONDS):
                data = await self._reader.read(PIECE_BYTES)
        except OSError as error:  # a TimeoutError is one
            raise Gone from error
        if not data:
            raise Gone
        return data

    async def raw(self) -> bytes:
        """Bytes as they come, for a tunnel; empty at the end. Raises OSError."""
        data, self._kept = self._kept, b""
        return data or await self._reader.read(PIECE_BYTES)

    async def attend(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and cancel it where the client leaves. Raises Gone."""
        task = asyncio.ensure_future(work)
        listener = asyncio.ensure_future(self._left())
        try:
            await asyncio.wait((task, listener), return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and listener.result():
                task.cancel()
                await asyncio.wait((task,))
                raise Gone
            await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    async def _left(self) -> bool:
        """Whether the client left; where it sends its next request early, that waits."""
        if not self._kept:
            try:
                self._kept = await self._reader.read(PIECE_BYTES)
            except OSError:
                return True
        return not self._kept

    async def whole(self, status: int, fields: Iterable[Field], body: bytes) -> None:
        """Answer with one body, which `HEAD` does not get (RFC 9110, 9.3.2). Raises Gone."""
        lines = self._lines(status, fields)
        lines.append(f"content-length: {len(body)}\r\n\r\n")
        head = "".join(lines).encode("latin-1", "replace")
        await self.write(head if self._bodiless else head + body)

    async def established(self) -> None:
        """Say that the tunnel stands (RFC 9110, 9.3.6). Raises Gone."""
        self.started = True
        await self.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def begin(self, status: int, fields: Iterable[Field], framed: bool) -> None:
        """Begin an answer in pieces: `framed` where its fields say how long it is or it has no
        body; else chunked, or until the end of the connection for HTTP/1.0. Raises Gone.
        """
        lines = self._lines(status, fields)
        self._chunked = not framed and not self._plain
        lines.append("transfer-encoding: chunked\r\n\r\n" if self._chunked else "\r\n")
        await self.write("".join(lines).encode("latin-1", "replace"))

    async def piece(self, data: bytes) -> None:
        """One piece of the body; returns when the client can take more. Raises Gone."""
        if data:
            await self.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """The body is complete. Raises Gone."""
        if self._chunked:
            await self.write(b"0\r\n\r\n")

    async def leave(self) -> None:
        """End the connection so that an answer arrives although the client is still sending: what
        it sends is dropped for a while, because closing at once would take the answer along.
        """
        dropped = 0
        try:
            if self.writer.can_write_eof():
                self.writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while dropped < LINGER_MAX and (data := await self._reader.read(PIECE_BYTES)):
                    dropped += len(data)
        except OSError:  # a TimeoutError is one
            return

    async def write(self, data: bytes) -> None:
        """Hand bytes to the socket. Raises Gone."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(GAP_SECONDS):
                await self.writer.drain()
        except OSError as error:  # a TimeoutError is one
            raise Gone from error

    def _lines(self, status: int, fields: Iterable[Field]) -> list[str]:
        self.started = True
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = ""
        lines = [f"HTTP/1.1 {status} {reason}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in fields]
        if self.last:
            lines.append("connection: close\r\n")
        return lines


def _ascii(target: bytes) -> str:
    try:
        return target.decode("ascii")
    except UnicodeDecodeError:
        raise BadRequest(400, "an address holds ASCII only; percent-encode the rest") from None
