"""How the MCP gateway reaches its upstreams: by wires, and by what is part of Aegis itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..kernel.mcp_settings import McpUpstream
    from ..kernel.runtime import Runtime
    from ..surfaces.mcp.link import Wire
    from ..surfaces.mcp.shell_wire import Order
    from ..surfaces.mcp.upstream import Connect


def connecting(runtime: Runtime, files: tuple[str, ...]) -> Connect:
    """Makes wires for a gateway of this runtime, whose configuration was read from `files`."""
    from ..surfaces.mcp.wires import connector

    connect = connector(runtime.rules.redact)

    def reach(name: str, spec: McpUpstream) -> Wire:
        if spec.builtin:
            return _shell(runtime, spec, files) if spec.builtin == "shell" else _sql(spec)
        return connect(name, spec)

    return reach


def _shell(runtime: Runtime, spec: McpUpstream, files: tuple[str, ...]) -> Wire:
    """The built-in shell: commands run as `aegis exec` runs them, decided by the gateway before."""
    from ..surfaces.gates.command import Job, run
    from ..surfaces.gates.confine import Limits
    from ..surfaces.mcp.shell_wire import shell

    folder = Path(spec.cwd or ".").resolve()
    hidden = Path(runtime.settings.home).absolute()

    def execute(order: Order) -> dict[str, Any]:
        words = ("bash", "-c", order.command)
        limits = Limits(seconds=order.seconds)
        return run(Job(words, folder, limits, hidden=hidden, governing=files))

    return shell(execute)


def _sql(spec: McpUpstream) -> Wire:
    """The built-in SQL tool: statements run on one database, decided by the gateway before."""
    from ..surfaces.gates.query import database_of, query
    from ..surfaces.mcp.sql_wire import database

    place = database_of(spec.database)
    return database(lambda sql: query(place, sql, spec.timeout_seconds))
