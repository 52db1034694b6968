"""The built-in SQL tool: an upstream with one tool, `query`, that runs statements on a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import Prepared
from .local_wire import LocalTool, ToolWire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .protocol import Frame

TOOL: Frame = {
    "name": "query",
    "description": "Run SQL on the database, and return the rows of its last statement as JSON.",
    "inputSchema": {
        "type": "object",
        "properties": {"sql": {"type": "string", "description": "the statement", "minLength": 1}},
        "required": ["sql"],
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": False},
}


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of `query`."""

    sql: str


_ORDER = Prepared(Order)


def database(run: Callable[[str], Mapping[str, Any]]) -> ToolWire:
    """The wire to a database. `run` runs a text of SQL and gives `columns`, `rows`, `count` and
    `more`; it raises AegisError where the database refuses.
    """

    def perform(order: Order) -> Frame:
        done = dict(run(order.sql))
        text = json.dumps(done, ensure_ascii=False, separators=(",", ":"))
        return {"content": [{"type": "text", "text": text}], "structuredContent": done}

    return ToolWire(LocalTool(TOOL, _ORDER, perform))
