"""The gate as a whole: clients come in, get a session with a connection of their own to the server,
and may cancel what their session runs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import struct
from typing import TYPE_CHECKING

import msgspec

from ....kernel.lease import lent
from ....model import UpstreamError
from ..service import server_tls
from . import wire
from .ends import Ends
from .refusing import refusal
from .session import Fatal, Session
from .startup import Cancel, Client, Refused, greet
from .statements import Place, SqlView, opening
from .upstream import Upstream

if TYPE_CHECKING:
    from ....approval import Request
    from ....kernel.runtime import Runtime
    from ....model import Action

CANCEL_KEYS_MAX = 1 << 31
"""Numbers of sessions, which stand for the process ids of PostgreSQL, are below."""

log = logging.getLogger("aegis.gate")


class SqlGate:
    """Speaks PostgreSQL (protocol 3). Raises ConfigError for a certificate that is none."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.gates.sql
        self._tls = server_tls(self._settings)
        self._sessions: dict[bytes, Session] = {}
        self._draining = False
        runtime.desk.watchers.append(self._filed)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                client = await greet(reader, writer, self._settings, self._runtime.keys, self._tls)
        except Refused as error:
            writer.write(wire.failure("FATAL", error.code, str(error), hint=error.hint))
        except wire.ProtocolError as error:
            writer.write(wire.failure("FATAL", "08P01", str(error)))
        except TimeoutError:
            writer.write(wire.failure("FATAL", "08006", "the client did not log in in time"))
        else:
            if isinstance(client, Cancel):
                session = self._sessions.get(client.key)
                if session is not None:
                    await session.governed.cancel()
            else:
                await self._served(client, reader, writer)

    def crowded(self) -> bytes:
        """What a client is told for which there is no room."""
        return wire.failure("FATAL", "53300", "too many connections to this gate")

    def drain(self) -> None:
        """End every session that has nothing under way."""
        self._draining = True
        for session in self._sessions.values():
            session.drain()

    async def _served(
        self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a client that got in. Its session is an action of its own: policy says who may open
        which database, and a credential that is granted to it lives as long as it does.
        """
        host = self._settings.upstream.rpartition(":")[0]
        place = Place(client.actor, client.database, host)
        action = opening(place)
        place = msgspec.structs.replace(place, session=action.id)

        async def perform(_: Action) -> None:
            await self._session(place, client, reader, writer)

        try:
            outcome = await self._runtime.agovern(action, perform, SqlView())
        except asyncio.CancelledError:
            writer.write(wire.failure("FATAL", "57P01", "the gate ended"))
            raise
        error = outcome.error
        if isinstance(error, Fatal):
            writer.write(wire.failure("FATAL", error.code, str(error)))
        elif isinstance(error, UpstreamError):
            log.warning("upstream of a session: %s", error)
            writer.write(wire.failure("FATAL", "08006", str(error)))
        elif outcome.status == "failed":
            log.error("session %s: %r", action.id, error)
            writer.write(wire.failure("FATAL", "58000", "the session failed"))
        elif outcome.status != "performed":
            writer.write(refusal(outcome, "FATAL"))

    async def _session(
        self,
        place: Place,
        client: Client,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        upstream = Upstream(self._settings)
        key = b""
        try:
            lease = lent()
            login = lease.fields if lease is not None else {}
            user = login.get("username", self._settings.user)
            await upstream.open(user, login.get("password", self._settings.password), client.given)
            session = Session(Ends(self._runtime, place, upstream, reader, writer))
            key = self._key()
            self._sessions[key] = session
            if self._draining:
                session.drain()
            for name, value in upstream.parameters.items():
                writer.write(wire.message(b"S", wire.text_of(name) + wire.text_of(value)))
            writer.write(wire.message(b"K", key) + wire.ready(upstream.status))
            await session.run()
        finally:
            self._sessions.pop(key, None)
            upstream.close()

    def _key(self) -> bytes:
        """A number and a secret for a new session; the secret is all that cancelling needs."""
        while True:
            key = struct.pack("!I", secrets.randbelow(CANCEL_KEYS_MAX)) + secrets.token_bytes(4)
            if key not in self._sessions:
                return key

    def _filed(self, request: Request) -> None:
        for session in self._sessions.values():
            session.governed.filed(request)
