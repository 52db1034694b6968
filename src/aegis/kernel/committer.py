"""Stores what the journal appends: one thread, group commit, and everybody who waits for it.

A batch is whatever was appended while the last one was on its way to the disk, so the cost of
an fsync is shared by everyone who waited for it. A store that fails stops the journal: nothing
is acknowledged that was not stored, and nothing is appended after it.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..ledger.checkpoint import Checkpoint, Sealed
from ..ledger.entry import row_of
from ..ledger.unsettled import performs
from ..model import LedgerError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from ..ledger.checkpoint import Signer
    from ..ledger.merkle import Tree
    from ..ledger.unsettled import Open
    from ..plugin.contracts import LedgerStore

QUEUE_ENTRIES: Final = 16_384
"""Most entries waiting to be stored: about a fifth of a second of the default store's work."""

QUEUE_BYTES: Final = 64 * 1024 * 1024
"""Most bytes waiting to be stored."""

STALL_SECONDS: Final = 5.0
"""How long an append waits for room in the queue before it fails."""

LINGER_SECONDS: Final = 0.01
"""How long entries nobody waits for are collected; what a crash of the process may cost them."""

EAGER: Final = 1024
"""Entries nobody waits for that are stored without lingering, and rows per transaction."""

SEAL_ENTRIES: Final = 1024
"""Entries after which a checkpoint is signed."""

SEAL_SECONDS: Final = 60.0
"""Seconds after which a checkpoint is signed where there are new entries."""

CLOSE_SECONDS: Final = 30.0
"""How long closing waits for the store."""

WRITTEN, SYNCED, SEALED = 0, 1, 2

Queued = tuple[int, str, str, Any, bytes, bytes]
"""Index, kind, session as headers write it, body (None: read it from the entry), leaf hash, and
the entry behind a zero byte, as it was hashed."""


class Waiter:
    """Somebody who waits until `need` entries have reached a level."""

    __slots__ = ("future", "gate", "level", "loop", "need")

    def __init__(self, need: int, level: int) -> None:
        self.need = need
        self.level = level
        self.gate: threading.Lock | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[None] | None = None


