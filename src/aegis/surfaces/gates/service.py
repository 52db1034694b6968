"""Serves one gate on a listening socket: bounded connections, TLS, an orderly end.

What is spoken on a connection is the gate's own matter; how many there are, and how all of them
end, is the same for every gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import TYPE_CHECKING, Protocol

from ...kernel.listening import address_of, check_exposure, shown_address
from ...model import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...kernel.gate_settings import GateSettings

BACKLOG = 128
"""Connections the kernel may hold before the gate takes them."""

BUFFER_BYTES = 65_536
"""Most bytes of one connection that wait to be read; then the peer has to wait (back-pressure)."""


class Gate(Protocol):
    """What speaks one protocol."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end. What it raises closes the connection."""
        ...

    def crowded(self) -> bytes:
        """What a client is told for which there is no room."""
        ...

    def drain(self) -> None:
        """Let unused connections end now, and others as soon as they are."""
        ...


def server_tls(settings: GateSettings) -> ssl.SSLContext | None:
    """TLS to clients; None where no certificate is configured. Raises ConfigError."""
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.private_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"`{settings.certificate}` cannot be used for TLS: {error}") from None
    return context


class Service:
    """One gate, listening. `section` is where its settings stand."""

    def __init__(
        self,
        gate: Gate,
        section: str,
        settings: GateSettings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` wraps every connection from its first byte. Raises ConfigError where clients from
        other machines could come without a key.
        """
        self._gate = gate
        self._settings = settings
        self._tls = tls
        self._talks: set[asyncio.Task[None]] = set()
        self._host, self._port = address_of(settings.listen)
        check_exposure(section, settings, self._host)

    async def run(self, started: Callable[[str], None], stop: asyncio.Event) -> None:
        """Serve until `stop`; then finish what is under way. `started(address)` is called once
        connections are taken. Raises ConfigError where the address cannot be used.
        """
        try:
            server = await asyncio.start_server(
                self._taken,
                self._host,
                self._port,
                limit=BUFFER_BYTES,
                backlog=BACKLOG,
                ssl=self._tls,
            )
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ConfigError(f"cannot listen on {self._settings.listen}: {reason}") from None
        bound = server.sockets[0].getsockname()
        started(shown_address(str(bound[0]), int(bound[1])))
        try:
            await stop.wait()
        finally:
            server.close()
            await self._end()

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._talks) >= self._settings.connections:
            writer.write(self._gate.crowded())
            writer.close()
            return
        self._talks.add(task)
        try:
            await self._gate.converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer has gone, or the gate ends
        finally:
            self._talks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _end(self) -> None:
        self._gate.drain()
        if self._talks:
            await asyncio.wait(self._talks, timeout=self._settings.shutdown_seconds)
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.gather(*self._talks, return_exceptions=True)
