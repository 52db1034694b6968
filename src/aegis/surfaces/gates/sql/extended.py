"""The extended query protocol (section "Extended Query"): Parse, Bind, Describe, Execute and their
like, pipelined or not.

Parse and Bind are held back until something asks for their answers. Where that is Execute, the
statement is decided with its values before the server sees any of it. Where it is Sync or Flush,
it is foreseen what would be decided, and what would be refused is refused then. The server knows
one statement at a time, without a name; the gate keeps the ones that clients named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ....model import Verdict
from ....tools.reading import READ
from . import wire
from .answers import EXECUTED, SIMPLE, Expected
from .statements import (
    FETCH,
    NAMES_MAX,
    QUERY,
    Portal,
    Prepared,
    asked,
    bound,
    made,
    parsed,
    unaltered,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ....model import Action
    from .answers import Answers
    from .ends import Ends
    from .governed import Governed
    from .rows import Event

HELD_MAX = 256
"""Most messages held back: a driver sends a handful before it asks for an answer."""


FETCHED = "a portal that was bound and not executed is not fetched from in SQL"
"""What is said to a statement that could: it would run another one that is not on record."""

_FETCH = re.compile(r"\b(?:fetch|move)\b", re.IGNORECASE)


class Step(msgspec.Struct, frozen=True):
    """A message that is held back."""

    kind: bytes
    statement: Prepared | None = None
    portal: Portal | None = None
    raw: bytes = b""


class Extended:
    """The state of the extended protocol in one session."""

    def __init__(self, ends: Ends, answers: Answers, governed: Governed) -> None:
        self._ends = ends
        self._answers = answers
        self._governed = governed
        answers.on_ready = self._clean
        self._statements: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._held: list[Step] = []
        self._unnamed: Prepared | None = None
        """What the server's unnamed statement is."""
        self._ran = False
        self.skipping = False
        """Whether everything up to Sync is ignored, after an error."""

    async def handle(self, raw: bytes) -> None:
        """Take one message."""
        kind = raw[:1]
        if kind == b"S":
            await self._sync()
        elif self.skipping:
            return
        elif kind == b"P":
            await self._parse(raw)
        elif kind == b"B":
            await self._bind(raw)
        elif kind == b"E":
            await self._execute(raw)
        elif kind == b"H":
            await self.settle()
            await self._ends.flush()
        else:
            await self._named(kind, raw)

    async def settle(self) -> None:
        """Send what is held back, as far as it may be, and pass on the answers."""
        steps, self._held = self._held, []
        if not steps or not await self._foreseen(steps):
            return
        self._ends.upstream.send(self._sent(steps) + wire.FLUSH)
        if not await self._answers.passed():
            self._forget(steps)
            self.skipping = True

    def fetches(self, text: str, own: Portal | None = None) -> bool:
        """Whether a statement, run by its `own` portal, could run one that is only bound."""
        return _FETCH.search(text) is not None and any(
            name and not portal.begun and portal is not own
            for name, portal in self._portals.items()
        )

    def forget(self) -> None:
        """A simple query replaces the unnamed statement of the server, and ends its portals."""
        self._unnamed = None
        self._portals.pop("", None)

    def _clean(self) -> None:
        """The server is ready: portals outside of a transaction are gone."""
        self._ran = False
        if self._ends.upstream.status == b"I":
            self._portals.clear()

    async def _sync(self) -> None:
        if not self.skipping:
            await self.settle()
        self.skipping, self._held = False, []
        ends = self._ends
        if ends.dirty:
            ends.upstream.send(wire.SYNC)
            await self._answers.ready_again()
        ends.tell(wire.ready(ends.upstream.status))
        await ends.flush()

    async def _parse(self, raw: bytes) -> None:
        name, statement = parsed(raw)
        if self._ran and ("\\" in statement.text or not statement.text.isascii()):
            # what ran just now could have changed how such a text is read, and only the end of
            # the batch tells
            text = "a statement with a backslash or a letter beyond ASCII has to begin a batch"
            return await self._error("0A000", text, "send Sync before it")
        if name and name in self._statements:
            return await self._error("42P05", f'prepared statement "{name}" already exists')
        if len(self._statements) >= NAMES_MAX:
            return await self._error("53400", f"more than {NAMES_MAX} prepared statements")
        self._statements[name] = statement
        await self._hold(Step(b"P", statement))
        return None

    async def _bind(self, raw: bytes) -> None:
        try:
            portal = bound(raw, self._statements)
        except KeyError as error:
            return await self._error(
                "26000", f'prepared statement "{error.args[0]}" does not exist'
            )
        if len(self._portals) >= NAMES_MAX:
            return await self._error("53400", f"more than {NAMES_MAX} portals")
        self._portals[portal.name] = portal
        await self._hold(Step(b"B", portal.statement, portal))
        return None

    async def _named(self, kind: bytes, raw: bytes) -> None:
        """Describe and Close, of a statement or a portal."""
        body = wire.Body(raw)
        what, name = body.take(1), body.text()
        body.end()
        if what not in (b"S", b"P"):
            raise wire.ProtocolError("Describe and Close take a statement or a portal")
        if kind == b"C" and what == b"S":
            await self.settle()
            if not self.skipping:
                self._statements.pop(name, None)
                self._ends.tell(wire.message(b"3"))
            return None
        if kind == b"C":
            self._portals.pop(name, None)
            return await self._hold(Step(b"C", raw=raw))
        if what == b"S":
            statement = self._statements.get(name)
            if statement is None:
                return await self._error("26000", f'prepared statement "{name}" does not exist')
            return await self._hold(Step(b"S", statement))
        # a cursor that SQL declared is a portal that only the server knows
        portal = self._portals.get(name) or Portal(Prepared(""), name, (), [], b"")
        return await self._hold(Step(b"D", portal.statement, portal))

    async def _hold(self, step: Step) -> None:
        if len(self._held) >= HELD_MAX:
            await self.settle()
        if not self.skipping:
            self._held.append(step)

    async def _execute(self, raw: bytes) -> None:
        body = wire.Body(raw)
        name, rows = body.text(), body.long()
        body.end()
        portal = self._portals.get(name)
        if portal is None:
            return await self._error("34000", f'portal "{name}" does not exist')
        if self.fetches(portal.statement.text, portal):
            return await self._error("0A000", FETCHED, "execute the portal")
        if not all(
            step.statement is portal.statement and step.portal in (None, portal)
            for step in self._held
        ):
            await self.settle()
            if self.skipping:
                return None
        steps, self._held = self._held, []
        ends, governed = self._ends, self._governed
        if portal.begun:
            params = {"sql": portal.statement.text, "portal": name}
            action = made(ends.place, FETCH, params, "read")
        else:
            parameters = portal.parameters()
            action = asked(ends.place, QUERY, portal.statement.text, parameters)

        async def events(decided: Action) -> AsyncIterator[Event]:
            text = unaltered(action, decided)
            data = self._executed(steps, portal, text, decided.params.get("parameters", []))
            # what only reads needs no second round for the Sync that follows it; everything else
            # can still be undone while its answer is inspected
            syncs = decided.capability == READ and ends.inbox.syncs
            governed.begun = portal.begun = self._ran = True
            ends.upstream.send(
                data + wire.execute(name, rows) + (wire.SYNC if syncs else wire.FLUSH)
            )
            async for event in self._answers.events(SIMPLE if syncs else EXECUTED, decided):
                yield event

        if not await governed.concluded(await governed.govern(action, events)):
            self._forget(steps)
            self.skipping = True
        return None

    def _executed(
        self, steps: list[Step], portal: Portal, text: str, parameters: list[Any]
    ) -> bytes:
        """What is sent before Execute. Raises ValueError where guards changed what the server has
        already.
        """
        self._answers.columns = portal.columns
        if portal.begun:
            return self._sent(steps)
        if not any(step.kind == b"B" and step.portal is portal for step in steps):
            if text != portal.statement.text or parameters != portal.parameters():
                raise ValueError("a statement that was masked has to be bound and run in one batch")
            return self._sent(steps)
        if not any(step.kind == b"D" for step in steps):
            steps = [*steps, Step(b"D", portal.statement, portal, b"hidden")]
        return self._sent(steps, text, portal.sent(parameters))

    async def _foreseen(self, steps: list[Step]) -> bool:
        """Whether held messages may go to the server although nothing is executed yet."""
        ends = self._ends
        for step in steps:
            portal = step.portal if step.kind == b"B" else None
            if step.statement is None or (portal is None and step.kind != b"P"):
                continue
            parameters = portal.parameters() if portal is not None else None
            action = asked(ends.place, QUERY, step.statement.text, parameters)
            decision = await self._governed.foreseen(action)
            waits = decision.verdict is Verdict.REVIEW and portal is not None
            if waits:
                text = "a statement that a person has to approve is bound and run in one batch"
                ends.tell(wire.failure("ERROR", "0A000", text))
            if waits or decision.verdict is Verdict.BLOCK:
                self._forget(steps)
                self.skipping = True
                await self._governed.fail()
                return False
        return True

    def _sent(self, steps: list[Step], text: str = "", bind: bytes = b"") -> bytes:
        """The messages of steps, and what is expected for them. `text` and `bind` stand for what
        was decided, where that is known.
        """
        self._ends.dirty = True
        out: list[bytes] = []
        expected = self._answers.expected
        for step in steps:
            statement, portal = step.statement, step.portal
            if step.kind == b"C":
                out.append(step.raw)
                expected.append(Expected(b"3"))
                continue
            assert statement is not None
            if step.kind != b"D" and (step.kind == b"P" or self._unnamed is not statement):
                out.append(wire.parse("", text or statement.text, statement.given))
                expected.append(Expected(b"1", hidden=step.kind != b"P", statement=statement))
                self._unnamed = statement if (text or statement.text) == statement.text else None
            if step.kind == b"S":
                out.append(wire.message(b"D", b"S\0"))
                expected.append(Expected(b"tTn", statement=statement))
            elif portal is not None and step.kind == b"B":
                out.append(bind or portal.sent(portal.parameters()))
                expected.append(Expected(b"2"))
            elif portal is not None and step.kind == b"D":
                out.append(wire.describe(portal.name))
                expected.append(Expected(b"Tn", hidden=bool(step.raw), portal=portal))
        return b"".join(out)

    def _forget(self, steps: list[Step]) -> None:
        """What the server never parsed is not prepared."""
        self._unnamed = None
        for name, statement in list(self._statements.items()):
            if not statement.parsed and any(statement is step.statement for step in steps):
                del self._statements[name]
        for step in steps:
            if step.kind == b"B" and step.portal is not None:
                self._portals.pop(step.portal.name, None)

    async def _error(self, code: str, text: str, hint: str = "") -> None:
        """An error of the gate's own, in the place of the server's."""
        await self.settle()
        if self.skipping:
            return
        self._ends.tell(wire.failure("ERROR", code, text, hint=hint))
        await self._governed.fail()
        self.skipping = True
