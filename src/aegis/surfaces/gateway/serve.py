"""Starts the gateway: uvicorn keeps sockets and signals, `front.py` speaks HTTP, uvloop runs it.

uvicorn writes no access log; `app.py` does, where one is asked for: a log line costs more than
governing the request, and the ledger has a better one. Forwarded-for headers are not believed.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import uvicorn

from ...kernel.listening import check_exposure
from ...kernel.warming import WARMING, warm
from ...model import Action, ConfigError
from .app import Gateway
from .front import Front
from .openai_chat import CHAT, TYPE

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from ...kernel.runtime import Runtime
    from .app import Mounted

BACKLOG = 2048
"""Connections the kernel may hold before the server takes them."""

KEEP_ALIVE_SECONDS = 65
"""How long an unused client connection is kept: longer than the idle limit of common proxies."""


def serve(
    runtime: Runtime,
    host: str = "",
    port: int = 0,
    *,
    started: Callable[[str, int], None] | None = None,
    mounted: Mounted | None = None,
) -> None:
    """Serve until a signal ends it; then finish what is under way and close the runtime.

    `started(host, port)` is called once connections are taken; `mounted` is another surface to
    serve. Raises ConfigError where callers
    from other machines could come without a key, or the address cannot be used.
    """
    server = make_server(runtime, host, port, started, mounted)
    runtime.desk.courier.start()
    _warm(runtime)
    try:
        server.run()
    except SystemExit as exit:
        if exit.code:
            address = f"{server.config.host}:{server.config.port}"
            raise ConfigError(f"cannot serve on {address}: {server.refused.reason}") from None
    finally:
        runtime.close()


def make_server(
    runtime: Runtime,
    host: str = "",
    port: int = 0,
    started: Callable[[str, int], None] | None = None,
    mounted: Mounted | None = None,
) -> _Server:
    """The server, configured and not yet started. Raises ConfigError."""
    settings = runtime.settings.server
    host = host or settings.host
    check_exposure("server", settings, host)
    try:
        host.encode("idna")  # as the look-up will, which has no error of its own for this
    except UnicodeError:
        raise ConfigError(f"cannot serve on `{host[:80]}`: it is no host name") from None
    config = uvicorn.Config(
        Gateway(runtime, mounted),
        host=host,
        port=port or settings.port,
        http=Front,
        loop="auto",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    return _Server(config, started)


def _warm(runtime: Runtime) -> None:
    messages = [{"role": "user", "content": text} for text in WARMING]
    action = Action(TYPE, "warm", {"messages": messages}, "", "llm")
    warm(runtime.rules, action, tuple(CHAT.texts(action)))


class _Refused(logging.Filter):
    """Why an address could not be used: uvicorn logs that error raw, we say it as a sentence."""

    reason = "is it in use?"

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the error in place of its log line."""
        error = record.msg
        if not isinstance(error, OSError):
            return True
        # names that are not found have numbers of their own, below 0 (RFC 3493, section 6.1)
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        self.reason = (known or str(error)).lower()
        return False


class _Server(uvicorn.Server):
    """Says when it takes connections, and where."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str, int], None] | None) -> None:
        super().__init__(config)
        self._started = started
        self.refused = _Refused()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, then tell."""
        log = logging.getLogger("uvicorn.error")
        log.addFilter(self.refused)
        try:
            await super().startup(sockets)
        finally:
            log.removeFilter(self.refused)
        if self.started and self._started is not None:
            bound = self.servers[0].sockets[0].getsockname()
            self._started(str(bound[0]), int(bound[1]))
