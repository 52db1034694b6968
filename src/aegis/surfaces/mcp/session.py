"""One client as the gateway knows it: who it is, what it can do, and its own connections.

Every session has connections of its own to the upstreams, so that what one client does there is
never seen by another, and what an upstream asks goes to the client it asks. A stateless client
(2026-07-28) has one session per caller; what it can do comes with each request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import uuid_utils

from ...kernel.plans import HISTORY_MAX
from . import protocol as rpc
from .link import error_in
from .tools import Known, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...model import Action, Actor
    from .link import Link, Listener
    from .notifications import Subscription
    from .pins import Pins
    from .protocol import Channel, Frame
    from .replay import Kept
    from .task import Task
    from .upstream import Upstream

RUNNING_MAX = 256
"""Most requests of one session under way at once."""

ASKS_MAX = 64
"""Most requests to one client that it has not answered yet."""

ASK_SECONDS = 600.0
"""How long a client may take to answer, with a person thinking behind it."""

OFFERED = ("sampling", "elicitation", "roots")
"""What a client can do that an upstream may ask for."""


class Asker:
    """On whose behalf something runs: a request of a session, and where answers to it go."""

    __slots__ = ("action", "asks", "capabilities", "channel", "id", "modern", "session", "task")

    def __init__(
        self, session: Session, channel: Channel | None, params: Frame, id: Any = None
    ) -> None:
        meta = rpc.meta_of(params)
        self.session = session
        self.channel = channel
        self.id = id
        self.modern = rpc.META_REVISION in meta
        said = meta.get(rpc.META_CAPABILITIES) if self.modern else session.capabilities
        self.capabilities: Frame = said if isinstance(said, dict) else {}
        self.action = ""
        self.asks: Any = None
        self.task: Task | None = None


class Session:
    """A client. `local` says that it started this process itself, `listening` makes the one who
    hears what its upstreams say by themselves.
    """

    def __init__(
        self,
        actor: Actor,
        upstreams: Mapping[str, Upstream],
        pins: Pins,
        listening: Callable[[Session], Listener],
        *,
        local: bool = False,
    ) -> None:
        self.actor = actor
        self.local = local
        self.capabilities: Frame = {}
        self.client: Frame = {}
        self.revision = ""
        self.level = ""
        self.outlet: Channel | None = None
        self.kept: Kept | None = None
        self.subscriptions: list[Subscription] = []
        self.running: dict[Any, asyncio.Task[Any]] = {}
        self.used = 0.0
        self.history: deque[Action] = deque(maxlen=HISTORY_MAX)
        self.places: dict[str, str] = {}
        self.prefixes: dict[str, str] = {}
        self._upstreams = upstreams
        self._pins = pins
        self._listener = listening(self)
        self._links: dict[str, Link] = {}
        self._known: dict[str, Known] = {}
        self._locks = {name: asyncio.Lock() for name in upstreams}
        self._waiting: dict[str, asyncio.Future[Frame]] = {}

    def begun(self, client: Frame, capabilities: Frame, revision: str) -> None:
        """What the client said of itself."""
        self.client, self.capabilities, self.revision = client, capabilities, revision

    async def link(self, name: str, asker: Asker) -> Link:
        """The connection to an upstream, opened where it is not. Raises UpstreamError."""
        link = self._links.get(name)
        if link is not None and not link.closed:
            return link
        async with self._locks[name]:
            link = self._links.get(name)
            if link is not None and not link.closed:
                return link
            upstream = self._upstreams[name]
            if link is not None:
                self._links.pop(name)
                self._known.pop(name, None)
                upstream.ended(link)
                await link.close()
            offered = {key: asker.capabilities[key] for key in OFFERED if key in asker.capabilities}
            opened = await upstream.open(self._listener, offered, rpc.about(), asker.modern)
            self._links[name] = opened
            if self.level and "logging" in opened.capabilities and not opened.modern:
                await opened.request("logging/setLevel", {"level": self.level})
            return opened

    def open_links(self) -> list[Link]:
        """The connections that are open."""
        return [link for link in self._links.values() if not link.closed]

    async def tools(self, link: Link, *, again: bool = False) -> Known:
        """The tools of an upstream, judged; read anew where it said that they changed."""
        known = self._known.get(link.name)
        if known is None or known.stale or again:
            known = await listed(link, self._upstreams[link.name].spec)
            self._known[link.name] = known
        if known.epoch == self._pins.epoch():
            return known
        return await known.judged(link.name, self._pins)

    def changed(self, name: str) -> None:
        """An upstream said that its tools changed."""
        known = self._known.get(name)
        if known is not None:
            known.stale = True

    async def ask(self, method: str, params: Frame, channel: Channel | None = None) -> Frame:
        """Ask the client. Raises RpcError where it refuses, cannot be asked or takes too long."""
        outlet = channel or self.outlet
        if outlet is None:
            raise rpc.RpcError(rpc.INTERNAL, "the client does not listen for requests now")
        if len(self._waiting) >= ASKS_MAX:
            raise rpc.RpcError(rpc.INTERNAL, f"{ASKS_MAX} requests wait for the client already")
        id = str(uuid_utils.uuid7())
        future = asyncio.get_running_loop().create_future()
        self._waiting[id] = future
        try:
            await outlet.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            async with asyncio.timeout(ASK_SECONDS):
                answer: Frame = await future
        except TimeoutError:
            raise rpc.RpcError(rpc.INTERNAL, "the client did not answer in time") from None
        finally:
            self._waiting.pop(id, None)
        error = answer.get("error")
        if error is not None:
            raise error_in(error)
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    async def tell(self, frame: Frame, channel: Channel | None) -> None:
        """Hand over a notification: with the request it belongs to, else where it listens."""
        if channel is not None:
            await channel.send(frame)
            return
        for subscription in list(self.subscriptions):
            if subscription.wants(frame):
                await subscription.tell(frame)
        if self.revision and self.outlet is not None:
            await self.outlet.send(frame)

    def answered(self, frame: Frame) -> None:
        """The client answered a request of ours; answers nobody waits for are dropped."""
        future = self._waiting.get(str(frame.get("id")))
        if future is not None and not future.done():
            future.set_result(frame)

    async def close(self) -> None:
        """End everything of this client."""
        for task in list(self.running.values()):
            task.cancel()
        for future in self._waiting.values():
            future.cancel()
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.close() for link in links), return_exceptions=True)
