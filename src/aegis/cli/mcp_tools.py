"""`aegis mcp tools`: what the gateway knows of the tools of its servers, and from whom."""

from __future__ import annotations

import asyncio
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Any

from ..model import Actor, CallerError, UpstreamError
from . import home, output

if TYPE_CHECKING:
    from ..kernel.config import Loaded
    from ..kernel.runtime import Runtime
    from ..surfaces.mcp.upstream import Upstream

    Row = dict[str, Any]


def tools(server: str = "", /, *, config: Path | None = None, json: bool = False) -> int:
    """Show what calls of the configured servers' tools would be taken for.

    The servers are started and asked for their tools; none is called.

    Parameters
    ----------
    server
        only this one
    config
        the configuration `aegis mcp run` uses
    json
        print JSON
    """
    loaded = home.loaded(config, resolve=True)
    known = loaded.settings.mcp.upstreams
    if server and server not in known:
        raise CallerError(f"there is no server `{server}`; there are {', '.join(known) or 'none'}")
    with home.runtime(loaded) as runtime:
        rows = asyncio.run(_rows(loaded, runtime, [server] if server else list(known)))
    if json:
        output.json(rows)
        return 0
    output.table(
        ("tool", "does", "touches", "said by"),
        (
            (
                row["tool"],
                row["capability"],
                ", ".join(f"{path}: {kind}" for path, kind in row["touches"].items()),
                row["said_by"],
            )
            for row in rows
        ),
        "no MCP servers are configured, or they have no tools",
    )
    return 0


async def _rows(loaded: Loaded, runtime: Runtime, servers: list[str]) -> list[Row]:
    from ..surfaces.mcp.upstream import Upstream
    from .mcp_wires import connecting

    connect = connecting(runtime, loaded.files)
    upstreams = [Upstream(name, loaded.settings.mcp.upstreams[name], connect) for name in servers]
    rows: list[Row] = []
    for found in await asyncio.gather(*map(_of, upstreams), return_exceptions=True):
        if isinstance(found, UpstreamError):
            output.note(str(found))
        elif isinstance(found, BaseException):
            raise found
        else:
            rows += found
    return rows


async def _of(upstream: Upstream) -> list[Row]:
    """The tools of one server. Raises UpstreamError."""
    from ..surfaces.mcp import protocol as rpc
    from ..surfaces.mcp.facts import touches
    from ..surfaces.mcp.tools import SEPARATOR, action_of, declared, listed
    from ..tools.reading import DESCRIBED

    link = await upstream.open(_Deaf(), {}, rpc.about(), modern=False)
    try:
        known = await listed(link, upstream.spec)
    finally:
        await link.close()
    rows = []
    for name, tool in known.items():
        fact = known.fact(name)
        full = f"{upstream.name}{SEPARATOR}{name}"
        rows.append(
            {
                "tool": full,
                "capability": action_of(Actor(), full, tool, {}, fact).capability,
                "touches": touches(fact, declared(tool) or ()),
                "reads": fact.reads,
                "said_by": fact.label.removeprefix(DESCRIBED) or "its names",
            }
        )
    return rows


class _Deaf:
    """Hears nothing of what an upstream says by itself."""

    def heard(self, link: Any, frame: Any, asker: Any) -> None:
        """Nobody is told."""

    async def asked(self, link: Any, frame: Any, asker: Any) -> Any:
        """Nobody answers."""
        from ..surfaces.mcp import protocol as rpc

        raise rpc.RpcError(rpc.NO_METHOD, "nobody is asked while tools are looked at")
