"""Trims: where a value really begins and ends inside what its pattern matched.

A pattern cannot count: it takes the word after an IBAN along, or the expiry date after a card
number. A trim takes the matched text and gives the part (start, end) to check and report.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from .shapes import digits_of
from .validators import CARD_DIGITS, card, iban_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_DIGITS = re.compile(r"[0-9]+")

_FIELD = re.compile(r"[&?][A-Za-z_][A-Za-z0-9_.-]{0,40}=")
"""Where the next field of a form or query begins."""

_EXPIRY = re.compile(r"(?:0[1-9]|1[0-2])(?:2[0-9]|3[0-9])")

CARD_GROUP = 4
"""Digits of a group as most cards print them."""

CARD_GROUPS_MIN = 3
"""Digits that a group inside a card number has at least; the last may be shorter."""


def country(text: str) -> tuple[int, int]:
    """As many letters and digits as the country code at the front asks for (ISO 13616)."""
    wanted = iban_length(text)
    seen = 0
    for index, char in enumerate(text):
        seen += char.isalnum()
        if seen == wanted:
            return 0, index + 1
    return 0, len(text)


def card_groups(text: str) -> tuple[int, int]:
    """The longest run of whole digit groups that is a card number; everything where none is."""
    if text.isdigit() and text.isascii():
        return (0, len(text)) if card(text) else (0, 0)
    groups = [found.span() for found in _DIGITS.finditer(text)]
    number = digits_of(text)
    sizes = [end - start for start, end in groups]
    before = list(accumulate(sizes, initial=0))
    # the one with most groups is to be found first
    for size, first in sorted(_card_groups(number, sizes, before)):
        last = first - size - 1
        start, end = groups[first][0], groups[last][1]
        if (
            _card_like(sizes[first : last + 1])
            and not _columns(text[start:end])
            and not _listed(text, groups, first, last)
        ):
            return start, end
    return 0, 0


def _card_groups(
    number: str, sizes: Sequence[int], before: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """The runs of groups whose digits are a card number: less their size, and where they begin."""
    for first, low in enumerate(before[:-1]):
        if sizes[first] < CARD_GROUPS_MIN:
            continue
        for last in range(first, len(sizes)):
            high = before[last + 1]
            if high - low >= CARD_DIGITS.stop:
                break
            if high - low in CARD_DIGITS and card(number[low:high]):
                yield first - last - 1, first
            if sizes[last] < CARD_GROUPS_MIN:
                # only the last one may be so short
                break


def _columns(text: str) -> bool:
    """Whether digits stand below one another: a number is broken over lines once, between groups
    on the same line, or behind a hyphen.
    """
    lines = text.split("\n")
    if len(lines) != 2:
        return len(lines) > 2
    return not (lines[0].rstrip().endswith("-") or any(line.count(" ") for line in lines))


def _listed(text: str, groups: list[tuple[int, int]], first: int, last: int) -> bool:
    """Whether four-digit groups go on before or behind a run of them: a list of numbers, unless
    what follows is an expiry date (1227) or another card.
    """
    size = groups[first][1] - groups[first][0]
    if size != CARD_GROUP or first == last:
        return False
    before = groups[first - 1] if first else (0, 0)
    behind = groups[last + 1] if last + 1 < len(groups) else (0, 0)
    if before[1] - before[0] == CARD_GROUP:
        return True
    if behind[1] - behind[0] != CARD_GROUP or _EXPIRY.match(text, behind[0]):
        return False
    next_one = groups[last + 1 : last + 1 + (last + 1 - first)]
    return not card(text[next_one[0][0] : next_one[-1][1]])


def query(text: str) -> tuple[int, int]:
    """A value without the fields of the form or query that follow it."""
    following = _FIELD.search(text)
    return 0, following.start() if following else len(text)


def _card_like(sizes: list[int]) -> bool:
    """Whether digits are grouped the way people group card numbers, not as a list of numbers."""
    if sizes == [6, 7]:
        # six and seven are how resident registration numbers are written
        return False
    if (
        len(sizes) > 1
        and len(set(sizes[:-1])) == 1
        and sizes[0] >= CARD_GROUPS_MIN
        and sizes[-1] <= sizes[0]
    ):
        return True
    return sizes[0] >= CARD_GROUPS_MIN + 1 and all(n >= CARD_GROUPS_MIN for n in sizes[1:-1])


TRIMS: dict[str, Callable[[str], tuple[int, int]]] = {
    "card_groups": card_groups,
    "country": country,
    "query": query,
}
"""Trims by the name that rule files use."""
