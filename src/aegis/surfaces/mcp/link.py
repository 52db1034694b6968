"""One live connection to an upstream: requests and their answers, whatever carries the frames.

A `Wire` moves frames (`stdio_wire.py`, `http_wire.py`, `sse_wire.py`, or memory). The link gives
every request an id of ours, so that ids and progress tokens of different clients never meet, and
tells the one who asked about progress. It greets the upstream in its revision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Any, Protocol

from ...model import UpstreamError
from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .protocol import Frame

    Receive = Callable[[Frame, int | None], None]
    Lost = Callable[[str, int | None], None]

log = logging.getLogger("aegis.mcp")

PENDING_MAX = 1_024
"""Most requests under way on one connection."""


class Wire(Protocol):
    """Moves frames to and from one upstream.

    `start` gets two callbacks: `receive(frame, request)` for every frame that arrives (`request`
    is the id of ours it belongs to, where the wire knows), `lost(reason, request)` for an
    exchange that broke (None: everything did).
    """

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Connect. Raises UpstreamError."""
        ...

    async def send(self, frame: Frame) -> None:
        """Hand over one frame. Raises UpstreamError."""
        ...

    def greeted(self, revision: str) -> None:
        """The revision that holds from here on."""
        ...

    def listed(self, tools: Mapping[str, Frame]) -> None:
        """The tools it listed, by name."""
        ...

    async def close(self) -> None:
        """End the connection."""
        ...


class Listener(Protocol):
    """Whom a link tells what the upstream says by itself."""

    def heard(self, link: Link, frame: Frame, asker: Any) -> None:
        """A notification; `asker` is the request it belongs to, where that is known."""
        ...

    async def asked(self, link: Link, frame: Frame, asker: Any) -> Any:
        """A request; returns its result. Raises RpcError."""
        ...


class _Pending:
    """A request under way: who waits for it, on whose behalf, under which progress token."""

    __slots__ = ("asker", "deadline", "future", "token")

    def __init__(self, future: asyncio.Future[Frame], asker: Any, token: Any) -> None:
        self.future = future
        self.asker = asker
        self.token = token
        self.deadline = 0.0


