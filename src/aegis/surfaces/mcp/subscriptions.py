"""What upstreams say by themselves, to the clients that want to hear it.

A client with a session hears it on its own stream. A stateless one asks for it with a request that
has no end, `subscriptions/listen` (2026-07-28), and what it hears carries that request's id.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from . import protocol as rpc

if TYPE_CHECKING:
    from .hub import Hub
    from .protocol import Channel, Frame
    from .session import Asker, Session

CHANGES = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
"""Notifications about lists → the name they are subscribed under."""

UPDATED = "notifications/resources/updated"
URIS = "resourceSubscriptions"

LISTENERS_MAX = 32
"""Most subscriptions of one session."""

URIS_MAX = 1_000
"""Most resources of one subscription."""


class Subscription(NamedTuple):
    """One `subscriptions/listen` under way."""

    id: Any
    channel: Channel
    wanted: frozenset[str]
    uris: frozenset[str]

    def wants(self, frame: Frame) -> bool:
        """Whether it asked for a notification."""
        if frame["method"] == UPDATED:
            return frame.get("params", {}).get("uri") in self.uris
        return CHANGES.get(frame["method"]) in self.wanted


async def listen(hub: Hub, asker: Asker, params: Frame) -> Frame:
    """Answer `subscriptions/listen`, which lasts until the client ends it. Raises RpcError."""
    session, channel = asker.session, asker.channel
    if channel is None or len(session.subscriptions) >= LISTENERS_MAX:
        raise rpc.RpcError(rpc.LIMITED, f"at most {LISTENERS_MAX} subscriptions, on a stream each")
    asked = params.get("notifications")
    asked = asked if isinstance(asked, dict) else {}
    wanted = frozenset(name for name in CHANGES.values() if asked.get(name) is True)
    uris = asked.get(URIS)
    uris = [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []
    honoured: Frame = dict.fromkeys(sorted(wanted), True)
    if uris:
        honoured[URIS] = uris[:URIS_MAX]
    subscription = Subscription(asker.id, channel, wanted, frozenset(uris[:URIS_MAX]))
    session.subscriptions.append(subscription)
    try:
        # what was subscribed to at the upstreams is known once they are connected
        await asyncio.gather(
            *(hub.link(asker, name) for name in hub.upstreams), return_exceptions=True
        )
        for uri in subscription.uris:
            await _watched(hub, asker, uri)
        await channel.send(
            _tagged(
                rpc.notification(
                    "notifications/subscriptions/acknowledged", {"notifications": honoured}
                ),
                asker.id,
            )
        )
        await asyncio.Event().wait()
    finally:
        session.subscriptions.remove(subscription)
    return {}


async def tell(session: Session, frame: Frame, channel: Channel | None) -> None:
    """Hand a notification to a client: with the request it belongs to, else where it listens."""
    if channel is not None:
        await channel.send(frame)
        return
    for subscription in list(session.subscriptions):
        if subscription.wants(frame):
            await subscription.channel.send(_tagged(frame, subscription.id))
    if session.revision and session.outlet is not None:
        await session.outlet.send(frame)


async def _watched(hub: Hub, asker: Asker, uri: str) -> None:
    """Have an upstream with a session tell about a resource, too."""
    link = await hub.holder(asker, uri)
    if not link.modern:
        await link.request("resources/subscribe", {"uri": uri})


def untagged(frame: Frame) -> Frame:
    """A notification without the id of the subscription it came by."""
    params = frame.get("params", {})
    meta = {k: v for k, v in rpc.meta_of(params).items() if k != rpc.META_SUBSCRIPTION}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**frame, "params": {**rest, "_meta": meta} if meta else rest}


def _tagged(frame: Frame, id: Any) -> Frame:
    params = frame.get("params", {})
    meta = {**rpc.meta_of(params), rpc.META_SUBSCRIPTION: id}
    return {**frame, "params": {**params, "_meta": meta}}
