"""Frames to and from an upstream over HTTP with server-sent events, the transport of 2024-11-05:
one GET stream that names the address to post to, and carries every answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import httpx2

from ...kernel.lease import lent_headers
from ...model import UpstreamError
from . import protocol as rpc
from .events import Events
from .http_wire import REPLY_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...kernel.mcp_settings import McpUpstream
    from .link import Lost, Receive
    from .protocol import Frame


class SseWire:
    """One upstream at an address."""

    def __init__(self, name: str, spec: McpUpstream) -> None:
        self.name = name
        self.spec = spec
        self._client: httpx2.AsyncClient | None = None
        self._endpoint: asyncio.Future[str] | None = None
        self._stream: asyncio.Task[None] | None = None
        self._receive: Receive | None = None
        self._lost: Lost | None = None

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Open the stream, and wait for the address to post to. Raises UpstreamError."""
        self._receive, self._lost = receive, lost
        loop = asyncio.get_running_loop()
        timeout = httpx2.Timeout(None, connect=self.spec.connect_seconds)
        self._client = httpx2.AsyncClient(
            headers=self.spec.headers, timeout=timeout, follow_redirects=False
        )
        self._endpoint = loop.create_future()
        self._stream = loop.create_task(self._follow(self._client, self._endpoint))
        await asyncio.wait((self._endpoint, self._stream), return_when=asyncio.FIRST_COMPLETED)
        if not self._endpoint.done():
            raise UpstreamError(
                f"upstream `{self.name}` offers no event stream", status=503, began=False
            )

    def greeted(self, revision: str) -> None:
        """This transport names no revision."""

    def listed(self, tools: Mapping[str, Frame]) -> None:
        """Nothing here depends on what the tools are."""

    async def send(self, frame: Frame) -> None:
        """Post one frame. Raises UpstreamError."""
        if self._client is None or self._endpoint is None or not self._endpoint.done():
            raise UpstreamError(f"upstream `{self.name}` was closed", status=503, began=False)
        try:
            response = await self._client.post(
                self._endpoint.result(),
                content=rpc.encode(frame),
                headers={"content-type": "application/json", **lent_headers()},
                timeout=self.spec.connect_seconds,
            )
        except httpx2.HTTPError as error:
            raise UpstreamError(
                f"upstream `{self.name}` broke off: {type(error).__name__}"
            ) from None
        if response.status_code >= 300:
            raise UpstreamError(f"upstream `{self.name}` answered status {response.status_code}")

    async def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _follow(self, client: httpx2.AsyncClient, endpoint: asyncio.Future[str]) -> None:
        reason = f"upstream `{self.name}` ended its event stream"
        try:
            headers = {"accept": "text/event-stream"}
            async with client.stream("GET", self.spec.url, headers=headers) as response:
                events = Events(REPLY_MAX)
                if response.status_code != 200:
                    reason = f"upstream `{self.name}` answered status {response.status_code}"
                    return
                async for piece in response.aiter_bytes():
                    for event in events.feed(piece):
                        self._event(event.kind, event.data, endpoint)
        except httpx2.HTTPError as error:
            reason = f"upstream `{self.name}` broke off: {type(error).__name__}"
        except (UpstreamError, rpc.RpcError) as error:
            reason = str(error)
        finally:
            if self._lost is not None:
                self._lost(reason, None)

    def _event(self, kind: str, data: bytes, endpoint: asyncio.Future[str]) -> None:
        if kind == "endpoint":
            address = urljoin(self.spec.url, data.decode("utf-8", "replace").strip())
            here, there = urlsplit(self.spec.url), urlsplit(address)
            if (here.scheme, here.netloc) != (there.scheme, there.netloc):
                # the headers hold credentials for this host alone
                raise UpstreamError(f"upstream `{self.name}` names another host to post to")
            if not endpoint.done():
                endpoint.set_result(address)
        elif self._receive is not None:
            self._receive(rpc.decode(data), None)
