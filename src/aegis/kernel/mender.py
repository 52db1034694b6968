"""Brings a journal back after its store failed: a full disk that has room again, a lock let go.

Nobody has to restart a program for that. The first append after the failure tries, and so does
whoever asks whether the ledger works; a try that fails is not repeated within MEND_SECONDS. A store
that works only now and then (a full disk takes the small record that proves it, and no larger one)
does not count as working until it has for a while.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from ..ledger.record import AdminBody
from ..model import LedgerError

if TYPE_CHECKING:
    from ..model import Receipt
    from .journal import Journal

MEND_SECONDS = 1.0
"""Least time between two tries: one reads the end of the ledger and writes a record."""

AGAIN_SECONDS = 60.0
"""A failure so soon after the last recovery shows that it was none."""

STEADY_SECONDS = 15.0
"""How long the ledger has to work after such a failure before it counts as working."""

log = logging.getLogger("aegis")


class Mender:
    """Reopens one journal of this process."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._pid = os.getpid()
        self._ended = False
        self._trying = threading.Lock()
        self._next = 0.0
        self._recovered = -AGAIN_SECONDS
        self._steady_from = 0.0

    @property
    def steady(self) -> bool:
        """Whether the journal accepts records, and may be trusted to go on doing so."""
        return self.journal.healthy and time.monotonic() >= self._steady_from

    def mend(self) -> bool:
        """Whether the journal accepts records, after a try to reopen it where that is due.

        Blocks as long as the store takes. The gap is a record of its own, and writing that record
        is the proof that the store works.
        """
        journal = self.journal
        if journal.healthy:
            return True
        # in a forked child the journal is the parent's; a closed one stays closed
        if self._ended or os.getpid() != self._pid or not self._trying.acquire(blocking=False):
            return False
        try:
            if time.monotonic() < self._next:
                return journal.healthy
            return self._reopen(journal)
        finally:
            self._trying.release()

    def written(self, session: str, body: AdminBody) -> Receipt:
        """The place of an administrative act, once it is on the disk. Raises LedgerError."""
        self.mend()
        receipt: Receipt = self.journal.append("admin", session, body, "synced")
        self.journal.wait(receipt.seq, "synced")
        return receipt

    def end(self) -> None:
        """The journal is about to be closed for good."""
        self._ended = True

    def _reopen(self, journal: Journal) -> bool:
        fault = journal.fault or ""
        try:
            journal.reopen()
            at = time.time_ns() // 1000
            body = AdminBody(actor="system", at=at, details={"fault": fault}, event="ledger.reopen")
            receipt = journal.append("admin", "admin", body, "synced")
            journal.wait(receipt.seq, "synced")
        except LedgerError:
            self._next = time.monotonic() + MEND_SECONDS
            return False
        now = time.monotonic()
        if now - self._recovered < AGAIN_SECONDS:
            self._steady_from = now + STEADY_SECONDS
        self._recovered = now
        log.warning("the ledger works again; it had stopped: %s", fault)
        return True
