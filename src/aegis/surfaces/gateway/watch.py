"""Watches the requests under way with one timer instead of several per request.

It notices clients that leave (their upstream call is cancelled), bodies that trickle, clients that
stop reading, and streams that are silent (a comment keeps proxies from closing them), and stops
what outlasts the server. Requests that end within LISTEN_SECONDS cost nothing but an entry in a
dict.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .turn import READING, WORKING

if TYPE_CHECKING:
    from .turn import Turn

TICK_SECONDS = 0.05
LISTEN_SECONDS = 0.05
"""Age at which a request gets a listener for its client's leaving."""

BODY_SECONDS = 30.0
"""Longest time a request body may take to arrive."""

STALL_SECONDS = 60.0
"""Longest time a client may leave a piece of a stream unread."""

SILENT_SECONDS = 10.0
"""Silence of a stream after which a comment is sent; below the usual idle limit of proxies."""

END_SECONDS = 5.0
"""How long what is stopped at the end may take to record its outcome; the next start records it
otherwise."""


class Watch:
    """The requests of one server that are under way."""

    def __init__(self, *, silent_seconds: float = SILENT_SECONDS) -> None:
        self.turns: dict[Turn, None] = {}
        self.silent_seconds = silent_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._reminders: set[asyncio.Task[None]] = set()

    def enter(self, turn: Turn) -> None:
        """Start watching; `turn.task` is cancelled where need be."""
        self.turns[turn] = None
        if self._timer is None:
            self._timer = turn.loop.call_later(TICK_SECONDS, self._tick, turn.loop)

    async def end(self) -> None:
        """Stop what is still under way when the server ends: its outcomes are to be on record."""
        ending = [turn.task for turn in self.turns if turn.task is not None]
        for turn in list(self.turns):
            turn.stop("ended")
        if ending:
            await asyncio.wait(ending, timeout=END_SECONDS)

    def leave(self, turn: Turn) -> None:
        """Stop watching."""
        self.turns.pop(turn, None)
        turn.close()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for turn in list(self.turns):
            if turn.phase == READING:
                if now - turn.began > BODY_SECONDS:
                    turn.stop("slow")
            elif turn.phase == WORKING:
                if now - turn.began > LISTEN_SECONDS:
                    turn.listen()
                if turn.writing:
                    if now - turn.wrote > STALL_SECONDS:
                        turn.stop("stalled")
                elif turn.silent is not None and now - turn.wrote > self.silent_seconds:
                    turn.wrote = now
                    self._reminders.add(reminder := loop.create_task(_remind(turn)))
                    reminder.add_done_callback(self._reminders.discard)
        self._timer = loop.call_later(TICK_SECONDS, self._tick, loop) if self.turns else None


async def _remind(turn: Turn) -> None:
    if turn.phase == WORKING and turn.silent is not None:
        await turn.silent()
