"""Answers `subscriptions/listen` (2026-07-28): how a client without a session hears of changes.

The request has no end; what the client hears meanwhile carries its id (`notifications.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import lists
from . import protocol as rpc
from .notifications import CHANGES, Subscription

if TYPE_CHECKING:
    from .gateway import Gateway
    from .protocol import Frame
    from .session import Asker

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
URIS = "resourceSubscriptions"

LISTENERS_MAX = 32
"""Most subscriptions of one session."""

URIS_MAX = 1_000
"""Most resources of one subscription."""


async def listen(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
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
            *(asker.session.link(name, asker) for name in gateway.upstreams), return_exceptions=True
        )
        for uri in subscription.uris:
            await _watched(gateway, asker, uri)
        await subscription.tell(rpc.notification(ACKNOWLEDGED, {"notifications": honoured}))
        await asyncio.Event().wait()
    finally:
        session.subscriptions.remove(subscription)
    return {}


async def _watched(gateway: Gateway, asker: Asker, uri: str) -> None:
    """Have an upstream with a session tell about a resource, too."""
    link = await lists.holder(gateway, asker, uri)
    if not link.modern:
        await link.request("resources/subscribe", {"uri": uri})
