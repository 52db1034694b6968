"""Stores what the journal appends: group commit, and everybody who waits for it.

A batch is whatever was appended while the last one was on its way to the disk, so the cost of
an fsync is shared by everyone who waited for it. A thread does this. Whoever waits for `written`
alone (no fsync) does it in its place while the thread has nothing to do: that costs less than
waking the thread and being woken by it. A store that fails stops the journal: nothing is
acknowledged that was not stored, and nothing is appended after it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ..model import LedgerError
from .lifetime import LIVE
from .pace import Pace
from .waiters import SEALED, SYNCED, WRITTEN, Gather, Waiter, wake

if TYPE_CHECKING:
    import asyncio

    from .shelf import Queued, Shelf

QUEUE_ENTRIES: Final = 16_384
"""Most entries waiting to be stored: about a fifth of a second of the default store's work."""

QUEUE_BYTES: Final = 64 * 1024 * 1024
"""Most bytes waiting to be stored."""

STALL_SECONDS: Final = 5.0
"""How long an append waits for room in the queue before it fails, and reopening for the store."""

LINGER_SECONDS: Final = 0.01
"""How long entries nobody waits for are collected; what a crash of the process may cost them."""

WARM_TICKS: Final = 50
"""Lingers without any entry after which the thread sleeps until it is woken. Until then appends
need not wake it."""

INLINE_ENTRIES: Final = 64
"""Most entries somebody who waits stores in place of the thread: some 300 µs of an event loop."""

LOOPS_MAX: Final = 64
"""Event loops with a turn to come before those that were closed meanwhile are forgotten."""

EAGER: Final = 1024
"""Entries nobody waits for that are stored without lingering, and rows per transaction."""

CLOSE_SECONDS: Final = 30.0
"""How long closing waits for the store."""


