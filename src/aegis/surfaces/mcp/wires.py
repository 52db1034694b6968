"""Which wire reaches an upstream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .http_wire import HttpWire
from .sse_wire import SseWire
from .stdio_wire import StdioWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...kernel.mcp_settings import McpUpstream
    from .link import Wire
    from .upstream import Connect


def connector(redact: Callable[[Any], Any]) -> Connect:
    """Makes wires; `redact` cleans what upstreams say before it is logged."""
    # the client logs every address it asks, and addresses may hold secrets
    logging.getLogger("httpx2").setLevel(logging.WARNING)

    def connect(name: str, spec: McpUpstream) -> Wire:
        transport = spec.transport or ("http" if spec.url else "stdio")
        if transport == "stdio":
            return StdioWire(name, spec, redact)
        return HttpWire(name, spec) if transport == "http" else SseWire(name, spec)

    return connect
