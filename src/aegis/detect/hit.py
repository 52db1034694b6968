"""What the engine reports about one text."""

from __future__ import annotations

import msgspec


class Hit(msgspec.Struct, frozen=True, gc=False, order=True):
    """One thing found: where, what, how sure.

    `start` and `end` are code points of the original text, `score` thousandths, `mask` the
    replacement of the span where the kind of finding has one, `view` the disguise it was read
    through (empty for plain text).
    """

    start: int
    end: int
    rule: str
    category: str
    type: str
    score: int
    severity: str = "medium"
    mask: str | None = None
    view: str = ""
    reason: str = ""

    @property
    def confidence(self) -> float:
        """How sure, from 0 to 1: `score` in units."""
        return self.score / 1000
