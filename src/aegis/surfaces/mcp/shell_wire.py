"""An upstream in this process with one tool, `exec`: a command line, run in a confined child.

It is an upstream like any other: a call is decided by what its command would do, recorded, and
what it prints is inspected. How commands are run is given by whoever makes the wire.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError
from . import protocol as rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .link import Lost, Receive
    from .protocol import Frame

SECONDS_MAX = 3_600.0
"""Longest a command may be given: an hour. What takes longer is a service, not a call."""

RUNNING_MAX = 16
"""Most commands of one client under way at once; more are refused."""

TOOL: Frame = {
    "name": "exec",
    "description": "Run a command line of Bash in a confined child, and return what it prints.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "the command line", "minLength": 1},
            "seconds": {
                "type": "number",
                "description": "most seconds it may take; 60 without it",
                "exclusiveMinimum": 0,
                "maximum": SECONDS_MAX,
            },
        },
        "required": ["command"],
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": False},
}


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of `exec`."""

    command: str
    seconds: float = 60.0


class ShellWire:
    """Answers in this process. `run` runs an order and gives what came of it: `exit`, `ended`,
    `stdout`, `stderr`, `confined`, `open`; it raises OSError where nothing could be started.
    """

    def __init__(self, run: Callable[[Order], Mapping[str, Any]]) -> None:
        self._run = run
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
            answer = rpc.result_of(frame["id"], _answer(frame["method"], frame.get("params", {})))
        except rpc.RpcError as error:
            answer = rpc.error_of(frame["id"], error)
        self._receive(answer, frame["id"])

    async def _called(self, frame: Frame) -> None:
        try:
            order = msgspec.convert(frame["params"].get("arguments", {}), Order)
            if not 0 < order.seconds <= SECONDS_MAX:
                raise msgspec.ValidationError(f"`seconds` is more than 0, at most {SECONDS_MAX:g}")
            result = _told(await asyncio.to_thread(self._run, order))
        except msgspec.ValidationError as error:
            result = _failed(f"the arguments are not what is expected: {error}")
        except (OSError, AegisError) as error:
            result = _failed(f"the command could not be started: {error}")
        if self._receive is not None:
            self._receive(rpc.result_of(frame["id"], result), frame["id"])


def _answer(method: str, params: Frame) -> Frame:
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": rpc.about(),
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return _failed(f"{RUNNING_MAX} commands are under way already; try again")
    raise rpc.RpcError(rpc.NO_METHOD, f"there is no method `{method[:100]}` here")


def _told(done: Mapping[str, Any]) -> Frame:
    """What a command left, for a model to read and for a program."""
    parts = [done["stdout"], done["stderr"]]
    if done["ended"] != "exit":
        parts.append(f"ended by {done['ended']}")
    elif done["exit"]:
        parts.append(f"exit code {done['exit']}")
    text = "\n".join(part.rstrip("\n") for part in parts if part)
    answer: Frame = {"content": [{"type": "text", "text": text}], "structuredContent": dict(done)}
    return {**answer, "isError": True} if done["exit"] or done["ended"] != "exit" else answer


def _failed(words: str) -> Frame:
    return {"content": [{"type": "text", "text": words}], "isError": True}
