"""The gate as a whole: who may come in, and the sessions there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    import asyncio

    from ....kernel.runtime import Runtime


class SqlGate:
    """Speaks PostgreSQL (protocol 3)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.gates.sql

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        writer.write(wire.failure("FATAL", "0A000", "this gate does not take statements yet"))
        await writer.drain()

    def crowded(self) -> bytes:
        """What a client is told for which there is no room."""
        return wire.failure("FATAL", "53300", "too many connections to this gate")

    def drain(self) -> None:
        """Nothing is kept between two connections."""
