"""`aegis mcp`: the MCP gateway over standard streams or HTTP, and the pins of its tools."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from cyclopts import Parameter

from ..model import CallerError
from . import home, output
from .loops import loop_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..kernel.config import Loaded
    from ..kernel.mcp_settings import McpUpstream
    from ..kernel.runtime import Runtime
    from ..kernel.state import Pin
    from ..surfaces.mcp.upstream import Connect

ENTRY = "AEGIS_MCP_ENTRY"
"""The variable that holds the entry of a client's file which a command replaces: its headers are
secrets, and no secret stands on a command line.
"""

CALLED = re.compile(r"[^A-Za-z0-9.-]+")
"""What the name of an upstream cannot hold."""


def run(
    *,
    config: Path | None = None,
    transport: Literal["stdio", "http"] = "stdio",
    host: str | None = None,
    port: int | None = None,
    agent: str = "",
) -> int:
    """Serve the configured MCP servers, governed, to one client or over HTTP.

    Parameters
    ----------
    config
        a file with `upstreams` (and `policy`), or an aegis.yaml with an `mcp` section
    transport
        stdio serves the client that starts this command; http serves /mcp (streamable HTTP) and
        /sse (its predecessor) together with everything `aegis serve` has
    host
        address to listen on, for http
    port
        port to listen on, for http; 0 takes a free one
    agent
        name of the acting agent, for stdio; else the client's own name for itself
    """
    loaded = home.loaded(config, resolve=True)
    if not loaded.settings.mcp.upstreams:
        raise CallerError(
            "no MCP servers are configured: put them under `mcp.upstreams` of aegis.yaml, or pass "
            "a file with `upstreams:` as `--config`"
        )
    if transport == "http":
        from .serve import serve_loaded

        return serve_loaded(lambda: home.loaded(config, resolve=True), host, port)
    return _stdio(loaded, agent)


def wrap(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    url: str = "",
    transport: Literal["http", "sse"] = "http",
    header: tuple[str, ...] = (),
    name: str = "",
    config: Path | None = None,
    agent: str = "",
) -> int:
    """Govern one MCP server in place: `aegis mcp wrap -- COMMAND ...` instead of the command.

    Parameters
    ----------
    command
        the server's command and its arguments, after `--`
    url
        the server's address, where it is not started but reached
    transport
        what is spoken at the address: streamable HTTP, or its predecessor
    header
        a header of every request to the address, as `NAME: VALUE`
    name
        what policies and records call it; else made from the command or the host
    config
        the aegis.yaml to use
    agent
        name of the acting agent; else the client's own name for itself
    """
    if bool(command) == bool(url):
        raise CallerError(
            "name the server's command after `--`, as in `aegis mcp wrap -- npx server`, or its "
            "address: `aegis mcp wrap --url https://host/mcp`"
        )
    upstream = _remote(url, transport, header) if url else _local(command)
    words = urlsplit(url).hostname if url else Path(command[-1 if len(command) > 1 else 0]).name
    called = name or CALLED.sub("-", words or "").strip("-")
    called = called[:40] or "server"
    return _stdio(_wrapping(home.loaded(config, resolve=True), called, upstream), agent, called)


def pins(
    action: Literal["list", "accept", "reject"] = "list",
    name: str = "",
    /,
    *,
    config: Path | None = None,
    json: bool = False,
) -> int:
    """Show pinned tools; accept or reject what one has become.

    Parameters
    ----------
    action
        list, accept or reject
    name
        the tool, as `server__tool`
    config
        the configuration `aegis mcp run` uses
    json
        print JSON
    """
    from ..surfaces.mcp.pins import answer

    loaded = home.loaded(config)
    if action == "list":
        with home.state(loaded) as state:
            return _show(state.pins(), json)
    if not name:
        raise CallerError(f"name the tool: `aegis mcp pins {action} SERVER__TOOL`")
    with home.runtime(loaded) as runtime:
        pin = answer(runtime, name, action == "accept", by=home.user())
    output.say(f"{action}ed {pin.server}__{pin.tool}")
    return 0


def _show(found_pins: Sequence[Pin], json: bool) -> int:
    from ..surfaces.mcp.pins import waiting

    rows = [
        {
            "tool": f"{pin.server}__{pin.tool}",
            "state": "waiting" if waiting(pin) else "rejected" if pin.rejected else "pinned",
            "definition": pin.digest,
            "proposed": pin.proposed,
            "reason": pin.reason,
            "by": pin.by,
        }
        for pin in found_pins
    ]
    if json:
        output.json(rows)
        return 0
    output.table(
        ("tool", "state", "definition", "proposed", "reason"),
        (
            (row["tool"], row["state"], row["definition"][:12], row["proposed"][:12], row["reason"])
            for row in rows
        ),
        "no tools were seen yet; they are pinned when a client first lists them",
    )
    return 0


def _wrapping(loaded: Loaded, name: str, upstream: McpUpstream) -> Loaded:
    """A configuration with one upstream only."""
    configured = loaded.settings.mcp.upstreams.get(name)
    if configured is not None:
        # what is said of the server holds, however it is started
        facts = {"tools": configured.tools, "catalogue": configured.catalogue}
        upstream = msgspec.structs.replace(upstream, **facts)
    mcp = msgspec.structs.replace(loaded.settings.mcp, upstreams={name: upstream})
    settings = msgspec.structs.replace(loaded.settings, mcp=mcp)
    return msgspec.structs.replace(loaded, settings=settings)


def _local(command: Sequence[str]) -> McpUpstream:
    """A server that is started; it gets the variables of this process."""
    from ..kernel.mcp_settings import McpUpstream

    env = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS")}
    return McpUpstream(command[0], tuple(command[1:]), env)


def _remote(url: str, transport: str, given: Sequence[str]) -> McpUpstream:
    """A server at an address. Its headers come from the command line, and from the entry of the
    client's file that this command stands for. Raises CallerError.
    """
    from ..kernel.mcp_settings import McpUpstream

    if not url.startswith(("http://", "https://")):
        raise CallerError(f"`{url[:200]}` is no address: it has to begin with http:// or https://")
    headers = replaced_entry().get("headers", {})
    for line in given:
        name, colon, value = line.partition(":")
        if not colon:
            raise CallerError("a header is given as `NAME: VALUE`")
        headers[name.strip()] = value.strip()
    spec = {"url": url, "transport": transport, "headers": headers}
    try:
        return msgspec.convert(spec, McpUpstream)
    except msgspec.ValidationError as error:
        raise CallerError(f"the headers of `{url[:200]}` cannot be used: {error}") from None


def replaced_entry() -> dict[str, Any]:
    """The entry of a client's file that this process stands for (`aegis mcp install`); empty where
    there is none. Raises CallerError.
    """
    try:
        entry = msgspec.json.decode(os.environ.get(ENTRY, "{}"), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise CallerError(f"the variable `{ENTRY}` holds no entry of a client: {error}") from None
    return entry


def _stdio(loaded: Loaded, agent: str, bare: str = "") -> int:
    """Serve the configured upstreams on standard streams."""
    from .mcp_wires import connecting

    return serve_stdio_of(loaded, agent, bare, partial(connecting, files=loaded.files))


def serve_stdio_of(
    loaded: Loaded, agent: str, bare: str, connecting: Callable[[Runtime], Connect]
) -> int:
    """Serve one client on standard streams until it ends them, or a signal ends this process."""
    from ..kernel.build import open_runtime
    from ..surfaces.mcp.gateway import Gateway
    from ..surfaces.mcp.hub import Hub
    from ..surfaces.mcp.stdio import serve_stdio
    from .serve import configure_logs

    configure_logs(loaded)
    runtime = open_runtime(loaded)

    async def serve() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None and os.name == "posix":
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        connect = connecting(runtime)
        gateway = Gateway(runtime, loaded.settings.mcp, connect, user=home.user(), bare=bare)
        await serve_stdio(Hub(gateway), agent)

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve())
    except asyncio.CancelledError:
        return 0  # told to end; what was under way has been closed
    finally:
        runtime.close()
    return 0
