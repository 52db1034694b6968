"""One session: messages of the client in order, each statement governed, answers passed on judged.

The server gets nothing that was not decided. A refused statement fails its transaction as any error
of PostgreSQL does, explicit or implicit: the gate makes the server fail there, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from ....kernel.effective import tightened
from ....model import AegisError, UpstreamError, Verdict
from . import wire
from .answers import SIMPLE, Answers
from .extended import FETCHED, Extended
from .inbox import Gone, Inbox
from .refusing import MEANING, MEANING_LABEL, brief, cut, refusal
from .rows import Answer, Plain
from .statements import NOTICE, QUERY, SqlView, asked, made, unaltered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ....approval import Request
    from ....kernel.gate_settings import SqlGate
    from ....kernel.runtime import Runtime
    from ....model import Action, Decision, Outcome
    from .rows import Event
    from .statements import Place
    from .upstream import Upstream

NO_PORTAL = "refused by aegis"
"""Name of a portal that is never there: asking for it fails the server's transaction."""

TOLD_BYTES = 32_768
"""What is told to a client at least before it is sent, while its statement runs: a system call for
each message would cost more than the message."""

log = logging.getLogger("aegis.gate")


class Fatal(Exception):
    """The session cannot go on: SQLSTATE, and why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Session:
    """One client and one connection to the server."""

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
        self.answers = Answers(self)
        self.extended = Extended(self)
        self.under_way: Action | None = None
        self.begun = False
        """Whether the server got the statement under way."""
        self._writer = writer
        self._told: list[bytes] = []
        self._told_bytes = 0
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[list[bytes]] | None = None
        self._waits_for = ""
        self._working = self._draining = self._left = False

    async def run(self) -> None:
        """Serve the client until it leaves. Raises Fatal."""
        pump = asyncio.ensure_future(self.inbox.pump(self._gone))
        try:
            while (raw := await self._next()) is not None:
                self._working = True
                await self._handle(raw)
                self._working = False
        except wire.ProtocolError as error:
            raise Fatal("08P01", str(error)) from None
        except TimeoutError:
            raise Fatal("57P05", "the connection stood unused for too long") from None
        except UpstreamError as error:
            raise Fatal("08006", str(error)) from None
        except Gone:
            pass
        except asyncio.CancelledError:
            if self.begun:
                await self.upstream.cancel()
            if not self._left or self._task is None:
                raise
            self._task.uncancel()  # it was cancelled for the client's leaving: that is its end
        finally:
            self._send()
            pump.cancel()
            if self._watch is not None:
                self._watch.cancel()
                with contextlib.suppress(Exception, asyncio.CancelledError):
                    await self._watch

    # what others ask of a session

    def drain(self) -> None:
        """End as soon as nothing is under way."""
        self._draining = True
        self.inbox.came.set()

    async def cancel(self) -> None:
        """Cancel what is under way: at the server, or the wait for a person."""
        if self._waits_for:
            self.runtime.desk.release(self._waits_for)
        elif self.begun and self.under_way is not None:
            await self.upstream.cancel()

    def filed(self, request: Request) -> None:
        """A person is asked about the statement under way."""
        if self.settings.review == "refuse":
            self.runtime.desk.release(request.id)
        else:
            self._waits_for = request.id

    # what the parts of a session share

    async def govern(
        self, action: Action, events: Callable[[Action], AsyncIterator[Event]]
    ) -> Outcome:
        """Take a statement along the path; its answer goes to the client as it is judged."""
        self.under_way, self.begun = action, False
        self.answers.begin()
        try:
            return await self._runtime_for(action).agovern(
                action, events, SqlView(Answer(self._cut)), stream=True, emit=self._emit
            )
        finally:
            self.under_way, self._waits_for = None, ""

    async def foreseen(self, action: Action) -> Decision:
        """What would be decided about a statement that is only prepared."""
        runtime = self._runtime_for(action)
        outcome = await runtime.agovern(action, _never, SqlView(), dry=True)
        if outcome.decision.verdict is Verdict.BLOCK:
            # the refusal is a fact, and facts are on record
            outcome = await runtime.agovern(action, _never, SqlView())
            self.tell(refusal(outcome))
        return outcome.decision

    async def concluded(self, outcome: Outcome) -> bool:
        """Tell what became of a statement that was not performed, and leave the server as failed
        as PostgreSQL would be; whether all is well.
        """
        if outcome.status == "performed":
            return not self.answers.failed
        if isinstance(outcome.error, UpstreamError | wire.ProtocolError | Gone):
            raise outcome.error
        if outcome.error is not None:
            log.error("action %s: %r", outcome.action.id, outcome.error)
        if outcome.status == "failed":
            text = str(outcome.error) if isinstance(outcome.error, ValueError) else "it failed"
            self.tell(wire.failure("ERROR", "58000", text))
        elif not self.answers.cut:
            self.tell(refusal(outcome))
        if self.begun and not self.answers.ended:
            await self.answers.rest()
        await self.fail()
        return False

    async def fail(self) -> None:
        """Make the server fail what is open there. Nothing is, outside of a transaction."""
        if self.upstream.status == b"I" and not self.extended.dirty:
            return
        self.answers.ready, self.extended.dirty = False, True
        self.upstream.send(wire.execute(NO_PORTAL) + wire.FLUSH)
        await self.answers.until(b"E")

    async def received(self) -> list[bytes]:
        """The next messages of the server. Raises UpstreamError."""
        if self._watch is None:
            return await self.upstream.read()
        watch, self._watch = self._watch, None
        return await watch

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

    def _send(self) -> None:
        if self._told:
            self._writer.write(b"".join(self._told))
            self._told, self._told_bytes = [], 0

    def noted(self, raw: bytes) -> None:
        """Take in a ParameterStatus. Raises Fatal where statements would mean something else."""
        self.upstream.note(raw)
        wrong = self.upstream.unfit()
        if wrong:
            raise UpstreamError(wrong)

    # the client's messages

    async def _handle(self, raw: bytes) -> None:
        kind = raw[:1]
        if kind == b"X":
            raise Gone
        if kind in b"PBDECHS":
            await self.extended.handle(raw)
        elif self.extended.skipping or kind in b"dcf":
            return  # ignored until Sync, and what is left of a COPY that failed
        elif kind == b"Q":
            await self._simple(raw)
        elif kind == b"F":
            await self._unsupported("function calls are not passed on by this gate")
        else:
            raise wire.ProtocolError(f"there is no message of type {kind!r}")

    async def _unsupported(self, text: str) -> None:
        """Refuse what this gate cannot do."""
        self.tell(wire.failure("ERROR", "0A000", text))
        await self.fail()
        await self.synced()

    async def _simple(self, raw: bytes) -> None:
        """Query: all its statements are judged together, the strictest counts."""
        body = wire.Body(raw)
        text = body.text()
        body.end()
        await self.extended.settle()
        if self.extended.skipping:
            return
        if self.extended.fetches(text):
            await self._unsupported(FETCHED)
            return
        action = asked(self.place, QUERY, text)

        async def events(decided: Action) -> AsyncIterator[Event]:
            sent = wire.message(b"Q", wire.text_of(unaltered(action, decided)))
            self.begun = True
            self.extended.forget()
            self.upstream.send(sent)
            async for event in self.answers.events(SIMPLE, decided):
                yield event

        outcome = await self.govern(action, events)
        await self.concluded(outcome)
        if self.answers.ready:
            self.tell(wire.ready(self.upstream.status))
            await self.flush()
        else:
            await self.synced()

    async def synced(self) -> None:
        """Bring the server to where the next statement may begin, and tell the client."""
        if self.upstream.status != b"I" or self.extended.dirty:
            self.upstream.send(wire.SYNC)
            await self.answers.until(b"Z")
        self.tell(wire.ready(self.upstream.status))
        await self.flush()

    async def _next(self) -> bytes | None:
        """The next message of the client; what the server says meanwhile is passed on. None at
        the end.
        """
        while (raw := self.inbox.take()) is None:
            if self._draining and self.upstream.status == b"I":
                raise Fatal("57P01", "the gate is ending")
            if self._watch is None:
                self._watch = asyncio.ensure_future(self.upstream.read())
                self._watch.add_done_callback(lambda _: self.inbox.came.set())
            if self._watch.done():
                for told in await self.received():
                    await self._unasked(told)
                continue
            async with asyncio.timeout(self.settings.idle_seconds):
                await self.inbox.came.wait()
        return raw

    async def _unasked(self, raw: bytes) -> None:
        """What the server says between two statements."""
        kind = raw[:1]
        if kind == b"S":
            self.noted(raw)
            self.tell(raw)
        elif kind == b"E":
            self.tell(brief(raw))
        elif kind in (b"N", b"A"):
            words = raw[wire.HEAD_BYTES :].decode("utf-8", "replace").replace("\0", " ")
            action = made(self.place, NOTICE, {"words": words}, "read")
            outcome = await self.runtime.agovern(action, lambda _: None, SqlView())
            if outcome.status == "performed" and outcome.action.params["words"] == words:
                self.tell(raw)
        await self.flush()

    async def _emit(self, event: Event) -> None:
        self.tell(event.raw)
        if self._told_bytes >= TOLD_BYTES or (isinstance(event, Plain) and event.last):
            await self.flush()

    def _cut(self, decision: Decision) -> bytes:
        self.answers.cut = True
        assert self.under_way is not None
        return cut(decision, self.under_way)

    def _runtime_for(self, action: Action) -> Runtime:
        return tightened(self.runtime, MEANING) if MEANING_LABEL in action.labels else self.runtime

    def _gone(self) -> None:
        if self._working and self._task is not None:
            self._left = True
            self._task.cancel()


def _never(decided: Action) -> Any:
    raise AegisError(f"action {decided.id} is not to be performed")
