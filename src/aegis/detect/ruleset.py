"""The rules as data: what rule folders compile to and what the engine loads.

`rules.json` beside this module is the compiled form of `rules/` and `lexicon/`; a test refuses a
stale one. Loading it costs some twenty milliseconds, reading the folders would cost a thousand.
"""

from __future__ import annotations

from importlib import resources
from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from ..model import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPILED = "rules.json"
"""File name of the compiled rules inside this package."""


class SpanRule(msgspec.Struct, frozen=True, omit_defaults=True):
    r"""A value with a shape: pattern, validators, context.

    `patterns` are RE2; a capture group 1 marks the value inside the match. `gate` decides
    whether the patterns are tried at all: one of its entries must hold, an entry holds where all
    its patterns occur. `context` are
    words of which one must stand near where `context_required`; `refuse` are words directly
    before the value that make it something else (`\b` marks the edge of an ASCII word in both).
    `unless_before` and `unless_after` are patterns of what, right beside the value, does the same.
    `trim` names one of `trims.TRIMS`, `mask` a style of `masks.STYLES`.
    """

    id: str
    category: str
    type: str
    severity: str
    score: int
    patterns: tuple[str, ...]
    gate: tuple[tuple[str, ...], ...]
    mask: str = "label"
    validators: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    context_required: bool = False
    context_score: int = 0
    before: int = 48
    after: int = 0
    refuse: tuple[str, ...] = ()
    unless_before: str = ""
    unless_after: str = ""
    kinds: tuple[str, ...] = ()
    decoded: bool = True
    trim: str = ""
    payload: bool = False
    """Evidence of an attack in the given kinds only, and no value to mask (see `payloads`)."""
    locale: str = ""
    """The country whose authority issues the value (ISO 3166-1 alpha-2, lower case)."""


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way in which concepts make a rule hit.

    `steps` are sets of concepts (one of each must occur), `gap` the most bytes between
    neighbours, `ordered` whether their order counts, `unless` the concepts that, standing within
    the gap before the first step, speak against it, `without` those that speak against it between
    the steps, and `unless_after` those that begin in the match or right behind it, end behind it,
    and give it another meaning. `kinds` limits the match to kinds of text.
    `sentence` keeps the steps within one sentence.
    """

    steps: tuple[tuple[str, ...], ...]
    score: int
    gap: int = 40
    ordered: bool = False
    unless: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    sentence: bool = True
    without: tuple[str, ...] = ()
    unless_after: tuple[str, ...] = ()


class ConceptRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kind of attack or abuse, as combinations of concepts."""

    id: str
    category: str
    type: str
    severity: str
    matches: tuple[Match, ...]
    literal: bool = False
    """The words themselves are the evidence (chat-template tokens): quoting excuses nothing."""


class Concept(msgspec.Struct, frozen=True, omit_defaults=True):
    """The words of one idea, of all languages.

    `phrases` for the word trie, one a line (`*` ends a stem, a lone `*` is any word), `wide`
    phrases of all other scripts (stems, blanks optional), `raw` RE2 patterns of marks.
    """

    phrases: str = ""
    wide: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()


class RuleSet(msgspec.Struct, frozen=True):
    """Everything the engine is built from.

    `composites` are (name, first, second, gap): a concept made of two others. `openers` are the
    concepts of which every rule needs one: without them words are not looked at further.
    `keywords` are the words whose disguises (leet, ROT13, reversal) are looked for.
    """

    version: str
    spans: tuple[SpanRule, ...]
    rules: tuple[ConceptRule, ...]
    concepts: dict[str, Concept]
    composites: tuple[tuple[str, str, str, int], ...]
    openers: tuple[str, ...]
    keywords: tuple[str, ...]


_DECODER = Prepared(RuleSet)

_SHARED = "#"
"""Stands for no shared letters, the character after it for one, and so on."""

_SHARED_MAX = 88
"""Most letters that a phrase shares with the one before it: printable ASCII ends there."""


def encode(rules: RuleSet) -> bytes:
    """The rules as a file: of each phrase, what it does not share with the one before it."""
    concepts = {
        name: msgspec.structs.replace(
            one,
            phrases=_packed(one.phrases.splitlines()),
            wide=(_packed(one.wide),) if one.wide else (),
        )
        for name, one in rules.concepts.items()
    }
    return msgspec.json.encode(msgspec.structs.replace(rules, concepts=concepts)) + b"\n"


def decode(data: bytes) -> RuleSet:
    """The rules that `encode` wrote."""
    rules = _DECODER.decode(data)
    concepts = {
        name: msgspec.structs.replace(
            one,
            phrases="\n".join(_unpacked(one.phrases)),
            wide=tuple(line for packed in one.wide for line in _unpacked(packed)),
        )
        for name, one in rules.concepts.items()
    }
    return msgspec.structs.replace(rules, concepts=concepts)


def _packed(phrases: Iterable[str]) -> str:
    lines: list[str] = []
    before = ""
    for phrase in phrases:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(before, phrase, strict=False))
        shared = min(len(list(alike)), _SHARED_MAX)
        lines.append(chr(ord(_SHARED) + shared) + phrase[shared:])
        before = phrase
    return "\n".join(lines)


def _unpacked(packed: str) -> list[str]:
    out: list[str] = []
    before = ""
    for line in packed.splitlines():
        before = before[: ord(line[0]) - ord(_SHARED)] + line[1:]
        out.append(before)
    return out


def load() -> RuleSet:
    """The rules that ship with this package."""
    return decode(resources.files(__package__).joinpath(COMPILED).read_bytes())
