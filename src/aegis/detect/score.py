"""Scores: evidence adds up, within reach and in reading order.

Each rule gives a confidence in thousandths. Different rules close to one another combine as
independent evidence (1 - product of the doubts); repeating one rule adds nothing. The sum is
kept in reading order, so a text that arrives in pieces is judged exactly as a whole one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .hit import Hit

SENSITIVITIES = {"low": 800, "medium": 500, "high": 350}
"""Lowest score (thousandths) that is reported, by sensitivity."""

CONFIDENT = 850
"""The high-confidence tier: at or above it a finding may block by itself."""

REACH = 2048
"""Evidence further apart than this many code points does not add up."""

EVIDENCE = frozenset({"injection", "tool_poisoning", "toxicity", "prompt_leak"})
"""Categories whose findings combine; values such as card numbers stand for themselves."""


class Scorer:
    """Combines the hits of one text in reading order. One per scan."""

    __slots__ = ("_last", "_recent", "_threshold")

    def __init__(self, sensitivity: str = "medium") -> None:
        self._threshold = SENSITIVITIES[sensitivity]
        # by category and rule: places and scores, each lower than the one before
        self._recent: dict[str, dict[str, deque[tuple[int, int]]]] = {}
        self._last: dict[tuple[str, str], int] = {}

    def take(self, hits: Iterable[Hit]) -> list[Hit]:
        """The hits to report, scores combined; `hits` must continue in reading order."""
        out: list[Hit] = []
        for hit in sorted(hits):
            if hit.category not in EVIDENCE:
                if hit.score >= 500:
                    out.append(hit)
                continue
            reached = self._last.get((hit.rule, hit.type), -1)
            total = self._combine(hit)
            if total < self._threshold or hit.start < reached:
                continue
            self._last[hit.rule, hit.type] = hit.end
            out.append(_scored(hit, total))
        return out

    def _combine(self, hit: Hit) -> int:
        recent = self._recent.setdefault(hit.category, {})
        own = recent.setdefault(hit.rule, deque())
        # what is behind a surer hit of its rule never counts again
        while own and own[-1][1] <= hit.score:
            own.pop()
        own.append((hit.start, hit.score))
        first = hit.start - REACH
        doubt = 1_000_000
        for some in recent.values():
            while some and some[0][0] < first:
                some.popleft()
            if some:
                doubt = doubt * (1000 - some[0][1]) // 1000
        return min(1000, (1_000_000 - doubt) // 1000)


def _scored(hit: Hit, score: int) -> Hit:
    if score == hit.score:
        return hit
    return type(hit)(
        hit.start, hit.end, hit.rule, hit.category, hit.type, score, hit.severity, hit.mask,
        hit.view, hit.reason,
    )  # fmt: skip
