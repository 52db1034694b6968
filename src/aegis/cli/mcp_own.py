"""`aegis mcp serve`: Aegis itself as an MCP server, for looking and never for changing."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import CallerError
from . import home
from .audit import matching, plain
from .mcp import serve_stdio_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..kernel.config import Loaded


def serve(*, config: Path | None = None, agent: str = "") -> int:
    """Let an agent ask Aegis: evaluate an action, explain a decision, read the records.

    No tool of this server changes anything; each call is governed and recorded like any other.

    Parameters
    ----------
    config
        the aegis.yaml to use
    agent
        name of the acting agent; else the client's own name for itself
    """
    from ..surfaces.mcp.own import NAME, SETTINGS, OwnWire

    loaded = home.loaded(config, resolve=True)
    settings = msgspec.structs.replace(loaded.settings, mcp=SETTINGS)
    loaded = msgspec.structs.replace(loaded, settings=settings)
    return serve_stdio_of(
        loaded,
        agent,
        NAME,
        lambda runtime: lambda name, spec: OwnWire(runtime, lambda q, n: _records(loaded, q, n)),
    )


def _records(loaded: Loaded, query: dict[str, Any], limit: int) -> Sequence[dict[str, Any]]:
    try:
        return [plain(record) for record, _ in matching(loaded, limit=limit, **query)]
    except CallerError:
        return []  # there is no ledger yet
