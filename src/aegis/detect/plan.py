"""What to confirm in a text, given what the gates saw.

Three looks, each only where the one before calls for it:

1. two pattern sets over the whole text: disguised key words, and shapes (numbers, long runs,
   marks);
2. where a shape needs a word beside it, the set of those words;
3. the rules whose needs are met.

The words of the lexicons are not looked for here: the tagger knows every word of a text anyway.

Sets are kept apart on purpose: the states of one RE2 set are the product of its patterns.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from . import triggers
from .gate import Gate, finder, options
from .spanrules import Confirm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .gate import Finder
    from .ruleset import RuleSet

_CACHE_MAX = 4096
"""Most combinations of needs whose rules are remembered."""

FEW_KEYS = 4
"""Up to this many words beside values are looked for one by one: a search for one of them takes a
third of what each of the four automata of all of them takes (measured).
"""

STRIDE = 64
"""Bytes between two places of one pattern that are told apart."""


class Plan:
    """The values worth confirming, the disguises worth undoing, whether there are marks."""

    __slots__ = ("marked", "spans", "triggers")

    def __init__(
        self,
        spans: tuple[Confirm, ...] = (),
        triggers: tuple[str, ...] = (),
        *,
        marked: bool = False,
    ) -> None:
        self.spans = spans
        self.triggers = triggers
        self.marked = marked


NOTHING = Plan()


class Look:
    """What the first look at a text saw: enough to know whether and where to look again."""

    __slots__ = ("disguises", "shapes")

    def __init__(self, disguises: tuple[int, ...], shapes: tuple[int, ...]) -> None:
        self.disguises = disguises
        self.shapes = shapes


UNSEEN = Look((), ())

_Entry = tuple[frozenset[int], frozenset[int], Confirm]
"""Shapes and words by their numbers, all of which a text must hold, and the rule they stand for."""


class Planner:
    """Turns a text into a plan. Thread-safe; built once."""

    __slots__ = (
        "_bare", "_by_shapes", "_direct", "_disguises", "_gate", "_key_patterns", "_keys", "_marks",
        "_shape_patterns", "_single", "_spans", "_triggers",
    )  # fmt: skip

    def __init__(self, rules: RuleSet) -> None:
        disguises = triggers.words(rules.keywords)
        self._triggers = tuple(disguises)
        self._disguises = tuple(disguises.values())
        self._single: dict[str, Finder] = {}
        shapes = self._compile_shapes(rules)
        self._gate = Gate(self._disguises, shapes)
        self._bare: tuple[Gate, tuple[int, ...]] | None = None
        self._by_shapes: dict[frozenset[int], tuple[tuple[_Entry, ...], frozenset[int]]] = {}

    def _compile_shapes(self, rules: RuleSet) -> Iterable[str]:
        """Shapes and the words that must stand beside some of them; gives the shapes."""
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
        return shapes

    def look(self, data: bytes) -> Look:
        """The first look at a UTF-8 text. Raises ScanError where a gate gave up."""
        seen = self._gate.match(data)
        if not seen:
            return UNSEEN
        count = len(self._disguises)
        first = bisect_left(seen, count)
        return Look(seen[:first], tuple(number - count for number in seen[first:]))

    def _look_bare(self, data: bytes) -> Look:
        """The same without the shapes of values: half the work, and built where it is needed."""
        if self._bare is None:
            kept = tuple(sorted({*self._direct, *self._marks}))
            gate = Gate(self._disguises, [self._shape_patterns[number] for number in kept])
            self._bare = gate, kept
        gate, kept = self._bare
        seen = gate.match(data)
        count = len(self._disguises)
        first = bisect_left(seen, count)
        return Look(seen[:first], tuple(kept[number - count] for number in seen[first:]))

    def plan(self, data: bytes, *, values: bool = True) -> Plan:
        """What to confirm in a UTF-8 text, `values` or only the rest. Raises ScanError where a
        gate gave up.
        """
        look = self.look(data) if values else self._look_bare(data)
        if not (look.disguises or look.shapes):
            return NOTHING
        fired = tuple(self._triggers[one] for one in look.disguises)
        fired += tuple(self._direct[one] for one in look.shapes if one in self._direct)
        spans = self._confirms(frozenset(look.shapes), data) if values and look.shapes else ()
        return Plan(spans, fired, marked=any(one in self._marks for one in look.shapes))

    def marks(self, look: Look, data: bytes) -> Iterator[tuple[str, int]]:
        """Concepts of marks and where they stand, in bytes."""
        for number in look.shapes:
            name = self._marks.get(number)
            if name is not None:
                for start in self.starts(self._shape_patterns[number], data):
                    yield name, start

    def suspects(self, look: Look, data: bytes) -> Iterator[tuple[Confirm, str, frozenset[int]]]:
        """Rules whose values may stand in a text, the pattern that gives the place away, and the
        numbers of the words that must be heard in the same window.
        """
        for shapes, words, confirm in self._met(frozenset(look.shapes), data):
            yield confirm, self._shape_patterns[min(shapes)], words

    def hears(self, wanted: frozenset[int], data: bytes) -> frozenset[int]:
        """Which words beside values a text holds, at least of those that are wanted. Raises
        ScanError where a gate gave up.
        """
        if not wanted:
            return wanted
        if len(wanted) > FEW_KEYS:
            return frozenset(self._keys.match(data, wanted))
        patterns, size = self._key_patterns, len(data)
        return frozenset(
            [one for one in wanted if self._finder(patterns[one])(data, 0, size)[0][1] >= 0]
        )

    def disguised(self, look: Look, data: bytes) -> Iterator[int]:
        """Where disguises may stand, in bytes."""
        for one in look.disguises:
            yield from self.starts(self._disguises[one], data)
        for one in look.shapes:
            if one in self._direct:
                yield from self.starts(self._shape_patterns[one], data)

    def starts(self, pattern: str, data: bytes) -> Iterator[int]:
        """Where a pattern occurs, at most once in STRIDE bytes."""
        find, size = self._finder(pattern), len(data)
        position = 0
        while position < size:
            start = find(data, position, size)[0][0]
            if start < 0:
                break
            yield start
            position = start + STRIDE

    def _finder(self, pattern: str) -> Finder:
        known = self._single.get(pattern)
        if known is None:
            # ungreedy: where a run of 20 KB ends, nobody asks
            known = self._single[pattern] = finder(f"(?U){pattern}", options())
        return known

    def _confirms(self, seen: frozenset[int], data: bytes) -> tuple[Confirm, ...]:
        return tuple({id(confirm): confirm for _, _, confirm in self._met(seen, data)}.values())

    def _met(self, seen: frozenset[int], data: bytes) -> list[_Entry]:
        """The rules whose shapes were seen, and whose words stand in the text; with both."""
        known = self._by_shapes.get(seen)
        if known is None:
            met = tuple(entry for entry in self._spans if entry[0] <= seen)
            known = met, frozenset[int]().union(*(words for _, words, _ in met))
            if len(self._by_shapes) >= _CACHE_MAX:
                self._by_shapes.clear()
            self._by_shapes[seen] = known
        met, wanted = known
        heard = self.hears(wanted, data)
        return [entry for entry in met if entry[1] <= heard]


_SHAPE = re.compile(r"\\d|\[[0-9A-Za-z]-|\[A-Za-z0-9|\[\^|\{\d|@")
"""What makes a gate pattern the shape of a value rather than a list of words."""
