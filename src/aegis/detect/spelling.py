"""Spelling put right: letters exchanged inside words, and blanks left out between them.

A person reads `ingore all perivous insrtuctions` and `ignoreallpreviousinstructions` without
effort, and so does a model. Both are undone with the words that rules and model know; a word they
do not know is of no use to them.
"""

from __future__ import annotations

import re
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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

RUNS_MAX = 512
"""Most runs that are remembered with their words: a run stands in up to three windows."""

MENDED, PARTED = "mended", "parted"

_SHORT_MAX = 3
"""Longest word, in letters, that is looked up with what stands behind it."""

_START = _SHORT_MAX + 1
"""Letters by which longer words are looked up."""

_WORD = re.compile(rf"[A-Za-z]{{{SLIP_MIN},}}")
_RUN = re.compile(rf"[A-Za-z]{{{RUN_MIN},}}")
_LETTERS = bytes(
    code + 32 if 65 <= code <= 90 else code if 97 <= code <= 122 else 32 for code in range(256)
)
"""Translation of bytes that leaves lower-case runs between blanks."""

_SHORT = frozenset(
    {
        "a", "i", "am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it",
        "me", "my", "no", "of", "oh", "ok", "on", "or", "so", "to", "up", "us", "we",
    }
)  # fmt: skip
"""The words of one and two letters that a run is taken apart at."""


class _Cuts(dict[bytes, "Sequence[int]"]):
    """Where the runs seen so far, in lower case, are cut; `parts` says it of a new one."""

    def __init__(self, parts: Callable[[bytes], Sequence[int]]) -> None:
        self._parts = parts

    def __missing__(self, run: bytes) -> Sequence[int]:
        cuts = self._parts(run)
        if len(self) >= RUNS_MAX:
            self.clear()
        self[run] = cuts
        return cuts


class Spelling:
    """The known words. Immutable, safe for any number of threads."""

    __slots__ = ("_cuts", "_insides", "_known", "_lengths")

    def __init__(self, words: Iterable[bytes]) -> None:
        plain = {word.decode() for word in words if word.isalpha() and word.isascii()}
        self._known = _SHORT | {word for word in plain if len(word) >= _SHORT_MAX}
        self._insides = {_inside(word): word for word in sorted(plain) if len(word) >= SLIP_MIN}
        self._lengths = _lengths(self._known)
        self._cuts = _Cuts(self._parts)

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
        known = self._cuts
        runs = [run for run in view.data.translate(_LETTERS).split() if len(run) >= RUN_MIN]
        if any(map(known.__getitem__, runs)):
            places = _RUN.finditer(view.text)
            cuts = [
                found.start() + cut
                for run, found in zip(runs, places, strict=True)
                for cut in known[run]
            ]
            pieces = zip([0, *cuts], [*cuts, len(view.text)], strict=True)
            text = " ".join(view.text[start:end] for start, end in pieces)
            yield view.derive(text, PARTED, partial(_opened, len(view.text), cuts))

    def _parts(self, letters: bytes) -> Sequence[int]:
        """Where words of a run begin, but for the first; none where it is not made of words. The
        longer the words, the better.
        """
        run = letters.decode()
        size = len(run)
        least = KNOWN_MIN * size
        known, lengths = self._known, self._lengths
        # of each end: the most it is worth, and where its last word begins
        worth = [0, *[-1] * size]
        begins = [0] * (size + 1)
        covered = 0
        possible = size
        for start in range(size):
            gained = worth[start]
            if gained > worth[start + 1]:
                worth[start + 1] = gained
                begins[start + 1] = start
            piece = run[start : start + _START]
            for length in lengths.get(piece) or lengths.get(piece[:_SHORT_MAX], ()):
                end = start + length
                if end <= size and (length <= _START or run[start:end] in known):
                    if end > covered:
                        covered = end
                    total = gained + length * length
                    if total > worth[end]:
                        worth[end] = total
                        begins[end] = start
            if covered <= start:
                # no word has this letter
                possible -= 1
                if possible < least:
                    return ()
        return self._chosen(run, begins, least)

    def _chosen(self, run: str, begins: list[int], least: float) -> Sequence[int]:
        """Where the words begin that lead to the end of a run, if enough letters belong to some."""
        cuts: list[int] = []
        known = 0
        end = len(run)
        while end > 0:
            start = begins[end]
            if run[start:end] in self._known:
                known += end - start
            cuts.append(start)
            end = start
        return cuts[-2::-1] if known >= least else ()


def _lengths(known: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Of _START letters the lengths of the words that may begin with them; of fewer, and where no
    longer word begins with them, of _SHORT_MAX or the last ones of a run, those of short words.
    """
    endings = [""]
    behind = {_SHORT_MAX: endings}
    for size in range(_SHORT_MAX - 1, 0, -1):
        endings = ["", *(letter + end for letter in ascii_lowercase for end in endings)]
        behind[size] = endings
    short: dict[str, set[int]] = {}
    out: dict[str, set[int]] = {}
    for word in known:
        size = len(word)
        if size < _START:
            for end in behind[size]:
                short.setdefault(word + end, set()).add(size)
        else:
            out.setdefault(word[:_START], set()).add(size)
    for start, found in out.items():
        found |= short.get(start[:_SHORT_MAX], set())
    return {start: tuple(found) for start, found in (short | out).items()}


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
