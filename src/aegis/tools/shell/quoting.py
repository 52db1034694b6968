"""What quotes, escapes and braces of a word stand for (Bash reference manual, 3.1.2 and 3.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLE = "\0"
"""Stands in a word for text that only running the command would tell."""

BRACED_MAX = 1_024
"""Longest word whose braces are looked at, in characters; the search is quadratic."""

SPLIT = "\1"
"""Stands in a word where the shell would split it (an unquoted `$IFS`)."""

EXPANSIONS_MAX = 64
"""Most words one brace expression is expanded to."""

PLACES = {"HOME": "~", "PWD": ".", "OLDPWD": HOLE, "TMPDIR": "/tmp"}  # noqa: S108 - a name, not a file
_ESCAPE = re.compile(r"\\(.)", re.S)
_STRING_ESCAPE = re.compile(r'\\([$`"\\])')
_BRACES = re.compile(r"\{([^{}\s]*,[^{}\s]*)\}|\{(\w+)\.\.(\w+)\}")
_ODD = re.compile(r"[^\\]\\[A-Za-z0-9]|\\[A-Za-z]/")
_ANSI = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|"
    r"([0-7]{1,3})|c(.)|(.))",
    re.S,
)
_ANSI_NAMED = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
    "E": "\x1b",
}


def odd_escape(text: str) -> bool:
    """Whether a letter in the middle of a word is escaped, which only hides it."""
    return _ODD.search(text) is not None


def unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: "" if match[1] == "\n" else match[1], text)


def unescape_string(text: str) -> str:
    return _STRING_ESCAPE.sub(r"\1", text.replace("\\\n", "")) if "\\" in text else text


def ansi(text: str) -> str:
    """The text of `$'…'` (Bash reference manual, 3.1.2.4)."""

    def one(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            number = int(code, 16)
            return chr(number) if 0 < number < 0x110000 else HOLE
        if match[4]:
            return chr(int(match[4], 8) & 0xFF or 1)
        if match[5]:
            return chr(ord(match[5].upper()) ^ 0x40 or 1)
        return _ANSI_NAMED.get(match[6], match[6])

    return _ANSI.sub(one, text)


def split(text: str) -> list[str]:
    if SPLIT not in text:
        return [text]
    return [part for part in text.split(SPLIT) if part] or [""]


def braces(text: str) -> Iterator[str]:
    """A word with its braces expanded; past the limit, one word with a hole."""
    waiting = [text] if len(text) <= BRACED_MAX else [HOLE]
    count = 0
    while waiting:
        current = waiting.pop(0)
        match = _BRACES.search(current)
        if match is None:
            yield current
            continue
        choices = [HOLE] if match[1] is None else match[1].split(",")
        count += len(choices)
        if count > EXPANSIONS_MAX:
            yield HOLE
            return
        before, after = current[: match.start()], current[match.end() :]
        waiting[:0] = [before + choice + after for choice in choices]
