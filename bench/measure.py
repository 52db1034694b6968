"""Timing in yardsticks: a row is measured between two yardsticks, in rounds over all rows."""

from __future__ import annotations

import statistics
import time
import timeit
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = time.process_time
"""CPU time of all threads of this process: work that is put off to a thread counts, and a busy
neighbour on the machine does not."""

YARDSTICK = timeit.Timer(
    "sha256(block).digest()", "from hashlib import sha256; block = bytes(1024)", timer=CLOCK
)

KEEP_GC = "import gc; gc.enable()"
"""timeit switches the collector off; users do not."""


WARM = 256
"""Executions before a cheap row is timed."""

REFERENCE_US = 0.85
"""The yardstick on a CPU with SHA instructions, in microseconds. Without them SHA-256 takes three
to four times as long while Python does not, and yardsticks flatter."""


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
        name: timeit.Timer(row.statement, KEEP_GC, timer=CLOCK, globals=row.names)
        for name, row in rows.items()
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
    """How many executions take about `seconds`, once everything is warm.

    Rows that go through a cycle of inputs meet each of them WARM times first: memos are filled
    as they are in a process that has been running for a moment.
    """
    # the first execution may build what is built when it is first needed
    timer.timeit(1)
    number = 1
    warmed = 0
    while True:
        took = timer.timeit(number)
        warmed += number
        if row.after is not None:
            row.after()
        enough = took >= seconds / 4 and (warmed >= WARM or took >= 4 * seconds)
        if enough or number >= row.burst:
            return max(1, min(row.burst, int(number * seconds / max(took, 1e-9))))
        number = min(number * 4, row.burst)


def quick_yardstick() -> float:
    """The yardstick in microseconds, undisturbed: the shortest of many."""
    return min(YARDSTICK.repeat(50, 2_000)) / 2_000 * 1e6
