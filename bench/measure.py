"""Timing in yardsticks: a row is measured between two yardsticks, in rounds over all rows."""

from __future__ import annotations

import statistics
import timeit
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

YARDSTICK = timeit.Timer(
    "sha256(block).digest()", "from hashlib import sha256; block = bytes(1024)"
)

KEEP_GC = "import gc; gc.enable()"
"""timeit switches the collector off; users do not."""


class Timed(NamedTuple):
    """A statement to time. `each` is how many units one execution handles; `after` runs untimed
    after every burst, and `burst` caps the executions between two of those.
    """

    statement: str
    names: dict[str, Any]
    each: int = 1
    burst: int = 10_000_000
    after: Callable[[], Any] | None = None


class Reading(NamedTuple):
    """One row as measured: the median cost in yardsticks and in microseconds."""

    yardsticks: float
    microseconds: float


def readings(rows: dict[str, Timed], rounds: int, seconds: float) -> dict[str, Reading]:
    """Measure all rows in interleaved rounds of about `seconds` per row and round."""
    timers = {
        name: timeit.Timer(row.statement, KEEP_GC, globals=row.names) for name, row in rows.items()
    }
    numbers = {name: _number(timers[name], row, seconds) for name, row in rows.items()}
    yard = max(1, int(seconds / min(YARDSTICK.repeat(3, 1000)) * 1000))
    ratios: dict[str, list[float]] = {name: [] for name in rows}
    costs: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        before = YARDSTICK.timeit(yard) / yard
        for name, row in rows.items():
            cost = timers[name].timeit(numbers[name]) / numbers[name] / row.each
            if row.after is not None:
                row.after()
            behind = YARDSTICK.timeit(yard) / yard
            ratios[name].append(cost / ((before + behind) / 2))
            costs[name].append(cost * 1e6)
            before = behind
    return {
        name: Reading(statistics.median(ratios[name]), statistics.median(costs[name]))
        for name in rows
    }


def _number(timer: timeit.Timer, row: Timed, seconds: float) -> int:
    """How many executions take about `seconds`, after a warm-up that grows to it."""
    number = 1
    while True:
        took = timer.timeit(number)
        if row.after is not None:
            row.after()
        if took >= seconds / 4 or number >= row.burst:
            return max(1, min(row.burst, int(number * seconds / max(took, 1e-9))))
        number = min(number * 4, row.burst)


def median(values: Iterable[float]) -> float:
    """The median of some values."""
    return statistics.median(values)
