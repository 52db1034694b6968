"""Parameters of an action: finding them by path, and comparing them without ever raising.

A path is names with dots, `[]` for every element of a list and `[2]` for one: `order.lines[].sku`.
Names are compared folded, so `Amount` and `amount` are one parameter; where an action carries
both, both values count.

A comparison gives one of four states. UNKNOWN is whatever cannot be compared (a wrong type, null,
NaN, text where a number belongs), and what is equal only after folding; ABSENT is a parameter
that is not there. Several values agree, or the state is UNKNOWN.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .fold import NAME_MAX, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FALSE, TRUE, UNKNOWN, ABSENT = 0, 1, 2, 3

NAMES = ("target", "agent", "tenant", "capability", "environment")
"""What an action may have no name for."""

VALUES_MAX = 10_000
"""Most values one path may lead to; beyond it the condition is UNKNOWN."""

MATCHED_MAX = 65_536
"""Most characters of a value a regular expression reads; beyond it a miss is UNKNOWN."""

NUMBER_MAX = 64
"""Longest text that is read as a number."""

KEY_MAX = 64
"""Longest parameter name whose folded form is remembered; the memo is bounded by 4,096 names."""

PATH_MAX = 200
"""Longest path in characters."""

State = int
Step = str | int | None
"""A folded name, an index, or None for every element."""

_STEP = re.compile(r"([^.\[\]]+)|\[(\d{0,6})\]")
_BROKEN = object()
_GONE = object()


def all_of(states: Collection[State]) -> State:
    """FALSE before ABSENT before UNKNOWN before TRUE."""
    for state in (FALSE, ABSENT, UNKNOWN):
        if state in states:
            return state
    return TRUE


def any_of(states: Collection[State]) -> State:
    """TRUE before UNKNOWN before ABSENT before FALSE."""
    for state in (TRUE, UNKNOWN, ABSENT):
        if state in states:
            return state
    return FALSE


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError saying what is wrong."""
    if not text or len(text) > PATH_MAX:
        raise ValueError(f"a parameter path has 1 to {PATH_MAX} characters")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if steps and text[position] == ".":
            position += 1
        found = _STEP.match(text, position)
        after_dot = position > 0 and text[position - 1] == "."
        bracket = found is not None and found[1] is None
        if found is None or (bracket and (not steps or after_dot)):
            raise ValueError(f"`{text}` is no parameter path; write `a.b`, `a[].b` or `a[0]`")
        if not bracket:
            if steps and not after_dot:
                raise ValueError(f"`{text}` is no parameter path; a dot is missing after `]`")
            steps.append(fold(found[1]))
        else:
            steps.append(int(found[2]) if found[2] else None)
        position = found.end()
    if text.endswith("."):
        raise ValueError(f"`{text}` ends with a dot")
    return tuple(steps)


class Finder:
    """Finds the values of one path in the params of an action."""

    __slots__ = ("plain", "steps", "whole")

    def __init__(self, text: str) -> None:
        """Raises ValueError for a text that is no path."""
        self.steps = parse_path(text)
        # a parameter may itself be called `user.name`
        self.whole = fold(text) if len(self.steps) > 1 else None
        first = self.steps[0]
        self.plain = first if len(self.steps) == 1 and isinstance(first, str) else None

    def state(self, params: Any, test: Callable[[Any], State]) -> State:
        """What the values agree on. Several values that differ are UNKNOWN, so are values out of
        reach; a branch without the parameter counts as FALSE beside others.
        """
        if self.plain is not None and type(params) is dict:
            # the common case: one name, one value
            found = [item for key, item in params.items() if _same(key, self.plain)]
            if len(found) < 2:
                return test(found[0]) if found else ABSENT
        states = {
            ABSENT if value is _GONE else UNKNOWN if value is _BROKEN else test(value)
            for value in self._find(params)
        }
        if not states:
            return ABSENT
        if len(states) == 2 and ABSENT in states and FALSE in states:
            return FALSE
        return states.pop() if len(states) == 1 else UNKNOWN

    def _find(self, params: Any) -> list[Any]:
        values: list[Any] = [params]
        for step in self.steps:
            below: list[Any] = []
            for value in values:
                _step(value, step, below)
                if len(below) > VALUES_MAX:
                    return [_BROKEN]
            values = below
        if self.whole is not None and isinstance(params, dict):
            named: list[Any] = []
            _step(params, self.whole, named)
            if named != [_GONE]:
                return [value for value in values if value is not _GONE] + named
        return values


def _same(key: object, step: str) -> bool:
    if key == step:
        return True
    if not isinstance(key, str):
        return False
    return (_folded(key) if len(key) <= KEY_MAX else fold(key[:NAME_MAX])) == step


_folded = lru_cache(maxsize=4_096)(fold)


def _step(value: Any, step: Step, below: list[Any]) -> None:
    if value is _GONE:
        below.append(_GONE)
    elif isinstance(step, str):
        if not isinstance(value, dict):
            below.append(_BROKEN)
            return
        before = len(below)
        for key, item in value.items():
            if _same(key, step):
                below.append(item)
        if len(below) == before:
            below.append(_GONE)
    elif isinstance(value, (list, tuple)):
        if step is None:
            below.extend(value)
        else:
            below.append(value[step] if step < len(value) else _GONE)
    else:
        below.append(_BROKEN)


