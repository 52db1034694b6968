"""Reads the server's answer to one statement as events, and what has to be read past."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from . import wire
from .copying import Copying
from .refusing import brief
from .rows import Copied, Plain, Rows, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ....model import Action
    from .ends import Ends
    from .rows import Event
    from .statements import Portal, Prepared

SIMPLE = b"Z"
"""What ends the answer to a simple query."""

EXECUTED = b"CIsE"
"""What ends the answer to Execute: done, nothing to do, more rows to come, an error."""

_STEPS = b"123tTn"
"""Answers to Parse, Bind, Close and Describe."""


class Expected:
    """An answer to one message that was sent: whether the client asked for it, and what learns
    from it.
    """

    __slots__ = ("hidden", "kinds", "portal", "statement")

    def __init__(
        self,
        kinds: bytes,
        hidden: bool = False,
        statement: Prepared | None = None,
        portal: Portal | None = None,
    ) -> None:
        self.kinds = kinds
        self.hidden = hidden
        self.statement = statement
        self.portal = portal


class Answers:
    """What comes back from the server in one session."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._come: deque[bytes] = deque()
        self._last = SIMPLE
        self.expected: deque[Expected] = deque()
        self.columns: Sequence[tuple[int, int]] = ()
        self.cut = False
        """Whether the client was told that the answer does not go on."""
        self.failed = False
        """Whether the server answered with an error."""
        self.ended = True
        """Whether the answer under way was read to its end."""
        self.ready = False
        """Whether the server said that it is ready."""
        self.on_ready: Callable[[], None] = lambda: None
        """Called whenever the server is."""
        self.instead = b""
        """What is told in place of the next error: the reason why the gate made it fail."""

    def begin(self) -> None:
        """A statement begins, and nothing of its answer came yet."""
        self.columns = ()
        self.cut = self.failed = self.ready = False
        self.ended, self.instead = True, b""

    async def events(self, last: bytes, action: Action) -> AsyncIterator[Event]:
        """The answer to a statement that was sent, until a message of a type in `last`. An error
        ends it, too, unless ReadyForQuery does.
        """
        self._last, self.ended = last, False
        copying = Copying(self._ends, action)
        while not self.ended:
            raw = await self._message()
            kind = raw[:1]
            if kind == b"D":
                yield Rows(self._run(raw, b"D"), self.columns)
            elif kind == b"d":
                yield Copied(self._run(raw, b"d"))
            elif kind == b"G":
                self.instead = copying.refused(raw)
                if not self.instead:
                    yield Plain(raw, last=True)
                    self.instead = await copying.take()
            elif kind == b"H" and (refused := copying.refused(raw)):
                self.instead = refused
                await self._ends.upstream.cancel()
                await self._skip(last)
                yield Plain(self.instead)
                self.failed, self.instead = True, b""
            else:
                event = self._event(raw)
                if event is not None:
                    yield event
                self._ending(kind, last)

    async def until(self, end: bytes) -> None:
        """Read past everything up to a message of that type."""
        kind = b""
        while kind != end:
            raw = await self._message()
            kind = raw[:1]
            self._state(kind, raw)
        self.expected.clear()

    async def rest(self) -> None:
        """Have the server end an answer that nobody will see, and read past it."""
        if not any(raw[:1] in self._last for raw in self._come):
            await self._ends.upstream.cancel()
        await self._skip(self._last)

    async def passed(self) -> bool:
        """Pass on the answers to messages that run nothing; whether no error came."""
        while self.expected:
            raw = await self._message()
            if raw[:1] == b"E":
                self._ends.tell(brief(raw))
                self.expected.clear()
                return False
            event = self._event(raw)
            if event is not None:
                self._ends.tell(brief(raw) if isinstance(event, Told) else event.raw)
        return True

    async def ready_again(self) -> None:
        """Pass on what comes after Sync, until the server is ready."""
        while True:
            raw = await self._message()
            kind = raw[:1]
            self._state(kind, raw)
            if kind == b"Z":
                return
            if kind in (b"E", b"N"):
                self._ends.tell(brief(raw))
            elif kind == b"S":
                self._ends.tell(raw)

    async def _skip(self, last: bytes) -> None:
        while not self.ended:
            raw = await self._message()
            self._state(raw[:1], raw)
            self._ending(raw[:1], last)

    def _ending(self, kind: bytes, last: bytes) -> None:
        if kind in last:
            self.ended = True
        if kind == b"E":
            self.failed = True

    async def _message(self) -> bytes:
        while not self._come:
            await self._ends.upstream.drain()
            self._come.extend(await self._ends.received())
        return self._come.popleft()

    def _run(self, first: bytes, kind: bytes) -> list[bytes]:
        """The messages of one type that have come already."""
        found = [first]
        while self._come and self._come[0][:1] == kind:
            found.append(self._come.popleft())
        return found

    def _event(self, raw: bytes) -> Event | None:
        """What the client is to get of a message; None where it asked for nothing of it."""
        kind = raw[:1]
        self._state(kind, raw)
        if kind == b"Z":
            return None
        if kind in _STEPS and self.expected and kind in self.expected[0].kinds:
            return self._step(raw, kind)
        if kind == b"T":
            self.columns = wire.columns_of(raw)
        if kind in (b"E", b"N", b"A"):
            if kind == b"E" and self.instead:
                raw, self.instead = self.instead, b""
                return Plain(raw)
            return Told(raw)
        return Plain(raw)

    def _step(self, raw: bytes, kind: bytes) -> Event | None:
        step = self.expected[0]
        if kind == b"t":
            if step.statement is not None:
                step.statement.types = tuple(wire.Body(raw).oids())
        else:
            self.expected.popleft()
        if kind == b"1" and step.statement is not None:
            step.statement.parsed = True
        if kind == b"T" and step.portal is not None:
            self.columns = wire.columns_of(raw)
            step.portal.columns = tuple(self.columns)
        return None if step.hidden else Plain(raw)

    def _state(self, kind: bytes, raw: bytes = b"") -> None:
        if kind == b"Z":
            self._ends.upstream.status = raw[wire.HEAD_BYTES :]
            self.ready = True
            self._ends.dirty = False
            self.on_ready()
        elif kind == b"S" and raw:
            self._ends.noted(raw)