class Committer:
    """The queue, its thread, and how far entries have got. `lock` guards all of it."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._inline = bool(getattr(shelf.store, "inline", False))
        self._storing = threading.Lock()
        self._ticking: set[asyncio.AbstractEventLoop] = set()
        self._ticks = 0
        self._gather = Gather()
        self.lock = threading.Lock()
        self.room = threading.Condition(self.lock)
        self.queue: list[Queued] = []
        self.appended = self.written = self.synced = self.sealed = shelf.size
        self.bytes = 0
        self.note = ""
        self.fault: str | None = None
        self.idle = False
        self.urgent = False
        self.rung = False
        self.bell = threading.Lock()
        self.bell.acquire()
        self._crowd = 0
        self._sync_to = self._seal_to = shelf.size
        self._closing = False
        self._pace = Pace()
        self._waiters: list[Waiter] = []
        self._thread = threading.Thread(target=self._run, name="aegis-ledger", daemon=True)
        LIVE.add(self)

    def start(self, sealed: int, note: str) -> None:
        """Begin. `sealed` entries are covered by the checkpoint `note`."""
        self.sealed = self._seal_to = sealed
        self.note = note
        self._thread.start()

    # --- the appending side: call with the lock held ---------------------------------------

    def refuse(self) -> LedgerError:
        """The error of every append after a fault."""
        text = f"the ledger stopped: {self.fault}; nothing more is recorded until it is reopened"
        return LedgerError(text)

    def crowded(self) -> bool:
        """Whether the queue is full."""
        return self.appended - self.written >= QUEUE_ENTRIES or self.bytes >= QUEUE_BYTES

    def make_room(self) -> None:
        """Wait until the queue has room. Raises LedgerError after STALL_SECONDS."""
        deadline = time.monotonic() + STALL_SECONDS
        self._crowd += 1
        try:
            while self.crowded() and self.fault is None:
                self.ring()
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LedgerError(
                        f"the ledger's queue of {self.appended - self.written} entries did not "
                        f"move for {STALL_SECONDS:g} s; is its disk full or stuck?"
                    )
                self.room.wait(left)
        finally:
            self._crowd -= 1
        if self.fault is not None:
            raise self.refuse()

    def ring(self) -> None:
        """Wake the thread."""
        if not self.rung:
            self.rung = True
            self.bell.release()

    def hurry(self, count: int, sync: bool) -> None:
        """Store the first `count` entries now; `sync` brings them to the disk."""
        if sync and count > self._sync_to:
            self._sync_to = count
        self.urgent = True
        if not self._gather.open or len(self.queue) >= self._gather.quorum:
            self.ring()

    # --- waiting: call without the lock ------------------------------------------------------

    def reached(self, need: int, level: int) -> bool:
        """Whether `need` entries have reached a level."""
        return (self.written, self.synced, self.sealed)[level] >= need

    def _join(self, waiter: Waiter) -> bool:
        """Register a waiter, unless it need not wait. Raises LedgerError after a fault."""
        with self.lock:
            if self.reached(waiter.need, waiter.level):
                return False
            if waiter.need > self.appended:
                raise LedgerError(f"there is no entry {waiter.need - 1} to wait for")
            if self.fault is not None:
                raise self.refuse()
            if waiter.level == SEALED:
                self._seal_to = max(self._seal_to, waiter.need)
                self._gather.open = False
            self._waiters.append(waiter)
            if waiter.loop is None or waiter.level != WRITTEN or not self._inline:
                self.hurry(waiter.need, waiter.level != WRITTEN)
            elif waiter.loop not in self._ticking:
                # once per turn of the loop, for everybody who began to wait in it
                if len(self._ticking) > LOOPS_MAX:
                    self._ticking = {loop for loop in self._ticking if not loop.is_closed()}
                self._ticking.add(waiter.loop)
                waiter.loop.call_soon(self._tick, waiter.loop)
            return True

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """What was appended in this turn of an event loop."""
        self._ticking.discard(loop)
        if not self._store_here(loop):
            with self.lock:
                self.urgent = True
                self.ring()

    def _store_here(self, loop: asyncio.AbstractEventLoop | None = None) -> bool:
        """Store what is queued on this thread; False where that is the committer's work: it is
        at it, somebody wants an fsync, or there is much to do.
        """
        if not self._inline or not self._storing.acquire(blocking=False):
            return False
        try:
            with self.lock:
                batch = self.queue
                if len(batch) > INLINE_ENTRIES or self._sync_to > self.synced or self.fault:
                    return False
                self.queue = []
            if batch:
                self._guarded(batch, loop)
            return True
        finally:
            self._storing.release()

    def wait(self, need: int, level: int, timeout: float) -> None:
        """Block until `need` entries have reached a level; `timeout` in seconds.

        Raises LedgerError where they did not.
        """
        if self.reached(need, level):
            return
        if level == WRITTEN and self._store_here() and self.reached(need, level):
            return
        waiter = Waiter(need, level)
        waiter.gate = gate = threading.Lock()
        gate.acquire()
        if not self._join(waiter):
            return
        if not gate.acquire(timeout=timeout):
            with self.lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        if self.reached(need, level):
            return
        if self.fault is not None:
            raise self.refuse()
        raise LedgerError(f"entry {need - 1} was not stored within {timeout:g} s")

    def future(
        self, need: int, level: int, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[None] | None:
        """A future of `loop` that is done once `need` entries have reached a level, or None."""
        if (self.written, self.synced, self.sealed)[level] >= need:
            return None
        waiter = Waiter(need, level)
        waiter.loop, waiter.future = loop, loop.create_future()
        return waiter.future if self._join(waiter) else None

    def stopped(self) -> bool:
        """Whether nothing of this touches the store any more; after a fault."""
        self._thread.join(STALL_SECONDS)
        if self._thread.is_alive() or not self._storing.acquire(timeout=STALL_SECONDS):
            return False
        self._storing.release()
        return True

    def close(self) -> None:
        """Store and seal everything, then stop. Raises LedgerError where that failed."""
        with self.lock:
            self._closing = True
            self.ring()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        LIVE.discard(self)
        lost = self.appended - self.written
        if self._thread.is_alive():
            raise LedgerError(f"the store did not answer for {CLOSE_SECONDS:g} s; "
                              f"{lost} entries may be lost")  # fmt: skip
        if lost:
            raise LedgerError(f"{lost} entries were not stored: {self.fault}")

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        rang = lingered = False
        while True:
            with self._storing:
                with self.lock:
                    if self.rung:
                        if not rang:
                            self.bell.acquire(False)
                        self.rung = False
                    batch, timeout = self._next(lingered)
                    if self.fault is not None or (batch is None and self._closing):
                        return
                if batch is not None and not self._guarded(batch):
                    return
            if batch is None:
                rang = self.bell.acquire(timeout=timeout)
                lingered = not rang
            else:
                rang = lingered = False
                if not self._tended():
                    return

    def _guarded(self, batch: list[Queued], loop: asyncio.AbstractEventLoop | None = None) -> bool:
        """Store a batch; False where that failed, which stops the journal."""
        try:
            self._store(batch, loop)
        except LedgerError as error:
            self.poison(str(error))
            return False
        except BaseException as error:
            # a defect: stop all the same, and let it be seen
            self.poison(f"{type(error).__name__}: {error}")
            raise
        return True

    def _tended(self) -> bool:
        """Let the store do its upkeep, while others may write; False where that failed."""
        try:
            self.shelf.store.upkeep()
        except LedgerError as error:
            self.poison(str(error))
            return False
        return True

    def _next(self, lingered: bool) -> tuple[list[Queued] | None, float]:
        """The batch to store now (empty: only sync or seal), or None and how long to sleep."""
        batch = self.queue
        if batch:
            self._ticks = 0
            if self._sync_to > self.synced and not self._closing:
                wait = self._gather.holds(len(batch), self.shelf.sync_seconds)
                if wait > 0:
                    return None, wait
            if lingered or self.urgent or self._closing or len(batch) >= EAGER:
                self.queue = []
                self.urgent = self.idle = False
                return batch, 0
        elif self._sync_to > self.synced or self._seal_due():
            self.urgent = self.idle = False
            return [], 0
        self.urgent = False
        self._ticks += 1
        self.idle = self._ticks > WARM_TICKS
        until_seal = self._until_seal()
        if self.idle:
            return None, until_seal
        return None, LINGER_SECONDS if until_seal < 0 else min(LINGER_SECONDS, until_seal)

    def _seal_due(self) -> bool:
        return self.written > self.sealed and (
            self._closing
            or self.written >= self._seal_to > self.sealed
            or self._pace.due(self.written - self.sealed)
        )

    def _until_seal(self) -> float:
        """Seconds until the next checkpoint is due; -1 where there is nothing to cover."""
        return -1 if self.written == self.sealed else max(0.0, self._pace.seconds())

    def _store(self, batch: list[Queued], loop: asyncio.AbstractEventLoop | None) -> None:
        end = self.written + len(batch)
        for at in range(0, len(batch), EAGER):
            chunk = batch[at : at + EAGER]
            # one fsync for the whole batch, unless somebody waits for an earlier chunk alone
            stop = self.written + len(chunk)
            sync = stop >= min(self._sync_to, end) and self._sync_to > self.synced
            size = self.shelf.write(chunk, sync)
            self._reach(stop, stop if sync else self.synced, size, loop)
        if not batch and self._sync_to > self.synced:
            self.shelf.write([], True)
            self._reach(self.written, self.written, 0)
        if self._seal_due():
            if loop is None and threading.current_thread() is self._thread:
                self._seal()
            else:
                with self.lock:
                    self.ring()

    def _seal(self) -> None:
        # one that nobody asked for need not hold up, for an fsync, whoever waits to be written:
        # the log keeps the order, so what a power cut takes is the end of it
        asked = self._closing or self._seal_to > self.sealed
        self.note = self.shelf.seal(self._pace.sealing(asked))
        self.sealed = size = self.shelf.size
        self._reach(size, size, 0)

    def _reach(
        self,
        written: int,
        synced: int,
        released: int,
        here: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Entries have got this far: wake whoever waited for them. `here` is the event loop this
        runs on, if it does.
        """
        with self.lock:
            self.written = written
            self.synced = synced
            self.bytes -= released
            reached = (written, synced, self.sealed)
            ready: list[Waiter] = []
            left: list[Waiter] = []
            for waiter in self._waiters:
                (ready if reached[waiter.level] >= waiter.need else left).append(waiter)
            self._waiters = left
            if self._crowd:
                self.room.notify_all()
            if synced == written:
                self._gather.quorum = sum(w.level == SYNCED for w in ready)
        wake(ready, None, here)

    def forked(self) -> None:
        """In a forked child the thread is gone and the store belongs to the parent."""
        self.lock = threading.Lock()
        self.room = threading.Condition(self.lock)
        self._storing = threading.Lock()
        self.queue = []
        self._waiters = []
        self.appended = self.written
        self.fault = "this process was forked from the one that writes it"

    def poison(self, reason: str) -> None:
        """Stop for good: every waiter and every later append gets an error."""
        with self.lock:
            self.fault = self.fault or reason
            waiters, self._waiters = self._waiters, []
            self.queue = []
            self.room.notify_all()
            self.ring()
            error = self.refuse()
        wake(waiters, error)