def number(value: Any) -> int | float | None:
    """The finite number a value is, or says in digits; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (str, Decimal)):
        text = str(value)
        if len(text) > NUMBER_MAX:
            return None
        try:
            return int(text)
        except ValueError:
            pass
        try:
            value = float(text)
        except ValueError:
            return None
    return value if isinstance(value, float) and math.isfinite(value) else None


def equals(expected: Any, actual: Any) -> State:
    """Whether a value is the expected one."""
    if expected is None or actual is None:
        return TRUE if expected is actual else (FALSE if expected is None else UNKNOWN)
    if isinstance(expected, bool) or isinstance(actual, bool):
        same_type = isinstance(expected, bool) and isinstance(actual, bool)
        return (TRUE if expected is actual else FALSE) if same_type else UNKNOWN
    if isinstance(expected, (list, dict)) or isinstance(actual, (list, tuple, dict)):
        return _equal_parts(expected, actual)
    left, right = number(expected), number(actual)
    if left is not None and right is not None:
        return TRUE if left == right else FALSE
    if isinstance(expected, str) and isinstance(actual, str):
        if expected == actual:
            return TRUE
        if len(actual) > NAME_MAX:
            return FALSE
        return UNKNOWN if fold(expected) == fold(actual) else FALSE
    return UNKNOWN


def _equal_parts(expected: Any, actual: Any) -> State:
    """Whether two lists or mappings are equal, part by part; one beside anything else is a wrong
    type.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            names = [sorted(fold(str(name)) for name in side) for side in (expected, actual)]
            return UNKNOWN if names[0] == names[1] else FALSE
        pairs = [(value, actual[name]) for name, value in expected.items()]
    elif isinstance(expected, list) and isinstance(actual, (list, tuple)):
        if len(expected) != len(actual):
            return FALSE
        pairs = list(zip(expected, actual, strict=True))
    else:
        return UNKNOWN
    return all_of({equals(*pair) for pair in pairs})


def identical(expected: Any, actual: Any) -> bool:
    """Whether two JSON-like values are the same to the letter and the type: `"42"` is not 42, 1 is
    neither 1.0 nor true. A tuple is a list.
    """
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(identical(value, actual[key]) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, (list, tuple))
            and len(expected) == len(actual)
            and all(map(identical, expected, actual))
        )
    return type(expected) is type(actual) and bool(expected == actual)


def one_of(expected: list[Any]) -> Callable[[Any], State]:
    """A test for being any of the expected values."""

    def test(actual: Any) -> State:
        return any_of({equals(item, actual) for item in expected})

    return test


def none_of(expected: list[Any]) -> Callable[[Any], State]:
    """A test for being none of the expected values."""
    inside = one_of(expected)
    flipped = {TRUE: FALSE, FALSE: TRUE}

    def test(actual: Any) -> State:
        state = inside(actual)
        return flipped.get(state, UNKNOWN)

    return test


def contains(expected: Any) -> Callable[[Any], State]:
    """A test for containing a text or an element."""
    sought = expected if isinstance(expected, str) else None
    folded = fold(sought) if sought is not None else ""

    def test(actual: Any) -> State:
        if isinstance(actual, str) and not isinstance(expected, bool) and expected is not None:
            text = sought if sought is not None else str(expected)
            if text in actual:
                return TRUE
            # plain text is folded fast, however long it is
            whole = actual if actual.isascii() else actual[:MATCHED_MAX]
            missed = len(whole) == len(actual) and folded not in fold(whole)
            return FALSE if missed or not folded else UNKNOWN
        if isinstance(actual, (list, tuple)):
            states = {equals(expected, item) for item in actual[:VALUES_MAX]}
            if len(actual) > VALUES_MAX:
                states.add(UNKNOWN)
            return any_of(states)
        if isinstance(actual, dict):
            return any_of({equals(expected, key) for key in actual})
        return UNKNOWN

    return test


def compared(holds: Callable[[Any, Any], bool], bound: Any) -> Callable[[Any], State]:
    """A test of a number against a bound."""

    def test(actual: Any) -> State:
        value = actual if type(actual) is int else number(actual)
        if value is None:
            return UNKNOWN
        return TRUE if holds(value, bound) else FALSE

    return test


def between(low: Any, high: Any) -> Callable[[Any], State]:
    """A test for a number from low to high, both included."""
    return compared(lambda value, bound: bound[0] <= value <= bound[1], (low, high))


def matching(pattern: Any) -> Callable[[Any], State]:
    """A test for a compiled RE2 pattern found in a text or in the digits of a number."""

    def test(actual: Any) -> State:
        if isinstance(actual, bool) or not isinstance(actual, (str, int)):
            return UNKNOWN
        text = actual if isinstance(actual, str) else str(actual)
        if pattern.search(text[:MATCHED_MAX]) is not None:
            return TRUE
        return UNKNOWN if len(text) > MATCHED_MAX else FALSE

    return test


def present(actual: Any) -> State:
    """A test for being given at all; null says neither."""
    return UNKNOWN if actual is None else TRUE
