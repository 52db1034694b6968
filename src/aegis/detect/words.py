"""The words of a text: lower case, ASCII, with their places. What rules and model both read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

_WORDS = bytes(
    code + 32 if 65 <= code <= 90 else code if 48 <= code <= 57 or 97 <= code <= 122 or code == 39
    else 32
    for code in range(256)
)  # fmt: skip
"""Translation of bytes that leaves lower-case words between blanks; apostrophes belong to words."""

Cut = tuple[bool, bool]
"""Whether a text was cut out of a longer one at its left and at its right edge."""

UNCUT: Cut = (False, False)


class Words:
    """A text in words: `parts` with an empty one between two separators, `raw` the text itself.

    Both begin and end with a blank that the text does not have. `ends[i]` is two more than the
    offset in the text at which part `i` ends.
    """

    __slots__ = ("_ends", "parts", "raw")

    def __init__(self, raw: bytes, parts: list[bytes]) -> None:
        self.raw = raw
        self.parts = parts
        self._ends: list[int] | None = None

    @property
    def ends(self) -> list[int]:
        """Where the parts end."""
        if self._ends is None:
            self._ends = list(accumulate(map((1).__add__, map(len, self.parts))))
        return self._ends

    def span(self, low: int, high: int, *, cut: bool) -> tuple[int, int]:
        """The parts that begin at or after `low` and end at or before `high`: first, last + 1.

        Where the text was cut at `high`, a word that ends there is left out.
        """
        ends = self.ends
        first = bisect_left(ends, low + 2)
        while first < len(ends) and ends[first] - 2 - len(self.parts[first]) < low:
            first += 1
        return first, bisect_right(ends, high + 1 if cut else high + 2)

    def between(self, low: int, high: int, *, cut: bool) -> list[bytes]:
        """The words in such a span."""
        first, last = self.span(low, high, cut=cut)
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
    data = data.replace(b"''", b"  ").replace(b" '", b"  ").replace(b"' ", b"  ")
    return Words(raw, data.split(b" "))
