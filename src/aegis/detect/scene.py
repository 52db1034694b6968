"""A view as the concept rules see it: its concept words by number, and where sentences end."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .tagger import Tag

BREAK = re.compile('[.!?;][\\s"\')]|\\n\\s*?(?:\\n|[-*#>|+"{}\\[\\]]|\\d+[.)])|[。；！？]')
"""What ends a sentence, and no more than that: so what begins first ends first, too."""

_NARROW = bytes(range(0xE2))
"""Every byte of the UTF-8 of characters below U+2000; of the others all but the first."""

_WIDE = "\u2e80"
"""From here on come scripts without alphabet: one letter says about as much as two of Latin."""


def _holds_wide(text: str) -> bool:
    firsts = text.encode().translate(None, _NARROW)
    # from U+3000 on the first byte is a higher one
    return bool(firsts) and (max(firsts) > 0xE2 or max(text) >= _WIDE)


class Scene:
    """The tags of a text by their numbers: where each begins and ends, and what it means.

    `longest` is the length of the longest, `wide` tells whether the text holds letters of a script
    without alphabet. What rules ask for again and again is worked out once.
    """

    __slots__ = (
        "_breaks", "_by_name", "_numbers", "_spots", "ends", "longest", "means", "starts", "text",
        "wide",
    )  # fmt: skip

    def __init__(self, text: str, tags: Sequence[Tag]) -> None:
        self.text = text
        self.starts = [tag.start for tag in tags]
        self.ends = [tag.end for tag in tags]
        self.means = [tag.concepts for tag in tags]
        self.longest = max(end - start for start, end in zip(self.starts, self.ends, strict=True))
        self._by_name: dict[str, list[int]] = {}
        for number, concepts in enumerate(self.means):
            for name in concepts:
                self._by_name.setdefault(name, []).append(number)
        self._numbers: dict[tuple[str, ...], list[int]] = {}
        self._spots: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}
        self._breaks: tuple[list[int], list[int]] | None = None
        self.wide = not text.isascii() and _holds_wide(text)

    @property
    def concepts(self) -> Iterable[str]:
        """The concepts of all tags."""
        return self._by_name

    def numbers(self, step: tuple[str, ...]) -> list[int]:
        """The tags with one of some concepts."""
        known = self._numbers.get(step)
        if known is None:
            lists = [self._by_name[name] for name in step if name in self._by_name]
            known = lists[0] if len(lists) == 1 else sorted({n for one in lists for n in one})
            self._numbers[step] = known
        return known

    def spots(self, step: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """Where such tags begin and where they end, each in order."""
        known = self._spots.get(step)
        if known is None:
            numbers = self.numbers(step)
            known = [self.starts[n] for n in numbers], sorted(self.ends[n] for n in numbers)
            self._spots[step] = known
        return known

    def apart(self, low: int, high: int, gap: int, *, sentence: bool) -> bool:
        """Whether the text from `low` to `high` is longer than a gap, or ends a sentence where
        that counts.
        """
        distance = high - low
        if distance <= 0:
            return False
        if self.wide and max(self.text[low:high]) >= _WIDE:
            distance *= 2
        return distance > gap or (sentence and self.broken(low, high))

    def broken(self, low: int, high: int) -> bool:
        """Whether a sentence ends in the text from `low` to `high`."""
        if self._breaks is None:
            self._breaks = _breaks(self.text)
        starts, ends = self._breaks
        first = bisect_left(starts, low)
        return first < len(starts) and ends[first] <= high


def _breaks(text: str) -> tuple[list[int], list[int]]:
    """Where sentences end: beginnings and ends of the signs of that, both in order."""
    starts: list[int] = []
    ends: list[int] = []
    found = BREAK.search(text)
    while found is not None:
        start, end = found.span()
        starts.append(start)
        ends.append(end)
        found = BREAK.search(text, start + 1)
    return starts, ends
