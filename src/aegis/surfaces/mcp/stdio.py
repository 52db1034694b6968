"""Serves the client that started this process: one JSON object a line on standard input and output.

Standard output carries frames and nothing else. The end of standard input is the end of the
session: what is under way may finish, then everything is closed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, cast

import msgspec
import uuid_utils

from ...model import Actor
from . import protocol as rpc
from .lines import Lines, Output, TooLong

if TYPE_CHECKING:
    from typing import BinaryIO

    from .hub import Hub
    from .protocol import Frame
    from .session import Session

DRAIN_SECONDS = 5.0
"""How long requests under way may take once the client has closed standard input."""

BATCH_MAX = 100
"""Most frames in one batch (JSON-RPC 2.0, section 6; MCP 2025-03-26 only)."""

NAME_MAX = 200
"""Longest name of an agent, in characters."""


class _Outlet:
    """Frames to the client, one a line."""

    def __init__(self, output: Output) -> None:
        self.headers = None
        self._output = output

    async def send(self, frame: Frame) -> None:
        await self._output.write(rpc.encode(frame) + b"\n")


async def serve_stdio(
    hub: Hub, agent: str = "", source: BinaryIO | None = None, sink: BinaryIO | None = None
) -> None:
    """Serve until standard input ends. `agent` is the acting agent's name; without one it is the
    name the client gives itself.
    """
    lines = Lines(hub.gateway.runtime.settings.limits.body_bytes)
    output = Output()
    await output.open(sink or _copy(sys.stdout, "wb"))
    session = hub.session(Actor(agent=agent, session=f"mcp/{uuid_utils.uuid7()}"), local=True)
    session.outlet = outlet = _Outlet(output)
    reading = asyncio.create_task(lines.follow(source or _copy(sys.stdin, "rb")))
    tasks: set[asyncio.Task[None]] = set()
    try:
        async for line in lines.each():
            if output.lost:
                break
            if not isinstance(line, TooLong) and (not line or line.isspace()):
                continue
            await output.ready()
            task = asyncio.create_task(_answer(hub, session, line, outlet))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    finally:
        reading.cancel()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await session.close()
        await hub.close()
        output.close()


def _copy(stream: Any, mode: str) -> BinaryIO:
    """A file of our own on the same descriptor: closing it leaves the stream of the process."""
    return cast("BinaryIO", os.fdopen(os.dup(stream.fileno()), mode, buffering=0))


async def _answer(hub: Hub, session: Session, line: bytes | TooLong, outlet: _Outlet) -> None:
    """Answer one line."""
    try:
        if isinstance(line, TooLong):
            limit = hub.gateway.runtime.settings.limits.body_bytes
            raise rpc.RpcError(rpc.INVALID_REQUEST, f"the frame is larger than {limit} bytes")
        value = rpc.decode(line)
        if isinstance(value, list):
            if not 0 < len(value) <= BATCH_MAX:
                raise rpc.RpcError(rpc.INVALID_REQUEST, f"a batch holds 1 to {BATCH_MAX} frames")
            answers = await asyncio.gather(*(_one(hub, session, item, outlet) for item in value))
            told: Any = [answer for answer in answers if answer is not None]
        else:
            told = await _one(hub, session, value, outlet)
    except rpc.FrameError as error:
        told = rpc.error_of(error.id, error)
    except rpc.RpcError as error:
        told = rpc.error_of(None, error)
    if told:
        await outlet.send(told)


async def _one(hub: Hub, session: Session, value: Any, outlet: _Outlet) -> Frame | None:
    try:
        frame = rpc.check(value)
    except rpc.RpcError as error:
        id = value.get("id") if isinstance(value, dict) else None
        return rpc.error_of(id if isinstance(id, (str, int)) else None, error)
    if frame.get("method") == "initialize" and not session.actor.agent:
        session.actor = named(session.actor, frame.get("params", {}).get("clientInfo"))
    return await hub.answer(session, frame, outlet)


def named(actor: Actor, client: Any) -> Actor:
    """The actor under the name its client gives itself."""
    name = client.get("name") if isinstance(client, dict) else None
    if not isinstance(name, str) or not name.isprintable():
        return actor
    return msgspec.structs.replace(actor, agent=name[:NAME_MAX])