class Link:
    """A connection in use. `closed` is why it ended, empty while it has not."""

    def __init__(self, name: str, wire: Wire, listener: Listener, seconds: float) -> None:
        self.name = name
        self.wire = wire
        self.listener = listener
        self.seconds = seconds
        self.closed = ""
        self.revision = ""
        self.capabilities: Frame = {}
        self.about: Frame = {}
        self.instructions = ""
        self.meta: Frame = {}
        self.began = 0.0
        self._last = 0
        self._pending: dict[int, _Pending] = {}
        self._serving: dict[Any, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def modern(self) -> bool:
        """Whether the upstream speaks the stateless revision."""
        return self.revision == rpc.MODERN

    async def open(self, capabilities: Frame, client: Frame, modern: bool) -> None:
        """Connect and greet, first in the revision of the client's own kind, then in the other.

        Raises UpstreamError.
        """
        await self.wire.start(self.receive, self.lost)
        first, second = (
            (self._discover, self._initialize) if modern else (self._initialize, self._discover)
        )
        try:
            await first(capabilities, client)
        except rpc.RpcError as error:
            if self.closed:
                raise UpstreamError(self.closed, status=503) from error
            try:
                await second(capabilities, client)
            except rpc.RpcError as other:
                raise UpstreamError(
                    f"upstream `{self.name}` refused to begin: {str(error)[:200]}; "
                    f"{str(other)[:200]}"
                ) from None

    async def _initialize(self, capabilities: Frame, client: Frame) -> None:
        answer = await self.request(
            "initialize",
            {"protocolVersion": rpc.LEGACY[0], "capabilities": capabilities, "clientInfo": client},
        )
        revision = answer.get("protocolVersion")
        if revision not in rpc.LEGACY:
            raise rpc.RpcError(rpc.INTERNAL, f"it speaks revision `{str(revision)[:40]}` only")
        self._greeted(revision, answer)
        await self.notify("notifications/initialized")

    async def _discover(self, capabilities: Frame, client: Frame) -> None:
        self.meta = {
            rpc.META_REVISION: rpc.MODERN,
            # the gateway follows tasks itself, whatever its client knows
            rpc.META_CAPABILITIES: {**capabilities, "extensions": {rpc.TASKS_EXTENSION: {}}},
            rpc.META_CLIENT: client,
        }
        self.wire.greeted(rpc.MODERN)
        try:
            answer = await self.request("server/discover", {})
            known = answer.get("supportedVersions")
            if not isinstance(known, list) or rpc.MODERN not in known:
                raise rpc.RpcError(rpc.INTERNAL, "it has no revision in common with this gateway")
        except rpc.RpcError:
            self.meta = {}
            self.wire.greeted("")
            raise
        self._greeted(rpc.MODERN, answer)
        self._spawn("listen", self._listen())

    def _greeted(self, revision: str, answer: Frame) -> None:
        self.revision = revision
        capabilities = answer.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        about = answer.get("serverInfo") or rpc.meta_of(answer).get(rpc.META_SERVER)
        self.about = about if isinstance(about, dict) else {}
        said = answer.get("instructions")
        self.instructions = said if isinstance(said, str) else ""
        self.wire.greeted(revision)

    async def _listen(self) -> None:
        """Hear of changes, for as long as the connection lasts and the upstream likes."""
        told = {name for name in ("tools", "prompts", "resources") if name in self.capabilities}
        wanted = {f"{name}ListChanged": True for name in sorted(told)}
        try:
            await self.exchange("subscriptions/listen", {"notifications": wanted})
        except UpstreamError as error:
            log.debug("upstream `%s` tells of no changes: %s", self.name, error)

    async def request(self, method: str, params: Frame, asker: Any = None) -> Frame:
        """The result of a request. Raises RpcError for an answer that is an error, UpstreamError
        where none came; a caller that is cancelled cancels it upstream, too.
        """
        answer = await self.exchange(method, params, asker)
        error = answer.get("error")
        if error is not None:
            raise error_in(error)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise UpstreamError(f"upstream `{self.name}` answered `{method}` with no object")
        return result

    async def exchange(self, method: str, params: Frame, asker: Any = None) -> Frame:
        """The response to a request, as it came. Raises UpstreamError."""
        if self.closed:
            raise UpstreamError(self.closed, status=503, began=False)
        if len(self._pending) >= PENDING_MAX:
            raise UpstreamError(
                f"upstream `{self.name}` has {PENDING_MAX} requests under way already",
                status=503,
                began=False,
            )
        self._last = id = self._last + 1
        future: asyncio.Future[Frame] = self._loop.create_future()
        token, params = self._stamped(id, params)
        pending = self._pending[id] = _Pending(future, asker, token)
        try:
            await self.wire.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            if future.done():
                return future.result()
            return await self._answer(id, pending, method)
        finally:
            self._pending.pop(id, None)

    def _stamped(self, id: int, params: Frame) -> tuple[Any, Frame]:
        """The caller's progress token, and the params with ours and what this revision asks for."""
        meta = rpc.meta_of(params)
        token = meta.get("progressToken")
        if token is None and not self.meta:
            return None, params
        kept = {**meta, **self.meta}
        if token is not None:
            kept["progressToken"] = id
        return token, {**params, "_meta": kept}

    async def _answer(self, id: int, pending: _Pending, method: str) -> Frame:
        lasting = method == "subscriptions/listen"
        pending.deadline = math.inf if lasting else self._loop.time() + self.seconds
        try:
            while True:
                # progress moves the deadline on
                left = None if lasting else max(pending.deadline - self._loop.time(), 0.0)
                done, _ = await asyncio.wait((pending.future,), timeout=left)
                if done:
                    return pending.future.result()
                if self._loop.time() >= pending.deadline:
                    break
        except asyncio.CancelledError:
            self._give_up(id, method, "the caller cancelled it")
            raise
        self._give_up(id, method, "it took too long")
        raise UpstreamError(
            f"upstream `{self.name}` did not answer `{method}` within {self.seconds:g} seconds; "
            "what it was asked may have happened",
            status=504,
        )

    def _give_up(self, id: int, method: str, reason: str) -> None:
        if method != "initialize" and not self.closed:
            note = rpc.notification("notifications/cancelled", {"requestId": id, "reason": reason})
            self._spawn(("cancel", id), self._quietly(self.wire.send(note)))

    def later(self, method: str, params: Frame) -> None:
        """Send a request whose answer nobody waits for."""

        async def ask() -> None:
            with contextlib.suppress(UpstreamError):
                await self.exchange(method, params)

        self._spawn(object(), ask())

    async def notify(self, method: str, params: Frame | None = None) -> None:
        """Send a notification. Raises UpstreamError."""
        await self.wire.send(rpc.notification(method, params))

    def receive(self, frame: Frame, request: int | None) -> None:
        """One frame from the upstream."""
        try:
            rpc.check(frame)
        except rpc.RpcError:
            return  # nobody waits for what is no frame; a request it was meant for times out
        method = frame.get("method")
        if method is None:
            pending = self._pending.get(frame["id"]) if isinstance(frame["id"], int) else None
            if pending is not None and not pending.future.done():
                pending.future.set_result(frame)
            return
        asker = self._asker(request)
        if "id" in frame:
            self._spawn(frame["id"], self._serve(frame, asker))
        elif method == "notifications/progress":
            self._progress(frame)
        elif method == "notifications/cancelled":
            id = frame.get("params", {}).get("requestId")
            task = self._serving.get(id) if isinstance(id, (str, int)) else None
            if task is not None:
                task.cancel()
        else:
            self.listener.heard(self, frame, asker)

    def _asker(self, request: int | None) -> Any:
        """On whose behalf the upstream speaks: told by the wire, or plain where one alone asks."""
        if request is not None:
            pending = self._pending.get(request)
            return pending.asker if pending is not None else None
        asking = [one.asker for one in self._pending.values() if one.asker is not None]
        return asking[0] if len(asking) == 1 else None

    def _progress(self, frame: Frame) -> None:
        params = frame.get("params", {})
        token = params.get("progressToken")
        pending = self._pending.get(token) if isinstance(token, int) else None
        if pending is not None and pending.token is not None:
            pending.deadline = self._loop.time() + self.seconds
            told = rpc.notification(
                "notifications/progress", {**params, "progressToken": pending.token}
            )
            self.listener.heard(self, told, pending.asker)

    async def _serve(self, frame: Frame, asker: Any) -> None:
        id = frame["id"]
        try:
            if frame["method"] == "ping":
                answer = rpc.result_of(id, {})
            else:
                answer = rpc.result_of(id, await self.listener.asked(self, frame, asker))
        except rpc.RpcError as error:
            answer = rpc.error_of(id, error)
        except UpstreamError as error:
            answer = rpc.error_of(id, rpc.RpcError(rpc.INTERNAL, str(error)))
        await self._quietly(self.wire.send(answer))

    async def _quietly(self, sending: Awaitable[None]) -> None:
        """Send what nobody waits for; a connection that is gone says so elsewhere."""
        try:
            await sending
        except UpstreamError as error:
            self.lost(str(error), None)

    def _spawn(self, key: Any, work: Any) -> None:
        if len(self._serving) >= PENDING_MAX:
            work.close()
            return
        task = self._loop.create_task(work)
        self._serving[key] = task
        task.add_done_callback(lambda _: self._serving.pop(key, None))

    def lost(self, reason: str, request: int | None) -> None:
        """One exchange broke, or (without `request`) the connection ended."""
        if request is None:
            self.closed = self.closed or reason
            broken = list(self._pending.values())
        else:
            broken = [self._pending[request]] if request in self._pending else []
        for pending in broken:
            if not pending.future.done():
                pending.future.set_exception(UpstreamError(reason, status=502))
                pending.future.exception()  # looked at: its waiter may have gone meanwhile

    async def close(self) -> None:
        """End the connection; what is under way fails."""
        self.lost(f"the connection to upstream `{self.name}` was closed", None)
        for task in list(self._serving.values()):
            task.cancel()
        await self.wire.close()


def error_in(error: Any) -> rpc.RpcError:
    """An error an upstream answered, as it will be passed on."""
    if not isinstance(error, dict):
        return rpc.RpcError(rpc.INTERNAL, "the upstream answered with an error that is none")
    code = error.get("code")
    message = error.get("message")
    return rpc.RpcError(
        code if isinstance(code, int) and not isinstance(code, bool) else rpc.INTERNAL,
        message if isinstance(message, str) else "the upstream failed and did not say why",
        error.get("data"),
    )
