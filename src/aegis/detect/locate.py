"""Where to read closely: the places of a text at which some rule could begin to match.

Reading is dear and finding nothing is the rule, so a text is first looked at as a whole. Each
concept becomes one large integer with a bit for every BUCKET code points in which one of its words
stands, and each rule a few shifts and intersections of such integers. What is left over is a
superset of the places where a rule matches: a block that is not named here would have been read
in vain, so leaving it out changes nothing.

Distances are those of the view, as they are when a rule is confirmed: what folding leaves out keeps
no words apart. Only what comes out is told in places of the original text.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from .scene import BREAK
from .score import EVIDENCE
from .score import REACH as SCORE_REACH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    from .fold import View
    from .ruleset import ConceptRule, Match, RuleSet
    from .tagger import Tag
    from .words import Words

BUCKET = 32
"""Code points that one bit stands for."""

_LONGEST = 256
"""Longest of what one step may stand for, in code points: two phrases of 96, with what may stand
between their words, and a gap of less than 64 where a concept is made of both.
"""

_LENGTH = _LONGEST // BUCKET
"""The same in buckets: how far ahead of its end it begins."""

MASKS_MAX = 8192
"""Most sets of concepts remembered as bits; the lexicons make a few hundred."""

_MARK = 64
"""Code points behind the first of several marks in which another one may begin unnoticed."""


class Way:
    """One match of one rule, distances in buckets."""

    __slots__ = (
        "category", "hop", "kinds", "needs", "ordered", "reach", "rule", "score", "sentence",
        "steps",
    )  # fmt: skip

    def __init__(self, rule: ConceptRule, match: Match, bits: dict[str, int]) -> None:
        self.needs = tuple(sum(bits[name] for name in set(step)) for step in match.steps)
        self.rule = rule.id
        self.category = rule.category
        self.steps = match.steps
        between = len(match.steps) - 1
        self.reach = (between * match.gap + max(0, between - 1) * _LONGEST) // BUCKET + between
        self.hop = match.gap // BUCKET + 1
        self.ordered = match.ordered
        self.sentence = match.sentence
        self.score = match.score
        self.kinds = match.kinds


def _after(bits: int, reach: int) -> int:
    """Places with a bit at most `reach` buckets behind them (or there)."""
    done = 0
    while done < reach:
        step = min(done + 1, reach - done)
        bits |= bits >> step
        done += step
    return bits


def spread(bits: int, before: int, after: int) -> int:
    """Places from `before` buckets ahead of a bit to `after` buckets behind it."""
    return _after(bits << after, before + after) if bits else 0


def around(bits: int, reach: int) -> int:
    """Places with a bit at most `reach` buckets away."""
    return spread(bits, reach, reach)


def ones(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def original(places: int, view: View) -> int:
    """Places of a view as those of the original text it was read from."""
    whence = view.whence
    if whence is None:
        return places
    out, size, end = 0, len(view.text), 0
    # marks are told as more places than the text has
    places &= (1 << -(-size // BUCKET)) - 1
    while places:
        gap = (places & -places).bit_length() - 1
        run = (~(places >> gap) & (places >> gap) + 1).bit_length() - 1
        start, end = end + gap, end + gap + run
        first, last = whence(start * BUCKET), whence(min(end * BUCKET, size) - 1)
        out |= (1 << last // BUCKET + 1) - (1 << first // BUCKET)
        places >>= gap + run
    return out


class Spots:
    """Where the concepts of a view stand. What is never asked for is never worked out.

    `present` names the concepts; `singles` are numbers of single words and `tags` longer phrases,
    `marks` are concepts that are no words with their rising byte offsets into the data of the view.
    """

    __slots__ = ("_broken", "_groups", "_known", "_read", "_text", "_words", "present", "view")

    def __init__(
        self,
        view: View,
        words: Words,
        singles: Mapping[frozenset[str], list[int]],
        tags: Iterable[Tag],
        marks: Sequence[tuple[str, int]],
    ) -> None:
        self.view = view
        self._words = words
        self._text = view.text
        self._read = 0
        self._broken = 0
        self._known: dict[str, int] = {}
        longer: dict[frozenset[str], int] = {}
        for tag in tags:
            bits = self._places(tag.start, tag.end)
            longer[tag.concepts] = longer.get(tag.concepts, 0) | bits
        places = view.characters(offset for _, offset in marks)
        for (name, _), place in zip(marks, places, strict=True):
            one = frozenset({name})
            longer[one] = longer.get(one, 0) | 7 << place // BUCKET
        self._groups: list[tuple[frozenset[str], list[int] | int]] = [
            *singles.items(), *longer.items()
        ]  # fmt: skip
        self.present: frozenset[str] = frozenset().union(*singles, *longer)

    def bits(self, name: str) -> int:
        """The places of a concept: a bit for each BUCKET code points of the view."""
        known = self._known.get(name)
        if known is None:
            known = 0
            for index, (concepts, places) in enumerate(self._groups):
                if name in concepts:
                    if not isinstance(places, int):
                        places = self._singles(places)
                        self._groups[index] = concepts, places
                    known |= places
            self._known[name] = known
        return known

    def compose(self, composites: Iterable[tuple[str, str, str, int]]) -> None:
        """Add concepts made of two others: name, first and second part, most buckets between."""
        for name, first, second, reach in composites:
            if first in self.present and second in self.present:
                both = self.bits(first) & _after(self.bits(second), reach)
                if both:
                    # it reaches as far as its second part
                    both |= self.bits(second) & _after(both << reach, reach)
                    self._known[name] = self.bits(name) | both
                    self.present |= {name}

    def broken(self, places: int) -> int:
        """Which of some places hold the end of a sentence."""
        for place in ones(places & ~self._read):
            if BREAK.search(self._text, place * BUCKET, (place + 1) * BUCKET) is not None:
                self._broken |= 1 << place
        self._read |= places
        return self._broken

    def _singles(self, places: Iterable[int]) -> int:
        sums, parts = self._words.sums, self._words.parts
        out = 0
        for index in places:
            end = sums[index] + index - 1
            out |= self._places(end - len(parts[index]), end)
        return out

    @staticmethod
    def _places(start: int, end: int) -> int:
        return 1 << start // BUCKET | 1 << (end - 1) // BUCKET


class Matches:
    """Where matches of all views of a text can begin: those that count by themselves, by category,
    and those below the threshold, by category and rule.
    """

    __slots__ = ("strong", "weak")

    def __init__(self) -> None:
        self.strong: dict[str, int] = {}
        self.weak: dict[str, list[tuple[str, int]]] = {}

    def counting(self, alike: int, unsure: int) -> int:
        """Buckets in which a match that counts can begin.

        A match below the threshold counts where there is other evidence near; `alike` is that of
        the linear model, `unsure` where evidence of any category may stand.
        """
        out = 0
        for bits in self.strong.values():
            out |= bits
        for category, some in self.weak.items():
            others = self.strong.get(category, 0) | unsure
            others |= alike if category == "injection" else 0
            for rule, begins in some:
                near = others
                for other, bits in some:
                    if other != rule:
                        near |= bits
                if near:
                    out |= begins & around(near, SCORE_REACH // BUCKET + 1)
        return out


class _Masks(dict[frozenset[str], tuple[int, frozenset[int]]]):
    """Concepts as bits, and the numbers of the groups of ways with a need that they meet: those of
    the words and phrases seen so far.
    """

    def __init__(self, bits: Mapping[str, int], needs: Sequence[int]) -> None:
        self._bits = bits
        self._needs = needs

    def __missing__(self, concepts: frozenset[str]) -> tuple[int, frozenset[int]]:
        if len(self) >= MASKS_MAX:
            self.clear()
        mask = sum(map(self._bits.__getitem__, concepts))
        near = frozenset([index for index, need in enumerate(self._needs) if mask & need])
        known = self[concepts] = mask, near
        return known


class Locator:
    """Finds the places where concept rules can match. Thread-safe; built once."""

    __slots__ = ("_composites", "_idle", "_masks", "_openers", "_spread", "_ways")

    def __init__(self, rules: RuleSet) -> None:
        bits = {name: 1 << index for index, name in enumerate(rules.concepts)}
        # by the narrowest of their needs: most texts meet few of those
        groups: dict[int, list[tuple[int, int, Way]]] = {}
        for rule in rules.rules:
            for match in rule.matches:
                way = Way(rule, match, bits)
                need, *others = sorted(way.needs, key=int.bit_count)
                second, third, *_ = (*others, need, need)
                groups.setdefault(need, []).append((second, third, way))
        self._ways = tuple(map(tuple, groups.values()))
        self._masks = _Masks(bits, tuple(groups))
        # sets of concepts seen so far that open nothing
        self._idle: set[frozenset[str]] = set()
        self._spread = tuple(
            (name, first, second, gap // BUCKET + 1)
            for name, first, second, gap in rules.composites
        )
        self._composites = tuple(
            (frozenset({name}), bits[first] | bits[second])
            for name, first, second, _ in rules.composites
        )
        # a composite that opens does so by its first part
        firsts = {first for name, first, _, _ in rules.composites if name in rules.openers}
        self._openers = sum(bits[name] for name in firsts.union(rules.openers))

    def possible(
        self, meant: Set[frozenset[str]], marks: Sequence[tuple[str, int]], kind: str
    ) -> list[Way]:
        """What the concepts of a view, wherever they stand, can satisfy; `kind` is empty for any
        kind.
        """
        if meant <= self._idle and not marks:
            # nearly all texts end here
            return []
        masks = self._masks
        present = 0
        near: set[int] = set()
        for concepts in (*meant, *{frozenset({name}) for name, _ in marks}):
            mask, groups = masks[concepts]
            present |= mask
            near |= groups
        if not present & self._openers:
            if len(self._idle) >= MASKS_MAX:
                self._idle.clear()
            self._idle |= meant
            return []
        for made, both in self._composites:
            if present & both == both:
                mask, groups = masks[made]
                present |= mask
                near |= groups
        ways = [way for number in near for way in self._ways[number]]
        found = [way for one, two, way in ways if present & one and present & two]
        return [
            way
            for way in found
            if all(map(present.__and__, way.needs))
            and not (way.kinds and kind and kind not in way.kinds)
        ]

    def matches(self, spots: Spots, ways: Iterable[Way], threshold: int, seen: Matches) -> None:
        """Add where some of what is possible can begin in a view to what other views of the same
        text gave.
        """
        spots.compose(self._spread)
        found: dict[tuple[str, str], int] = {}
        for way in ways:
            begins = _begins(way, spots)
            if begins:
                counts = way.score >= threshold or way.category not in EVIDENCE
                key = way.category, "" if counts else way.rule
                found[key] = found.get(key, 0) | begins
        for (category, rule), begins in found.items():
            places = original(begins, spots.view)
            if rule:
                seen.weak.setdefault(category, []).append((rule, places))
            else:
                seen.strong[category] = seen.strong.get(category, 0) | places


def _begins(way: Way, spots: Spots) -> int:
    sets: list[int] = []
    for step in way.steps:
        bits = 0
        for name in step:
            if name in spots.present:
                bits |= spots.bits(name)
        if not bits:
            return 0
        sets.append(bits)
    if len(sets) == 1:
        return sets[0]
    behind = [_after(bits, way.reach) for bits in sets]
    for index, bits in enumerate(sets):
        for other, later in enumerate(behind):
            if other != index:
                bits &= later
        if bits:
            return _linked(way, spots, sets)
        if way.ordered:
            break
    return 0


def _linked(way: Way, spots: Spots, sets: list[int]) -> int:
    """The same, each step within reach of the one before it and in the same sentence."""
    orders = [tuple(sets)] if way.ordered else list(permutations(sets))
    out = _chained(orders, way.hop, 0)
    if out and way.sentence:
        ends = spots.broken(spread(out, 0, way.reach + _LENGTH))
        out = _chained(orders, way.hop, ends) if ends else out
    return out


def _chained(orders: Iterable[Sequence[int]], hop: int, ends: int) -> int:
    """Where steps begin that follow one another at most `hop` buckets apart, and with none of the
    buckets `ends` between them.
    """
    out = 0
    for *others, reached in orders:
        for bits in reversed(others):
            near = bits & _ahead(reached, hop, ends)
            # near the end of a phrase that begins earlier
            reached = bits & _after(near, _LENGTH)
        out |= reached
    return out


def _ahead(bits: int, reach: int, ends: int) -> int:
    """Places with a bit at most `reach` buckets behind them and no end of a sentence between."""
    if not ends:
        return _after(bits, reach)
    out = bits
    for _ in range(reach):
        bits >>= 1
        out |= bits
        bits &= ~ends
    return out
