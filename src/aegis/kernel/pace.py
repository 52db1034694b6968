"""When a checkpoint is due, and when one brings everything to the disk. Never signs or writes."""

from __future__ import annotations

import time
from typing import Final

SEAL_ENTRIES: Final = 1024
"""Entries after which a checkpoint is signed."""

SEAL_SECONDS: Final = 60.0
"""Seconds after which a checkpoint is signed where there are new entries."""

SYNC_SECONDS: Final = 5.0
"""Seconds after which a checkpoint brings everything to the disk although nobody waits for that:
what a power cut may cost, under load, of records that were asked for as `buffered` or `written`.
"""


class Pace:
    """The clock of one ledger's checkpoints."""

    __slots__ = ("_sealed", "_synced")

    def __init__(self) -> None:
        self._sealed = self._synced = time.monotonic()

    def due(self, entries: int) -> bool:
        """Whether so many new entries want a checkpoint now."""
        return entries >= SEAL_ENTRIES or self.seconds() <= 0

    def seconds(self) -> float:
        """How long until one is due whatever their number; negative where it is overdue."""
        return self._sealed + SEAL_SECONDS - time.monotonic()

    def sealing(self, asked: bool) -> bool:
        """A checkpoint is made now, `asked` for or not: whether it is to reach the disk."""
        now = self._sealed = time.monotonic()
        sync = asked or now - self._synced >= SYNC_SECONDS
        if sync:
            self._synced = now
        return sync
