"""What a client sends, read ahead within bounds: so it is noticed when a client leaves while its
statement runs or waits for a person.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 65_536
"""How much is read at once."""


class Gone(Exception):
    """The client has left."""


class Inbox:
    """The messages of one client. `most` bytes wait at once; then the client has to."""

    def __init__(self, reader: asyncio.StreamReader, most: int) -> None:
        self._reader = reader
        self._most = most
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._ended: Exception | None = None
        self._room = asyncio.Event()
        self.came = asyncio.Event()
        """Set when there is something to look at: a message, an end, or what others set it for."""

    async def pump(self, gone: Callable[[], None]) -> None:
        """Read until the client leaves; then call `gone`."""
        buffer = bytearray()
        try:
            while data := await self._reader.read(READ_BYTES):
                buffer += data
                for raw in wire.split(buffer, self._most):
                    self._messages.append(raw)
                    self._size += len(raw)
                self.came.set()
                while self._size > self._most:
                    self._room.clear()
                    await self._room.wait()
            self._ended = Gone()
        except OSError:
            self._ended = Gone()
        except wire.ProtocolError as error:
            self._ended = error
        self.came.set()
        if isinstance(self._ended, Gone):
            gone()

    def take(self) -> bytes | None:
        """The next message; None where none is there yet. Raises Gone, ProtocolError at the end."""
        if self._messages:
            raw = self._messages.popleft()
            self._size -= len(raw)
            self._room.set()
            return raw
        if self._ended is not None:
            raise self._ended
        self.came.clear()
        return None

    @property
    def syncs(self) -> bool:
        """Whether the next message is here, and is Sync."""
        return bool(self._messages) and self._messages[0] == wire.SYNC

    async def next(self, seconds: float) -> bytes:
        """The next message, waited for at most so long. Raises Gone, ProtocolError and
        TimeoutError.
        """
        while True:
            raw = self.take()
            if raw is not None:
                return raw
            async with asyncio.timeout(seconds):
                await self.came.wait()
