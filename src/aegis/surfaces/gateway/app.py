"""The gateway as one ASGI callable: a route table, a caller, and every error turned into an answer.

No framework stands between the server and the handlers; a request costs one dict lookup here.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from ...model import AegisError, Principal
from . import catalogue, chat, headers, health, runs
from .approvals import ApprovalRoutes
from .errors import Failure
from .metrics import Measures, Scrape
from .remote import RemoteRoutes
from .turn import JSON, AsgiTurn, Left
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ...kernel.runtime import Runtime
    from .turn import Receive, Send, Turn

    Handler = Callable[[Runtime, Turn, Principal], Awaitable[None]]


class Mounted(Protocol):
    """Another surface that is served by the same server, and knows its own callers."""

    def find(self, turn: Turn) -> Handler | None:
        """Who answers a request; None where its path is not of this surface."""
        ...

    async def close(self) -> None:
        """The server ends."""
        ...


NOBODY = Principal("", kind="anonymous")
"""The caller where no key is asked for."""

CLIENT_LEFT = 499
"""Counted as the status of requests whose client left before an answer."""

PATH_SHOWN = 200
"""Most characters of a path in the access log: callers choose them."""

log = logging.getLogger("aegis.gateway")
access = logging.getLogger("aegis.access")


class Gateway:
    """Serves one runtime."""

    def __init__(self, runtime: Runtime, mounted: Mounted | None = None) -> None:
        self.runtime = runtime
        self.mounted = mounted
        self.watch = Watch()
        self.measures = Measures()
        self.access = runtime.settings.server.access_log
        self.remote = RemoteRoutes()
        self.approvals = ApprovalRoutes(runtime)
        scrape = Scrape(runtime, self.measures, self.watch)
        self.open_routes: Mapping[tuple[str, str], Handler] = {
            ("GET", "/health"): health.alive,
            ("GET", "/health/liveness"): health.alive,
            ("GET", "/health/liveliness"): health.alive,
            ("GET", "/health/readiness"): health.ready,
            ("GET", "/metrics"): scrape,
        }
        """Routes without a key."""
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): chat.complete,
            ("GET", "/v1/models"): catalogue.listed,
            **self.remote.routes,
            **self.approvals.routes,
            **runs.ROUTES,
        }
        """Routes for callers with a key."""
        self.prefixes: Mapping[tuple[str, str], Handler] = {
            ("GET", "/v1/models/"): catalogue.single,
            **self.remote.prefixes,
            **self.approvals.prefixes,
            **runs.PREFIXES,
        }
        """Routes whose path goes on with a name."""
        self.open_prefixes = self.approvals.open_prefixes
        """Such routes without a key: what they take is signed."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One HTTP request, or the life of the server (ASGI 3)."""
        if scope["type"] == "http":
            await self.answer(AsgiTurn(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._life(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def answer(self, turn: Turn) -> None:
        """Answer one request, whatever becomes of it."""
        watch = self.watch
        watch.enter(turn)
        try:
            await self._handled(turn)
        except Left:
            turn.status = CLIENT_LEFT
        except asyncio.CancelledError:
            if not turn.reason:
                raise
            # our own watch cancelled the work: the task itself goes on to its end
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            await self._stopped(turn)
        except Exception as error:
            await self._fail(turn, chat.failure_of(error))
        finally:
            watch.leave(turn)
            self.measures.ended(turn)
            if self.access:
                seconds = perf_counter() - turn.clock
                # spelt as on the wire: a decoded one may hold a new line
                path = quote(turn.path[:PATH_SHOWN])
                access.info("%s %s %d in %d ms", turn.method, path, turn.status, seconds * 1000)

    def _handled(self, turn: Turn) -> Awaitable[None]:
        """The work of the turn's route, for a caller that is known. Raises Failure."""
        # HEAD is GET without the body (RFC 9110, 9.3.2): load balancers ask that way
        key = ("GET" if turn.method == "HEAD" else turn.method, turn.path)
        handler = self.routes.get(key)
        if handler is None:
            handler = self.open_routes.get(key)
            if handler is not None:
                turn.route = turn.path
            elif self.mounted is not None:
                handler = self.mounted.find(turn)
            if handler is not None:
                return handler(self.runtime, turn, NOBODY)
            handler = self._prefixed(turn, self.open_prefixes)
            if handler is not None:
                self._check_room()
                return handler(self.runtime, turn, NOBODY)
            handler = self._by_prefix(turn)
        else:
            turn.route = turn.path
        principal = self._caller(turn)
        self._check_room()
        return handler(self.runtime, turn, principal)

    def _check_room(self) -> None:
        """Refuse more requests than may be under way at once. Raises Failure (503)."""
        most = self.runtime.settings.server.concurrency
        if len(self.watch.turns) > most:
            raise Failure(
                503,
                f"{most} requests are under way already; try again",
                "overloaded",
                retry_after=1.0,
                close=True,
            )

    def _prefixed(self, turn: Turn, table: Mapping[tuple[str, str], Handler]) -> Handler | None:
        for (method, prefix), handler in table.items():
            if turn.path.startswith(prefix) and turn.method == method:
                turn.route = prefix
                return handler
        return None

    def _by_prefix(self, turn: Turn) -> Handler:
        handler = self._prefixed(turn, self.prefixes)
        if handler is not None:
            return handler
        tables = (self.routes, self.open_routes)
        allowed = sorted({m for table in tables for m, path in table if path == turn.path})
        allowed += [m for m, prefix in self.prefixes if turn.path.startswith(prefix)]
        turn.route = "none"
        if allowed:
            raise Failure(
                405,
                f"`{turn.method[:20]}` is not a method of this path; use {' or '.join(allowed)}",
                "method_not_allowed",
                headers=((b"allow", ", ".join(allowed).encode()),),
                close=True,
            )
        raise Failure(404, f"there is no `{turn.path[:100]}` here", "not_found", close=True)

    def _caller(self, turn: Turn) -> Principal:
        """Who asks. Raises Failure (401) for an unknown key, or none where one is needed."""
        token = headers.token(turn.headers)
        if token:
            principal = self.runtime.keys.authenticate(token)
            if principal is not None:
                return principal
        if not self.runtime.settings.server.require_key and not token.startswith("sk-aegis-"):
            return NOBODY
        raise Failure(
            401,
            "this key is unknown, revoked or expired; `aegis keys create --name NAME` makes one"
            if token
            else "a key is needed: send `authorization: Bearer sk-aegis-…`; "
            "`aegis keys create --name NAME` makes one",
            "invalid_api_key",
            headers=((b"www-authenticate", b"Bearer"),),
            close=turn.method == "POST",
        )

    async def _fail(self, turn: Turn, failure: Failure) -> None:
        if turn.started:
            # a piece of the answer is out: what is missing must not look complete
            log.error("an answer broke off: %s", failure)
            raise failure
        request = headers.request_id(turn.headers) or headers.new_id().encode()
        await turn.whole(
            failure.status, [JSON, (b"x-request-id", request), *failure.head()], failure.body()
        )

    async def _stopped(self, turn: Turn) -> None:
        if turn.reason == "slow" and not turn.started:
            failure = Failure(408, "the body did not arrive in time", "request_timeout", close=True)
            await self._fail(turn, failure)
        elif turn.reason == "ended" and not turn.started:
            await self._fail(turn, Failure(503, "the gateway ends", "overloaded", close=True))
        else:
            turn.status = turn.status or CLIENT_LEFT

    async def _life(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.runtime.desk.courier.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.watch.end()
                await self.remote.close()
                if self.mounted is not None:
                    await self.mounted.close()
                await self.runtime.dispatch.close()
                try:
                    self.runtime.close()
                except AegisError as error:
                    log.error("the ledger was not closed in order: %s", error)
                await send({"type": "lifespan.shutdown.complete"})
                return
