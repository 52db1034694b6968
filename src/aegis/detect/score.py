"""Scores: evidence adds up, within reach and in reading order.

Each rule gives a confidence in thousandths. Different rules close to one another combine as
independent evidence (1 - product of the doubts); repeating one rule adds nothing. The sum is
kept in reading order, so a text that arrives in pieces is judged exactly as a whole one.
"""

from __future__ import annotations

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

_REMEMBERED = 64
"""Most pieces of evidence kept for combination; older ones are out of reach in practice."""


class Scorer:
    """Combines the hits of one text in reading order. One per scan."""

    __slots__ = ("_last", "_recent", "_threshold")

    def __init__(self, sensitivity: str = "medium") -> None:
        self._threshold = SENSITIVITIES[sensitivity]
        self._recent: dict[str, list[tuple[int, str, int]]] = {}
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
        recent = self._recent.setdefault(hit.category, [])
        recent[:] = [one for one in recent if one[0] + REACH >= hit.start][-_REMEMBERED:]
        best: dict[str, int] = {}
        for _, rule, score in recent:
            best[rule] = max(score, best.get(rule, 0))
        recent.append((hit.start, hit.rule, hit.score))
        best[hit.rule] = max(hit.score, best.get(hit.rule, 0))
        doubt = 1_000_000
        for score in best.values():
            doubt = doubt * (1000 - score) // 1000
        return min(1000, (1_000_000 - doubt) // 1000)


def _scored(hit: Hit, score: int) -> Hit:
    if score == hit.score:
        return hit
    return type(hit)(
        hit.start, hit.end, hit.rule, hit.category, hit.type, score, hit.severity, hit.mask,
        hit.view, hit.reason,
    )  # fmt: skip
