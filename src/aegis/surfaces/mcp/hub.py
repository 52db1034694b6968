"""The gateway between clients and upstreams: every frame of a client comes here.

Transports (`stdio.py`, `http.py`) make sessions and hand over frames; what the frames ask is
answered here or, governed, by an upstream (`calls.py`, `lists.py`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from . import calls, lists, subscriptions, tasks
from . import protocol as rpc
from .asks import Parking, resumed
from .pins import Pins
from .reviews import Reviews
from .sequences import Sequences
from .session import RUNNING_MAX, Asker, Session
from .tools import SEPARATOR
from .upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ...kernel.mcp_settings import Mcp
    from ...kernel.runtime import Runtime
    from ...model import Actor
    from .link import Link
    from .protocol import Channel, Frame
    from .upstream import Connect

    Method = Callable[["Hub", Asker, Frame], Awaitable[Frame]]

GREET_SECONDS = 10.0
"""How long a client's greeting waits for upstreams that have yet to begin."""

CANCELLED = "by the client"
"""The message a request is cancelled with where its client asked for that."""

NOTES_MAX = 1_000
"""Most notifications on their way to clients; what upstreams say beyond that is dropped."""

log = logging.getLogger("aegis.mcp")


class Hub:
    """One gateway. `bare` names the only upstream, whose names then stay as they are."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Mcp,
        connect: Connect,
        *,
        user: str = "",
        bare: str = "",
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.bare = bare
        self.pins = Pins(runtime)
        self.upstreams = {
            name: Upstream(name, spec, connect) for name, spec in settings.upstreams.items()
        }
        self.reviews = Reviews(runtime, settings.client_approval, user or "local user")
        self.sequences = Sequences(runtime)
        self.parking = Parking()
        self.tasks = tasks.Tasks()
        self._tasks: set[asyncio.Task[None]] = set()

    def session(self, actor: Actor, *, local: bool = False) -> Session:
        """A new session of a client."""
        return Session(actor, self.upstreams, self.pins, local=local)

    async def close(self) -> None:
        """End what is under way; sessions are ended by who made them."""
        self.reviews.close()
        self.parking.close()
        self.tasks.close()
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
            return rpc.error_of(id, calls.failed(error))
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
            return await handler(self, asker, params)
        self._check_revision(params)
        work: Any = handler(self, asker, params)
        if method == "tools/call" and tasks.declared(asker.capabilities) and not resumed(params):
            work = self.tasks.run(asker, work)
        elif method in INTERACTIVE:
            work = self.parking.run(asker, method, params, work)
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

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resolve(self, name: str) -> tuple[str, str]:
        """Upstream and own name of `server__name`. Raises RpcError."""
        if self.bare:
            return self.bare, name
        server, separator, own = name.partition(SEPARATOR)
        if not separator or server not in self.upstreams:
            raise rpc.RpcError(rpc.INVALID_PARAMS, f"there is no `{name[:128]}` here")
        return server, own

    def scope(self, frame: Frame) -> str:
        """The scope a token needs for a frame, where the configuration asks for one."""
        name = frame.get("params", {}).get("name")
        if frame.get("method") != "tools/call" or not isinstance(name, str):
            return ""
        server, _, tool = name.partition(SEPARATOR)
        facts = self.upstreams[server].spec.tools if server in self.upstreams else {}
        return facts[tool].scope if tool in facts else ""

    def public(self, server: str, name: str) -> str:
        """The name a client knows something of an upstream by."""
        return name if self.bare else f"{server}{SEPARATOR}{name}"

    async def link(self, asker: Asker, server: str) -> Link:
        """The connection of a session to an upstream. Raises UpstreamError."""
        return await asker.session.link(server, _Ear(self, asker.session), asker)

    async def holder(self, asker: Asker, uri: str) -> Link:
        """The connection to the upstream that has a resource. Raises RpcError, UpstreamError."""
        return await self.link(asker, await lists.holder(self, asker, uri))

    def heard(self, session: Session, link: Link, frame: Frame, asker: Asker | None) -> None:
        """An upstream told something."""
        method = frame["method"]
        if method == "notifications/tools/list_changed":
            session.changed(link.name)
        own = asker is not None and method not in subscriptions.CHANGES
        channel = asker.channel if asker is not None and own else None
        if len(self._tasks) >= NOTES_MAX:
            return
        self._keep(subscriptions.tell(session, subscriptions.untagged(frame), channel))

    async def asked(self, session: Session, link: Link, frame: Frame, asker: Asker | None) -> Any:
        """An upstream asks something of the client. Raises RpcError."""
        asker = asker or Asker(session, None, {})
        capability = ASKED.get(frame["method"])
        if capability is None or capability not in asker.capabilities:
            raise rpc.RpcError(rpc.NO_METHOD, "the client cannot do this")
        return await calls.ask_client(self, link, asker, frame)


class _Ear:
    """Listens to the connections of one session."""

    def __init__(self, hub: Hub, session: Session) -> None:
        self._hub = hub
        self._session = session

    def heard(self, link: Link, frame: Frame, asker: Any) -> None:
        """A notification of an upstream."""
        self._hub.heard(self._session, link, frame, asker)

    async def asked(self, link: Link, frame: Frame, asker: Any) -> Any:
        """A request of an upstream. Raises RpcError."""
        return await self._hub.asked(self._session, link, frame, asker)


async def initialize(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `initialize`."""
    session = asker.session
    asked = params.get("protocolVersion")
    revision = asked if asked in rpc.LEGACY else rpc.LEGACY[0]
    client, offered = params.get("clientInfo"), params.get("capabilities")
    session.begun(
        client if isinstance(client, dict) else {},
        offered if isinstance(offered, dict) else {},
        revision,
    )
    asker.capabilities = session.capabilities
    capabilities, instructions = await greeting(hub, asker)
    answer: Frame = {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "serverInfo": rpc.about(),
    }
    return {**answer, "instructions": instructions} if instructions else answer


