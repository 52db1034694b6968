"""One session: messages of the client in order, each statement governed, answers passed on judged.

The server gets nothing that was not decided. A refused statement fails its transaction as any error
of PostgreSQL does, explicit or implicit: the gate makes the server fail there, too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ....model import UpstreamError
from . import wire
from .answers import SIMPLE, Answers
from .extended import FETCHED, Extended
from .governed import Governed
from .inbox import Gone
from .refusing import brief
from .statements import NOTICE, QUERY, SqlView, asked, made, unaltered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ....model import Action
    from .ends import Ends
    from .rows import Event


class Fatal(Exception):
    """The session cannot go on: SQLSTATE, and why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Session:
    """What happens between one client and the server."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._answers = Answers(ends)
        self.governed = Governed(ends, self._answers)
        self._extended = Extended(ends, self._answers, self.governed)
        self._task = asyncio.current_task()
        self._working = self._draining = self._left = False

    async def run(self) -> None:
        """Serve the client until it leaves. Raises Fatal."""
        pump = asyncio.ensure_future(self._ends.inbox.pump(self._gone))
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
            if self.governed.begun:
                await self._ends.upstream.cancel()
            if not self._left or self._task is None:
                raise
            self._task.uncancel()  # it was cancelled for the client's leaving: that is its end
        finally:
            pump.cancel()
            await self._ends.close()

    def drain(self) -> None:
        """End as soon as nothing is under way."""
        self._draining = True
        self._ends.inbox.came.set()

    async def _handle(self, raw: bytes) -> None:
        """Answer a message of the client."""
        kind = raw[:1]
        if kind == b"X":
            raise Gone
        if kind in b"PBDECHS":
            await self._extended.handle(raw)
        elif self._extended.skipping or kind in b"dcf":
            return  # ignored until Sync, and what is left of a COPY that failed
        elif kind == b"Q":
            await self._simple(raw)
        elif kind == b"F":
            await self._unsupported("function calls are not passed on by this gate")
        else:
            raise wire.ProtocolError(f"there is no message of type {kind!r}")

    async def _unsupported(self, text: str) -> None:
        """Refuse what this gate cannot do."""
        self._ends.tell(wire.failure("ERROR", "0A000", text))
        await self.governed.fail()
        await self._synced()

    async def _simple(self, raw: bytes) -> None:
        """Query: all its statements are judged together, the strictest counts."""
        body = wire.Body(raw)
        text = body.text()
        body.end()
        await self._extended.settle()
        if self._extended.skipping:
            return
        if self._extended.fetches(text):
            await self._unsupported(FETCHED)
            return
        ends, answers = self._ends, self._answers
        action = asked(ends.place, QUERY, text)

        async def events(decided: Action) -> AsyncIterator[Event]:
            sent = wire.message(b"Q", wire.text_of(unaltered(action, decided)))
            self.governed.begun = True
            self._extended.forget()
            ends.upstream.send(sent)
            async for event in answers.events(SIMPLE, decided):
                yield event

        outcome = await self.governed.govern(action, events)
        await self.governed.concluded(outcome)
        if answers.ready:
            ends.tell(wire.ready(ends.upstream.status))
            await ends.flush()
        else:
            await self._synced()

    async def _synced(self) -> None:
        """Bring the server to where the next statement may begin, and tell the client."""
        ends = self._ends
        if ends.upstream.status != b"I" or ends.dirty:
            ends.upstream.send(wire.SYNC)
            await self._answers.until(b"Z")
        ends.tell(wire.ready(ends.upstream.status))
        await ends.flush()

    async def _next(self) -> bytes | None:
        """The next message of the client; what the server says meanwhile is passed on. None at
        the end.
        """
        ends = self._ends
        while (raw := ends.inbox.take()) is None:
            if self._draining and ends.upstream.status == b"I":
                raise Fatal("57P01", "the gate is ending")
            if ends.heard():
                for told in await ends.received():
                    await self._unasked(told)
                continue
            async with asyncio.timeout(ends.settings.idle_seconds):
                await ends.inbox.came.wait()
        return raw

    async def _unasked(self, raw: bytes) -> None:
        """What the server says between two statements."""
        ends, kind = self._ends, raw[:1]
        if kind == b"S":
            ends.noted(raw)
            ends.tell(raw)
        elif kind == b"E":
            ends.tell(brief(raw))
        elif kind in (b"N", b"A"):
            words = raw[wire.HEAD_BYTES :].decode("utf-8", "replace").replace("\0", " ")
            action = made(ends.place, NOTICE, {"words": words}, "read")
            outcome = await ends.runtime.agovern(action, lambda _: None, SqlView())
            if outcome.status == "performed" and outcome.action.params["words"] == words:
                ends.tell(raw)
        await ends.flush()

    def _gone(self) -> None:
        if self._working and self._task is not None:
            self._left = True
            self._task.cancel()
