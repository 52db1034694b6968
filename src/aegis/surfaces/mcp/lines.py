"""Lines of bytes from and to pipes, without a thread where the system lets us."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = 65_536
"""How much is read from a file at once, in bytes."""

AHEAD_MAX = 256
"""Most lines read before anybody took them; the writer waits then."""


class TooLong(Exception):
    """A line beyond the limit; its rest was skipped."""


def _waitable(file: BinaryIO) -> bool:
    """Whether an event loop can wait for a file: regular files, terminals and devices are read and
    written on a thread. Asked first, because some loops end the process over it.
    """
    mode = os.fstat(file.fileno()).st_mode
    return os.name == "posix" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


class Lines(asyncio.Protocol):
    """Splits what arrives into lines of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._queue: asyncio.Queue[bytes | TooLong | None] = asyncio.Queue()
        self._transport: asyncio.ReadTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bytes will come."""
        if isinstance(transport, asyncio.ReadTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._add(piece)
            line = b"".join(self._parts)
            long = self._size > self._limit
            self._parts, self._size = [], 0
            self._queue.put_nowait(TooLong() if long else line)
        self._add(rest)
        if self._queue.qsize() > AHEAD_MAX and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """No more bytes."""
        if self._size and self._size <= self._limit:
            self._queue.put_nowait(b"".join(self._parts))
        self._parts, self._size = [], 0
        self._queue.put_nowait(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The pipe broke, or ended."""
        self._queue.put_nowait(None)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            if piece:
                self._parts.append(piece)
        else:
            self._parts = []

    async def each(self) -> AsyncIterator[bytes | TooLong]:
        """The lines, until there are no more; TooLong stands for one beyond the limit."""
        while (line := await self._queue.get()) is not None:
            if self._paused and self._queue.qsize() < AHEAD_MAX // 2 and self._transport:
                self._paused = False
                self._transport.resume_reading()
            yield line

    async def follow(self, file: BinaryIO) -> None:
        """Begin to read a file. Returns at once for a pipe, at its end for anything else."""
        if _waitable(file):
            await asyncio.get_running_loop().connect_read_pipe(lambda: self, file)
            return
        while data := await asyncio.to_thread(os.read, file.fileno(), PIECE):
            self.data_received(data)
        self.eof_received()


class Output(asyncio.BaseProtocol):
    """Writes whole lines in their order, and waits while nobody reads."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._file: BinaryIO | None = None
        self._ready = asyncio.Event()
        self._ready.set()
        self._lock = asyncio.Lock()
        self.lost = False

    async def open(self, file: BinaryIO) -> None:
        """Write to a file from now on."""
        if not _waitable(file):
            self._file = file
            return
        transport, _ = await asyncio.get_running_loop().connect_write_pipe(lambda: self, file)
        self._transport = transport

    async def ready(self) -> None:
        """Wait until the reader has caught up."""
        await self._ready.wait()

    async def write(self, line: bytes) -> None:
        """One line, its end included; nothing where the reader has gone."""
        if self._transport is not None:
            if not self.lost:
                self._transport.write(line)
                await self._ready.wait()
        elif self._file is not None:
            async with self._lock:
                await asyncio.to_thread(self._whole, self._file, line)

    def close(self) -> None:
        """Write no more; what was written still leaves."""
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """The reader does not keep up."""
        self._ready.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._ready.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The reader has gone."""
        self.lost = True
        self._ready.set()

    def _whole(self, file: BinaryIO, line: bytes) -> None:
        file.write(line)
        file.flush()
