"""`/health`: whether the process lives, and whether each part can do its work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .turn import JSON
from .wire import encode

if TYPE_CHECKING:
    from ...kernel.runtime import Runtime
    from ...model import Principal
    from .turn import Turn


async def alive(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """Liveness: an answer at all."""
    await turn.whole(200, [JSON], b'{"status":"ok"}')


async def ready(runtime: Runtime, turn: Turn, principal: Principal) -> None:
    """Readiness: 503 while a part cannot work, naming it."""
    if not runtime.journal.healthy:
        # nobody may send requests any more to a server that says it is not ready: it has to try
        # by itself, on a thread, for a store takes its time
        await asyncio.to_thread(runtime.mender.mend)
    parts = runtime.ready()
    fine = all(parts.values())
    body = encode({"status": "ok" if fine else "unavailable", "parts": parts})
    await turn.whole(200 if fine else 503, [JSON], body)
