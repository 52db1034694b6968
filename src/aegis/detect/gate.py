"""The gate: one pass over a text that names the patterns which occur somewhere in it.

An RE2 set reads every byte once whatever the number of patterns. Its patterns are lean (no upper
bounds on repetition), so that hostile text cannot make the automaton grow without limit, and a
sentinel at the end of every text proves that the pass was not given up half way.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import re2

from .needed import DIGIT, PLAIN, RUN, SIGN, kinds, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Finder = Callable[[bytes, int, int], Sequence[tuple[int, int]]]

_MEMORY = 32 << 20
"""Bytes RE2 may use for the states of one set; lean gates stay below 8 MiB (measured)."""

_MEMBERS_MAX = 24
"""Most unlike patterns in one set. In text never seen a set of 69 lists of words makes new states
all along: it read 2 KB in 67 µs, three sets of 23 in 47, twelve of six in 64 (measured). Cut where
they stand in a row they share more: sets of every third pattern took a tenth longer.
"""

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


def occurs(find: Finder, data: bytes) -> bool:
    """Whether a text holds what a finder looks for."""
    return find(data, 0, len(data))[0][0] >= 0


_NUMBER = re.compile(r"[\\b(?:+]*(?:\\d|[0-9]|\[[0-9]-)")
"""Shapes that begin with a digit."""


def _family(pattern: str) -> tuple[int, bool]:
    """What a pattern looks at: the same for those whose product is small. First of all the kinds
    of characters it needs.
    """
    wanted = needed(pattern)
    if wanted in (PLAIN, RUN):
        return wanted, False
    if wanted == DIGIT:
        return wanted, _NUMBER.match(pattern) is not None
    return DIGIT | SIGN, False


_Group = tuple["Callable[[bytes], Sequence[int]]", int, list[int], int]
"""What reads a text, the number of the sentinel, those of the patterns, and the kinds of
characters of which a text must hold one.
"""


class Gate:
    """Sets of patterns, each pattern with a number; `match` names those that occur in a text.

    The states of an automaton are the product of what its patterns have seen, so patterns that
    look at different things are dealt to automata of their own: small ones are made and read
    several times faster than their product. Groups given apart stay apart, but for what needs
    characters that ordinary text does not hold: it is not read for them.
    """

    __slots__ = ("_by_kinds", "_groups", "_reads")

    def __init__(self, *groups: Iterable[str]) -> None:
        families: dict[tuple[int, bool, int], list[tuple[int, str]]] = {}
        numbered = count()
        for index, patterns in enumerate(groups):
            for pattern in patterns:
                family = _family(pattern)
                apart = index if family[0] == PLAIN else 0
                families.setdefault((*family, apart), []).append((next(numbered), pattern))
        self._groups: list[_Group] = []
        for (wanted, _, _), members in families.items():
            # the rest has little in common; neighbours have the most
            hands = -(-len(members) // _MEMBERS_MAX) if wanted == PLAIN else 1
            size = -(-len(members) // hands)
            for first in range(0, len(members), size):
                self._add(members[first : first + size], wanted)
        self._reads = any(wanted != PLAIN for *_, wanted in self._groups)
        self._by_kinds = [
            [group for group in self._groups if group[3] & held]
            for held in range(2 * max(DIGIT, SIGN, PLAIN, RUN))
        ]

    def _add(self, members: list[tuple[int, str]], wanted: int) -> None:
        found = re2.Set.SearchSet(options())
        for _, pattern in members:
            found.Add(pattern)
        sentinel: int = found.Add(_SENTINEL_PATTERN)
        found.Compile()
        # without the wrapper, which tells text from bytes
        self._groups.append((found._set.Match, sentinel, [number for number, _ in members], wanted))

    def match(self, data: bytes, among: frozenset[int] | None = None) -> tuple[int, ...]:
        """Numbers of the patterns that occur in `data` (UTF-8), counted through all groups, in
        order. Where only some are asked for, `among` are their numbers: others may be missing.

        Raises ScanError where an automaton gave up.
        """
        groups = self._by_kinds[kinds(data)] if self._reads else self._groups
        data += _SENTINEL
        out: list[int] = []
        for match, sentinel, numbers, _ in groups:
            if among is not None and among.isdisjoint(numbers):
                continue
            found = match(data)
            if sentinel not in found:
                raise ScanError("the pattern gate gave up on a text; it was not inspected")
            if len(found) > 1:
                out += [numbers[n] for n in found if n != sentinel]
        return tuple(sorted(out)) if out else ()
