"""One text, inspected: the public form of the engine's answer, and the engine everybody shares."""

from __future__ import annotations

from functools import cache

import msgspec

from ..model import KINDS, CallerError
from .engine import Engine
from .hit import Hit
from .score import CONFIDENT, SENSITIVITIES

SENSITIVE = frozenset({"pii", "phi", "secret", "confidential"})
"""Categories whose spans are masked in `Inspection.masked`."""


@cache
def shared() -> Engine:
    """The engine over the rules that ship with Aegis, built when it is first needed."""
    return Engine()


ALARMING = frozenset({"high", "critical"})
"""Severities at which personal data is an alarm rather than a thing to mask."""


def _alarming(hit: Hit) -> bool:
    return hit.category not in ("pii", "phi") or hit.severity in ALARMING


class Inspection(msgspec.Struct, frozen=True):
    """What a text holds.

    `flagged` at the default operating point, `confident` in the high-confidence tier, `score` the
    highest (0 to 1000), `findings` in reading order with offsets into the given text, `masked`
    the text with personal data and secrets replaced. Personal data of low or medium severity (an
    e-mail address, a telephone number) is found and masked, but neither flags a text nor counts
    towards its score.
    """

    flagged: bool
    confident: bool
    score: int
    findings: tuple[Hit, ...]
    masked: str


def inspect_text(text: str, kind: str = "prompt", *, sensitivity: str = "medium") -> Inspection:
    """Inspect one text. `kind` is what it is to a model: prompt, reply, system, tool_result,
    tool_description, arguments or document.

    Raises CallerError for an unknown kind or sensitivity, ScanError where the text is too long.
    """
    if kind not in KINDS:
        raise CallerError(f"unknown kind `{kind}`; use one of {', '.join(KINDS)}")
    if sensitivity not in SENSITIVITIES:
        raise CallerError(f"unknown sensitivity `{sensitivity}`; use low, medium or high")
    return inspected(shared(), text, kind, sensitivity)


def inspected(engine: Engine, text: str, kind: str, sensitivity: str) -> Inspection:
    """What an engine finds in one text. Raises ScanError where the text is too long."""
    hits = engine.scan(text, kind, sensitivity=sensitivity)
    score = max((hit.score for hit in hits if _alarming(hit)), default=0)
    return Inspection(score > 0, score >= CONFIDENT, score, tuple(hits), _masked(text, hits))


def _masked(text: str, hits: list[Hit]) -> str:
    out: list[str] = []
    position = 0
    for hit in sorted(hits, key=lambda one: (one.start, -one.end)):
        if hit.category not in SENSITIVE or hit.end <= position:
            continue
        if hit.start >= position:
            out.append(text[position : hit.start])
            out.append(hit.mask if hit.mask is not None else f"[{hit.type}]")
        position = hit.end
    out.append(text[position:])
    return "".join(out)
