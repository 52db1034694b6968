"""The results of `aegis eval detect`, for a terminal and as a page of the documentation.

The page names no source: texts of others are not in this repository, and what it says of sources
is how far apart they lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from . import output
from .eval_disguises import Disguises
from .eval_tally import Flags, Spans
from .eval_time import Times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .eval_tally import Points, Rate
    from .eval_time import Cost


class Report(msgspec.Struct, frozen=True):
    """Everything measured in one run. Times are CPU microseconds of one thread unless named ms."""

    rules: str
    python: str
    tasks: dict[str, Flags | Spans]
    disguises: dict[str, Disguises]
    times: Times


Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, headers, rows."""

HEAD = """\
# Results of the detection engine

<!-- written by `aegis eval detect --data DIR --page FILE`; measure again, do not edit -->

Rules `{rules}`, CPython {python}. The rows are labelled texts of other people and of our own
that are not part of this repository. [Their form](../../spec/detection-rows.md) is documented;
a small set to try is in [examples](../../examples/detection). This page was made by

```text
aegis eval detect --data DIR --page docs/reference/detection-results.md
```

The rules that ship were tuned on such rows, so expect less on texts of another origin. *Flagged*
is the default operating point, *confident* the tier in which a finding blocks by itself. Brackets
hold Wilson 95 % intervals. A text the engine gave up on counts as flagged, since it is blocked.

- Overt attacks say what they want. Semantic ones persuade without a demand, plain tasks are
  ordinary orders inside a document: neither can be told from honest text by reading it.
- Hard benign texts were chosen because they look like attacks; typical ones were not chosen.
- A row counts as flagged when something of the categories of its task is found. *Any finding*
  counts every category: an address in an honest letter, for example.
- A value counts as found when its type is right and half of the shorter span is covered.
- CPU times depend on the machine. Compare them with one another.
"""


def page(report: Report) -> str:
    """The whole page as Markdown."""
    parts = [HEAD.format(rules=report.rules, python=report.python)]
    for title, headers, rows in _tables(report, named=False):
        parts.append(f"## {title}\n")
        parts.append("| " + " | ".join(headers) + " |")
        parts.append("|" + "---|" * len(headers))
        parts += [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
        ]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def show(report: Report) -> None:
    """Print every table."""
    output.say(f"rules {report.rules}, CPython {report.python}")
    for title, headers, rows in _tables(report, named=True):
        output.say()
        output.say(title)
        output.table(headers, rows)


def _tables(report: Report, *, named: bool) -> Iterator[Table]:
    """Everything as tables; with `named`, each source has a row of its own."""
    for name, task in report.tasks.items():
        yield from (
            _flags(name, task, named) if isinstance(task, Flags) else _spans(name, task, named)
        )
    for name, disguises in report.disguises.items():
        yield _disguises(name, disguises)
    yield from _times(report.times)


def _flags(name: str, task: Flags, named: bool) -> Iterator[Table]:
    headers = ("group", "flagged", "of", "confident", "any finding")
    yield (
        f"{name}: {task.rows} texts, {task.unread} given up",
        headers,
        [_point(*item) for item in task.groups.items()],
    )
    yield f"{name}, by language", headers, [_point(*item) for item in task.languages.items()]
    if named:
        yield f"{name}, by source", headers, [_point(*item) for item in task.sources.items()]
    else:
        yield _spread(name, task)
    if task.precision:
        yield (
            f"{name}, precision beside typical benign texts",
            ("group", "point", "one attack in", "precision", "at least"),
            [
                (one.group, one.point, f"{one.one_in} texts", f"{one.precision:.3f}",
                 f"{one.low:.3f}")
                for one in task.precision
            ],
        )  # fmt: skip


def _point(name: str, points: Points) -> tuple[str, ...]:
    return (
        name,
        _rate(points.flagged),
        str(points.flagged.n),
        _rate(points.confident),
        f"{points.anything.rate:.3f}",
    )


def _rate(rate: Rate) -> str:
    return f"{rate.rate:.3f} [{rate.low:.3f}, {rate.high:.3f}]" if rate.n else "none"


def _spread(name: str, task: Flags) -> Table:
    """How far the sources of a group lie apart, without their names."""
    rows: list[tuple[str, ...]] = []
    for group, mean in task.macro.items():
        shares = [
            one.flagged.rate for key, one in task.sources.items() if key.startswith(f"{group} / ")
        ]
        rows.append(
            (group, str(len(shares)), f"{mean:.3f}", f"{min(shares):.3f}", f"{max(shares):.3f}")
        )
    return f"{name}, over sources", ("group", "sources", "mean flagged", "least", "most"), rows


def _spans(name: str, task: Spans, named: bool) -> Iterator[Table]:
    yield (
        f"{name}: {task.rows} texts, {task.unread} given up",
        ("type", "F1", "recall", "precision", "F1 confident", "of"),
        [
            (
                type if type not in task.unclaimed else f"{type} (no rule)",
                f"{points['flagged'].f1:.3f}",
                _rate(points["flagged"].recall),
                f"{points['flagged'].precision:.3f}",
                f"{points['confident'].f1:.3f}",
                str(points["flagged"].n),
            )
            for type, points in task.types.items()
        ],
    )
    groups = {"language": task.languages} | ({"source": task.sources} if named else {})
    for what, found in groups.items():
        yield (
            f"{name}, values of types with a rule, by {what}",
            (what, "F1", "recall", "precision", "of"),
            [
                (key, f"{one.f1:.3f}", _rate(one.recall), f"{one.precision:.3f}", str(one.n))
                for key, one in found.items()
            ],
        )
    clean = {"all": task.clean} | _named("language", task.clean_languages)
    if named:
        clean |= _named("source", task.clean_sources)
    yield (
        f"{name}, texts without values",
        ("texts", "flagged", "of", "confident", "any finding"),
        [_point(*item) for item in clean.items()],
    )


def _named(what: str, points: dict[str, Points]) -> dict[str, Points]:
    return {f"{what} {key}": one for key, one in points.items()}


def _disguises(name: str, found: Disguises) -> Table:
    rows: list[tuple[str, ...]] = [
        (transform, _rate(one.kept), _rate(one.kept_confident), _rate(one.benign))
        for transform, one in found.transforms.items()
    ]
    rows.append(("mean", f"{found.mean:.3f}", "", _rate(found.benign)))
    rows.append(("worst", f"{found.worst:.3f}", "", ""))
    return (
        f"{name}, detections kept in disguise",
        ("disguise", "kept", "kept confident", "benign flagged"),
        rows,
    )


def _times(times: Times) -> Iterator[Table]:
    for title, costs in (
        ("CPU time per check, by size of the row", times.rows),
        ("CPU time per check, ordinary text cut to size", times.cut),
    ):
        if costs:
            yield title, ("size", "median in µs", "worst in ms", "of"), _costs(costs)
    if not times.crafted:
        return
    slowest = sorted(times.crafted.items(), key=lambda item: -item[1].ms)
    rows: list[tuple[str, ...]] = [
        (name, f"{one.ms:.2f}", f"{one.growth:.2f}" if one.growth else "too short to say")
        for name, one in slowest
    ]
    rows.append(("worst", f"{times.worst_crafted_ms:.2f}", f"{times.worst_growth:.2f}"))
    yield "CPU time of crafted texts of 20 KB", ("text", "ms", "growth when doubled"), rows


def _costs(costs: dict[str, Cost]) -> list[tuple[str, ...]]:
    return [
        (size, f"{one.median_us:.0f}", f"{one.worst_us / 1000:.2f}", str(one.n))
        for size, one in costs.items()
    ]
