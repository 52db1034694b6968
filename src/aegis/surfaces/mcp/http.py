"""Serves MCP over HTTP, as routes of the gateway's own server.

    POST, GET, DELETE /mcp      streamable HTTP; POST alone for 2026-07-28, which has no session
    GET /sse, POST /sse/ID      HTTP with server-sent events, as of 2024-11-05

    GET /.well-known/oauth-protected-resource/mcp    where tokens come from, with `mcp.oauth`

Every error is a JSON-RPC error. A page of another origin is refused before anything is read: a
browser would let it drive tools of this machine.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import mirror
from . import protocol as rpc
from .http_callers import Callers, Refused, agent_of, named
from .http_reply import JSON, Reply, Stream
from .http_sessions import HttpSessions
from .hub import CANCELLED
from .replay import KEPT_SECONDS, PRIMED, Events
from .stdio import BATCH_MAX
from .tokens import METADATA

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...kernel.runtime import Runtime
    from ...model import Principal
    from ..gateway.turn import Turn
    from .hub import Hub
    from .protocol import Frame
    from .replay import Kept
    from .session import Session

    Handler = Callable[[Runtime, Turn, Principal], Awaitable[None]]

MCP_PATH = "/mcp"
SSE_PATH = "/sse"

LEFT_MAX = 1_000
"""Most requests that go on although their client left; it may come back for what they bring."""

STATUSES = {
    rpc.PARSE_ERROR: 400,
    rpc.INVALID_REQUEST: 400,
    rpc.INVALID_PARAMS: 400,
    rpc.HEADER_MISMATCH: 400,
    rpc.NO_CAPABILITY: 400,
    rpc.BAD_REVISION: 400,
    rpc.NO_METHOD: 404,
}
"""Status of an answer to a request without a session, by the code of its error (2026-07-28)."""


class Mounted:
    """The routes of one gateway, for the server to ask."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._gateway = hub.gateway
        self._callers = Callers(hub.gateway)
        self._sessions = HttpSessions(hub)
        self._under_way = 0
        self._left: set[asyncio.Task[None]] = set()

    def find(self, turn: Turn) -> Handler | None:
        """Who answers a request; None where its path is not ours."""
        if turn.path == MCP_PATH:
            handler = {"POST": self._post, "GET": self._listen, "DELETE": self._delete}
        elif turn.path == SSE_PATH:
            handler = {"GET": self._sse}
        elif turn.path.startswith(SSE_PATH + "/"):
            handler = {"POST": self._sse_post}
        elif self._callers.tokens is not None and turn.path.startswith(METADATA):
            turn.route = METADATA
            return self._describe
        else:
            return None
        turn.route = SSE_PATH if turn.path.startswith(SSE_PATH) else MCP_PATH
        chosen = handler.get(turn.method)

        async def answer(_: Runtime, turn: Turn, __: Principal) -> None:
            await self._guarded(turn, chosen, ", ".join(handler))

        return answer

    async def close(self) -> None:
        """End all sessions."""
        await self._sessions.close()
        await self._hub.close()

    async def _guarded(self, turn: Turn, handler: Any, allowed: str) -> None:
        limit = self._gateway.runtime.settings.server.concurrency
        self._under_way += 1
        try:
            if handler is None:
                raise Refused(405, f"use {allowed} here", ((b"allow", allowed.encode()),))
            if self._under_way > limit:
                raise Refused(503, f"{limit} requests are under way already; try again")
            self._callers.check_origin(turn)
            await handler(turn, await self._callers.caller(turn))
        except Refused as refused:
            error = rpc.error_of(None, rpc.RpcError(rpc.INVALID_REQUEST, str(refused)))
            headers = [JSON, *refused.headers, (b"connection", b"close")]
            await turn.whole(refused.status, headers, rpc.encode(error))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if CANCELLED not in error.args or turn.reason or task is None:
                raise
            # by a request of its own (`notifications/cancelled`): nobody waits for this answer
            task.uncancel()
            if turn.started:
                await turn.end()
            else:
                await turn.whole(202, [], b"")
        finally:
            self._under_way -= 1

    async def _describe(self, _: Runtime, turn: Turn, __: Principal) -> None:
        """What clients need to know to get a token."""
        if self._callers.tokens is not None:
            await turn.whole(200, [JSON], rpc.encode(self._callers.tokens.metadata()))

    async def _post(self, turn: Turn, principal: Principal) -> None:
        kind = turn.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refused(415, "send the frame as `application/json`")
        data = await turn.read(self._gateway.runtime.settings.limits.body_bytes)
        accept = turn.headers.get(b"accept", b"*/*")
        streams = b"text/event-stream" in accept or accept == b"*/*"
        value: Any = None
        try:
            value = rpc.decode(data)
            if self._stateless(turn, value):
                await self._answer_stateless(turn, principal, rpc.check(value), streams)
            else:
                await self._answer(turn, principal, value, streams)
        except rpc.RpcError as error:
            id = value.get("id") if isinstance(value, dict) else getattr(error, "id", None)
            reply = Reply(turn, False)
            await reply.finish(_status(error), rpc.error_of(id, error))

    def _stateless(self, turn: Turn, value: Any) -> bool:
        """Whether a request is of a revision without sessions."""
        revision = turn.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        if revision == rpc.MODERN:
            return True
        params = value.get("params") if isinstance(value, dict) else None
        named = isinstance(params, dict) and rpc.META_REVISION in rpc.meta_of(params)
        if revision and revision not in rpc.LEGACY:
            raise rpc.RpcError(
                rpc.BAD_REVISION,
                f"revision `{revision[:40]}` is not spoken here",
                {"supported": list(rpc.REVISIONS), "requested": revision[:40]},
            )
        return named

    async def _answer_stateless(
        self, turn: Turn, principal: Principal, frame: Frame, streams: bool
    ) -> None:
        if "method" not in frame or "id" not in frame:
            await turn.whole(202, [], b"")  # nothing of this kind means anything without a session
            return
        params: Frame = frame.get("params", {})
        mirror.check(turn.headers, frame["method"], params)
        client = rpc.meta_of(params).get(rpc.META_CLIENT)
        self._callers.check_scope(principal, self._gateway.scope(frame))
        session = self._sessions.stateless(
            principal, agent_of(turn, principal, client), named(turn, b"x-aegis-session")
        )
        reply = Reply(turn, streams)
        answer = await self._hub.answer(session, {**frame, "id": frame["id"]}, reply)
        await reply.finish(_status_of(answer), answer)

    async def _answer(self, turn: Turn, principal: Principal, value: Any, streams: bool) -> None:
        if isinstance(value, list):
            await self._batch(turn, principal, value, streams)
            return
        frame = rpc.check(value)
        if frame.get("method") == "initialize" and "id" in frame:
            client = frame.get("params", {}).get("clientInfo")
            id, session = await self._sessions.open(principal, agent_of(turn, principal, client))
            reply = Reply(turn, streams, [(b"mcp-session-id", id.encode())])
            await reply.finish(200, await self._hub.answer(session, frame, reply))
            return
        session = self._session(turn, principal)
        self._callers.check_scope(principal, self._gateway.scope(frame))
        if "method" not in frame or "id" not in frame:
            await self._hub.answer(session, frame, None)
            await turn.whole(202, [], b"")
            return
        reply = Reply(turn, streams, kept=session.kept, revision=session.revision)
        work = asyncio.get_running_loop().create_task(self._finished(session, frame, reply))
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            if turn.reason == "left" and len(self._left) < LEFT_MAX and reply.leave():
                self._left.add(work)  # the client may come back for the rest of the stream
                work.add_done_callback(self._left.discard)
            else:
                work.cancel()
            raise
        await work

    async def _finished(self, session: Session, frame: Frame, reply: Reply) -> None:
        await reply.finish(200, await self._hub.answer(session, frame, reply))

    async def _batch(
        self, turn: Turn, principal: Principal, values: list[Any], streams: bool
    ) -> None:
        """Several frames in one body (2025-03-26), answered in one."""
        if not 0 < len(values) <= BATCH_MAX:
            raise rpc.RpcError(rpc.INVALID_REQUEST, f"a batch holds 1 to {BATCH_MAX} frames")
        frames = [rpc.check(value) for value in values]
        for frame in frames:
            self._callers.check_scope(principal, self._gateway.scope(frame))
        session = self._session(turn, principal)
        reply = Reply(turn, streams)
        answers = [await self._hub.answer(session, frame, reply) for frame in frames]
        told = [answer for answer in answers if answer is not None]
        if told:
            await reply.finish(200, told)
        else:
            await turn.whole(202, [], b"")

    def _session(self, turn: Turn, principal: Principal) -> Session:
        id = turn.headers.get(b"mcp-session-id", b"").decode("latin-1")
        if not id:
            raise Refused(400, "the header `mcp-session-id` is missing; `initialize` gives one")
        try:
            return self._sessions.find(id, principal)
        except rpc.RpcError as error:
            raise Refused(404, str(error)) from None

    async def _listen(self, turn: Turn, principal: Principal) -> None:
        """The stream of a session for what is said between its requests."""
        if b"text/event-stream" not in turn.headers.get(b"accept", b""):
            raise Refused(406, "this answers with `text/event-stream`")
        if turn.headers.get(b"mcp-protocol-version") == rpc.MODERN.encode():
            raise Refused(405, "use POST here", ((b"allow", b"POST"),))
        session = self._session(turn, principal)
        kept = session.kept
        if kept is None:
            raise Refused(405, "this session has no stream of its own")
        await turn.read(0)
        last = turn.headers.get(b"last-event-id")
        found = _fresh(kept, session) if last is None else kept.find(last.decode("latin-1"))
        if found is None:
            raise Refused(
                400, "the events after this `last-event-id` are not kept; listen without it"
            )
        await self._resumed(session, kept, Stream(turn), *found)

    async def _resumed(
        self, session: Session, kept: Kept, stream: Stream, events: Events, missed: list[bytes]
    ) -> None:
        """Follow a stream of a session, after what was missed of it."""
        if events.read is not None:
            events.read(None)  # the newest connection is the one the client reads
        for event in missed:
            stream.put(event)
        if events.over:
            stream.put(None)
        elif not events.answers:
            self._listens(session, events)
        read = stream.put
        kept.take(events, read)
        try:
            await stream.run([])
        finally:
            if events.read is read:
                kept.leave(events)
                if session.outlet is events:
                    loop = asyncio.get_running_loop()
                    loop.call_later(KEPT_SECONDS, self._silent, session, events)

    def _listens(self, session: Session, events: Events) -> None:
        """Let a stream carry what is said between the requests of its session."""
        before, session.outlet = session.outlet, events
        if isinstance(before, Events) and before is not events and before.read is not None:
            before.read(None)  # a client listens once; the newest stream is the one it reads

    def _silent(self, session: Session, events: Events) -> None:
        """Nobody came back to listen."""
        if session.outlet is events and events.read is None:
            session.outlet = None

    async def _attached(self, turn: Turn, session: Session, stream: Stream) -> None:
        before, session.outlet = session.outlet, stream
        if isinstance(before, Stream):
            before.put(None)  # a client listens once; the newest stream is the one it reads
        try:
            await stream.run([])
        finally:
            if session.outlet is stream:
                session.outlet = None

    async def _delete(self, turn: Turn, principal: Principal) -> None:
        self._session(turn, principal)
        await self._sessions.end(turn.headers[b"mcp-session-id"].decode("latin-1"), principal)
        await turn.whole(204, [], b"")

    async def _sse(self, turn: Turn, principal: Principal) -> None:
        """The older transport: a stream that carries every answer, and says where to post."""
        await turn.read(0)
        try:
            id, session = await self._sessions.open(principal, agent_of(turn, principal, None))
        except rpc.RpcError as error:
            raise Refused(503, str(error)) from None
        stream = Stream(turn)
        stream.put(b"event: endpoint\ndata: %b/%b\n\n" % (SSE_PATH.encode(), id.encode()))
        try:
            await self._attached(turn, session, stream)
        finally:
            await self._sessions.end(id, principal)

    async def _sse_post(self, turn: Turn, principal: Principal) -> None:
        try:
            session = self._sessions.find(turn.path.removeprefix(SSE_PATH + "/"), principal)
        except rpc.RpcError as error:
            raise Refused(404, str(error)) from None
        data = await turn.read(self._gateway.runtime.settings.limits.body_bytes)
        outlet = session.outlet
        if outlet is None:
            raise Refused(409, "the event stream of this session has ended")
        try:
            frame = rpc.check(rpc.decode(data))
        except rpc.RpcError as error:
            await turn.whole(400, [JSON], rpc.encode(rpc.error_of(None, error)))
            return
        self._callers.check_scope(principal, self._gateway.scope(frame))
        self._hub.spawn(session, frame, outlet)
        await turn.whole(202, [], b"")


def _fresh(kept: Kept, session: Session) -> tuple[Events, list[bytes]]:
    """A new stream for what is said between requests, with the id to come back by."""
    events = kept.open()
    return events, [events.add()] if session.revision >= PRIMED else []


def _status(error: rpc.RpcError) -> int:
    return STATUSES.get(error.code, 200)


def _status_of(answer: Frame | None) -> int:
    error = (answer or {}).get("error")
    return STATUSES.get(error["code"], 200) if error else 200
