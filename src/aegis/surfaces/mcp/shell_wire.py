"""The built-in shell: an upstream with one tool, `exec`, a command line run in a confined child."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Prepared
from .local_wire import LocalTool, ToolWire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .protocol import Frame

SECONDS_MAX = 3_600.0
"""Longest a command may be given: an hour. What takes longer is a service, not a call."""

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


_ORDER = Prepared(Order)


def shell(run: Callable[[Order], Mapping[str, Any]]) -> ToolWire:
    """The wire to the shell. `run` runs an order and gives what came of it: `exit`, `ended`,
    `stdout`, `stderr`, `confined`, `open`, `restored`; it raises OSError where nothing could be
    started.
    """

    def perform(order: Order) -> Frame:
        if not 0 < order.seconds <= SECONDS_MAX:
            raise msgspec.ValidationError(f"`seconds` is more than 0, at most {SECONDS_MAX:g}")
        return _told(run(order))

    return ToolWire(LocalTool(TOOL, _ORDER, perform))


def _told(done: Mapping[str, Any]) -> Frame:
    """What a command left, for a model to read and for a program."""
    parts = [done["stdout"], done["stderr"]]
    if done["ended"] != "exit":
        parts.append(f"ended by {done['ended']}")
    elif done["exit"]:
        parts.append(f"exit code {done['exit']}")
    parts += done["restored"]
    text = "\n".join(part.rstrip("\n") for part in parts if part)
    answer: Frame = {"content": [{"type": "text", "text": text}], "structuredContent": dict(done)}
    return {**answer, "isError": True} if done["exit"] or done["ended"] != "exit" else answer
