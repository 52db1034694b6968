"""Frames to and from an upstream over streamable HTTP, of revisions with and without a session.

Every frame is a POST; its answer is one JSON body or a stream of server-sent events. Redirects are
not followed: the headers hold credentials for this one address.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httpx2

from ...kernel.lease import lent_headers
from ...model import UpstreamError
from . import mirror
from . import protocol as rpc
from .events import Events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...kernel.mcp_settings import McpUpstream
    from .link import Lost, Receive
    from .protocol import Frame

REPLY_MAX = rpc.FRAME_MAX
"""Largest answer that is read, in bytes."""

LISTEN_SECONDS = 2.0
"""Pause before the stream for what the upstream says by itself is opened again."""

log = logging.getLogger("aegis.mcp")


class HttpWire:
    """One upstream at an address."""

    def __init__(self, name: str, spec: McpUpstream) -> None:
        self.name = name
        self.spec = spec
        self._client: httpx2.AsyncClient | None = None
        self._receive: Receive | None = None
        self._lost: Lost | None = None
        self._revision = ""
        self._session = ""
        self._marks: dict[Any, mirror.Marks] = {}
        self._exchanges: dict[int, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Make ready; the first frame connects. Raises UpstreamError."""
        self._receive, self._lost = receive, lost
        self._client = httpx2.AsyncClient(headers=self.spec.headers, follow_redirects=False)

    def greeted(self, revision: str) -> None:
        """The revision that holds from here on; one with a session gets a listener."""
        self._revision = revision
        if revision and revision != rpc.MODERN and self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen())

    def listed(self, tools: Mapping[str, Frame]) -> None:
        """What its tools are: their schemas say which arguments headers repeat."""
        self._marks = {name: mirror.marks(tool.get("inputSchema")) for name, tool in tools.items()}

    async def send(self, frame: Frame) -> None:
        """Post one frame; its answer arrives by `receive`. Raises UpstreamError."""
        if self._client is None:
            raise UpstreamError(f"upstream `{self.name}` was closed", status=503, began=False)
        method = frame.get("method")
        if method is not None and "id" in frame:
            id = frame["id"]
            task = asyncio.get_running_loop().create_task(self._exchange(frame, id))
            self._exchanges[id] = task
            task.add_done_callback(lambda _: self._exchanges.pop(id, None))
            return
        if method == "notifications/cancelled":
            exchange = self._exchanges.get(frame["params"]["requestId"])
            if exchange is not None:
                exchange.cancel()
            if self._revision == rpc.MODERN:
                return  # closing its stream is the cancellation
        task = asyncio.get_running_loop().create_task(self._exchange(frame, None))
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    async def close(self) -> None:
        """End what is under way, and the session."""
        tasks = [*self._exchanges.values(), *self._others]
        if self._listening is not None:
            tasks.append(self._listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if self._session:
                await client.delete(self.spec.url, headers=self._headers(None), timeout=2.0)
        except httpx2.HTTPError:
            log.debug("upstream `%s` did not take the end of its session", self.name)
        finally:
            await client.aclose()

    async def _exchange(self, frame: Frame, request: int | None) -> None:
        """One POST and everything that comes of it."""
        client, receive = self._client, self._receive
        if client is None or receive is None:
            return
        seconds = (
            None if frame.get("method") == "subscriptions/listen" else self.spec.timeout_seconds
        )
        timeout = httpx2.Timeout(seconds, connect=self.spec.connect_seconds)
        try:
            async with client.stream(
                "POST",
                self.spec.url,
                content=rpc.encode(frame),
                headers={**self._headers(frame), **lent_headers()},
                timeout=timeout,
            ) as response:
                session = response.headers.get("mcp-session-id")
                if session and not self._session:
                    self._session = session
                await self._read(response, request)
        except httpx2.TimeoutException:
            self._broke(f"upstream `{self.name}` did not answer in time", request)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            # the text of such an error may hold the address, never a header
            self._broke(f"upstream `{self.name}` broke off: {type(error).__name__}", request)
        except rpc.RpcError as error:
            self._broke(f"upstream `{self.name}` answered no frame: {error}", request)
        except UpstreamError as error:
            self._broke(str(error), request)

    async def _read(self, response: httpx2.Response, request: int | None) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream" and response.status_code == 200:
            await self._stream(response, request)
            return
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > REPLY_MAX:
                raise UpstreamError(f"upstream `{self.name}` answered over {REPLY_MAX} bytes")
        if response.status_code in (202, 204) or (request is None and not body):
            return
        if kind == "application/json" and body:
            self._take(bytes(body), request, response.status_code)
            return
        if request is not None:
            self._refused(response.status_code, request)

    def _take(self, body: bytes, request: int | None, status: int) -> None:
        value = rpc.decode(body)
        frames = value if isinstance(value, list) else [value]
        answered = False
        for frame in frames:
            if isinstance(frame, dict) and "jsonrpc" in frame:
                if frame.get("id") is None and "error" in frame and request is not None:
                    frame = {**frame, "id": request}
                answered = answered or frame.get("id") == request
                if self._receive is not None:
                    self._receive(frame, request)
        if request is not None and not answered:
            self._refused(status, request)

    def _refused(self, status: int, request: int) -> None:
        """An answer that is no frame: told as an error, so that another revision is tried."""
        if status == 404 and self._session:
            self._broke(f"upstream `{self.name}` ended the session", None)
        elif self._receive is not None and 400 <= status < 500:
            wanted = "; it wants credentials, which `headers` may hold" if status == 401 else ""
            what = rpc.RpcError(
                rpc.UPSTREAM, f"upstream `{self.name}` answered status {status}{wanted}"
            )
            self._receive(rpc.error_of(request, what), request)
        else:
            self._broke(f"upstream `{self.name}` answered status {status}", request)

    async def _stream(self, response: httpx2.Response, request: int | None) -> None:
        events = Events(REPLY_MAX)
        async for piece in response.aiter_bytes():
            for event in events.feed(piece):
                if event.data and event.kind in ("", "message") and self._receive is not None:
                    self._receive(rpc.decode(event.data), request)
        if request is not None:
            # harmless where the answer came; else nobody would ever hear of it
            self._broke(f"upstream `{self.name}` ended the stream without an answer", request)

    async def _listen(self) -> None:
        """Read what the upstream says by itself, where it offers that (GET)."""
        client = self._client
        while client is not None:
            headers = {**self._headers(None), "accept": "text/event-stream"}
            try:
                timeout = httpx2.Timeout(None, connect=self.spec.connect_seconds)
                async with client.stream(
                    "GET", self.spec.url, headers=headers, timeout=timeout
                ) as response:
                    if response.status_code != 200:
                        return
                    await self._stream(response, None)
            except (httpx2.HTTPError, rpc.RpcError, UpstreamError):
                log.debug("the stream of upstream `%s` broke off", self.name)
            await asyncio.sleep(LISTEN_SECONDS)

    def _headers(self, frame: Frame | None) -> dict[str, str]:
        headers = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
        }
        method = frame.get("method") if frame is not None else None
        if self._revision == rpc.MODERN and frame is not None and isinstance(method, str):
            params = frame.get("params", {})
            marked = self._marks.get(params.get("name"), {}) if method == "tools/call" else {}
            return headers | mirror.written(method, params, marked)
        if self._revision:
            headers["mcp-protocol-version"] = self._revision
        if self._session:
            headers["mcp-session-id"] = self._session
        return headers

    def _broke(self, reason: str, request: int | None) -> None:
        if self._lost is not None and self._client is not None:
            self._lost(reason, request)
