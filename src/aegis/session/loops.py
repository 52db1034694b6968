"""Loops: the same call again and again, or two calls in turn.

A call is the same where tool, target and every argument are. Reading ten pages in a row is work;
reading one page ten times is a loop.
"""

from __future__ import annotations

import msgspec

RECENT = 12
"""Calls remembered; enough for the longer of both patterns."""

REPEATS = 5
"""The same call in a row that make a loop."""

TURNS = 6
"""Calls of a pair in turn that make a loop: three each."""

WINDOW = 60_000_000
"""How close they have to lie, in microseconds: polling once a minute is no loop."""

Recent = tuple[tuple[int, int], ...]
"""The last calls, oldest first: what tells them apart, and when."""


def call_of(type: str, target: str, params: object) -> int:
    """What tells a call from a different one."""
    return hash((type, target, msgspec.json.encode(params, enc_hook=repr, order="sorted")))


def turn(recent: Recent, call: int, now: int) -> tuple[Recent, str]:
    """The calls with one more, and the rule it completes (empty for none). A completed pattern
    starts over.
    """
    calls = (*recent[1 - RECENT :], (call, now))
    if len(calls) >= REPEATS and _close(calls[-REPEATS:]):
        if all(one[0] == call for one in calls[-REPEATS:]):
            return (), "repeated_call"
        if len(calls) >= TURNS and _close(calls[-TURNS:]) and _alternate(calls[-TURNS:]):
            return (), "ping_pong"
    return calls, ""


def _close(calls: Recent) -> bool:
    return calls[-1][1] - calls[0][1] <= WINDOW


def _alternate(calls: Recent) -> bool:
    first, second = calls[0][0], calls[1][0]
    return first != second and all(
        one[0] == (second if index % 2 else first) for index, one in enumerate(calls)
    )