class Committer:
    """The queue, its thread, and how far entries have got. `lock` guards all of it."""

    def __init__(self, store: LedgerStore, signer: Signer, tree: Tree, opened: Open) -> None:
        self.store = store
        self.signer = signer
        self.tree = tree
        self.opened = opened
        self.lock = threading.Lock()
        self.room = threading.Condition(self.lock)
        self.queue: list[Queued] = []
        self.appended = self.written = self.synced = self.sealed = tree.size
        self.bytes = 0
        self.note = ""
        self.fault: str | None = None
        self.idle = False
        self.urgent = False
        self.rung = False
        self.bell = threading.Lock()
        self.bell.acquire()
        self._crowd = 0
        self._sync_to = self._seal_to = tree.size
        self._closing = False
        self._sealed_at = time.monotonic()
        self._waiters: list[Waiter] = []
        self._thread = threading.Thread(target=self._run, name="aegis-ledger", daemon=True)
        _LIVE.add(self)

    def start(self, sealed: int, note: str) -> None:
        """Begin. `sealed` entries are covered by the checkpoint `note`."""
        self.sealed = self._seal_to = sealed
        self.note = note
        self._thread.start()

    # --- the appending side: call with the lock held ---------------------------------------

    def refuse(self) -> LedgerError:
        """The error of every append after a fault."""
        return LedgerError(f"the ledger stopped: {self.fault}; nothing more is recorded until "
                           "it is reopened")  # fmt: skip

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
            self._waiters.append(waiter)
            self.hurry(waiter.need, waiter.level != WRITTEN)
            return True

    def wait(self, need: int, level: int, timeout: float) -> None:
        """Block until `need` entries have reached a level; `timeout` in seconds.

        Raises LedgerError where they did not.
        """
        if self.reached(need, level):
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

    def future(self, need: int, level: int, loop: asyncio.AbstractEventLoop) -> Any:
        """A future of `loop` that is done once `need` entries have reached a level, or None."""
        if self.reached(need, level):
            return None
        waiter = Waiter(need, level)
        waiter.loop, waiter.future = loop, loop.create_future()
        return waiter.future if self._join(waiter) else None

    def close(self) -> None:
        """Store and seal everything, then stop. Raises LedgerError where that failed."""
        with self.lock:
            self._closing = True
            self.ring()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        _LIVE.discard(self)
        lost = self.appended - self.written
        if self._thread.is_alive():
            raise LedgerError(f"the store did not answer for {CLOSE_SECONDS:g} s; "
                              f"{lost} entries may be lost")  # fmt: skip
        if lost:
            raise LedgerError(f"{lost} entries were not stored: {self.fault}")

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except LedgerError as error:
            self.poison(str(error))
        except BaseException as error:
            # a defect: stop all the same, and let it be seen
            self.poison(f"{type(error).__name__}: {error}")
            raise

    def _loop(self) -> None:
        rang = lingered = False
        while True:
            with self.lock:
                if self.rung:
                    if not rang:
                        self.bell.acquire(False)
                    self.rung = False
                batch, timeout = self._next(lingered)
                if batch is None and self._closing:
                    return
            if batch is None:
                rang = self.bell.acquire(timeout=timeout)
                lingered = not rang
            else:
                rang = lingered = False
                self._store(batch)

    def _next(self, lingered: bool) -> tuple[list[Queued] | None, float]:
        """The batch to store now (empty: only sync or seal), or None and how long to sleep."""
        batch = self.queue
        if batch:
            if lingered or self.urgent or self._closing or len(batch) >= EAGER:
                self.queue = []
                self.urgent = self.idle = False
                return batch, 0
        elif self._sync_to > self.synced or self._seal_due():
            self.urgent = self.idle = False
            return [], 0
        self.urgent = False
        self.idle = not batch
        return None, LINGER_SECONDS if batch else self._until_seal()

    def _seal_due(self) -> bool:
        return self.written > self.sealed and (
            self._closing
            or self.written >= self._seal_to > self.sealed
            or self.written - self.sealed >= SEAL_ENTRIES
            or time.monotonic() - self._sealed_at >= SEAL_SECONDS
        )

    def _until_seal(self) -> float:
        """Seconds until the next checkpoint is due; -1 where there is nothing to cover."""
        if self.written == self.sealed:
            return -1
        return max(0.0, self._sealed_at + SEAL_SECONDS - time.monotonic())

    def _store(self, batch: list[Queued]) -> None:
        end = self.written + len(batch)
        for at in range(0, len(batch), EAGER):
            chunk = batch[at : at + EAGER]
            rows = [
                row_of(seq, kind, session, body, leaf, blob[1:])
                for seq, kind, session, body, leaf, blob in chunk
            ]
            # one fsync for the whole batch, unless somebody waits for an earlier chunk alone
            stop = self.written + len(chunk)
            sync = stop >= min(self._sync_to, end) and self._sync_to > self.synced
            self.store.write(rows, sync)
            append = self.tree.append
            for row, (_, kind, _, body, leaf, _) in zip(rows, chunk, strict=True):
                append(leaf)
                if kind == "decision":
                    if performs(row.verdict, _approval(body, row.entry)):
                        self.opened.decided(row.action, row.seq)
                elif kind == "outcome":
                    self.opened.settled(row.action)
            self._reach(stop, stop if sync else self.synced, sum(len(item[5]) for item in chunk))
        if not batch and self._sync_to > self.synced:
            self.store.write([], True)
            self._reach(self.written, self.written, 0)
        if self._seal_due():
            self._seal()

    def _seal(self) -> None:
        size = self.tree.size
        text = Checkpoint(self.signer.identity.name, size, self.tree.root()).text
        note = self.signer.sign(text)
        now = time.time_ns() // 1000
        low = self.opened.low(size)
        self.store.seal(Sealed(size, note, b"".join(self.tree.peaks), low, now))
        self.note = note
        self.sealed = size
        self._sealed_at = time.monotonic()
        self._reach(size, size, 0)

    def _reach(self, written: int, synced: int, released: int) -> None:
        """Entries have got this far: wake whoever waited for them."""
        with self.lock:
            self.written = written
            self.synced = synced
            self.bytes -= released
            ready = [w for w in self._waiters if self.reached(w.need, w.level)]
            if ready:
                self._waiters = [w for w in self._waiters if not self.reached(w.need, w.level)]
            if self._crowd:
                self.room.notify_all()
        _wake(ready, None)

    def poison(self, reason: str) -> None:
        """Stop for good: every waiter and every later append gets an error."""
        with self.lock:
            self.fault = self.fault or reason
            waiters, self._waiters = self._waiters, []
            self.queue = []
            self.room.notify_all()
            error = self.refuse()
        _wake(waiters, error)


def _approval(body: Any, entry: bytes) -> str:
    """The approval a decision names."""
    if body is None:
        body = msgspec.json.decode(entry[entry.index(b"\n") + 1 :])
        return str(body.get("approval", ""))
    return str(body.approval)


def _wake(waiters: Sequence[Waiter], error: LedgerError | None) -> None:
    """Wake waiters: threads one by one, futures with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        if waiter.gate is not None:
            waiter.gate.release()
        elif waiter.loop is not None and waiter.future is not None:
            by_loop.setdefault(waiter.loop, []).append(waiter.future)
    for loop, futures in by_loop.items():
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


_LIVE: weakref.WeakSet[Committer] = weakref.WeakSet()


def _forked() -> None:
    """In a forked child the thread is gone and the store belongs to the parent."""
    for committer in list(_LIVE):
        committer.lock = threading.Lock()
        committer.room = threading.Condition(committer.lock)
        committer.queue = []
        committer._waiters = []
        committer.appended = committer.written
        committer.fault = "this process was forked from the one that writes it"
    _LIVE.clear()


def _finish() -> None:
    """At the end of a process that did not close its ledger: store what was appended."""
    for committer in list(_LIVE):
        try:
            committer.close()
        except LedgerError as error:
            sys.stderr.write(f"aegis: {error}\n")


os.register_at_fork(after_in_child=_forked)
atexit.register(_finish)
