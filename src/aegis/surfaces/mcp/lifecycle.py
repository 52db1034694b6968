"""What a client asks of the connection itself: to begin, whether it lives, how much is logged.

`initialize` and `logging/setLevel` of clients with a session, `server/discover` of those without
one, and `ping`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from . import protocol as rpc

if TYPE_CHECKING:
    from .gateway import Gateway
    from .protocol import Frame
    from .session import Asker

GREET_SECONDS = 10.0
"""How long a client's greeting waits for upstreams that have yet to begin."""

log = logging.getLogger("aegis.mcp")


async def initialize(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
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
    capabilities, instructions = await greeting(gateway, asker)
    answer: Frame = {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "serverInfo": rpc.about(),
    }
    return {**answer, "instructions": instructions} if instructions else answer


async def discover(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `server/discover`."""
    capabilities, instructions = await greeting(gateway, asker)
    capabilities["extensions"] = {rpc.TASKS_EXTENSION: {}}
    answer: Frame = {
        "supportedVersions": list(rpc.REVISIONS),
        "capabilities": capabilities,
        "_meta": {rpc.META_SERVER: rpc.about()},
    }
    return {**answer, "instructions": instructions} if instructions else answer


async def greeting(gateway: Gateway, asker: Asker) -> tuple[Frame, str]:
    """What the upstreams can do together, and what they say of themselves, unless it is poisoned.

    One that takes longer to begin is not waited for: its tools are listed once it has.
    """
    greeted = [
        asyncio.get_running_loop().create_task(asker.session.link(name, asker))
        for name in gateway.upstreams
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
            poisoned = gateway.pins.read(link.instructions)
            if poisoned:
                log.warning("instructions of upstream `%s` are withheld: %s", link.name, poisoned)
            else:
                told.append(link.instructions)
    if "resources" in together:
        together["resources"]["subscribe"] = True
    return together, "\n\n".join(told)


async def ping(gateway: Gateway, asker: Asker, _: Frame) -> Frame:
    """Answer `ping`."""
    return {}


async def set_level(gateway: Gateway, asker: Asker, params: Frame) -> Frame:
    """Answer `logging/setLevel`: for every upstream that logs, also those opened later."""
    level = rpc.text_of(params, "level")
    asker.session.level = level
    for link in asker.session.open_links():
        if "logging" in link.capabilities and not link.modern:
            await link.request("logging/setLevel", {"level": level})
    return {}
