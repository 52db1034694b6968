"""Which decisions wait for their outcome, so that a restart can say what became of them."""

from __future__ import annotations

from typing import Final

OPEN_MAX: Final = 65_536
"""Decisions kept in memory that wait for their outcome. Beyond it, the oldest are looked up in
the store when they are asked for."""


class Open:
    """The decisions to be performed that have no outcome yet, by action."""

    def __init__(self) -> None:
        self.seqs: dict[str, int] = {}
        self.floor: int | None = None
        """Lowest index that had to be forgotten: from here on the store has to be asked."""

    def decided(self, action: str, seq: int) -> None:
        """A decision was recorded that lets its action be performed."""
        self.seqs.pop(action, None)
        self.seqs[action] = seq
        if len(self.seqs) > OPEN_MAX:
            oldest = next(iter(self.seqs))
            forgotten = self.seqs.pop(oldest)
            self.floor = forgotten if self.floor is None else min(self.floor, forgotten)

    def settled(self, action: str) -> None:
        """An outcome was recorded."""
        self.seqs.pop(action, None)

    def low(self, size: int) -> int:
        """No decision before this index waits for an outcome."""
        low = next(iter(self.seqs.values()), size)
        return low if self.floor is None else min(low, self.floor)


def performs(verdict: str, approval: str) -> bool:
    """Whether a decision with this verdict and approval lets its action be performed."""
    return verdict in ("allow", "sanitize") or (verdict == "review" and approval != "")
