"""`aegis serve`: the gateway in the foreground."""

from __future__ import annotations

import logging
import signal
import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from ..kernel.listening import PORT_MAX
from ..model import CallerError
from . import home, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.config import Loaded
    from ..kernel.runtime import Runtime
    from ..surfaces.mcp.http import Mounted

FIRST_KEY = "first"
"""Name of the key that is made where there is none."""

log = logging.getLogger("aegis")


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    config: Path | None = None,
    allow_unauthenticated: bool = False,
    watch: Annotated[bool, Parameter(name=("--watch", "--reload"))] = False,
) -> int:
    """Start the gateway. SIGHUP loads the configuration again, SIGTERM ends it.

    Parameters
    ----------
    host
        address to listen on
    port
        port to listen on; 0 takes a free one
    config
        the aegis.yaml to use
    allow_unauthenticated
        serve without keys, also to other machines
    watch
        load the configuration again whenever its files change
    """
    return serve_loaded(
        lambda: home.loaded(config, resolve=True),
        host,
        port,
        open_to_all=allow_unauthenticated,
        watch=watch,
    )


def serve_loaded(
    read: Callable[[], Loaded],
    host: str | None = None,
    port: int | None = None,
    *,
    open_to_all: bool = False,
    watch: bool = False,
) -> int:
    """Serve the configuration that `read` returns, now and whenever it is to be loaded again."""
    if port is not None and not 0 <= port <= PORT_MAX:
        raise CallerError(f"port {port} does not exist; use 0 to {PORT_MAX}")
    try:
        from ..surfaces.gateway.serve import serve as run
    except ModuleNotFoundError as error:
        raise CallerError(
            f"the gateway needs `{error.name}`; install it with `pip install aegis-govern[server]`"
        ) from None
    from ..kernel.build import open_runtime, reload
    from ..kernel.reload import Watch

    override = partial(_override, host=host, port=port, open_to_all=open_to_all)
    found = override(read())
    configure_logs(found)
    runtime = open_runtime(found)

    def apply(loaded: Loaded) -> None:
        reload(runtime, loaded)
        configure_logs(loaded)

    watcher = Watch(found, lambda: override(read()), apply, _report, polls=watch)
    watcher.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        # the server finishes what is under way, then raises the signal again: end as intended
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda _number, _frame: watcher.poke())
    try:
        server = found.settings.server
        started = partial(_announce, runtime, found)
        run(runtime, server.host, server.port, started=started, mounted=_mcp(runtime, found))
    finally:
        watcher.close()
        runtime.close()
    return 0


def configure_logs(found: Loaded) -> None:
    """Set up process logs as the configuration says."""
    from .logs import configure

    configure(found.settings.log)


def _mcp(runtime: Runtime, found: Loaded) -> Mounted | None:
    """The MCP gateway, where upstreams are configured for it."""
    settings = runtime.settings.mcp
    if not settings.upstreams:
        return None
    from ..surfaces.mcp.gateway import Gateway
    from ..surfaces.mcp.http import Mounted
    from ..surfaces.mcp.hub import Hub
    from .mcp_wires import connecting

    connect = connecting(runtime, found.files)
    return Mounted(Hub(Gateway(runtime, settings, connect, user=home.user())))


def _override(found: Loaded, host: str | None, port: int | None, open_to_all: bool) -> Loaded:
    """The configuration with what the command line says over it."""
    server = found.settings.server
    server = msgspec.structs.replace(
        server,
        host=server.host if host is None else host,
        port=server.port if port is None else port,
        require_key=server.require_key and not open_to_all,
        allow_unauthenticated=server.allow_unauthenticated or open_to_all,
    )
    settings = msgspec.structs.replace(found.settings, server=server)
    return msgspec.structs.replace(found, settings=settings)


def _announce(runtime: Runtime, found: Loaded, host: str, port: int) -> None:
    """Say where it serves and by which key evidence is signed; make the first key if needed."""
    from .keys import issue

    shown = f"[{host}]" if ":" in host else host
    output.say(f"aegis serves http://{shown}:{port}/v1")
    if found.settings.mcp.upstreams:
        output.say(f"  mcp            http://{shown}:{port}/mcp")
    output.say(f"  configuration  {found.source or 'defaults (no aegis.yaml found)'}")
    output.say(f"  policy         {runtime.rules.policy.version}")
    output.say(f"  ledger key     {runtime.journal.signer.identity.fingerprint}")
    if not found.settings.server.require_key:
        output.say("  keys           none required: whoever reaches this address may use it")
    elif not runtime.keys.any():
        token, _ = issue(runtime, FIRST_KEY)
        output.say(f"  first key      {token}  (shown this once)")
    print(end="", flush=True)


def _report(message: str, problem: bool) -> None:
    log.log(logging.ERROR if problem else logging.INFO, message)
