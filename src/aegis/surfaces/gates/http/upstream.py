"""Requests of the proxy to servers: over connections to addresses that were checked, kept for the
caller they were made for, and for nobody else.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ....builtin.providers.pool import Origin, Pool
from ....model import ConfigError, UpstreamError
from .places import TRIED_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....builtin.providers.connection import Exchange
    from ....kernel.gate_settings import HttpGate
    from ....tools.url import Url
    from .places import Places

POOLS_MAX = 256
"""Most servers (per caller) whose connections are kept; the one unused for longest goes first."""

ANSWER_SECONDS = 120.0
"""How long a server may take to begin its answer."""

SILENCE_SECONDS = 60.0
"""How long an answer that began may stand still."""


class Upstreams:
    """The servers behind the proxy."""

    def __init__(self, places: Places, settings: HttpGate) -> None:
        """Raises ConfigError where `ca_file` cannot be used."""
        self.places = places
        self._settings = settings
        self._tls = _context(settings.ca_file)
        self._pools: dict[tuple[str, str, str, str], Pool] = {}

    async def send(self, owner: str, url: Url, head: str, body: bytes) -> Exchange:
        """Send a request for `owner`, and wait for the head of the answer; `head` is request line
        and fields without the Host. Raises Refused, UpstreamError.
        """
        line, _, fields = head.partition("\r\n")
        data = f"{line}\r\nhost: {url.authority}\r\n{fields}\r\n".encode("latin-1") + body
        found = await self.places.addresses(url.host, url.port)
        *others, last = found[:TRIED_MAX]
        for address in others:
            try:
                return await self._pool(owner, url, address).send(data, streamed=True)
            except UpstreamError as error:
                if error.began:
                    raise
        return await self._pool(owner, url, last).send(data, streamed=True)

    def _pool(self, owner: str, url: Url, address: str) -> Pool:
        key = owner, url.scheme, url.authority, address
        pool = self._pools.pop(key, None)
        if pool is None:
            if len(self._pools) >= POOLS_MAX:
                # what it is busy with goes on; its connections end when they are idle
                del self._pools[next(iter(self._pools))]
            tls = url.scheme == "https"
            pool = Pool(
                Origin(address, url.port, tls, url.authority, "", url.host),
                connections=self._settings.connections,
                connect_seconds=self._settings.connect_seconds,
                first_byte_seconds=ANSWER_SECONDS,
                gap_seconds=SILENCE_SECONDS,
                tls=self._tls if tls else None,
            )
        self._pools[key] = pool
        return pool


def request_head(method: str, url: Url, fields: Iterable[tuple[str, str]]) -> str:
    """Request line and fields, each ended by CRLF, as `Upstreams.send` takes them."""
    target = url.path + (f"?{url.query}" if url.query else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "".join(f"{line}\r\n" for line in lines)


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"`gates.http.ca_file`: `{ca_file}` cannot be used: {error}"
            ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
