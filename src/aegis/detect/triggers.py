"""Triggers: patterns that say a disguise is possible, tested in the same pass as everything else.

A disguised reading is made only where its trigger fired, so ordinary text never pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

LEET = {
    "a": "4@", "b": "8", "e": "3", "g": "96", "i": "1!|", "l": "1|", "o": "0", "s": "5$", "t": "7+",
}  # fmt: skip
"""Letters and what stands for them in leet writing."""

RUN, SPLIT, HEX, URL, ENTITY, ESCAPE, ROT13, REVERSED, LEETED, SPACED, JOINED, BROKEN, TABLED = (
    "run", "split", "hex", "url", "entity", "escape", "rot13", "reversed", "leet", "spaced",
    "joined", "broken", "table",
)  # fmt: skip

_SYLLABLE = r"[\x{3041}-\x{30FF}\x{4E00}-\x{9FFF}\x{AC00}-\x{D7A3}]"
"""A letter of a script that writes syllables or words with one: kana, Han, hangul."""

SHAPES = {
    # a run long enough to hold words; '/' and '-' are left out because paths are made of them
    RUN: r"[A-Za-z0-9+]{20,}",
    SPLIT: r"(?-i:[a-z0-9][A-Z][A-Za-z0-9+/]*\s[A-Za-z0-9+/]*[a-z0-9][A-Z])",
    HEX: r"[0-9a-f][0-9a-f][ :,][0-9a-f][0-9a-f][ :,][0-9a-f][0-9a-f][ :,][0-9a-f][0-9a-f][ :,]"
    r"|0x[0-9a-f][0-9a-f],? ?0x[0-9a-f][0-9a-f]",
    # percent signs, or a number in a form with plus signs for blanks
    URL: r"%[2-7][0-9a-f]|[&?][a-z_.]+=\d+\+[a-z0-9]",
    ENTITY: r"&#x?[0-9a-f]+|&(?:nbsp|lpar|excl|colon|period|comma|quot|lowbar);",
    ESCAPE: r"\\u\{?[0-9a-f]{2,}|\\x[0-9a-f]{2}|u\+00[2-7][0-9a-f]",
    SPACED: r"\b[a-z0-9@$][ ._*|/~-]+[a-z0-9@$][ ._*|/~-]+[a-z0-9@$][ ._*|/~-]+[a-z0-9@$]"
    r"[ ._*|/~-]+[a-z0-9@$]\b|\b[a-z] [a-z] [a-z] [a-z]\b"
    rf"|{_SYLLABLE}[._*|/~-]{_SYLLABLE}[._*|/~-]{_SYLLABLE}[._*|/~-]{_SYLLABLE}",
    JOINED: r"[a-z][-_.*][a-z]+[-_.*][a-z]+[-_.*][a-z]+[-_.*][a-z]",
    BROKEN: r"[a-z]-\s*\n\s*[a-z]|\n[a-z]{1,3}\n[a-z]{1,3}\n|[a-z][*~`|^]+[a-z]"
    r"|[a-z][\x{2600}-\x{27BF}\x{1F000}-\x{1FAFF}]+[a-z]",
    TABLED: TABLE,
}
"""Patterns that allow a decoding."""


_LEETED = (
    r"[a-z][013457@$!|]+[a-z][a-z0-9@$!|]*[\s,.:;]+[a-z0-9@$!|]*"
    r"(?:[a-z][013457@$!|]+|\b[013457@$!|]+)[a-z]"
)
"""Two words in a row with signs or digits where letters belong."""


def _leet(word: str) -> Iterable[str]:
    """Patterns of a word with at least one letter replaced."""
    for index, letter in enumerate(word):
        if letter in LEET:
            after = "".join(
                f"[{char}{_escape(LEET[char])}]" if char in LEET else char
                for char in word[index + 1 :]
            )
            yield f"{word[:index]}[{_escape(LEET[letter])}]{after}"


def _escape(chars: str) -> str:
    return chars.replace("|", r"\|").replace("$", r"\$").replace("+", r"\+")


def rot13(text: str) -> str:
    """Letters thirteen places on."""
    return text.translate(_ROT13)


_ROT13 = {
    **{base + i: base + (i + 13) % 26 for base in (65, 97) for i in range(26)},
}


def words(keywords: Iterable[str]) -> dict[str, str]:
    """One gate pattern per disguise of single words."""
    known = list(keywords)
    return {
        LEETED: "|".join([_LEETED, *sorted(pattern for word in known for pattern in _leet(word))]),
        ROT13: r"\b(?:" + "|".join(sorted(rot13(word) for word in known)) + ")",
        REVERSED: "(?:" + "|".join(sorted(word[::-1] for word in known)) + r")\b",
    }
