"""The two ends of a session, as its parts share them: a client that is told something, and a server
that is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ....model import UpstreamError
from .inbox import Gone, Inbox
from .rows import Plain

if TYPE_CHECKING:
    from ....kernel.gate_settings import SqlGate
    from ....kernel.runtime import Runtime
    from .rows import Event
    from .statements import Place
    from .upstream import Upstream

TOLD_BYTES = 32_768
"""What is told to a client at least before it is sent, while its statement runs: a system call for
each message would cost more than the message."""


class Ends:
    """One client and one connection to the server; `place` says where they meet."""

    def __init__(
        self,
        runtime: Runtime,
        place: Place,
        upstream: Upstream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.runtime = runtime
        self.settings: SqlGate = runtime.settings.gates.sql
        self.place = place
        self.upstream = upstream
        self.inbox = Inbox(reader, self.settings.message_bytes)
        self.dirty = False
        """Whether the server got anything of the extended protocol since it was ready."""
        self._writer = writer
        self._told: list[bytes] = []
        self._told_bytes = 0
        self._watch: asyncio.Task[list[bytes]] | None = None

    def tell(self, raw: bytes) -> None:
        """Tell the client something; `flush` sends it."""
        self._told.append(raw)
        self._told_bytes += len(raw)

    async def flush(self) -> None:
        """Send what was told, and wait until the client has taken most of it. Raises Gone."""
        self._send()
        try:
            await self._writer.drain()
        except OSError:
            raise Gone from None

    async def pass_on(self, event: Event) -> None:
        """Tell the client an event of an answer; send where that is worth it. Raises Gone."""
        self.tell(event.raw)
        if self._told_bytes >= TOLD_BYTES or (isinstance(event, Plain) and event.last):
            await self.flush()

    def heard(self) -> bool:
        """Whether the server has said something that nobody has received; sets `inbox.came` as soon
        as it does.
        """
        if self._watch is None:
            self._watch = asyncio.ensure_future(self.upstream.read())
            self._watch.add_done_callback(lambda _: self.inbox.came.set())
        return self._watch.done()

    async def received(self) -> list[bytes]:
        """The next messages of the server. Raises UpstreamError."""
        if self._watch is None:
            return await self.upstream.read()
        watch, self._watch = self._watch, None
        return await watch

    def noted(self, raw: bytes) -> None:
        """Take in a ParameterStatus. Raises UpstreamError where statements would mean something
        else from now on.
        """
        self.upstream.note(raw)
        wrong = self.upstream.unfit()
        if wrong:
            raise UpstreamError(wrong)

    async def close(self) -> None:
        """Send what was told, and listen no more."""
        self._send()
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await self._watch

    def _send(self) -> None:
        if self._told:
            self._writer.write(b"".join(self._told))
            self._told, self._told_bytes = [], 0
