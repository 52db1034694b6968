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


def connecting(runtime: Runtime) -> Connect:
    """Makes wires for a gateway of this runtime."""
    from ..surfaces.mcp.wires import connector

    connect = connector(runtime.rules.redact)

    def reach(name: str, spec: McpUpstream) -> Wire:
        return _shell(runtime, spec) if spec.builtin == "shell" else connect(name, spec)

    return reach


def _shell(runtime: Runtime, spec: McpUpstream) -> Wire:
    """The built-in shell: commands run as `aegis exec` runs them, decided by the gateway before."""
    from ..surfaces.gates.command import Job, run
    from ..surfaces.gates.confine import Limits
    from ..surfaces.mcp.shell_wire import ShellWire

    folder = Path(spec.cwd or ".").resolve()
    hidden = Path(runtime.settings.home).absolute()

    def execute(order: Order) -> dict[str, Any]:
        words = ("bash", "-c", order.command)
        return run(Job(words, folder, Limits(seconds=order.seconds), hidden=hidden))

    return ShellWire(execute)
