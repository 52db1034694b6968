"""The gate as a whole: who may come in, which request it is, and reading repositories."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from ....flow import PLAIN
from ....model import Action, ActionError, Actor, LedgerError, Principal, RiskLevel, UpstreamError
from ....tools.git import PUSH
from ...refusal import said
from ..http.wire import BadRequest, Gone
from . import upstream as upstreams
from .client import GitWire
from .mirror import Mirrors
from .push import Pushes
from .route import route_of
from .upstream import Upstream, client_of

if TYPE_CHECKING:
    from ....kernel.runtime import Runtime
    from ....model import Outcome
    from ..http.wire import Head
    from .route import Route

FETCH_MAX = 16 << 20
"""Largest request of a fetch, in bytes: what the client wants and has, a line per ref."""

NOBODY = Principal("", kind="anonymous")
"""The caller where no key is asked for."""

NAME_MAX = 200
"""Longest name of an agent, in characters."""

log = logging.getLogger("aegis.gate")


class GitGate:
    """Speaks Git's smart HTTP (gitprotocol-http)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        settings = self._settings = runtime.settings.gates.git
        self._upstreams = {name: Upstream(name, one) for name, one in settings.upstreams.items()}
        self._client = client_of(settings)
        folder = Path(runtime.settings.home, "gates", "git")
        mirrors = Mirrors(folder, settings.history_bytes, settings.history_seconds)
        self._pushes = Pushes(runtime, self._client, mirrors)
        self._unused: set[asyncio.Task[Any] | None] = set()
        self._draining = False

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        wire = GitWire(reader, writer, self._settings.connect_seconds)
        try:
            while not self._draining:
                head = await self._next(wire)
                if head is None or not await self._answered(wire, head):
                    return
        except BadRequest as error:
            await self._refused(wire, error.status, str(error))
        except Gone:
            writer.transport.abort()
        except Exception:
            # the last stop before a traceback
            log.exception("a connection broke off")
            await self._refused(wire, 500, "an unexpected error; the gate's log names the cause")

    async def _refused(self, wire: GitWire, status: int, message: str) -> None:
        """The last answer of a connection: what is left of the request is nobody's."""
        if wire.started:
            wire.writer.transport.abort()
            return
        try:
            wire.last = True
            await wire.say(status, message)
        except Gone:
            wire.writer.transport.abort()
            return
        await wire.leave()

    def crowded(self) -> bytes:
        """What a client is told for which there is no room."""
        said = b"too many connections to this gate; try again\n"
        return (
            b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
            b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said)
        )

    def drain(self) -> None:
        """No connection is kept for a further request."""
        self._draining = True
        for task in filter(None, self._unused):
            task.cancel()

    async def _next(self, wire: GitWire) -> Head | None:
        """The next request of a connection, which counts as unused while there is none."""
        task = asyncio.current_task()
        self._unused.add(task)
        try:
            return await wire.head()
        finally:
            self._unused.discard(task)

    async def _answered(self, wire: GitWire, head: Head) -> bool:
        """Answer one request; whether the connection may be kept. Raises BadRequest, Gone."""
        actor = await self._caller(wire, head)
        if actor is None:
            return not wire.last
        route = route_of(head, self._upstreams)
        if not route.refs and route.service == PUSH:
            await self._pushes.push(wire, head, route, actor)
        else:
            await self._read(wire, head, route, actor)
        return not wire.last

    async def _caller(self, wire: GitWire, head: Head) -> Actor | None:
        """Who asks; None where that was answered with a challenge. Raises BadRequest, Gone."""
        keys = self._runtime.keys
        token = _token(head.get("authorization"))
        principal = keys.authenticate(token) if token else None
        if principal is None and not token and not self._settings.require_key:
            principal = NOBODY
        if principal is None:
            what = "this key is unknown, revoked or expired" if token else "a key is needed"
            advice = "the password is an Aegis key; `aegis keys create --name NAME` makes one"
            challenge = ("www-authenticate", 'Basic realm="aegis", charset="UTF-8"')
            wire.last = wire.last or head.bodied
            await wire.say(401, f"{what}: {advice}", challenge)
            if wire.last:
                await wire.leave()
            return None
        agent = head.get("x-aegis-agent")
        if len(agent) > NAME_MAX or not agent.isprintable():
            raise BadRequest(400, f"`x-aegis-agent` is at most {NAME_MAX} printable characters")
        if principal.agent and agent not in ("", principal.agent):
            raise BadRequest(403, f"this key speaks for the agent `{principal.agent}`")
        return Actor(principal.id, principal.agent or agent, "", principal.tenant)

    async def _read(self, wire: GitWire, head: Head, route: Route, actor: Actor) -> None:
        """Refs, for a fetch or a push, and fetches: one action each, performed piece by piece."""
        body = b"" if route.refs else await wire.body(head, FETCH_MAX)
        kind = "git.refs" if route.refs else "git.fetch"
        params = {"service": route.service}
        action = Action(kind, route.target, params, protocol="git", actor=actor)

        async def perform(_: Action) -> dict[str, Any]:
            return await self._relayed(wire, head, route, body)

        async def served() -> None:
            outcome = await self._governed(action, perform)
            if outcome.status == "performed":
                await wire.end()
            elif wire.started:
                raise Gone  # without its end the answer counts as broken off
            else:
                status, message = refused(outcome)
                await wire.say(status, message)

        await wire.attend(served())

    async def _governed(self, action: Action, perform: Any) -> Outcome:
        try:
            return await self._runtime.agovern(action, perform, PLAIN)
        except LedgerError as error:
            log.error("the ledger failed: %s", error)
            raise BadRequest(503, "no record could be kept; nothing was performed") from None
        except ActionError as error:
            raise BadRequest(400, str(error)) from None

    async def _relayed(
        self, wire: GitWire, head: Head, route: Route, body: bytes
    ) -> dict[str, Any]:
        """The answer of the upstream, handed on as it comes. Raises UpstreamError, Gone."""
        kept = ("accept", "accept-encoding", "content-type", "content-encoding", "git-protocol")
        fields = upstreams.asked(
            {name: head.get(name) for name in kept}, route.upstream.credential()
        )
        method, name, count = "GET" if route.refs else "POST", route.upstream.name, 0
        try:
            async with self._client.stream(
                method, route.url, content=body or None, headers=fields
            ) as response:
                if response.status_code != 200:
                    raise await upstreams.refusal(name, response)
                _check(route, response)
                await wire.relay(response.headers.items())
                async for piece in response.aiter_raw():
                    count += len(piece)
                    await wire.piece(piece)
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise upstreams.failure(name, error) from error
        return {"bytes": count}


