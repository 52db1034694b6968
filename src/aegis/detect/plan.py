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

from . import triggers
from .gate import Gate
from .spanrules import Confirm
from .tagger import Letters
from .terms import compact_literals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .ruleset import ConceptRule, RuleSet

_CACHE_MAX = 4096
"""Most combinations of needs whose rules are remembered."""

_SEPARATORS = bytes(
    code + 32 if 65 <= code <= 90 else code if 48 <= code <= 57 or 97 <= code <= 122 or code > 127
    else 32
    for code in range(256)
)  # fmt: skip
"""Translation of bytes that leaves lower-case words between blanks."""


class Plan:
    """The rules worth confirming and the disguises worth undoing."""

    __slots__ = ("rules", "spans", "triggers")

    def __init__(
        self,
        spans: tuple[Confirm, ...],
        rules: tuple[ConceptRule, ...],
        triggers: tuple[str, ...],
    ) -> None:
        self.spans = spans
        self.rules = rules
        self.triggers = triggers


NOTHING = Plan((), (), ())


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
        "_cache", "_composites", "_concept_words", "_direct", "_first", "_keys", "_marks", "_rules",
        "_shapes", "_spans", "_triggers", "_words", "letters",
    )  # fmt: skip

    def __init__(self, rules: RuleSet) -> None:
        concepts = rules.concepts
        openers = [one for name in rules.openers for one in concepts[name].openers]
        disguises = triggers.words(rules.keywords)
        self._first = Gate([grouped(set(openers)), *disguises.values()])
        self._triggers = {index + 1: name for index, name in enumerate(disguises)}
        self.letters = Letters(concepts)
        self._composites = rules.composites
        self._concept_words: dict[bytes, dict[frozenset[bytes], set[str]]] = {}
        for name, concept in concepts.items():
            for line in concept.words.splitlines():
                first, *rest = line.encode().split()
                by_rest = self._concept_words.setdefault(first, {})
                by_rest.setdefault(frozenset(rest), set()).add(name)
        self._words = frozenset(self._concept_words)
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
        self._keys = Gate(keys)
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

    def plan(self, data: bytes, kind: str) -> Plan:
        """What to confirm in a UTF-8 text of a kind. Raises ScanError where a gate gave up."""
        first = self._first.match(data)
        shapes = self._shapes.match(data)
        present: set[str] = set()
        if not data.isascii():
            for tag in self.letters.tags(data.decode().lower()):
                present |= tag.concepts
            present.update(
                name for name, one, other, _ in self._composites if {one, other} <= present
            )
        if not (first or shapes or present):
            return NOTHING
        fired = tuple(self._triggers[one] for one in first if one)
        fired += tuple(self._direct[one] for one in shapes if one in self._direct)
        spans = self._confirms(frozenset(shapes), data) if shapes else ()
        present.update(self._marks[one] for one in shapes if one in self._marks)
        rules: tuple[ConceptRule, ...] = ()
        if present or (first and first[0] == 0):
            held = frozenset(data.translate(_SEPARATORS).split())
            for word in self._words & held:
                for rest, names in self._concept_words[word].items():
                    if rest <= held:
                        present |= names
            rules = self.rules(frozenset(present), kind)
        if not (spans or rules or fired):
            return NOTHING
        return Plan(spans, rules, fired)

    def _confirms(self, seen: frozenset[int], data: bytes) -> tuple[Confirm, ...]:
        out: dict[int, Confirm] = {}
        keys: frozenset[int] | None = None
        for shapes, words, confirm in self._spans:
            if shapes <= seen:
                if words:
                    if keys is None:
                        keys = frozenset(self._keys.match(data))
                    if not words <= keys:
                        continue
                out[id(confirm)] = confirm
        return tuple(out.values())

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


class CompactPlanner:
    """The same for words run together: which rules can match without word boundaries."""

    __slots__ = ("_gate", "_names", "_planner")

    def __init__(self, rules: RuleSet, planner: Planner) -> None:
        literals = {name: compact_literals(one.phrases) for name, one in rules.concepts.items()}
        self._names = [name for name, some in literals.items() if some]
        self._gate = Gate("|".join(literals[name]) for name in self._names)
        self._planner = planner

    def rules(self, data: bytes, kind: str) -> tuple[ConceptRule, ...]:
        """The concept rules that can match in a text without blanks."""
        matched = self._gate.match(data)
        if len(matched) < 2:
            return ()
        return self._planner.rules(frozenset(self._names[one] for one in matched), kind)
