"""`CONNECT`: a tunnel for TLS, which is not read, or (with an authority) opened.

Of what goes through only the first message is looked at, for the name it asks for: a tunnel to one
host that asks for another (domain fronting) is closed before a byte of it is passed on. An opened
tunnel ends here: requests in it are governed like any other, and asked anew over TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ....model import UpstreamError
from ....tools.url import canonical_host
from .hello import NotTls, server_name
from .places import TRIED_MAX, Refused
from .sealed import Sealed
from .wire import PIECE_BYTES, Gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ....kernel.gate_settings import HttpGate
    from ....tools.url import Url
    from .authority import Authority
    from .places import Places
    from .wire import Wire

    Serve = Callable[[Sealed], Awaitable[int]]

HELLO_SECONDS = 15.0
"""How long a client may take to begin TLS once the tunnel stands."""


class Tunnel:
    """One tunnel to a host and port. `sent` and `received` count bytes as the client sees them."""

    def __init__(self, wire: Wire, url: Url, places: Places, settings: HttpGate) -> None:
        self.sent = self.received = 0
        self._wire = wire
        self._url = url
        self._places = places
        self._settings = settings
        self._moved = 0.0

    async def run(self) -> dict[str, Any]:
        """Build it, and keep it until both sides are done. Returns what it carried.

        Raises Refused where it may not stand, UpstreamError where the server cannot be reached,
        Gone where the client leaves first.
        """
        reader, writer = await self._connected(await self._found())
        try:
            await self._wire.established()
            opening = await self._opening()
            await self._carry(opening, reader, writer)
        finally:
            writer.close()
        return {"tunnel": {"sent": self.sent, "received": self.received}}

    async def opened(self, authority: Authority, serve: Serve) -> dict[str, Any]:
        """Open it, and let `serve` answer the requests in it. Returns how many there were.

        Raises Refused where it may not stand, UpstreamError where its host has no address, Gone
        where the client leaves first.
        """
        await self._found()
        await self._wire.established()
        opening = await self._opening()
        context = authority.context(self._url.host)
        sealed = Sealed(self._wire.raw, self._wire.writer, opening, context)
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await sealed.greet()
        except OSError as error:  # an SSLError is one, and a TimeoutError
            raise Refused(
                f"the client does not agree to TLS ({error}); does it trust the authority of "
                "`gates.http.intercept_ca`?"
            ) from None
        return {"tunnel": {"opened": True, "requests": await serve(sealed)}}

    async def _found(self) -> Sequence[str]:
        """The addresses it may lead to. Raises Refused, UpstreamError."""
        url = self._url
        if url.port not in self._settings.tunnel_ports:
            raise Refused(
                f"`CONNECT` to port {url.port} is not permitted; `gates.http.tunnel_ports` lists "
                "those that are"
            )
        return await self._places.addresses(url.host, url.port)

    async def _connected(
        self, found: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = self._url
        said = ""
        for address in found[:TRIED_MAX]:
            try:
                async with asyncio.timeout(self._settings.connect_seconds):
                    return await asyncio.open_connection(address, url.port)
            except TimeoutError:
                said = f"no connection within {self._settings.connect_seconds:g} s"
            except OSError as error:
                said = error.strerror or "no connection"
        raise UpstreamError(f"cannot connect to `{url.authority}`: {said}", status=502)

    async def _opening(self) -> bytes:
        """The first message of the client, which has to ask for the host of the tunnel."""
        opening = b""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                while (name := server_name(opening)) is None:
                    data = await self._wire.raw()
                    if not data:
                        raise Gone
                    opening += data
        except NotTls as error:
            raise Refused(f"tunnels carry TLS, and what came is none: {error}") from None
        except TimeoutError:
            raise Refused(f"the client did not begin TLS within {HELLO_SECONDS:g} s") from None
        except OSError as error:
            raise Gone from error
        self._check(name)
        return opening

    def _check(self, name: str) -> None:
        host = self._url.host
        if not name and (":" in host or host.replace(".", "").isdigit()):
            return  # an address is not asked for by name (RFC 6066, 3)
        try:
            asked = canonical_host(name)
        except ValueError:
            asked = ""
        if asked != host:
            said = f"`{name[:100]}`" if name else "no name"
            raise Refused(f"the tunnel leads to `{host}`, and TLS in it asks for {said}")

    async def _carry(
        self, opening: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass bytes on in both directions, until both ends are done or nothing moves any more."""
        loop = asyncio.get_running_loop()
        self._moved = loop.time()
        ways = {
            asyncio.ensure_future(self._outward(opening, writer)),
            asyncio.ensure_future(self._inward(reader)),
        }
        try:
            waiting = ways
            while waiting:
                quiet = loop.time() - self._moved
                left = self._settings.idle_seconds - quiet
                if left <= 0:
                    break
                _, waiting = await asyncio.wait(
                    waiting, timeout=left, return_when=asyncio.FIRST_EXCEPTION
                )
                if any(way.done() and way.exception() is not None for way in ways):
                    break
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _outward(self, opening: bytes, writer: asyncio.StreamWriter) -> None:
        data = opening
        while data:
            self.sent += len(data)
            self._moved = asyncio.get_running_loop().time()
            writer.write(data)
            await writer.drain()
            data = await self._wire.raw()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _inward(self, reader: asyncio.StreamReader) -> None:
        client = self._wire.writer
        while data := await reader.read(PIECE_BYTES):
            self.received += len(data)
            self._moved = asyncio.get_running_loop().time()
            client.write(data)
            await client.drain()
        with contextlib.suppress(OSError):
            client.write_eof()
