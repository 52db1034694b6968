"""The gate: one pass over a text that names the patterns which occur somewhere in it.

An RE2 set reads every byte once whatever the number of patterns. Its patterns are lean (no upper
bounds on repetition), so that hostile text cannot make the automaton grow without limit, and a
sentinel at the end of every text proves that the pass was not given up half way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MEMORY = 32 << 20
"""Bytes RE2 may use for the states of one set; lean gates stay below 8 MiB (measured)."""

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


class Gate:
    """Sets of patterns, each pattern with a number; `match` names those that occur in a text.

    Patterns that would multiply each other's states (words, shapes of numbers) stand in groups of
    their own: two small automata are faster than their product.
    """

    __slots__ = ("_groups",)

    def __init__(self, *groups: Iterable[str]) -> None:
        self._groups: list[tuple[Callable[[bytes], Sequence[int] | None], int, int]] = []
        first = 0
        for patterns in groups:
            found = re2.Set.SearchSet(options())
            count = 0
            for pattern in patterns:
                found.Add(pattern)
                count += 1
            if not count:
                continue
            sentinel: int = found.Add(_SENTINEL_PATTERN)
            found.Compile()
            self._groups.append((found.Match, sentinel, first))
            first += count

    def match(self, data: bytes) -> tuple[int, ...]:
        """Numbers of the patterns that occur in `data` (UTF-8), counted through all groups.

        Raises ScanError where an automaton gave up.
        """
        data += _SENTINEL
        out: tuple[int, ...] = ()
        for match, sentinel, first in self._groups:
            found = match(data)
            if found is None or sentinel not in found:
                raise ScanError("the pattern gate gave up on a text; it was not inspected")
            if len(found) > 1:
                out += tuple(sorted([n + first for n in found if n != sentinel]))
        return out
