"""A small linear model over words, their stems and pairs of words: the second signal beside the
rules.

It knows how attacks in English are worded and nothing else: no order beyond neighbours, no other
script. Its score is the sum of the weights of what a segment holds, divided by the root of its
number, so that short and long segments compare. `tools/train_linear.py` makes the weights; the
page on detection says from what, and where the model fails.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources
from itertools import pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).with_name("linear.txt")
"""The weights: a line with bias and unit, then a word, stem or pair, a tab and its weight in units.
A stem is written with STEM before it."""

SCALE = 6.0
"""What a feature of a segment with a single one would weigh; only the unit of the weights."""

WORDS_MIN = 4
"""Shorter segments say too little."""

GAIN_MIN, GAIN_SQUARE_MIN = 160, 2400
"""Least sum of what the words of a segment weigh one by one, in units, and least square of it for
each word; segments of less are not looked at further. One in fifty segments that resemble attacks
is lost by that, and of ordinary segments one in 160 is left, of web pages one in seven.
"""

_WORD_MAX = 24
"""Longest word told apart, in letters."""

STEM = b"~"
"""What no word holds; it marks a stem."""

_STEM_SIZE = 5
"""Letters of a stem; only longer words have one. A form that was never seen counts by its stem."""

_LEVELS = (
    # logit, score in thousandths; between them the score is interpolated
    (0.8, 0),
    (1.35, 350),
    (1.85, 500),
    (2.3, 700),
    (2.7, 860),
    (4.9, 960),
)
"""From the model's logit to the scale of the rules, set on sources left out of the training: 1.35
was reached by 1.7 % of ordinary English texts, 1.85 by 0.6 %, 2.3 by 0.1 %."""


def _features(
    words: Sequence[bytes],
) -> tuple[set[bytes], set[bytes], set[tuple[bytes, bytes]]]:
    """What a segment holds: its words, their stems and pairs of neighbours, numbers alike."""
    alone = set(words)
    # few texts hold a number or a word that long
    if any(map(bytes.isdigit, alone)) or max(map(len, alone), default=0) > _WORD_MAX:
        words = [b"0" if word.isdigit() else word[:_WORD_MAX] for word in words]
        alone = set(words)
    stems = {word[:_STEM_SIZE] for word in alone if len(word) > _STEM_SIZE}
    return alone, stems, set(pairwise(words))


def grams(words: Sequence[bytes]) -> frozenset[bytes]:
    """The features of a segment as they are written in FILE."""
    alone, stems, pairs = _features(words)
    return frozenset(alone).union(map(STEM.__add__, stems), map(b" ".join, pairs))


class Linear:
    """The model. Immutable, safe for any number of threads."""

    __slots__ = ("_alone", "_bias", "_pairs", "_stems", "_unit", "singles")

    def __init__(self, text: str) -> None:
        head, *lines = text.splitlines()
        bias, unit = head.split()
        self._bias = float(bias)
        self._unit = float(unit) * SCALE
        self._alone: dict[bytes, int] = {}
        self._stems: dict[bytes, int] = {}
        self._pairs: dict[tuple[bytes, bytes], int] = {}
        for feature, weight in (line.encode().split(b"\t") for line in lines):
            first, _, second = feature.partition(b" ")
            if second:
                self._pairs[first, second] = int(weight)
            elif first.startswith(STEM):
                self._stems[first.removeprefix(STEM)] = int(weight)
            else:
                self._alone[first] = int(weight)
        self.singles = {
            word: gain + (self._stems.get(word[:_STEM_SIZE], 0) if len(word) > _STEM_SIZE else 0)
            for word, gain in self._alone.items()
        }
        """What each word weighs by itself and by its stem, apart from the pairs."""

    def logit(self, words: Sequence[bytes]) -> float:
        """How much a segment resembles the attacks it was trained on; 0 means undecided."""
        alone, stems, pairs = _features(words)
        total = sum(map(self._alone.get, alone, repeat(0)))
        total += sum(map(self._stems.get, stems, repeat(0)))
        total += sum(map(self._pairs.get, pairs, repeat(0)))
        return self._bias + self._unit * total / math.sqrt(len(alone) + len(stems) + len(pairs))

    def score(self, words: Sequence[bytes]) -> int:
        """The logit in thousandths, comparable with the scores of the rules."""
        if not says_enough(sum(map(self.singles.get, words, repeat(0))), len(words)):
            return 0
        return self.rated(words)

    def rated(self, words: Sequence[bytes]) -> int:
        """The same for a segment that is known to say enough."""
        logit = self.logit(words)
        below, low = _LEVELS[0]
        for above, high in _LEVELS[1:]:
            if logit < above:
                return max(0, low + int((high - low) * (logit - below) / (above - below)))
            below, low = above, high
        return low


def says_enough(gain: int, count: int) -> bool:
    """Whether a segment of so many words that weigh so much one by one is looked at further."""
    return count >= WORDS_MIN and gain >= GAIN_MIN and gain * gain >= GAIN_SQUARE_MIN * count


@cache
def load() -> Linear:
    """The model that ships with this package."""
    return Linear(resources.files(__package__).joinpath(FILE.name).read_text("utf-8"))
