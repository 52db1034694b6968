"""Why a text is flagged, or not: everything that was read and everything that counted.

The same engine reads the same blocks; only what it usually throws away is kept: the disguised
readings, the evidence below the threshold, and what each score was added up from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model import KINDS, CallerError
from .engine import TEXT_MAX, Engine
from .gate import ScanError
from .grid import BLOCK, MARGIN
from .hit import Hit
from .reader import Reader
from .score import CONFIDENT, REACH, SENSITIVITIES

if TYPE_CHECKING:
    from .fold import View
    from .grid import Frame
    from .ruleset import RuleSet

READINGS_MAX = 200
"""Most disguised readings listed; a text of encodings has thousands."""

READ_MAX = 200
"""Characters shown of a reading."""


class Evidence(msgspec.Struct, frozen=True):
    """What one rule contributes to a score: its own confidence, where, read through what."""

    rule: str
    type: str
    score: int
    start: int
    end: int
    view: str


class Reported(msgspec.Struct, frozen=True):
    """A finding and the evidence its score was added up from, the finding's own first."""

    finding: Hit
    evidence: tuple[Evidence, ...]


class Reading(msgspec.Struct, frozen=True):
    """A text as it was read behind a disguise; `start` and `end` are offsets in the original."""

    view: str
    start: int
    end: int
    text: str


class Explanation(msgspec.Struct, frozen=True):
    """All there is to say about one text.

    `threshold` is the score from which a finding is reported, `below` what stayed under it.
    """

    rules: str
    kind: str
    threshold: int
    confident_from: int
    score: int
    reported: tuple[Reported, ...]
    below: tuple[Evidence, ...]
    readings: tuple[Reading, ...]


class _Witness(Engine):
    """An engine that remembers what it read."""

    def __init__(self, rules: RuleSet) -> None:
        super().__init__(rules)
        self.left = 0
        self.raw: dict[Hit, None] = {}
        self.readings: dict[Reading, None] = {}

    def window(
        self,
        text: str,
        kind: str,
        categories: frozenset[str] | None,
        frame: Frame | None = None,
    ) -> list[Hit]:
        hits = super().window(text, kind, categories, frame)
        for hit in hits:
            moved = msgspec.structs.replace(
                hit, start=hit.start + self.left, end=hit.end + self.left
            )
            self.raw[moved] = None
        return hits

    def _read(
        self, view: View, frame: Frame, kind: str, categories: frozenset[str] | None
    ) -> tuple[list[Hit], list[View]]:
        if view.name and view.text and len(self.readings) < READINGS_MAX:
            start, end = view.back(0, len(view.text))
            shown = view.text[:READ_MAX]
            self.readings[Reading(view.name, start + self.left, end + self.left, shown)] = None
        return super()._read(view, frame, kind, categories)


def explain(
    text: str, kind: str, *, sensitivity: str = "medium", rules: RuleSet | None = None
) -> Explanation:
    """Inspect one text and keep the reasons. `rules` are those that ship where left out.

    Raises CallerError for an unknown kind or sensitivity, ScanError where the text is too long.
    """
    from .ruleset import load

    if kind not in KINDS:
        raise CallerError(f"unknown kind `{kind}`; use one of {', '.join(KINDS)}")
    if sensitivity not in SENSITIVITIES:
        raise CallerError(f"unknown sensitivity `{sensitivity}`; use low, medium or high")
    if len(text) > TEXT_MAX:
        raise ScanError(f"text of {len(text)} characters is longer than {TEXT_MAX}; split it")
    engine = _Witness(rules or load())
    reader = Reader(engine, kind, None, sensitivity)
    hits: list[Hit] = []
    for block in range(-(-len(text) // BLOCK)):
        engine.left = max(0, block * BLOCK - MARGIN)
        reader.forget()
        hits += reader.read(text, block, 0, len(text))
    raw = sorted(engine.raw)
    return Explanation(
        engine.version,
        kind,
        SENSITIVITIES[sensitivity],
        CONFIDENT,
        max((hit.score for hit in hits), default=0),
        tuple(Reported(hit, _evidence(hit, raw)) for hit in hits),
        tuple(map(_of, _below(hits, raw))),
        tuple(engine.readings),
    )


def _of(hit: Hit) -> Evidence:
    return Evidence(hit.rule, hit.type, hit.score, hit.start, hit.end, hit.view)


def _evidence(hit: Hit, raw: list[Hit]) -> tuple[Evidence, ...]:
    """The surest hit of each rule that counted towards a finding, its own rule first."""
    best: dict[str, Hit] = {}
    for one in raw:
        before = (one.start, one.end, one.rule) <= (hit.start, hit.end, hit.rule)
        near = before and hit.start <= one.start + REACH
        if one.category != hit.category or not near:
            continue
        if one.rule not in best or one.score > best[one.rule].score:
            best[one.rule] = one
    own = best.pop(hit.rule, hit)
    if hit.score == own.score:
        return (_of(own),)
    return (_of(own), *map(_of, sorted(best.values(), key=lambda one: -one.score)))


def _below(hits: list[Hit], raw: list[Hit]) -> list[Hit]:
    """What was seen where nothing of its rule was reported."""
    return [
        one
        for one in raw
        if not any(
            hit.rule == one.rule and hit.start < one.end and one.start < hit.end for hit in hits
        )
    ]
