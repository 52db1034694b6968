"""What upstreams say by themselves, and which of it a subscription wants.

A client with a session hears it on its own stream. A stateless one asks for it with a request that
has no end (`subscriptions.py`), and what it hears carries that request's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import protocol as rpc

if TYPE_CHECKING:
    from .protocol import Channel, Frame

TOOLS_CHANGED = "notifications/tools/list_changed"

CHANGES = {
    TOOLS_CHANGED: "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
"""Notifications about lists → the name they are subscribed under."""

UPDATED = "notifications/resources/updated"


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

    async def tell(self, frame: Frame) -> None:
        """Hand over a notification, with the id of the request it belongs to."""
        params = frame.get("params", {})
        meta = {**rpc.meta_of(params), rpc.META_SUBSCRIPTION: self.id}
        await self.channel.send({**frame, "params": {**params, "_meta": meta}})


def untagged(frame: Frame) -> Frame:
    """A notification without the id of the subscription it came by."""
    params = frame.get("params", {})
    meta = {k: v for k, v in rpc.meta_of(params).items() if k != rpc.META_SUBSCRIPTION}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**frame, "params": {**rest, "_meta": meta} if meta else rest}
