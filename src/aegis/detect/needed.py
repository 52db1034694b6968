"""What a text must hold for a pattern to match, read off the pattern.

Most patterns of values need a digit, most marks a sign, and most texts hold few of either: such
patterns need not be tried. What is not understood here needs nothing, and is tried on every text.
The syntax is that of RE2 (https://github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

import re

DIGIT, SIGN, PLAIN = 1, 2, 4
"""Kinds of characters: ASCII digits; signs of ASCII and all beyond it; letters, blanks and what
prose is punctuated with. They combine as bits: a pattern that needs one of two kinds has both."""

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

_LIKE_ASCII = frozenset({0x017F, 0x212A})
"""Long s and the Kelvin sign: without regard to case they are `s` and `k`."""

_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_GROUP = re.compile(r"\((?:\?[imsU]*(?:-[imsU]+)?:)?(?!\?)")
_REPEATED = re.compile(r"(?:[*?]|(?P<some>\+)|\{(?P<least>\d+)(?:,\d*)?\})\??")
_CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_CLASS = re.compile(r"\[:\^?[a-z]+:\]|\\[pP](?:\{\^?\w+\}|\w)|\\[sSdDwW]")


class _Unknown(Exception):
    """Something in a pattern is not understood."""


def kinds(data: bytes) -> int:
    """The kinds of characters in a UTF-8 text; PLAIN is always among them."""
    rest = data.translate(None, _ORDINARY)
    if not rest:
        return PLAIN
    return (
        PLAIN
        | (DIGIT if rest.translate(None, _SIGNS) else 0)
        | (SIGN if rest.translate(None, _DIGITS) else 0)
    )


def needed(pattern: str) -> int:
    """The kinds of which every match of a pattern holds at least one: PLAIN, or others."""
    reader = _Pattern(pattern)
    try:
        found = reader.alternatives()
    except (_Unknown, IndexError):
        return PLAIN
    return PLAIN if found & PLAIN or reader.at < len(pattern) else found


class _Pattern:
    """A pattern and how far it is read. Whatever needs nothing in particular counts as PLAIN."""

    __slots__ = ("_text", "at")

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def alternatives(self) -> int:
        """Branches: one of them must be met."""
        found = self._sequence()
        while self._text[self.at : self.at + 1] == "|":
            self.at += 1
            found |= self._sequence()
        return found

    def _sequence(self) -> int:
        """Items in a row: all must be met, so the most particular counts."""
        best = PLAIN
        while self.at < len(self._text) and self._text[self.at] not in "|)":
            item = self._item()
            repeated = _REPEATED.match(self._text, self.at)
            if repeated:
                self.at = repeated.end()
                if not (repeated["some"] or int(repeated["least"] or 0)):
                    continue
            if not item & PLAIN and (best & PLAIN or item.bit_count() < best.bit_count()):
                best = item
        return best

    def _item(self) -> int:
        char = self._text[self.at]
        if char == "(":
            return self._group()
        if char == "[":
            return self._members()
        if char == "\\":
            return self._escaped()
        self.at += 1
        return PLAIN if char in ".^$" else _kind(ord(char))

    def _group(self) -> int:
        opened = _GROUP.match(self._text, self.at)
        if opened is None:
            raise _Unknown
        self.at = opened.end()
        found = self.alternatives()
        if self._text[self.at] != ")":
            raise _Unknown
        self.at += 1
        return found

    def _escaped(self) -> int:
        named = _CLASS.match(self._text, self.at)
        if named is not None:
            self.at = named.end()
            return DIGIT if named.group() == r"\d" else PLAIN
        code = _CODE.match(self._text, self.at)
        if code is not None:
            self.at = code.end()
            return _kind(int(code[1] or code[2], 16))
        char = self._text[self.at + 1]
        self.at += 2
        if char in "bBAz":
            return PLAIN
        if char in _CONTROLS:
            return _kind(ord(_CONTROLS[char]))
        if char.isalnum():
            # octal codes, quotations and what may come
            raise _Unknown
        return _kind(ord(char))

    def _members(self) -> int:
        """A class of characters: one of them stands there."""
        text = self._text
        self.at += 1
        negated = text[self.at] == "^"
        self.at += negated
        first = self.at
        found = 0
        while text[self.at] != "]" or self.at == first:
            named = _CLASS.match(text, self.at)
            if named is not None:
                self.at = named.end()
                found |= DIGIT if named.group() == r"\d" else PLAIN
                continue
            low = high = self._member()
            if text[self.at] == "-" and text[self.at + 1] != "]":
                self.at += 1
                high = self._member()
            found |= _kinds(low, high)
        self.at += 1
        return PLAIN if negated else found

    def _member(self) -> int:
        """The code point of one character of a class."""
        code = _CODE.match(self._text, self.at)
        if code is not None:
            self.at = code.end()
            return int(code[1] or code[2], 16)
        char = self._text[self.at]
        if char == "\\":
            self.at += 1
            char = self._text[self.at]
            if char.isalnum() and char not in _CONTROLS:
                raise _Unknown
            char = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}.get(
                char, char
            )
        self.at += 1
        return ord(char)


def _kind(code: int) -> int:
    return PLAIN if code in _LIKE_ASCII else _CODES[code] if code < 128 else SIGN


def _kinds(low: int, high: int) -> int:
    """The kinds of the characters of a range."""
    found = SIGN if high >= 128 else 0
    for code in [*range(low, min(high, 127) + 1), *_LIKE_ASCII]:
        if low <= code <= high:
            found |= _kind(code)
    return found
