"""What to confirm in a text, given what the gates saw.

Three looks, each only where the one before calls for it:

1. two pattern sets over the whole text: openers (rare words of the lexicons, disguised key words)
   and shapes (numbers, long runs, marks);
2. where a shape needs a word beside it, the set of those words; where an opener occurred, the
   words of the text compared with the words of each concept;
3. the rules whose needs are met.

Sets are kept apart on purpose: the states of one RE2 set are the product of its patterns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from . import triggers
from .gate import Gate, options
from .spanrules import Confirm
from .tagger import Letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .ruleset import ConceptRule, RuleSet

_CACHE_MAX = 4096
"""Most combinations of needs whose rules are remembered."""

STRIDE = 64
"""Bytes between two places of one pattern that are told apart."""


class Plan:
    """The values worth confirming, the disguises worth undoing, whether words and marks count."""

    __slots__ = ("marked", "spans", "triggers", "worded")

    def __init__(
        self,
        spans: tuple[Confirm, ...] = (),
        triggers: tuple[str, ...] = (),
        *,
        worded: bool = False,
        marked: bool = False,
    ) -> None:
        self.spans = spans
        self.triggers = triggers
        self.worded = worded
        self.marked = marked


NOTHING = Plan()


class Look:
    """What the first look at a text saw: enough to know whether and where to look again.

    `openers` says whether a word stands there that some rule needs, `letters`
    whether a phrase of a script other than Latin may.
    """

    __slots__ = ("disguises", "letters", "openers", "shapes")

    def __init__(
        self,
        openers: bool,
        disguises: tuple[int, ...],
        shapes: tuple[int, ...],
        letters: bool,
    ) -> None:
        self.openers = openers
        self.disguises = disguises
        self.shapes = shapes
        self.letters = letters


def grouped(terms: Iterable[str]) -> str:
    """Alternatives with their word boundaries outside, so that RE2 shares their prefixes."""
    whole: list[str] = []
    stems: list[str] = []
    free: list[str] = []
    for term in sorted(terms):
        if term.startswith(r"\b") and term.endswith(r"\b") and "|" not in term:
            whole.append(term[2:-2])
        elif term.startswith(r"\b") and "|" not in term:
            stems.append(term[2:])
        else:
            free.append(term)
    parts = [rf"\b(?:{'|'.join(whole)})\b"] if whole else []
    if stems:
        parts.append(rf"\b(?:{'|'.join(stems)})")
    return "(?:" + "|".join(parts + free) + ")"


class Planner:
    """Turns a text into a plan. Thread-safe; built once."""

    __slots__ = (
        "_cache", "_direct", "_disguises", "_first", "_key_patterns", "_keys", "_marks", "_rules",
        "_shape_patterns", "_shapes", "_single", "_spans", "_triggers", "letters",
    )  # fmt: skip

    def __init__(self, rules: RuleSet) -> None:
        concepts = rules.concepts
        openers = [one for name in rules.openers for one in concepts[name].openers]
        disguises = triggers.words(rules.keywords)
        self._first = Gate([grouped(set(openers)), *disguises.values()])
        self._triggers = {index + 1: name for index, name in enumerate(disguises)}
        self._disguises = {index + 1: one for index, one in enumerate(disguises.values())}
        self._single: dict[str, re2._Regexp] = {}
        self.letters = Letters(concepts)
        self._compile_shapes(rules)
        self._rules = rules.rules
        self._cache: dict[tuple[frozenset[str], str], tuple[ConceptRule, ...]] = {}

    def _compile_shapes(self, rules: RuleSet) -> None:
        """Shapes and the words that must stand beside some of them."""
        fixed = triggers.SHAPES
        shapes = dict.fromkeys(fixed.values())
        keys: dict[str, None] = {}
        entries: list[tuple[Confirm, tuple[str, ...], tuple[str, ...]]] = []
        for rule in rules.spans:
            confirm = Confirm(rule)
            for entry in rule.gate:
                shaped = tuple(one for one in entry if _SHAPE.search(one))
                worded = tuple(one for one in entry if not _SHAPE.search(one))
                shapes.update(dict.fromkeys(shaped))
                keys.update(dict.fromkeys(worded))
                entries.append((confirm, shaped, worded))
        marks = {name: concept.raw for name, concept in rules.concepts.items() if concept.raw}
        lone = [worded for _, shaped, worded in entries if not shaped]
        shapes.update(dict.fromkeys("|".join(raw) for raw in marks.values()))
        shapes.update(dict.fromkeys(one for worded in lone for one in worded))
        number = {pattern: index for index, pattern in enumerate(shapes)}
        key = {pattern: index for index, pattern in enumerate(keys)}
        self._shapes = Gate(shapes)
        self._shape_patterns = tuple(shapes)
        self._keys = Gate(keys)
        self._key_patterns = tuple(keys)
        self._spans = [
            (
                frozenset(number[one] for one in (shaped or worded)),
                frozenset(key[one] for one in worded) if shaped else frozenset(),
                confirm,
            )
            for confirm, shaped, worded in entries
        ]
        self._marks = {number["|".join(raw)]: name for name, raw in marks.items()}
        self._direct = {number[pattern]: name for name, pattern in fixed.items()}

    def look(self, data: bytes) -> Look | None:
        """The first look at a UTF-8 text; None where nothing can match.

        Raises ScanError where a gate gave up.
        """
        first = self._first.match(data)
        shapes = self._shapes.match(data)
        text = "" if data.isascii() else data.decode()
        letters = self.letters.written(text) and self.letters.occur(text.lower())
        if not (first or shapes or letters):
            return None
        openers = bool(first) and first[0] == 0
        return Look(openers, first[1:] if openers else first, shapes, letters)

    def plan(self, data: bytes) -> Plan:
        """What to confirm in a UTF-8 text. Raises ScanError where a gate gave up."""
        look = self.look(data)
        if look is None:
            return NOTHING
        fired = tuple(self._triggers[one] for one in look.disguises)
        fired += tuple(self._direct[one] for one in look.shapes if one in self._direct)
        spans = self._confirms(frozenset(look.shapes), data) if look.shapes else ()
        marked = any(one in self._marks for one in look.shapes)
        worded = marked or look.openers or look.letters
        if not (spans or fired or worded):
            return NOTHING
        return Plan(spans, fired, worded=worded, marked=marked)

    def worded(self, look: Look) -> bool:
        """Whether concept rules can match at all in a text looked at."""
        return look.openers or look.letters or any(one in self._marks for one in look.shapes)

    def marks(self, look: Look, data: bytes) -> Iterator[tuple[str, int]]:
        """Concepts of marks and where they stand, in bytes."""
        for number in look.shapes:
            name = self._marks.get(number)
            if name is not None:
                for start in self.starts(self._shape_patterns[number], data):
                    yield name, start

    def suspects(self, look: Look, data: bytes) -> Iterator[tuple[Confirm, str, tuple[str, ...]]]:
        """Rules whose values may stand in a text: the pattern that gives the place away, and those
        that must occur within the same window.
        """
        for shapes, words, confirm in self._met(frozenset(look.shapes), data):
            shape, *others = [self._shape_patterns[one] for one in sorted(shapes)]
            yield confirm, shape, (*others, *(self._key_patterns[one] for one in words))

    def disguised(self, look: Look, data: bytes) -> Iterator[int]:
        """Where disguises may stand, in bytes."""
        for one in look.disguises:
            yield from self.starts(self._disguises[one], data)
        for one in look.shapes:
            if one in self._direct:
                yield from self.starts(self._shape_patterns[one], data)

    def starts(self, pattern: str, data: bytes) -> Iterator[int]:
        """Where a pattern occurs, at most once in STRIDE bytes."""
        compiled = self._single.get(pattern)
        if compiled is None:
            compiled = self._single[pattern] = re2.compile(pattern, options())
        position = 0
        while (found := compiled.search(data, position)) is not None:
            start = found.start()
            yield start
            position = max(start + STRIDE, position + 1)

    def _confirms(self, seen: frozenset[int], data: bytes) -> tuple[Confirm, ...]:
        return tuple({id(confirm): confirm for _, _, confirm in self._met(seen, data)}.values())

    def _met(
        self, seen: frozenset[int], data: bytes
    ) -> Iterator[tuple[frozenset[int], frozenset[int], Confirm]]:
        """The rules whose shapes were seen, and whose words stand in the text; with both."""
        keys: frozenset[int] | None = None
        for shapes, words, confirm in self._spans:
            if shapes <= seen:
                if words:
                    if keys is None:
                        keys = frozenset(self._keys.match(data))
                    if not words <= keys:
                        continue
                yield shapes, words, confirm

    def rules(self, present: frozenset[str], kind: str) -> tuple[ConceptRule, ...]:
        """The concept rules that the concepts of a text of a kind can satisfy."""
        known = self._cache.get((present, kind))
        if known is None:
            known = tuple(
                rule
                for rule in self._rules
                if any(
                    (not match.kinds or kind in match.kinds or not kind)
                    and all(not present.isdisjoint(step) for step in match.steps)
                    for match in rule.matches
                )
            )
            if len(self._cache) >= _CACHE_MAX:
                self._cache.clear()
            self._cache[present, kind] = known
        return known


_SHAPE = re.compile(r"\\d|\[[0-9A-Za-z]-|\[A-Za-z0-9|\[\^|\{\d|@")
"""What makes a gate pattern the shape of a value rather than a list of words."""
