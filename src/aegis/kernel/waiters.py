"""Threads and tasks that wait until entries are as durable as they asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Iterable, Sequence

    from ..model import LedgerError

WRITTEN, SYNCED, SEALED = 0, 1, 2
"""How far entries have got: with the operating system, on the disk, under a checkpoint."""


GATHER_SECONDS: Final = 0.001
"""Longest wait for those who were woken by the last fsync to join the next, and never more than
a quarter of what that fsync took."""


class Gather:
    """Whether it pays to hold an fsync back until those woken by the last one have joined."""

    __slots__ = ("_until", "open", "quorum")

    def __init__(self) -> None:
        self.open = False
        """Whether one is being held back."""
        self.quorum = 0
        """How many waited for the last one."""
        self._until = 0.0

    def holds(self, count: int, sync_seconds: float) -> float:
        """For how many seconds still, where `count` entries are queued; 0: store them now."""
        now = time.monotonic()
        if not self.open:
            self.open = True
            self._until = now + min(GATHER_SECONDS, sync_seconds / 4)
        if count < self.quorum and now < self._until:
            return self._until - now
        if count < self.quorum:
            self.quorum = 0
        self.open = False
        return 0.0


class Waiter:
    """Somebody who waits until `need` entries have reached a level."""

    __slots__ = ("future", "gate", "level", "loop", "need")

    def __init__(self, need: int, level: int) -> None:
        self.need = need
        self.level = level
        self.gate: threading.Lock | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[None] | None = None


def wake(
    waiters: Sequence[Waiter],
    error: LedgerError | None,
    here: asyncio.AbstractEventLoop | None = None,
) -> None:
    """Wake waiters: threads one by one, futures with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        if waiter.gate is not None:
            waiter.gate.release()
        elif waiter.loop is not None and waiter.future is not None:
            by_loop.setdefault(waiter.loop, []).append(waiter.future)
    for loop, futures in by_loop.items():
        if loop is here:
            _resolve(futures, error)
            continue
        try:
            loop.call_soon_threadsafe(_resolve, futures, error)
        except RuntimeError:
            continue  # the loop was closed, and nobody waits on it any more


def _resolve(futures: Iterable[asyncio.Future[None]], error: LedgerError | None) -> None:
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
