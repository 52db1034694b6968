"""Where clients and upstreams meet: every frame of a client comes here.

Transports (`stdio.py`, `http.py`) have sessions made and hand over frames; each method a client may
ask has its handler (`lifecycle.py`, `lists.py`, `calls.py`, `subscriptions.py`, `tasks.py`), and
what upstreams say by themselves goes the other way.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from . import calls, lifecycle, lists, subscriptions, tasks
from . import protocol as rpc
from .asks import resumed
from .notifications import CHANGES, TOOLS_CHANGED, untagged
from .outcomes import failed
from .session import RUNNING_MAX, Asker, Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ...model import Actor
    from .gateway import Gateway
    from .link import Link
    from .protocol import Channel, Frame

    Method = Callable[[Gateway, Asker, Frame], Awaitable[Frame]]

CANCELLED = "by the client"
"""The message a request is cancelled with where its client asked for that."""

NOTES_MAX = 1_000
"""Most notifications on their way to clients; what upstreams say beyond that is dropped."""


class Hub:
    """Answers the frames of the clients of one gateway, and tells them what upstreams say."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()

    def session(self, actor: Actor, *, local: bool = False) -> Session:
        """A new session of a client."""
        gateway = self.gateway
        listening = partial(_Ear, self)
        return Session(actor, gateway.upstreams, gateway.pins, listening, local=local)

    async def close(self) -> None:
        """End what is under way; sessions are ended by who made them."""
        self.gateway.close()
        for task in list(self._tasks):
            task.cancel()

    async def answer(self, session: Session, frame: Frame, channel: Channel | None) -> Frame | None:
        """The response to one frame of a client; None where it needs none. Never raises."""
        method = frame.get("method")
        if method is None:
            session.answered(frame)
            return None
        params: Frame = frame.get("params", {})
        if "id" not in frame:
            await self._noted(session, method, params)
            return None
        id = frame["id"]
        # ids of one caller's clients may meet where no session keeps them apart
        key = id if session.revision or session.local else object()
        if key in session.running or len(session.running) >= RUNNING_MAX:
            what = f"{RUNNING_MAX} requests are" if key not in session.running else "this id is"
            return rpc.error_of(id, rpc.RpcError(rpc.INVALID_REQUEST, f"{what} under way already"))
        task = asyncio.current_task()
        if task is not None:
            session.running[key] = task
        try:
            return rpc.result_of(id, await self._answered(session, frame, channel))
        except rpc.RpcError as error:
            return rpc.error_of(id, error)
        except Exception as error:
            # the last stop: a client that waits for an answer gets one
            return rpc.error_of(id, failed(error))
        finally:
            session.running.pop(key, None)

    async def _answered(self, session: Session, frame: Frame, channel: Channel | None) -> Frame:
        method: str = frame["method"]
        params: Frame = frame.get("params", {})
        handler = METHODS.get(method)
        if handler is None:
            raise rpc.RpcError(rpc.NO_METHOD, f"there is no method `{method[:100]}` here")
        asker = Asker(session, channel, params, frame["id"])
        if not asker.modern:
            return await handler(self.gateway, asker, params)
        self._check_revision(params)
        work: Any = handler(self.gateway, asker, params)
        if method == "tools/call" and tasks.declared(asker.capabilities) and not resumed(params):
            work = self.gateway.tasks.run(asker, work)
        elif method in INTERACTIVE:
            work = self.gateway.parking.run(asker, method, params, work)
        result = await work
        return lists.cacheable(method, {"resultType": "complete", **result})

    def _check_revision(self, params: Frame) -> None:
        meta = rpc.meta_of(params)
        if meta.get(rpc.META_REVISION) != rpc.MODERN:
            raise rpc.RpcError(
                rpc.BAD_REVISION,
                f"this revision is not spoken here; requests without a session use {rpc.MODERN}",
                {"supported": list(rpc.REVISIONS), "requested": meta.get(rpc.META_REVISION)},
            )
        if not isinstance(meta.get(rpc.META_CAPABILITIES), dict):
            raise rpc.RpcError(rpc.INVALID_PARAMS, f"`_meta` lacks `{rpc.META_CAPABILITIES}`")

    async def _noted(self, session: Session, method: str, params: Frame) -> None:
        """A notification of a client."""
        if method == "notifications/cancelled":
            id = params.get("requestId")
            task = session.running.get(id) if isinstance(id, (str, int)) else None
            if task is not None:
                task.cancel(CANCELLED)
        elif method == "notifications/roots/list_changed":
            for link in session.open_links():
                if not link.modern:
                    await link.notify(method, params or None)

    def spawn(self, session: Session, frame: Frame, channel: Channel) -> None:
        """Answer one frame of a client over a channel that outlives the request it came in."""

        async def answer() -> None:
            told = await self.answer(session, frame, channel)
            if told is not None:
                await channel.send(told)

        self._keep(answer())

    def tell(self, session: Session, frame: Frame, channel: Channel | None) -> None:
        """Hand a notification to a client, unless too many are on their way."""
        if len(self._tasks) < NOTES_MAX:
            self._keep(session.tell(frame, channel))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Ear:
    """Listens to the connections of one session."""

    def __init__(self, hub: Hub, session: Session) -> None:
        self._hub = hub
        self._session = session

    def heard(self, link: Link, frame: Frame, asker: Asker | None) -> None:
        """A notification of an upstream: to the request it belongs to, a change to all."""
        method = frame["method"]
        if method == TOOLS_CHANGED:
            self._session.changed(link.name)
        own = asker is not None and method not in CHANGES
        channel = asker.channel if asker is not None and own else None
        self._hub.tell(self._session, untagged(frame), channel)

    async def asked(self, link: Link, frame: Frame, asker: Asker | None) -> Any:
        """A request of an upstream to the client. Raises RpcError."""
        asker = asker or Asker(self._session, None, {})
        capability = ASKED.get(frame["method"])
        if capability is None or capability not in asker.capabilities:
            raise rpc.RpcError(rpc.NO_METHOD, "the client cannot do this")
        return await calls.ask_client(self._hub.gateway, link, asker, frame)


METHODS: dict[str, Method] = {
    "initialize": lifecycle.initialize,
    "server/discover": lifecycle.discover,
    "ping": lifecycle.ping,
    "logging/setLevel": lifecycle.set_level,
    "tools/list": lists.tools,
    "tools/call": calls.call_tool,
    "resources/list": lists.resources,
    "resources/templates/list": lists.templates,
    "resources/read": calls.read_resource,
    "resources/subscribe": lists.subscribe,
    "resources/unsubscribe": lists.unsubscribe,
    "subscriptions/listen": subscriptions.listen,
    "prompts/list": lists.prompts,
    "prompts/get": calls.get_prompt,
    "completion/complete": calls.complete,
    "tasks/get": lambda gateway, asker, params: gateway.tasks.get(asker, params),
    "tasks/update": lambda gateway, asker, params: gateway.tasks.update(asker, params),
    "tasks/cancel": lambda gateway, asker, params: gateway.tasks.cancel(asker, params),
}
"""What clients may ask."""

INTERACTIVE = frozenset({"tools/call", "resources/read", "prompts/get"})
"""Methods whose result may say that input is required (2026-07-28)."""

ASKED = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
"""What upstreams may ask → the capability a client needs for it."""
