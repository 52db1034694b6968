"""Upstreams in this process.

Each is an upstream like any other: a call is decided by what it would do, recorded, and its result
is inspected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError, Prepared
from . import protocol as rpc
from .protocol import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .link import Lost, Receive

RUNNING_MAX = 16
"""Most calls of one client under way at once; more are refused."""


class LocalTool(msgspec.Struct, frozen=True):
    """A tool: its `definition`, the type of its arguments, and what performs an order.

    `perform` runs in a thread of its own and gives the result of the call; it raises OSError,
    AegisError or ValidationError where it cannot.
    """

    definition: Frame
    order: Prepared[Any]
    perform: Callable[[Any], Frame]


class LocalWire:
    """Answers in this process: greets, and lists tools. How a call is answered, subclasses say."""

    def __init__(self, tools: Sequence[Frame]) -> None:
        self._tools = tools
        self._receive: Receive | None = None

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
        """Take one frame."""
        if "id" not in frame or self._receive is None:
            return
        try:
            result = await self._answer(frame)
        except rpc.RpcError as error:
            self._tell(frame, rpc.error_of(frame["id"], error))
        else:
            if result is not None:
                self._tell(frame, rpc.result_of(frame["id"], result))

    async def called(self, frame: Frame) -> Frame | None:
        """The result of a call; None where it is told later."""
        raise NotImplementedError

    async def _answer(self, frame: Frame) -> Frame | None:
        method, params = frame["method"], frame.get("params", {})
        if method == "initialize":
            return {
                "protocolVersion": params.get("protocolVersion"),
                "capabilities": {"tools": {}},
                "serverInfo": rpc.about(),
            }
        if method == "tools/list":
            return {"tools": list(self._tools)}
        if method != "tools/call":
            raise rpc.RpcError(rpc.NO_METHOD, f"there is no method `{method[:100]}` here")
        return await self.called(frame)

    def _tell(self, frame: Frame, answer: Frame) -> None:
        if self._receive is not None:
            self._receive(answer, frame["id"])


class ToolWire(LocalWire):
    """One tool; its calls are performed beside one another."""

    def __init__(self, tool: LocalTool) -> None:
        super().__init__((tool.definition,))
        self._tool = tool
        self._under_way: set[asyncio.Task[None]] = set()

    async def called(self, frame: Frame) -> Frame | None:
        """Perform it while others are answered."""
        if len(self._under_way) >= RUNNING_MAX:
            return failed(f"{RUNNING_MAX} calls are under way already; try again")
        task = asyncio.create_task(self._performed(frame))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return None

    async def _performed(self, frame: Frame) -> None:
        try:
            order = self._tool.order.convert(frame["params"].get("arguments", {}))
            result = await asyncio.to_thread(self._tool.perform, order)
        except msgspec.ValidationError as error:
            result = failed(f"the arguments are not what is expected: {error}")
        except (OSError, AegisError) as error:
            result = failed(f"it failed: {error}")
        self._tell(frame, rpc.result_of(frame["id"], result))


def failed(words: str) -> Frame:
    """The result of a call that failed."""
    return {"content": [{"type": "text", "text": words}], "isError": True}
