"""Text in tag characters (Unicode, "Tags" block): ASCII that models read and people do not see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .fold import View

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST = 0xE0000
"""What is added to an ASCII character to make a tag of it."""


def _tagged(letters: str) -> str:
    return "".join(chr(_FIRST + ord(letter)) for letter in letters)


_TAGS = frozenset(
    map(chr, [_FIRST + 9, _FIRST + 10, _FIRST + 13, *range(_FIRST + 32, _FIRST + 127)])
)
"""Of these the tab and the ends of lines are unassigned, and written all the same."""

_LINE = re.compile(r"(?<=[a-z0-9.,:;!?)])(?=[A-Z][a-z]*\b)")
"""Where a line ended, for those who leave its end out because there is no tag for it."""

_FLAG = "\U0001f3f4"
_END = "\U000e007f"
_LETTER = f"[{_tagged('a')}-{_tagged('z')}]"
_REGIONS = "|".join(map(_tagged, ("gbeng", "gbsct", "gbwls", "gbnir")))
"""England, Scotland, Wales, Northern Ireland. The states of the USA are drawn here and there."""

_FLAGS = re.compile(
    f"{_FLAG}(?:{_REGIONS}|{_tagged('us')}{_LETTER}{{2}}){_END}"
    # cut in two by the edge of a window
    rf"|\A{_LETTER}{{0,5}}{_END}|{_FLAG}{_LETTER}{{0,5}}\Z"
)
"""Flags of regions, which are spelt in tag characters (UTS 51, emoji tag sequences). Whatever else
calls itself a flag is text."""


def hidden_places(text: str, view: View) -> list[int]:
    """Where the tag characters of a text stand, those of flags aside; `view` is its folding."""
    if view.rest.isdisjoint(_TAGS):
        return []
    text = _FLAGS.sub(lambda flag: " " * len(flag.group()), text)
    return [place for place, char in enumerate(text) if char in _TAGS]


def from_tags(text: str, view: View, source: View | None = None) -> Iterator[View]:
    """What is written in tag characters of a text; `view` is its folding, `source` the view whose
    text it is (None: nobody's).
    """
    places = hidden_places(text, view)
    if not places:
        return
    letters = "".join(chr(ord(text[place]) - _FIRST) for place in places)
    for gap in reversed([found.start() for found in _LINE.finditer(letters)]):
        letters = f"{letters[:gap]}\n{letters[gap:]}"
        places.insert(gap, places[gap])
    ends = [place + 1 for place in places]
    yield (source or View("")).derive(letters, "tags", (places, ends))
