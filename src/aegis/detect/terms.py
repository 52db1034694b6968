"""Lexicon terms: the small notation in which concepts are written, expanded to plain phrases.

A term is words and blanks, `(a|b)` alternatives, `x?` and `(...)?` options, `[ab]` letters, `*`
for the rest of a word and `[a-z]+` for any one word. `re:` introduces an RE2 pattern instead, for
marks that are no words. Terms of Latin, Cyrillic and Greek letters become phrases for the word
trie; terms of other scripts, which do not keep blanks between words, become literal patterns.
"""

from __future__ import annotations

import re

from .fold import fold_char

EXPANSIONS_MAX = 1200
"""Most phrases one term may stand for; larger ones are to be split into two concepts."""

_ANY = re.compile(r"\[(?:\^ |[^\]]*-[^\]]*)\][*+]")
_GAPPY = re.compile(r"\[(?:a-z|а-я|а-яії) \]\*")
_WORDY = re.compile(r"^[a-z0-9\u0370-\u03ff\u0400-\u04ff '*+_-]*$")


def folded(text: str) -> str:
    """The term as a folded, lower-case text."""
    return "".join(map(fold_char, text)).lower()


class TermError(ValueError):
    """A term is not written in the notation."""


def expand(source: str) -> list[str]:
    """All phrases a term stands for. Raises TermError."""
    # a star of its own kind: behind a group, `*` means that the group may be missing
    text = _ANY.sub("\x01", _GAPPY.sub("", folded(source)))
    out, rest = _alternatives(text, 0)
    if rest != len(text):
        raise TermError(f"unbalanced parenthesis in `{source}`")
    if "+" in text:
        raise TermError(f"`+` in `{source[:40]}` means nothing; write `?` for what may be missing")
    if len(out) > EXPANSIONS_MAX:
        raise TermError(f"`{source[:40]}` stands for {len(out)} phrases; split it")
    return sorted({" ".join(one.replace("\x01", "*").split()) for one in out} - {""})


def _alternatives(text: str, at: int) -> tuple[list[str], int]:
    out: list[str] = []
    branch = [""]
    while at < len(text):
        char = text[at]
        if char == ")":
            break
        if char == "|":
            out += branch
            branch = [""]
            at += 1
            continue
        pieces, at = _piece(text, at)
        if at < len(text) and text[at] == "?":
            pieces = ["", *pieces]
            at += 1
        branch = [left + right for left in branch for right in pieces]
        if len(branch) > EXPANSIONS_MAX * 4:
            raise TermError(f"`{text[:40]}` stands for too many phrases; split it")
    return out + branch, at


def _piece(text: str, at: int) -> tuple[list[str], int]:
    char = text[at]
    if char == "(":
        pieces, at = _alternatives(text, at + 1)
        if at >= len(text):
            raise TermError(f"unbalanced parenthesis in `{text[:40]}`")
        at += 1
        if at < len(text) and text[at] == "*":
            # `(a |b )*`: none or one; `(ly)*` after letters: the rest of the word
            return ["", *pieces], at + 1
        return pieces, at
    if char == "[":
        close = text.index("]", at)
        return list(text[at + 1 : close]), close + 1
    if char == "\\":
        return [text[at + 1]], at + 2
    return [char], at + 1


def is_wordy(phrase: str) -> bool:
    """Whether a phrase is written in letters that keep words apart."""
    return _WORDY.match(phrase) is not None


def words(phrase: str) -> tuple[str, ...]:
    """The words of a phrase as the tokenizer sees them."""
    return tuple(part for part in re.split(r"[\s_-]+", phrase) if part)


COMPACT_MIN = 6
"""Shortest phrase, in letters, that is recognised without word boundaries."""


def compacted(phrase: str) -> str | None:
    """A phrase without blanks; None where too little would be left to mean much."""
    bare = re.sub(r"[ '*_-]", "", phrase)
    lone = phrase.startswith("* ") or " * " in phrase or phrase.endswith(" *")
    return bare if len(bare) >= COMPACT_MIN and bare.isascii() and not lone else None
