"""TLS over a connection that has begun: the end of a tunnel that the proxy opens.

The client's first message has been read by then (for the name it asks for), so the bytes are fed to
TLS by hand instead of handing the socket over.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable


class Sealed:
    """Both ends of a TLS connection that runs within another: reads like a `StreamReader`, writes
    like a `StreamWriter`, as far as `Wire` asks for it.
    """

    def __init__(
        self,
        raw: Callable[[], Awaitable[bytes]],
        writer: asyncio.StreamWriter | Sealed,
        opening: bytes,
        context: ssl.SSLContext,
    ) -> None:
        """`raw` gives the next bytes of the connection below, `writer` takes bytes for it."""
        self._raw, self._writer = raw, writer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._in.write(opening)

    async def greet(self) -> None:
        """Agree on keys. Raises OSError (an SSLError is one) where the client does not."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.drain()
                await self._feed()
            else:
                await self.drain()
                return

    async def read(self, most: int) -> bytes:
        """The next bytes of the client; empty at the end. Raises OSError."""
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                await self.drain()
                await self._feed()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLEOFError:
                return b""  # it left without a word: what is not complete is not answered

    def write(self, data: bytes) -> None:
        """Seal bytes; `drain` sends them."""
        if data:
            self._tls.write(data)

    async def drain(self) -> None:
        """Send what is sealed; returns when the client can take more. Raises OSError."""
        data = self._out.read()
        if data:
            self._writer.write(data)
        await self._writer.drain()

    def can_write_eof(self) -> bool:
        """Whether one direction can end before the other."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more is written (close_notify: RFC 8446, 6.1)."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._writer.write(self._out.read())

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The transport below."""
        return self._writer.transport

    def close(self) -> None:
        """Close the connection below."""
        self._writer.close()

    async def _feed(self) -> None:
        data = await self._raw()
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()
