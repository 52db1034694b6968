"""The gate as a whole: who may come in, and what becomes of each request on a connection."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ....model import Action
from ....tools.read import as_read
from . import request
from .authority import Authority
from .exchange import Exchange, ended
from .means import Means
from .refusals import Refusal, of_bad, of_outcome, unknown_key
from .request import Within
from .tunnel import Tunnel
from .wire import BadRequest, Gone, Wire

if TYPE_CHECKING:
    import asyncio

    from ....kernel.runtime import Runtime
    from ....model import Actor
    from ....tools.url import Url
    from .places import Resolve
    from .sealed import Sealed
    from .wire import Head

log = logging.getLogger("aegis.gates")

CROWDED = (
    b"HTTP/1.1 503 Service Unavailable\r\nproxy-status: aegis; error=connection_limit_reached\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
"""What a client is told for which there is no room (RFC 9209, 2.3.12)."""


class HttpGate:
    """Speaks HTTP/1.1 as a forward proxy (RFC 9110, 7.3)."""

    def __init__(self, runtime: Runtime, resolve: Resolve | None = None) -> None:
        """`resolve(host, port)` gives the addresses of a name; by default the system does.

        Raises ConfigError.
        """
        self._means = Means.of(runtime, resolve)
        self._settings = self._means.settings
        file = self._settings.intercept_ca
        self._authority = Authority(Path(file)) if file else None
        self._idle: set[Wire] = set()
        self._draining = False

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        await self._serve(Wire(reader, writer, self._settings.connect_seconds), None)

    async def _serve(self, wire: Wire, within: Within | None) -> int:
        """Answer the requests on a connection, or in an opened tunnel; how many there were."""
        count = 0
        while not (wire.last or self._draining):
            self._idle.add(wire)
            try:
                head = await wire.head()
            except Gone:
                break
            except BadRequest as error:
                wire.last = True
                await self._refuse(wire, of_bad(error))
                break
            finally:
                self._idle.discard(wire)
            if head is None:
                break
            count += 1
            await self._turn(wire, head, within)
        return count

    def crowded(self) -> bytes:
        """What a client is told for which there is no room."""
        return CROWDED

    def drain(self) -> None:
        """Let unused connections end now, and others after their answer."""
        self._draining = True
        for wire in self._idle:
            wire.writer.close()

    async def _turn(self, wire: Wire, head: Head, within: Within | None) -> None:
        """Answer one request."""
        try:
            if head.method == "CONNECT" and within is None:
                wire.last = True
                await self._tunnel(wire, head)
            else:
                await self._forward(wire, head, within)
        except Gone:
            wire.last = True
            wire.writer.transport.abort()
        except BadRequest as error:
            wire.last = True
            await self._refuse(wire, of_bad(error))
        except Refusal as error:
            # a body nobody read would be taken for the next request
            wire.last = wire.last or (head.bodied and not wire.read)
            await self._refuse(wire, error)
        except Exception:
            # the last stop before a traceback
            log.exception("a request broke off")
            wire.last = True
            message = "an unexpected error; the gate's log names the cause"
            await self._refuse(wire, Refusal(500, message, "internal_error"))

    async def _refuse(self, wire: Wire, refusal: Refusal) -> None:
        if wire.started:
            wire.last = True
            wire.writer.transport.abort()
            return
        try:
            await wire.whole(refusal.status, refusal.fields(), refusal.body())
        except Gone:
            wire.writer.transport.abort()
            return
        if wire.last:
            await wire.leave()

    async def _forward(self, wire: Wire, head: Head, within: Within | None) -> None:
        """Govern a request for an address. Raises Refusal, BadRequest, Gone."""
        actor = self._actor(head) if within is None else self._known(within.actor)
        url = request.url_of(head) if within is None else request.url_within(head, within)
        self._check(head)
        limit = self._settings.body_bytes
        raw = await wire.body(head, limit)
        asked = request.asked(head, url, raw, actor, limit)
        asked = replace(asked, action=self._placed(asked.action))
        await wire.attend(Exchange(self._means, wire, asked).run())

    async def _tunnel(self, wire: Wire, head: Head) -> None:
        """Govern a tunnel. Raises Refusal, Gone."""
        actor = self._actor(head)
        url = request.url_of(head)
        if head.bodied:
            raise Refusal(400, "`CONNECT` has no body (RFC 9110, 9.3.6)", "invalid_request")
        action = self._placed(_connect(url, actor))
        tunnel = Tunnel(wire, url, self._means.upstreams.places, self._settings)

        async def serve(sealed: Sealed) -> int:
            inner = Wire(sealed, sealed, self._settings.connect_seconds)
            return await self._serve(inner, Within(url, actor))

        async def perform(_: Action) -> Any:
            if self._authority is None:
                return await tunnel.run()
            return await tunnel.opened(self._authority, serve)

        refusal = of_outcome(await ended(self._means, wire, action, perform))
        if refusal is not None:
            raise refusal

    def _actor(self, head: Head) -> Actor:
        principal, name = request.caller(head, self._means.runtime.keys, self._settings.require_key)
        return request.actor_of(head, principal, name)

    def _known(self, actor: Actor) -> Actor:
        """The actor of a tunnel, whose key may have been revoked meanwhile. Raises Refusal."""
        if actor.principal and self._means.runtime.keys.key(actor.principal) is None:
            raise unknown_key(True)
        return actor

    def _check(self, head: Head) -> None:
        """Refuse what a proxy of this kind cannot do. Raises Refusal."""
        if head.method == "TRACE":
            message = "`TRACE` would send credentials back; it is not passed on"
            raise Refusal(405, message, "method_not_allowed", (("allow", "GET, HEAD, POST"),))
        if "websocket" in head.get("upgrade").lower():
            message = "a websocket is not inspected here; use `wss:`, which asks for a tunnel"
            raise Refusal(501, message, "upgrade_refused")
        if self._means.name in head.get("via"):
            raise Refusal(508, "this proxy has seen the request before", "proxy_loop")

    def _placed(self, action: Action) -> Action:
        """The action with the environment that its address says, so that a parked run of it is
        found again.
        """
        environment = as_read(action).environment or self._means.runtime.settings.environment
        return replace(action, environment=environment)


def _connect(url: Url, actor: Actor) -> Action:
    params = {"method": "CONNECT", "url": url.host_port}
    return Action("CONNECT", url.host_port, params, protocol="http", actor=actor)
