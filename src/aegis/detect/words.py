"""The words of a text: lower case, ASCII, with their places. What rules and model both read."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WORDS = bytes(
    code + 32 if 65 <= code <= 90 else code if 48 <= code <= 57 or 97 <= code <= 122 or code == 39
    else 32
    for code in range(256)
)  # fmt: skip
"""Translation of bytes that leaves lower-case words between blanks; apostrophes belong to words."""

_BLANK = 32

Cut = tuple[bool, bool]
"""Whether a text was cut out of a longer one at its left and at its right edge."""

UNCUT: Cut = (False, False)


class Words:
    """A text in words: `parts` with an empty one between two separators, `raw` the text itself.

    `raw` begins and ends with a blank that the text does not have.
    """

    __slots__ = ("_data", "_sums", "parts", "raw")

    def __init__(self, raw: bytes, data: bytes) -> None:
        self.raw = raw
        self.parts = data.split(b" ")
        self._data = data
        self._sums: list[int] | None = None

    @property
    def sums(self) -> list[int]:
        """How many letters there are up to the end of each part: with `i - 1` separators before
        it, part `i` ends at the offset `sums[i] + i - 1` of the text.
        """
        if self._sums is None:
            self._sums = list(accumulate(map(len, self.parts)))
        return self._sums

    def bounds(self, offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
        """For each of some rising offsets how many parts begin, and how many end, before it."""
        data = self._data
        count = 0
        last = 0
        for offset in offsets:
            count += data.count(_BLANK, last, offset + 1)
            last = offset + 1
            yield count if data[offset] == _BLANK else count + 1, count

    def between(self, low: int, high: int) -> list[bytes]:
        """The words that begin at or after `low` and end at or before `high`."""
        (first, _), (_, last) = self.bounds((low, high + 1))
        return [part for part in self.parts[first:last] if part]


def split(text: str, cut: Cut = UNCUT) -> Words:
    """The words of a text, without those that touch an edge where it was cut: they may be other
    words in the whole text.
    """
    raw = b" %b " % text.encode("ascii", "replace")
    data = raw.translate(_WORDS)
    if cut[0]:
        edge = data.index(b" ", 1)
        data = b" " * edge + data[edge:]
    if cut[1]:
        edge = data.rindex(b" ", 0, -1)
        data = data[:edge] + b" " * (len(data) - edge)
    if b"'" in data:
        data = data.replace(b"''", b"  ").replace(b" '", b"  ").replace(b"' ", b"  ")
    return Words(raw, data)
