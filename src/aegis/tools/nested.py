"""Arguments within arguments: every value of a call, with its place and what it stands in.

Lists have no names of their own: what stands in `files: [{path: a}]` is at `files.path`. A text
that is a list or mapping as JSON is a value, and so is everything in it; but not where the
argument's name says that the text is only carried (`content`, `body`, `query`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .names import MEMO_MAX, words

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH_MAX = 16
"""Deepest level that is looked at; an argument list of a program has three or four."""

VALUES_MAX = 20_000
"""Most values of one call that are looked at, as many as guards read strings."""

JSON_MAX = 65_536
"""Longest text that is read as JSON, in characters: arguments are short, files are carried."""

NAME_MAX = 128
"""How much of a name is looked at, from its end, in characters: names are remembered."""

CARRIED = frozenset(
    """content contents text body message description title comment markdown html code script
    function query sql statement diff patch value prompt data blob note notes observations
    reason""".split()  # noqa: SIM905
)
"""Last words of the names of arguments that are only carried."""


class Place(NamedTuple):
    """A value that is no list and no mapping: the names that lead to it, and what it stands in."""

    names: tuple[str, ...]
    value: Any
    around: Mapping[str, Any]


class Walk(NamedTuple):
    """All values of a call in their order; `beyond` says why these are not all, or is empty."""

    places: list[Place]
    beyond: str


def walked(params: Mapping[str, Any]) -> Walk:
    """Every value of a call. Never raises: what is beyond the bounds is said, not looked at."""
    places: list[Place] = []
    beyond = ""
    waiting: list[tuple[tuple[str, ...], Any, Mapping[str, Any], int]] = [((), params, params, 0)]
    while waiting:
        names, value, around, depth = waiting.pop()
        if len(places) >= VALUES_MAX:
            return Walk(places, f"it has more than {VALUES_MAX} values")
        inner = value
        if isinstance(value, str):
            inner = as_json(names, value)
            beyond = beyond or too_long(names, value)
        if not isinstance(value, (dict, list, tuple)):
            places.append(Place(names, value, around))
        if not isinstance(inner, (dict, list, tuple)):
            continue
        if depth >= DEPTH_MAX:
            beyond = beyond or f"its arguments are nested deeper than {DEPTH_MAX} levels"
        elif isinstance(inner, dict):
            below = [((*names, str(key)), item, inner, depth + 1) for key, item in inner.items()]
            waiting += reversed(below)
        else:
            waiting += [(names, item, around, depth + 1) for item in reversed(inner)]
    return Walk(places, beyond)


def last_word(name: str) -> str:
    """The word of a name that says what it is: `target_path` is a path."""
    return _last_word(name[-NAME_MAX:])


@lru_cache(maxsize=MEMO_MAX)
def _last_word(name: str) -> str:
    found = words(name)
    return found[-1] if found else ""


def carried(names: tuple[str, ...]) -> bool:
    """Whether a value is only carried, by the name of its argument."""
    return bool(names) and last_word(names[-1]) in CARRIED


def as_json(names: tuple[str, ...], text: str) -> Any:
    """The list or mapping that a text is, as JSON; None where it is none or only carried."""
    if not _looks(text) or len(text) > JSON_MAX or carried(names):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def too_long(names: tuple[str, ...], text: str) -> str:
    """Why a text was not read that may be JSON; else empty."""
    if len(text) <= JSON_MAX or not _looks(text) or carried(names):
        return ""
    return f"`{names[-1][:80]}` may be JSON of more than {JSON_MAX} characters"


def _looks(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")
