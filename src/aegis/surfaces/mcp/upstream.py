"""The configured upstreams: which there are, how each is reached, and when it is tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...model import UpstreamError
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...kernel.mcp_settings import McpUpstream
    from .link import Listener, Wire
    from .protocol import Frame

    Connect = Callable[[str, McpUpstream], Wire]

BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""How long nobody tries again after so many failures in a row."""

STEADY_SECONDS = 10.0
"""A connection that lived this long was no failure when it ended."""


class Upstream:
    """One upstream and the memory of its failures."""

    def __init__(self, name: str, spec: McpUpstream, connect: Connect) -> None:
        self.name = name
        self.spec = spec
        self._connect = connect
        self._failures = 0
        self._retry_at = 0.0
        self._reason = ""

    async def open(
        self, listener: Listener, capabilities: Frame, client: Frame, modern: bool
    ) -> Link:
        """A new connection, greeted. Raises UpstreamError, at once where it failed just now."""
        loop = asyncio.get_running_loop()
        left = self._retry_at - loop.time()
        if left > 0:
            raise UpstreamError(
                f"{self._reason}; it is tried again in {left:.1f} seconds",
                status=503,
                retry_after=left,
                began=False,
            )
        link = Link(
            self.name, self._connect(self.name, self.spec), listener, self.spec.timeout_seconds
        )
        began = loop.time()
        try:
            async with asyncio.timeout(self.spec.connect_seconds):
                await link.open(capabilities, client, modern)
        except BaseException as error:
            await asyncio.shield(link.close())
            if isinstance(error, TimeoutError):
                error = UpstreamError(
                    f"upstream `{self.name}` did not begin within "
                    f"{self.spec.connect_seconds:g} seconds",
                    status=504,
                    began=False,
                )
            if isinstance(error, UpstreamError):
                self.failed(str(error))
            raise error from None
        link.began = began
        return link

    def failed(self, reason: str) -> None:
        """Note a failure."""
        self._failures += 1
        self._reason = reason
        pause = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS)) - 1]
        self._retry_at = asyncio.get_running_loop().time() + pause

    def ended(self, link: Link) -> None:
        """Note how a connection ended that was open."""
        if asyncio.get_running_loop().time() - link.began < STEADY_SECONDS:
            self.failed(link.closed)
        else:
            self._failures = 0
