"""The clients that come over HTTP, and how long each is remembered.

A session belongs to the caller that opened it: its id alone opens nothing for another one.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import uuid_utils

from ...model import Actor
from . import protocol as rpc
from .replay import Kept

if TYPE_CHECKING:
    from ...model import Principal
    from .hub import Hub
    from .session import Session

SESSIONS_MAX = 2_000
"""Most sessions at once; each may hold a connection to every upstream."""

OWN_MAX = 200
"""Most sessions of one caller."""

SWEEP_SECONDS = 5.0
"""How often sessions are looked at that nobody uses any more."""


class HttpSessions:
    """The sessions of one server."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sessions: dict[str, tuple[str, Session]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, principal: Principal, agent: str) -> tuple[str, Session]:
        """A new session and its id. Raises RpcError where there are too many."""
        self._check_room(principal)
        name = str(uuid_utils.uuid7())
        id, session = self._kept(secrets.token_urlsafe(24), principal, agent, name)
        session.kept = Kept(asyncio.get_running_loop().time)
        return id, session

    def stateless(self, principal: Principal, agent: str, name: str) -> Session:
        """The session of a caller whose requests carry everything themselves. Raises RpcError where
        there are too many.
        """
        # names are the callers' own: joined, those of one could read like those of another
        key = f"/{(principal.id, agent, name)!r}"
        known = self._sessions.get(key)
        if known is None:
            self._check_room(principal)
            _, session = self._kept(key, principal, agent, name or "stateless")
        else:
            session = known[1]
        session.used = asyncio.get_running_loop().time()
        return session

    def find(self, id: str, principal: Principal) -> Session:
        """The session of an id. Raises RpcError where the caller has none of that id."""
        owner, session = self._sessions.get(id, ("", None))
        if session is None or owner != principal.id or id.startswith("/"):
            raise rpc.RpcError(rpc.INVALID_REQUEST, "there is no such session; initialize anew")
        session.used = asyncio.get_running_loop().time()
        return session

    def _check_room(self, principal: Principal) -> None:
        """Raise RpcError where there is no room for a session more."""
        own = sum(1 for owner, _ in self._sessions.values() if owner == principal.id)
        if len(self._sessions) >= SESSIONS_MAX or own >= OWN_MAX:
            raise rpc.RpcError(
                rpc.LIMITED,
                "too many sessions are open; end some (DELETE), or wait until they are forgotten",
            )

    async def end(self, id: str, principal: Principal) -> None:
        """End a session. Raises RpcError."""
        session = self.find(id, principal)
        self._sessions.pop(id, None)
        await session.close()

    async def close(self) -> None:
        """End all sessions."""
        if self._timer is not None:
            self._timer.cancel()
        sessions = [session for _, session in self._sessions.values()]
        self._sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions), return_exceptions=True)

    def _kept(self, id: str, principal: Principal, agent: str, name: str) -> tuple[str, Session]:
        actor = Actor(
            principal.id,
            principal.agent or agent,
            f"{principal.id or 'anonymous'}/mcp/{name}",
            principal.tenant,
        )
        session = self._hub.session(actor)
        loop = asyncio.get_running_loop()
        session.used = loop.time()
        self._sessions[id] = (principal.id, session)
        if self._timer is None:
            self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        return id, session

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        limit = loop.time() - self._hub.gateway.settings.session_seconds
        for id, (_, session) in list(self._sessions.items()):
            if session.kept is not None:
                session.kept.sweep()
            if session.used < limit and not session.running and session.outlet is None:
                del self._sessions[id]
                self._closing.add(task := loop.create_task(session.close()))
                task.add_done_callback(self._closing.discard)
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if self._sessions else None
