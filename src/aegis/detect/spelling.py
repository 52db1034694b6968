"""Spelling put right: letters exchanged inside words, and blanks left out between them.

A person reads `ingore all perivous insrtuctions` and `ignoreallpreviousinstructions` without
effort, and so does a model. Both are undone with the words that rules and model know; a word they
do not know is of no use to them.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .fold import Places, View

SLIP_MIN = 6
"""Shortest word, in letters, of which the inside may be exchanged; shorter ones have too many
neighbours."""

SLIPS_MIN = 3
"""Fewest such words in a window: one or two are a slip of the keys."""

RUN_MIN = 12
"""Shortest run of letters that is taken apart."""

KNOWN_MIN = 0.8
"""Least share of a run's letters that have to belong to known words."""

MENDED, PARTED = "mended", "parted"

_START = 3
"""Letters by which words are looked up."""

_WORD = re.compile(rf"[A-Za-z]{{{SLIP_MIN},}}")
_RUN = re.compile(rf"[A-Za-z]{{{RUN_MIN},}}")
_SHORT = frozenset(
    {
        "a", "i", "am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it",
        "me", "my", "no", "of", "oh", "ok", "on", "or", "so", "to", "up", "us", "we",
    }
)  # fmt: skip
"""The words of one and two letters that a run is taken apart at."""


class Spelling:
    """The known words. Immutable, safe for any number of threads."""

    __slots__ = ("_insides", "_known", "_lengths")

    def __init__(self, words: Iterable[bytes]) -> None:
        plain = {word.decode() for word in words if word.isalpha() and word.isascii()}
        self._known = _SHORT | {word for word in plain if len(word) >= _START}
        self._insides = {_inside(word): word for word in sorted(plain) if len(word) >= SLIP_MIN}
        lengths: dict[str, set[int]] = {}
        for word in self._known:
            lengths.setdefault(word[:_START], set()).add(len(word))
        self._lengths = {start: tuple(found) for start, found in lengths.items()}

    def slipped(self, word: bytes) -> bool:
        """Whether a word, of lower-case letters, is a known one with its inside in disorder."""
        if len(word) < SLIP_MIN or not word.isalpha():
            return False
        text = word.decode()
        return text not in self._known and _inside(text) in self._insides

    def mended(self, view: View) -> Iterator[View]:
        """The view with such words put right, where there are SLIPS_MIN."""
        count = 0

        def put(found: re.Match[str]) -> str:
            nonlocal count
            word = found.group().lower()
            if word in self._known:
                return found.group()
            right = self._insides.get(_inside(word))
            if right is None:
                return found.group()
            count += 1
            return right

        text = _WORD.sub(put, view.text)
        if count >= SLIPS_MIN:
            places = range(len(text))
            yield view.derive(text, MENDED, (places, range(1, len(text) + 1)))

    def parted(self, view: View) -> Iterator[View]:
        """The view with blanks between the words of long runs, where it has such."""
        cuts: list[int] = []
        for found in _RUN.finditer(view.text):
            cuts += [found.start() + cut for cut in self._cuts(found.group().lower())]
        if cuts:
            pieces = zip([0, *cuts], [*cuts, len(view.text)], strict=True)
            text = " ".join(view.text[start:end] for start, end in pieces)
            yield view.derive(text, PARTED, partial(_opened, len(view.text), cuts))

    def _cuts(self, run: str) -> list[int]:
        """Where words of a run begin, but for the first; none where it is not made of words."""
        size = len(run)
        # of each end: the most it is worth, the letters of known words, where its last one begins
        worth = [0, *[-1] * size]
        known = [0] * (size + 1)
        begins = [0] * (size + 1)
        for start in range(size):
            self._reach(run, start, worth, known, begins)
        if known[size] < KNOWN_MIN * size:
            return []
        cuts: list[int] = []
        at = size
        while at > 0:
            at = begins[at]
            cuts.append(at)
        return cuts[-2::-1]

    def _reach(
        self, run: str, start: int, worth: list[int], known: list[int], begins: list[int]
    ) -> None:
        """Note what is gained by the words that begin at a place of a run."""
        lengths = {
            length
            for size in (_START, 2, 1)
            for length in self._lengths.get(run[start : start + size], ())
            if run[start : start + length] in self._known
        }
        for length, gained in ((1, 0), *((length, length) for length in lengths)):
            end = start + length
            total = worth[start] + gained * gained
            if end < len(worth) and total > worth[end]:
                worth[end] = total
                known[end] = known[start] + gained
                begins[end] = start


def _inside(word: str) -> str:
    """A word by its first and last letter and the letters between, in order."""
    return word[0] + "".join(sorted(word[1:-1])) + word[-1]


def _opened(size: int, cuts: list[int]) -> Places:
    """Where the characters of a text of that size stood before blanks came in at `cuts`."""
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for cut in [*cuts, size]:
        starts += range(position, cut)
        ends += range(position + 1, cut + 1)
        if cut < size:
            starts.append(cut)
            ends.append(cut)
        position = cut
    return starts, ends
