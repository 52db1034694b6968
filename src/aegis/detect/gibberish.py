"""Machine-made text: a statistic for suffixes that an optimiser found, and for floods of a token.

An optimiser that appends tokens to a request until a model obeys (GCG and its successors) leaves
fragments of words, program text and several languages on one line, glued together by marks that
neither prose nor programs put side by side: brackets that nothing closes, `]"`, `:[`, `!(`, lone
marks, words fused in the middle. Each is harmless; many of them within BREADTH are not. A flood
repeats a short token until the model has lost sight of what came before.

Nothing is remembered and nothing learned: the numbers below are the whole model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .hit import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

BREADTH = 128
"""Code points judged together, about thirty tokens; optimised suffixes have twenty."""

LINE_MIN = 96
"""Shortest line judged: programs are broken into shorter ones, optimised suffixes are not."""

MARKS_MIN = 8
"""Fewest marks in a window worth judging."""

OPEN_MIN = 2
"""Fewest brackets without a partner."""

ODDITIES_MIN = 6
"""Oddities from which a stretch counts as machine-made. Of 7,300 ordinary, multilingual and
technical texts two reached it, of 3,000 source files two.
"""

WORDS_MIN, ALONE_MIN = 8, 6
"""Fewest words, and fewest of them between blanks: in program text marks touch most words."""

COMMON_MAX = 0.25
"""Largest share of the commonest words; prose has more."""

SIGNS_MAX = 4
"""Most digits and signs of program text, whose marks are odd in their own ways."""

FLOOD_MIN = 24
"""Tokens in one block that may be a flood, where all of them recur."""

TURN_MAX = 4
"""Most tokens that recur in turn."""

SCORE = 560
"""Reported at medium sensitivity, and never certain: nobody can say what such text means."""

_SAMPLE = 12
"""Code points that have to come back, for a window to be looked at as a flood."""

_PLAIN = bytes(code for code in range(256) if code <= 32 or code > 126 or chr(code).isalnum())
_JOINT = re.compile(r"[^\w\s]{2,}")
_FUSED = re.compile(r"[a-z]{2,}[A-Z][a-z]+")
_LONE = re.compile(r"(?<=\s)[^\w\s]+(?=\s)")
_GLUED = re.compile(r"[A-Za-z]{2}[\[\]{}()\\\"`!?:;]+[A-Za-z]{2}")
_SIGNS = re.compile(r"[=;_<>/0-9|]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ALONE = re.compile(r"(?<!\S)[A-Za-z]{2,}(?!\S)")
_COMMON = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "can", "for", "from", "have", "if", "in",
        "is", "it", "not", "of", "on", "or", "that", "the", "this", "to", "use", "was", "when",
        "which", "will", "with", "you", "your",
    }
)  # fmt: skip

_DATA = re.compile(
    r"[\W\d_]*(?:nan|null|none|na|n|true|false|yes|no|on|off|ok|xx?|undefined|[a-f\d]+)?[\W\d_]*",
    re.IGNORECASE,
)
"""Tokens that tables and arrays repeat."""


def suspected(text: str, block: int, margin: int) -> Iterator[int]:
    """Where blocks of a text begin in whose windows something may be found."""
    size = len(text)
    # spelt out: five calls less for every text
    paired = "(" in text or ")" in text or "[" in text or "]" in text or "{" in text or "}" in text
    for start in range(0, size, block):
        low = start - margin if start > margin else 0
        end = start + block + margin
        high = end if end < size else size
        if (paired and _open(text, low, high) >= OPEN_MIN) or _recurs(text, low, high):
            yield start


def _odd(window: str) -> bool:
    """A quick look at a window of text: False where nothing is to be found in it."""
    size = len(window)
    if _open(window, 0, size) >= OPEN_MIN:
        marks = window.encode("ascii", "ignore").translate(None, _PLAIN)
        if len(marks) >= MARKS_MIN:
            return True
    return _recurs(window, 0, size)


def hits(window: str, start: int, size: int) -> Iterator[Hit]:
    """Machine-made stretches of a window; a flood is looked for from `start` on, in `size` code
    points.
    """
    if not _odd(window):
        return
    for low, high in _suffixes(window):
        yield Hit(
            low, high, "adversarial_suffix", "injection", "ADVERSARIAL_SUFFIX", SCORE, "medium"
        )
    block = window[start : start + size]
    if _flood(block):
        yield Hit(
            start, start + len(block), "token_flood", "injection", "TOKEN_FLOOD", SCORE, "medium"
        )


def _open(text: str, low: int, high: int) -> int:
    """How many brackets have no partner in a part of a text."""
    count = text.count
    return (
        abs(count("(", low, high) - count(")", low, high))
        + abs(count("[", low, high) - count("]", low, high))
        + abs(count("{", low, high) - count("}", low, high))
    )


def _suffixes(window: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in window.split("\n"):
        if len(line) >= LINE_MIN:
            for low in range(0, max(1, len(line) - BREADTH // 2), BREADTH // 2):
                part = line[low : low + BREADTH]
                if _machine_made(part):
                    yield start + low, start + low + len(part)
        start += len(line) + 1


def _machine_made(part: str) -> bool:
    unpaired = _open(part, 0, len(part))
    if unpaired < OPEN_MIN or len(_SIGNS.findall(part)) > SIGNS_MAX:
        return False
    words = _WORD.findall(part)
    if len(words) < WORDS_MIN or len(_ALONE.findall(part)) < ALONE_MIN:
        return False
    if sum(word.lower() in _COMMON for word in words) > COMMON_MAX * len(words):
        return False
    joints = {joint for joint in _JOINT.findall(part) if len(set(joint)) > 1}
    oddities = min(unpaired, 4) + len(joints) + len(_FUSED.findall(part))
    oddities += min(len(_LONE.findall(part)), 3) + min(len(_GLUED.findall(part)), 3)
    return oddities >= ODDITIES_MIN


def _recurs(text: str, low: int, high: int) -> bool:
    """Whether a sample from the middle of a window comes back often enough to look closely."""
    middle = (low + high) // 2
    sample = text[middle : middle + _SAMPLE]
    return text.count(sample, low, high) >= 4 and any(map(str.isalpha, sample))


def _flood(block: str) -> bool:
    """Whether a block is one token, or a few in turn, over and over."""
    tokens = block.split()
    if len(tokens) >= FLOOD_MIN:
        # those at the edges may be cut
        inner = tokens[1:-1]
        turns = (n for n in range(1, TURN_MAX + 1) if inner[n:] == inner[:-n])
        turn = next(turns, 0)
        return turn > 0 and not all(map(_DATA.fullmatch, inner[:turn]))
    period = block.find(block[:_SAMPLE], 2)
    return (
        len(tokens) == 1
        and 0 < period * 8 <= len(block)
        and block[period:] == block[:-period]
        and len(set(filter(str.isalpha, block[:period]))) >= 3
    )
