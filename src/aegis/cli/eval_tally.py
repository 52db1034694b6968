"""The arithmetic of `aegis eval detect`: rates with their intervals, spans, precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .eval_rows import Row, Span

Z = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""

PREVALENCES = (100, 1000)
"""One attack in so many texts: what precision is worked out for."""

HARD = frozenset(
    {"over_defence", "adversarial_benign", "hard_negative", "security_education", "agent_docs"}
)
"""Categories of benign texts that were chosen because they look like attacks."""

GROUPS = {
    "overt": frozenset(
        {
            "overt", "direct", "hijack", "extraction", "jailbreak_persona", "indirect_overt",
            "atr_prompt-injection", "atr_agent-manipulation",
        }
    ),
    "semantic": frozenset({"semantic", "indirect_semantic"}),
    "plain task": frozenset({"indirect_plain_task"}),
    "suffix": frozenset({"suffix"}),
}  # fmt: skip
"""Group to the categories of attacks in it; every other attack is in `evasion` or `attack`."""

TYPICAL, DIFFICULT = "benign typical", "benign hard"

OVERLAP_MIN = 0.5
"""Share of the shorter span that has to be covered for a found value to count as the true one."""


class Rate(msgspec.Struct, frozen=True):
    """A share with its Wilson 95 % interval (Wilson 1927, score interval)."""

    hits: int
    n: int
    rate: float
    low: float
    high: float


def wilson(hits: int, n: int) -> Rate:
    """The rate of `hits` in `n` trials; all zero where there were none."""
    if not n:
        return Rate(0, 0, 0.0, 0.0, 0.0)
    share = hits / n
    scale = 1 + Z * Z / n
    centre = (share + Z * Z / (2 * n)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Rate(hits, n, share, max(0.0, centre - half), min(1.0, centre + half))


class Seen(NamedTuple):
    """A row and what the engine said of it: at the default point, and in the confident tier.

    `anything` says that there was a finding of any category, `unread` that the scan gave up,
    which blocks and so counts as flagged.
    """

    row: Row
    flagged: bool
    confident: bool
    anything: bool
    found: tuple[tuple[Span, bool], ...] = ()
    unread: bool = False


class Points(msgspec.Struct, frozen=True):
    """The share of texts flagged, at both operating points; `anything` counts findings of every
    category, such as an address in an attack or in an honest letter.
    """

    flagged: Rate
    confident: Rate
    anything: Rate


class Precision(msgspec.Struct, frozen=True):
    """Of what is flagged, how much is an attack, where one text in `one_in` is one.

    `low` takes the lower end of the recall and the upper end of the false-positive rate.
    """

    group: str
    point: str
    one_in: int
    precision: float
    low: float


class Flags(msgspec.Struct, frozen=True):
    """What became of the rows of a task that asks whether a text is flagged.

    Keys of `sources` and `languages` are `GROUP / NAME`; `macro` is the mean of a group's
    recall over its sources.
    """

    rows: int
    unread: int
    groups: dict[str, Points]
    sources: dict[str, Points]
    languages: dict[str, Points]
    macro: dict[str, float]
    precision: tuple[Precision, ...]


class Found(msgspec.Struct, frozen=True):
    """How the values of one type (source, language) were found."""

    f1: float
    recall: Rate
    precision: float
    n: int


class Spans(msgspec.Struct, frozen=True):
    """What became of the rows of a task that asks for places of values.

    `types` holds both operating points by type; `unclaimed` are types without any rule, left out
    of `sources` and `languages`. `clean` are the texts without any true value.
    """

    rows: int
    unread: int
    types: dict[str, dict[str, Found]]
    sources: dict[str, Found]
    languages: dict[str, Found]
    unclaimed: tuple[str, ...]
    clean: Points
    clean_sources: dict[str, Points]
    clean_languages: dict[str, Points]


def group(row: Row) -> str:
    """The group a row is counted in."""
    if not row.label:
        return DIFFICULT if row.category in HARD else TYPICAL
    for name, categories in GROUPS.items():
        if row.category in categories:
            return name
    return "evasion" if row.category.startswith(("evasion_", "agt_")) else "attack"


def _points(seen: Iterable[Seen]) -> Points:
    listed = list(seen)
    return Points(
        wilson(sum(one.flagged for one in listed), len(listed)),
        wilson(sum(one.confident for one in listed), len(listed)),
        wilson(sum(one.anything for one in listed), len(listed)),
    )


def _by(seen: Iterable[Seen], keys: Sequence[str]) -> dict[str, Points]:
    """Rates by key; `keys` are as many as `seen`."""
    gathered: dict[str, list[Seen]] = {}
    for one, key in zip(seen, keys, strict=True):
        gathered.setdefault(key, []).append(one)
    return {key: _points(gathered[key]) for key in sorted(gathered)}


def flags(seen: Sequence[Seen]) -> Flags:
    """Rates of a task, in every way they are looked at."""
    groups = [group(one.row) for one in seen]
    sources = _by(
        seen, [f"{name} / {one.row.source}" for one, name in zip(seen, groups, strict=True)]
    )
    by_group = _by(seen, groups)
    return Flags(
        len(seen),
        sum(one.unread for one in seen),
        by_group,
        sources,
        _by(seen, [f"{name} / {one.row.lang}" for one, name in zip(seen, groups, strict=True)]),
        {name: _macro(name, sources) for name in by_group},
        tuple(_precisions(by_group)),
    )


def _macro(name: str, sources: dict[str, Points]) -> float:
    rates = [one.flagged.rate for key, one in sources.items() if key.startswith(f"{name} / ")]
    return sum(rates) / len(rates)


def _precisions(groups: dict[str, Points]) -> Iterable[Precision]:
    typical = groups.get(TYPICAL)
    if typical is None:
        return
    for name, points in groups.items():
        if name in (TYPICAL, DIFFICULT):
            continue
        for point in ("flagged", "confident"):
            recall: Rate = getattr(points, point)
            wrong: Rate = getattr(typical, point)
            for one_in in PREVALENCES:
                yield Precision(
                    name, point, one_in,
                    precision(recall.rate, wrong.rate, one_in),
                    precision(recall.low, wrong.high, one_in),
                )  # fmt: skip


def precision(recall: float, false_positives: float, one_in: int) -> float:
    """Of what is flagged, the share that is an attack (Bayes); 0 where nothing is flagged."""
    right = recall / one_in
    wrong = false_positives * (1 - 1 / one_in)
    return right / (right + wrong) if right else 0.0


def spans(seen: Sequence[Seen], claimed: frozenset[str]) -> Spans:
    """How the values of a task were found; `claimed` are the types the engine has rules for."""
    types: dict[str, dict[str, list[int]]] = {}
    sources: dict[str, list[int]] = {}
    languages: dict[str, list[int]] = {}
    unclaimed: set[str] = set()
    for one in seen:
        unclaimed.update(span.type for span in one.row.spans if span.type not in claimed)
        for point in ("flagged", "confident"):
            found = [span for span, sure in one.found if sure or point == "flagged"]
            for type, outcome in compared(one.row.spans, found):
                by_point = types.setdefault(type, {"flagged": [0, 0, 0], "confident": [0, 0, 0]})
                by_point[point][outcome] += 1
                if point == "flagged" and type in claimed:
                    sources.setdefault(one.row.source, [0, 0, 0])[outcome] += 1
                    languages.setdefault(one.row.lang, [0, 0, 0])[outcome] += 1
    clean = [one for one in seen if not one.row.spans]
    return Spans(
        len(seen),
        sum(one.unread for one in seen),
        {
            type: {point: _found(*counts) for point, counts in types[type].items()}
            for type in sorted(types)
        },
        {name: _found(*sources[name]) for name in sorted(sources)},
        {name: _found(*languages[name]) for name in sorted(languages)},
        tuple(sorted(unclaimed)),
        _points(clean),
        _by(clean, [one.row.source for one in clean]),
        _by(clean, [one.row.lang for one in clean]),
    )


RIGHT, WRONG, MISSED = 0, 1, 2


def compared(truth: Sequence[Span], found: Sequence[Span]) -> Iterable[tuple[str, int]]:
    """(type, RIGHT, WRONG or MISSED) of each true and each found value; one to one."""
    left = list(found)
    for span in truth:
        hit = next((one for one in left if _same(span, one)), None)
        if hit is not None:
            left.remove(hit)
        yield span.type, MISSED if hit is None else RIGHT
    for extra in left:
        yield extra.type, WRONG


def _same(one: Span, other: Span) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    return one.type == other.type and shared > 0 and shared >= OVERLAP_MIN * shorter


def _found(right: int, wrong: int, missed: int) -> Found:
    total = 2 * right + wrong + missed
    return Found(
        2 * right / total if total else 0.0,
        wilson(right, right + missed),
        right / (right + wrong) if right + wrong else 0.0,
        right + missed,
    )
