"""What a text must hold for a pattern to match, read off the pattern.

Most patterns of values need a digit, most marks a sign, and most texts hold few of either: such
patterns need not be tried. What is not understood here needs nothing, and is tried on every text.
The syntax is that of RE2 (https://github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

DIGIT, SIGN, PLAIN, RUN = 1, 2, 4, 8
"""Kinds of characters: ASCII digits; signs of ASCII and all beyond it; letters, blanks and what
prose is punctuated with; and RUN_MIN of WORDY in a row. They combine as bits: a pattern that needs
one of two kinds has both."""

_PUNCTUATION = b" \t\r\n.,'-"

_CODES = tuple(
    DIGIT if 48 <= code <= 57 else
    PLAIN if chr(code).isascii() and (chr(code).isalpha() or code in _PUNCTUATION) else
    SIGN
    for code in range(256)
)  # fmt: skip

_ORDINARY = bytes(code for code in range(256) if _CODES[code] == PLAIN)
_DIGITS = bytes(code for code in range(256) if _CODES[code] == DIGIT)
_SIGNS = bytes(code for code in range(256) if _CODES[code] == SIGN)

WORDY = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
"""What keys and encoded data are written in."""

RUN_MIN = 16
"""Characters of WORDY in a row that few words of any text have."""

# what a letter is without regard to case may be beyond ASCII
_WORDS = bytes(120 if code in WORDY or code > 127 else 32 for code in range(256))
_LONG = b"x" * RUN_MIN

_LIKE_ASCII = frozenset({0x017F, 0x212A})
"""Long s and the Kelvin sign: without regard to case they are `s` and `k`."""

RANGES_MAX = 1024
"""Ranges of characters remembered: patterns are made of a few hundred."""

_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_GROUP = re.compile(r"\((?:\?[imsU]*(?:-[imsU]+)?:)?(?!\?)")
_REPEATED = re.compile(r"(?:[*?]|(?P<some>\+)|\{(?P<least>\d+)(?:,\d*)?\})\??")
_CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_CLASS = re.compile(r"\[:\^?[a-z]+:\]|\\[pP](?:\{\^?\w+\}|\w)|\\[sSdDwW]")


class _Unknown(Exception):
    """Something in a pattern is not understood."""


def kinds(data: bytes) -> int:
    """The kinds of characters in a UTF-8 text; PLAIN is always among them."""
    found = PLAIN | RUN if _LONG in data.translate(_WORDS) else PLAIN
    rest = data.translate(None, _ORDINARY)
    if rest:
        if rest.translate(None, _SIGNS):
            found |= DIGIT
        if rest.translate(None, _DIGITS):
            found |= SIGN
    return found


def needed(pattern: str) -> int:
    """The kinds of which every match of a pattern holds at least one: PLAIN, or others."""
    reader = _Pattern(pattern)
    try:
        found = reader.alternatives(top=True)
    except (_Unknown, IndexError, RecursionError):
        return PLAIN
    if reader.at < len(pattern):
        return PLAIN
    if found.kinds & PLAIN:
        return RUN if found.run >= RUN_MIN else PLAIN
    return found.kinds


class _Need(NamedTuple):
    """What every match of a part of a pattern holds: a character of one of some kinds, and so many
    of WORDY in a row.
    """

    kinds: int
    run: int


_ANYTHING = _Need(PLAIN, 0)


class _Pattern:
    """A pattern and how far it is read. Whatever needs nothing in particular counts as PLAIN."""

    __slots__ = ("_text", "at")

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def alternatives(self, *, top: bool = False) -> _Need:
        """Branches: one of them must be met. At the `top` nothing need be read behind them."""
        found = self._sequence()
        while self._text[self.at : self.at + 1] == "|":
            if top and found.kinds & PLAIN and found.run < RUN_MIN:
                # whatever else there is: lists of words are long
                self.at = len(self._text)
                return _ANYTHING
            self.at += 1
            other = self._sequence()
            found = _Need(found.kinds | other.kinds, min(found.run, other.run))
        return found

    def _sequence(self) -> _Need:
        """Items in a row: all must be met, so the most particular counts."""
        best, run = PLAIN, 0
        while self.at < len(self._text) and self._text[self.at] not in "|)":
            single = self._text[self.at] != "("
            item = self._item()
            least = self._least()
            if least:
                run = max(run, item.run * least if single else item.run)
                if not item.kinds & PLAIN and (
                    best & PLAIN or item.kinds.bit_count() < best.bit_count()
                ):
                    best = item.kinds
        return _Need(best, run)

    def _least(self) -> int:
        """How often the item before is there at least."""
        repeated = _REPEATED.match(self._text, self.at)
        if repeated is None:
            return 1
        self.at = repeated.end()
        return 1 if repeated["some"] else int(repeated["least"] or 0)

    def _item(self) -> _Need:
        char = self._text[self.at]
        if char == "(":
            return self._group()
        if char == "[":
            return self._members()
        if char == "\\":
            return self._escaped()
        self.at += 1
        return _ANYTHING if char in ".^$" else _range(ord(char), ord(char))

    def _group(self) -> _Need:
        opened = _GROUP.match(self._text, self.at)
        if opened is None:
            raise _Unknown
        self.at = opened.end()
        found = self.alternatives()
        if self._text[self.at] != ")":
            raise _Unknown
        self.at += 1
        return found

    def _escaped(self) -> _Need:
        named = self._named()
        if named is not None:
            return named
        if self._text[self.at + 1] in "bBAz":
            self.at += 2
            return _ANYTHING
        code = self._member()
        return _range(code, code)

    def _members(self) -> _Need:
        """A class of characters: one of them stands there."""
        text = self._text
        self.at += 1
        negated = text[self.at] == "^"
        self.at += negated
        first = self.at
        kinds, run = 0, 1
        while text[self.at] != "]" or self.at == first:
            some = self._named()
            if some is None:
                low = high = self._member()
                if text[self.at] == "-" and text[self.at + 1] != "]":
                    self.at += 1
                    high = self._member()
                some = _range(low, high)
            kinds |= some.kinds
            run = min(run, some.run)
        self.at += 1
        return _ANYTHING if negated else _Need(kinds, run)

    def _named(self) -> _Need | None:
        """A class of characters that has a name."""
        if self._text[self.at] not in "[\\":
            return None
        named = _CLASS.match(self._text, self.at)
        if named is None:
            return None
        self.at = named.end()
        return _Need(DIGIT, 1) if named.group() == r"\d" else _ANYTHING

    def _member(self) -> int:
        """The code point of one character."""
        code = _CODE.match(self._text, self.at)
        if code is not None:
            self.at = code.end()
            return int(code[1] or code[2], 16)
        char = self._text[self.at]
        if char == "\\":
            self.at += 1
            char = self._text[self.at]
            if char.isalnum() and char not in _CONTROLS:
                # octal codes, quotations and what may come
                raise _Unknown
            char = _CONTROLS.get(char, char)
        self.at += 1
        return ord(char)


@lru_cache(maxsize=RANGES_MAX)
def _range(low: int, high: int) -> _Need:
    """One of the characters of a range."""
    kinds = SIGN if high >= 128 else 0
    run = int(high < 128)
    for code in [*range(low, min(high, 127) + 1), *_LIKE_ASCII]:
        if low <= code <= high:
            kinds |= PLAIN if code in _LIKE_ASCII else _CODES[code]
            run &= code in WORDY
    return _Need(kinds, run)
