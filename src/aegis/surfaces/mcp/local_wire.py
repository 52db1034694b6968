"""An upstream in this process with one tool.

It is an upstream like any other: a call is decided by what it would do, recorded, and its result is
inspected. How the tool is performed is given by whoever makes the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError
from . import protocol as rpc
from .protocol import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .link import Lost, Receive

RUNNING_MAX = 16
"""Most calls of one client under way at once; more are refused."""


class LocalTool(msgspec.Struct, frozen=True):
    """The tool: its `definition`, the type of its arguments, and what performs an order.

    `perform` runs in a thread of its own and gives the result of the call; it raises OSError,
    AegisError or ValidationError where it cannot.
    """

    definition: Frame
    order: type[msgspec.Struct]
    perform: Callable[[Any], Frame]


class LocalWire:
    """Answers in this process, for one tool."""

    def __init__(self, tool: LocalTool) -> None:
        self._tool = tool
        self._receive: Receive | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self, receive: Receive, lost: Lost) -> None:
        """Nothing has to be connected."""
        self._receive = receive

    def greeted(self, revision: str) -> None:
        """Every revision is answered alike."""

    def listed(self, tools: Mapping[str, Frame]) -> None:
        """Nothing here depends on what the tools are."""

    async def close(self) -> None:
        """Nobody hears what is still under way; it ends at its own time limit."""
        self._receive = None

    async def send(self, frame: Frame) -> None:
        """Take one frame; commands run while others are answered."""
        if "id" not in frame or self._receive is None:
            return
        if frame["method"] == "tools/call" and len(self._under_way) < RUNNING_MAX:
            task = asyncio.create_task(self._called(frame))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            return
        try:
            answer = rpc.result_of(
                frame["id"], self._answer(frame["method"], frame.get("params", {}))
            )
        except rpc.RpcError as error:
            answer = rpc.error_of(frame["id"], error)
        self._receive(answer, frame["id"])

    async def _called(self, frame: Frame) -> None:
        try:
            order = msgspec.convert(frame["params"].get("arguments", {}), self._tool.order)
            result = await asyncio.to_thread(self._tool.perform, order)
        except msgspec.ValidationError as error:
            result = failed(f"the arguments are not what is expected: {error}")
        except (OSError, AegisError) as error:
            result = failed(f"it failed: {error}")
        if self._receive is not None:
            self._receive(rpc.result_of(frame["id"], result), frame["id"])

    def _answer(self, method: str, params: Frame) -> Frame:
        if method == "initialize":
            return {
                "protocolVersion": params.get("protocolVersion"),
                "capabilities": {"tools": {}},
                "serverInfo": rpc.about(),
            }
        if method == "tools/list":
            return {"tools": [self._tool.definition]}
        if method == "tools/call":
            return failed(f"{RUNNING_MAX} calls are under way already; try again")
        raise rpc.RpcError(rpc.NO_METHOD, f"there is no method `{method[:100]}` here")


def failed(words: str) -> Frame:
    """The result of a call that failed."""
    return {"content": [{"type": "text", "text": words}], "isError": True}
