"""Reading block by block: the grid, what is known between blocks, and what was seen before."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Protocol

from .grid import BLOCK, MARGIN, Frame
from .hit import Hit
from .score import CONFIDENT, EVIDENCE, Scorer
from .spanrules import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .leak import Leak
    from .survey import Survey
    from .words import Cut

CERTAIN = 12
"""Findings of the high-confidence tier after which a text is read for values only: it is known to
be hostile, and text made of nothing but attacks would cost the most."""

WINDOWS_MAX = 64
"""Most windows of one text whose hits are kept: tables, logs and padding repeat themselves, and
so do most texts made to be slow."""

SECRET_MAX = 16_384
"""Longest secret followed beyond its window, in code points (an RSA key of 8192 bits has 6,400)."""

_TOKEN = re.compile(r"[A-Za-z0-9_./+=~%-]*")
_ARMOUR = re.compile(r"(?:[^-]|-(?=[^-]|\Z))*(?:-----END [A-Z0-9 ]*-----)?")


class Windows(Protocol):
    """What reads single windows (see `engine`)."""

    def window(
        self,
        text: str,
        kind: str,
        categories: frozenset[str] | None,
        frame: Frame | None = None,
    ) -> list[Hit]:
        """Raw hits of one window of text."""


class Reader:
    """Reads the blocks of one text in order and keeps what must be known between blocks; `tokens`
    are those of the same text.
    """

    __slots__ = (
        "_categories", "_engine", "_kind", "_leak", "_open", "_scorer", "_since", "_sure",
        "_tokens", "_windows",
    )  # fmt: skip

    def __init__(
        self,
        engine: Windows,
        kind: str,
        categories: frozenset[str] | None,
        sensitivity: str,
        leak: Leak | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._engine = engine
        self._kind = kind
        self._categories = categories
        self._scorer = Scorer(sensitivity)
        self._tokens = Tokens() if tokens is None else tokens
        self._leak = leak
        self._open: Hit | None = None
        self._since = 0
        self._sure = 0
        self._windows: dict[tuple[str, Cut, int, bool], list[Hit]] = {}

    @property
    def follows(self) -> bool:
        """Whether a secret goes on beyond what was read, so that the next block must be."""
        return self._open is not None

    def forget(self) -> None:
        """Read every window, even one that was read before: somebody watches."""
        self._windows.clear()

    def read(
        self, text: str, block: int, base: int, size: int, survey: Survey | None = None
    ) -> list[Hit]:
        """The hits that start in a block.

        `text` begins at offset `base` of the whole text and reaches at least MARGIN beyond the
        block, or to `size`, the end of the whole text where that is known. `survey` is what
        is already known about the text there.
        """
        low = block * BLOCK
        left = max(0, low - MARGIN)
        right = min(low + BLOCK + MARGIN, size)
        window = text[left - base : right - base]
        # a text that ends here looks the same as one that goes on
        cut = (left > 0, right == low + BLOCK + MARGIN)
        key = (window, cut, low - left, self._sure >= CERTAIN)
        known = self._windows.get(key)
        if known is None:
            frame = (
                survey.frame(left, low, right, cut)
                if survey
                else Frame(cut, low - left, self._tokens)
            )
            frame.certain = key[-1]
            hits = self._engine.window(window, self._kind, self._categories, frame)
            if self._leak is not None:
                hits += self._leak.hits(window)
            own = range(low - left, low - left + BLOCK)
            known = _best([hit for hit in hits if hit.start in own])
            if len(self._windows) < WINDOWS_MAX:
                self._windows[key] = known
        out = self._scorer.take([_moved(hit, left) for hit in known])
        self._sure += sum(hit.score >= CONFIDENT and hit.category in EVIDENCE for hit in out)
        if self._open is not None:
            out += self._continued(text, base, right)
        else:
            self._open = next((h for h in out if h.end == right and h.category == "secret"), None)
            self._since = right
        return out

    def _continued(self, text: str, base: int, right: int) -> list[Hit]:
        """The rest of a secret that reaches beyond the window in which it began."""
        opened = self._open
        if opened is None or right <= opened.end:
            return []
        start = opened.end
        pattern = _ARMOUR if opened.rule == "private_key" else _TOKEN
        found = pattern.match(text, start - base, right - base)
        stop = found.end() + base if found else start
        if stop < right or stop - self._since > SECRET_MAX:
            self._open = None
        else:
            self._open = Hit(
                stop, stop, opened.rule, opened.category, opened.type, opened.score,
                opened.severity,
            )  # fmt: skip
        if stop == start:
            return []
        return [
            Hit(start, stop, opened.rule, opened.category, opened.type, opened.score,
                opened.severity, "", opened.view, "continued")
        ]  # fmt: skip


def _moved(hit: Hit, by: int) -> Hit:
    if not by:
        return hit
    return Hit(
        hit.start + by, hit.end + by, hit.rule, hit.category, hit.type, hit.score, hit.severity,
        hit.mask, hit.view, hit.reason,
    )  # fmt: skip


class _Taken:
    """Places that are taken, none of which overlap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def holds(self, start: int, end: int) -> bool:
        """Whether some of a span is taken."""
        # of those that begin before its end the last one reaches furthest
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start

    def add(self, start: int, end: int) -> None:
        """Take a span of which nothing is taken."""
        at = bisect_left(self._starts, end)
        self._starts.insert(at, start)
        self._ends.insert(at, end)


def _best(hits: Iterable[Hit]) -> list[Hit]:
    """Of overlapping hits the surest, then the longest: one per rule, and one value per place."""
    out: list[Hit] = []
    rules: dict[str, _Taken] = {}
    values = _Taken()
    for hit in sorted(hits, key=lambda one: (-one.score, one.start - one.end, one)):
        same = rules.setdefault(hit.rule, _Taken())
        if same.holds(hit.start, hit.end):
            continue
        if hit.mask is not None:
            if values.holds(hit.start, hit.end):
                continue
            values.add(hit.start, hit.end)
        same.add(hit.start, hit.end)
        out.append(hit)
    return out