async def discover(hub: Hub, asker: Asker, _: Frame) -> Frame:
    """Answer `server/discover`."""
    capabilities, instructions = await greeting(hub, asker)
    capabilities["extensions"] = {tasks.EXTENSION: {}}
    answer: Frame = {
        "supportedVersions": list(rpc.REVISIONS),
        "capabilities": capabilities,
        "_meta": {rpc.META_SERVER: rpc.about()},
    }
    return {**answer, "instructions": instructions} if instructions else answer


async def greeting(hub: Hub, asker: Asker) -> tuple[Frame, str]:
    """What the upstreams can do together, and what they say of themselves, unless it is poisoned.

    One that takes longer to begin is not waited for: its tools are listed once it has.
    """
    greeted = [
        asyncio.get_running_loop().create_task(hub.link(asker, name)) for name in hub.upstreams
    ]
    if greeted:
        await asyncio.wait(greeted, timeout=GREET_SECONDS)
    together: Frame = {"tools": {"listChanged": True}, "logging": {}}
    told = []
    for task in greeted:
        if not task.done():
            continue
        error = task.exception()
        if error is not None:
            log.warning("%s", error)
            continue
        link = task.result()
        for name in ("prompts", "resources", "completions"):
            if name in link.capabilities:
                together[name] = {} if name == "completions" else {"listChanged": True}
        if link.instructions:
            poisoned = hub.pins.read(link.instructions)
            if poisoned:
                log.warning("instructions of upstream `%s` are withheld: %s", link.name, poisoned)
            else:
                told.append(link.instructions)
    if "resources" in together:
        together["resources"]["subscribe"] = True
    return together, "\n\n".join(told)


async def ping(hub: Hub, asker: Asker, _: Frame) -> Frame:
    """Answer `ping`."""
    return {}


async def set_level(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `logging/setLevel`: for every upstream that logs, also those opened later."""
    level = rpc.text_of(params, "level")
    asker.session.level = level
    for link in asker.session.open_links():
        if "logging" in link.capabilities and not link.modern:
            await link.request("logging/setLevel", {"level": level})
    return {}


METHODS: dict[str, Method] = {
    "initialize": initialize,
    "server/discover": discover,
    "ping": ping,
    "logging/setLevel": set_level,
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
    "tasks/get": tasks.get,
    "tasks/update": tasks.update,
    "tasks/cancel": tasks.cancel,
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
