"""What holds for all tests."""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in the background so; tests that interrupt a process of their own
    # would wait for ever
    signal.signal(signal.SIGINT, signal.default_int_handler)

BLOCK = bytes(1024)


def _seconds(act: Callable[[], object], times: int = 1) -> float:
    start = time.thread_time()
    for _ in range(times):
        act()
    return time.thread_time() - start


def _yardstick() -> float:
    return min(_seconds(lambda: hashlib.sha256(BLOCK).digest(), 500) for _ in range(5)) / 500


@pytest.fixture
def yardsticks() -> Callable[[Callable[[], object]], float]:
    """Measures what a call costs this thread: its CPU time over that of a SHA-256 of 1,024 bytes,
    the unit of bench/budget.toml. Both are taken without the tracer that counts lines, which makes
    Python several times slower, and one beside the other, since hosts differ.
    """

    def measure(act: Callable[[], object]) -> float:
        before = sys.gettrace()
        sys.settrace(None)
        try:
            unit = _yardstick()
            spent = _seconds(act)
            return spent / max(unit, _yardstick())
        finally:
            sys.settrace(before)

    return measure
