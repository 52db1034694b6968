"""The gate: one pass over a text that names the patterns which occur somewhere in it.

An RE2 set reads every byte once whatever the number of patterns. Its patterns are lean (no upper
bounds on repetition), so that hostile text cannot make the automaton grow without limit, and a
sentinel at the end of every text proves that the pass was not given up half way.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Finder = Callable[[bytes, int, int], Sequence[tuple[int, int]]]

_MEMORY = 32 << 20
"""Bytes RE2 may use for the states of one set; lean gates stay below 8 MiB (measured)."""

_MEMBERS_MAX = 24
"""Most unlike patterns in one set. In text never seen a set of 69 lists of words makes new states
all along: it read 2 KB in 67 µs, three sets of 23 in 47, twelve of six in 64 (measured).
"""

_FEW = 4
"""Most patterns of a group whose product is small whatever they look at."""

_SENTINEL = b"\x00\x02\x03"
_SENTINEL_PATTERN = r"\x00\x02\x03\z"


class ScanError(Exception):
    """A scan could not be completed; the text counts as not inspected."""


def options(*, longest: bool = False, captures: bool = False) -> re2.Options:
    """RE2 options used throughout: case-insensitive, quiet, bounded memory."""
    chosen = re2.Options()
    chosen.max_mem = _MEMORY
    chosen.log_errors = False
    chosen.case_sensitive = False
    chosen.longest_match = longest
    chosen.never_capture = not captures
    return chosen


def finder(
    pattern: str, chosen: re2.Options, anchor: re2._Anchor = re2._Anchor.UNANCHORED
) -> Finder:
    """A search for one pattern: takes a text, where to begin and where to end, and gives the spans
    of the match and its groups, (-1, -1) where there is none.
    """
    # the match object and the generator around it take longer than most searches
    return partial(re2.compile(pattern, chosen)._regexp.Match, anchor)


_FAMILIES = (
    re.compile("@"),
    # long runs of letters and digits
    re.compile(r"\{[1-9][0-9],\}"),
    # shapes that begin with a digit
    re.compile(r"[\\b(?:+]*(?:\\d|[0-9]|\[[0-9]-)"),
)
"""Patterns that look at the same characters. The last one is matched at the beginning."""

_UNLIKE = len(_FAMILIES)


def _family(pattern: str) -> int:
    for number, family in enumerate(_FAMILIES):
        found = family.match if number == _UNLIKE - 1 else family.search
        if found(pattern) is not None:
            return number
    return _UNLIKE


class Gate:
    """Sets of patterns, each pattern with a number; `match` names those that occur in a text.

    The states of an automaton are the product of what its patterns have seen, so patterns that
    look at different things are dealt to automata of their own: four small ones are made and read
    several times faster than their product. Groups given apart stay apart.
    """

    __slots__ = ("_groups",)

    def __init__(self, *groups: Iterable[str]) -> None:
        self._groups: list[tuple[Callable[[bytes], Sequence[int] | None], int, list[int]]] = []
        first = 0
        for patterns in groups:
            families: dict[int, list[tuple[int, str]]] = {}
            number = first
            listed = tuple(patterns)
            for number, pattern in enumerate(listed, first):
                family = _family(pattern) if len(listed) > _FEW else 0
                families.setdefault(family, []).append((number, pattern))
            for family, members in families.items():
                # what looks at the same characters shares most states, the rest is their product
                hands = -(-len(members) // _MEMBERS_MAX) if family == _UNLIKE else 1
                for hand in range(hands):
                    self._add(members[hand::hands])
            first = number + 1 if families else first

    def _add(self, members: list[tuple[int, str]]) -> None:
        found = re2.Set.SearchSet(options())
        for _, pattern in members:
            found.Add(pattern)
        sentinel: int = found.Add(_SENTINEL_PATTERN)
        found.Compile()
        self._groups.append((found.Match, sentinel, [number for number, _ in members]))

    def match(self, data: bytes) -> tuple[int, ...]:
        """Numbers of the patterns that occur in `data` (UTF-8), counted through all groups, in
        order.

        Raises ScanError where an automaton gave up.
        """
        data += _SENTINEL
        out: list[int] = []
        for match, sentinel, numbers in self._groups:
            found = match(data)
            if found is None or sentinel not in found:
                raise ScanError("the pattern gate gave up on a text; it was not inspected")
            if len(found) > 1:
                out += [numbers[n] for n in found if n != sentinel]
        return tuple(sorted(out)) if out else ()