def _check(route: Route, response: httpx2.Response) -> None:
    """That the upstream speaks smart HTTP. Raises UpstreamError."""
    end = "advertisement" if route.refs else "result"
    if response.headers.get("content-type", "") != f"application/x-{route.service}-{end}":
        name = route.upstream.name
        raise UpstreamError(f"upstream `{name}` does not speak Git's smart HTTP", began=False)


def refused(outcome: Outcome) -> tuple[int, str]:
    """Status and sentence for what was not performed, or not to its end."""
    if outcome.status == "failed":
        error = outcome.error
        if isinstance(error, UpstreamError):
            return error.status, str(error)
        log.error("action %s failed", outcome.action.id, exc_info=error)
        return 502, "performing it failed; the gate's log names the cause"
    if outcome.error is not None:
        log.error("action %s: %r", outcome.action.id, outcome.error)
    status = 429 if outcome.code == "limit" else 403
    if outcome.code == "error" and outcome.decision.risk is RiskLevel.CRITICAL:
        status = 503
    waits = f"; approval `{outcome.approval}`" if outcome.approval else ""
    return status, said(outcome.decision) + waits


def _token(value: str) -> str:
    """The key in an `Authorization` header: a token, or the password of a login."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "basic":
        return rest.strip() if scheme.lower() in ("bearer", "token") else value.strip()
    try:
        user, _, password = b64decode(rest, validate=True).decode().partition(":")
    except ValueError:
        return "?"
    return password or user
