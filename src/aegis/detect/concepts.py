"""Concept rules: which combinations of ideas make an attack, in whatever language.

A tagger finds the words of the lexicons and names the concept of each; the rules speak about
concepts only. So a new language is a new lexicon and no new rule, and the order of words, which
languages differ in, does not matter unless a rule says so.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .ruleset import ConceptRule, Match
    from .scene import Scene

_REACH = 14
"""How many neighbouring concept words a rule looks at on either side of its first step."""

_UNLESS_REACH = 16
"""Most code points between a match and a word that speaks against it."""

_EXCUSE_REACH = 24
"""Most code points between a match and a word behind it that gives it another meaning."""

_QUOTES = frozenset("\"'`「『(“")

DISCUSSED = 550
"""Factor (thousandths) for words that are talked about rather than said."""

MENTIONED = 250
"""Factor (thousandths) for words that are named as an example of attacks: a phrase, a technique."""

QUOTED = 800
"""Factor (thousandths) for words in quotation marks."""

CITED = 620
"""Factor (thousandths) for words of a sentence that stand between quotation marks."""

TITLED = 700
"""Factor (thousandths) for words written as the title of a film, a song or a book."""

CODED = 600
"""Factor (thousandths) for words with many signs of program text between them."""

_CLOSING = frozenset("\"'`」』)”.,!")

_NAMED = re.compile(r"[A-Z][\w']*|\w{4,}")
_WORD_BEFORE = re.compile(r"(?:^|[^\w'])[a-z]\w* [\"'`“‘]?$")

_CODE = "{}<>=$\\|;`[]"

_OPTION = re.compile(r"(?<!\S)--[a-z]")
"""The beginning of an option of a command: its name is no word of a sentence."""

_JOINED = 2
"""Code points between two words of one noun."""

_NEAR = 80
"""Code points around a match in which talk about attacks counts."""

_TALK = ("discussion", "mention")
"""The concepts of talk about attacks, and of attacks that are mentioned as such."""

_GOES_ON = re.compile(r"[,;:]|\b(?:and|then|but|so)\b")
"""What another order may follow."""

TAKEN_MAX = 12
"""Most matches of one rule in one window. Repeating a rule adds nothing to its score, and text
made of nothing but matches would cost the square of its length."""


KNOWN_MAX = 512
"""Most sets of concepts remembered with what they can satisfy: the windows and the disguised
readings of one text have the same ones.
"""


class Candidate:
    """A match of a concept rule in a view: character span and score."""

    __slots__ = ("end", "rule", "score", "start")

    def __init__(self, rule: ConceptRule, start: int, end: int, score: int) -> None:
        self.rule = rule
        self.start = start
        self.end = end
        self.score = score


class _Way:
    """One match of a rule, its steps as bits of concepts."""

    __slots__ = ("match", "needs", "number", "rule")

    def __init__(self, number: int, rule: ConceptRule, match: Match, bits: dict[str, int]) -> None:
        self.number = number
        self.rule = rule
        self.match = match
        self.needs = tuple(sum(bits[name] for name in set(step)) for step in match.steps)


class Concepts:
    """The concept rules by what they need. Safe for any number of threads."""

    __slots__ = ("_bits", "_known", "_ways")

    def __init__(self, rules: Iterable[ConceptRule]) -> None:
        # surest first, so that a weaker match of the same words is not looked at
        matches = [
            (rule, match)
            for rule in rules
            for match in sorted(rule.matches, key=lambda one: -one.score)
        ]
        names = sorted({name for _, match in matches for step in match.steps for name in step})
        self._bits = {name: 1 << index for index, name in enumerate(names)}
        self._known: dict[int, list[_Way]] = {}
        # by the narrowest of their needs: most texts meet few of those
        groups: dict[int, list[_Way]] = {}
        for number, (rule, match) in enumerate(matches):
            way = _Way(number, rule, match, self._bits)
            groups.setdefault(min(way.needs, key=int.bit_count), []).append(way)
        self._ways = tuple((need, tuple(ways)) for need, ways in groups.items())

    def candidates(
        self, scene: Scene, kind: str, categories: frozenset[str] | None
    ) -> Iterator[Candidate]:
        """The matches of the rules of some categories in a text of a kind."""
        rule: ConceptRule | None = None
        taken: list[tuple[int, int]] = []
        for way in self._possible(scene.concepts):
            match = way.match
            if match.kinds and kind not in match.kinds:
                continue
            if categories is not None and way.rule.category not in categories:
                continue
            if way.rule is not rule:
                rule = way.rule
                taken = []
            if len(taken) >= TAKEN_MAX:
                continue
            for low, high in _matches(scene, match, taken):
                taken.append((low, high))
                yield Candidate(rule, low, high, match.score)
                if len(taken) >= TAKEN_MAX:
                    break

    def _possible(self, concepts: Iterable[str]) -> list[_Way]:
        """What the concepts of a text can satisfy, rule by rule."""
        bits = self._bits
        present = sum([bits[name] for name in concepts if name in bits])
        known = self._known.get(present)
        if known is None:
            known = self._satisfied(present)
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[present] = known
        return known

    def _satisfied(self, present: int) -> list[_Way]:
        found = [way for need, ways in self._ways if present & need for way in ways]
        found = [way for way in found if all(map(present.__and__, way.needs))]
        found.sort(key=lambda way: way.number)
        return found


def _matches(scene: Scene, match: Match, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in which a match holds; `taken` are those that need not be looked at, and may grow
    meanwhile.
    """
    starts = scene.starts
    for anchor in scene.numbers(match.steps[0]):
        place = starts[anchor]
        if any(low <= place < high for low, high in taken):
            continue
        if not _within_reach(scene, anchor, match):
            continue
        span = _attempt(scene, anchor, match)
        if span is None:
            continue
        low, high = span
        if match.unless and _negated(scene, anchor, low, match):
            continue
        if match.without and _denied(scene, anchor, high, match):
            continue
        if match.unless_after and _excused(scene, low, high, match):
            continue
        yield span


def _within_reach(scene: Scene, anchor: int, match: Match) -> bool:
    """False where some step of a match stands nowhere near enough to its first one."""
    low, high = scene.starts[anchor], scene.ends[anchor]
    others = len(match.steps) - 1
    reach = match.gap
    if others > 1:
        # beyond what was found on the way there, and in one script or the other
        reach = (others * reach + (others - 1) * scene.longest) * (2 if scene.wide else 1)
    # with one step to go the next place is the only one that counts
    ends = match.sentence and others == 1
    for step in match.steps[1:]:
        starts, stops = scene.spots(step)
        at = bisect_left(starts, high)
        if at < len(starts) and not scene.apart(high, starts[at], reach, sentence=ends):
            continue
        if match.ordered:
            return False
        at = bisect_right(stops, low)
        if not at or scene.apart(stops[at - 1], low, reach, sentence=ends):
            return False
    return True


def _attempt(scene: Scene, anchor: int, match: Match) -> tuple[int, int] | None:
    """Grow a match from the tag at `anchor`, nearest neighbours first."""
    starts, ends = scene.starts, scene.ends
    low, high = starts[anchor], ends[anchor]
    missing = list(match.steps[1:])
    size = len(starts)
    left, right = -1 if match.ordered else anchor - 1, anchor + 1
    budget = _REACH * 2
    while missing and budget:
        budget -= 1
        if right < size:
            forward = left < 0 or starts[right] - high <= low - ends[left]
        elif left >= 0:
            forward = False
        else:
            return None
        at = right if forward else left
        start, end = starts[at], ends[at]
        if start < high and end > low:
            # another reading of words already used
            pass
        elif scene.apart(
            *((high, start) if forward else (end, low)), match.gap, sentence=match.sentence
        ):
            if forward:
                right = size
            else:
                # a phrase that begins further ahead may end nearer
                left = left - 1 if low - start <= match.gap + scene.longest else -1
            continue
        else:
            concepts = scene.means[at]
            for step in missing[:1] if match.ordered else missing:
                if not concepts.isdisjoint(step):
                    missing.remove(step)
                    low, high = min(low, start), max(high, end)
                    break
        if forward:
            right += 1
        else:
            left -= 1
    return None if missing else (low, high)


def _negated(scene: Scene, anchor: int, low: int, match: Match) -> bool:
    """Whether a concept that speaks against a match stands right before it."""
    for number in range(anchor, max(0, anchor - _REACH) - 1, -1):
        end = scene.ends[number]
        if end <= low and not scene.means[number].isdisjoint(match.unless):
            return low - end <= _UNLESS_REACH and not scene.broken(end, low)
    return False


def _denied(scene: Scene, anchor: int, high: int, match: Match) -> bool:
    """Whether a concept that speaks against the match stands between its steps."""
    first = scene.ends[anchor]
    last = min(len(scene.means), anchor + 2 * _REACH)
    return any(
        first <= scene.starts[number]
        and scene.ends[number] <= high
        and not scene.means[number].isdisjoint(match.without)
        for number in range(anchor + 1, last)
    )


def _excused(scene: Scene, low: int, high: int, match: Match) -> bool:
    """Whether a match goes on to mean something else: `kill you` with `laughing` behind it."""
    for number in scene.numbers(match.unless_after):
        start, end = scene.starts[number], scene.ends[number]
        if start > high + _EXCUSE_REACH:
            return False
        if low <= start and high < end and not scene.broken(min(start, high), start):
            return True
    return False


def _opens(text: str, at: int) -> bool:
    """Whether a sentence begins here: an order, then, rather than talk about one."""
    before = text[max(0, at - 24) : at].rstrip()
    return (
        not before or before[-1] in ".!?;:\n" or before.lower().endswith(("please", "now", "and"))
    )


def _discussed(candidate: Candidate, scene: Scene) -> int:
    """The factor for talk about attacks in the same sentence."""
    low, high = candidate.start, candidate.end
    opens = _opens(scene.text, low)
    factor = 1000
    for number in scene.numbers(_TALK):
        start, end = scene.starts[number], scene.ends[number]
        if start >= high + _NEAR:
            break
        if end <= low:
            counts = low - end <= _NEAR and not scene.broken(end, low)
            said = opens or bool(_GOES_ON.search(scene.text, end, low))
        elif start < high or (start - high <= _JOINED and not scene.broken(high, start)):
            # `prompt leakage`: a noun made of the words of an order
            counts, said = True, end <= high
        else:
            counts = not opens and not scene.broken(high, start)
            said = bool(_GOES_ON.search(scene.text, high, start))
        if counts:
            named = "mention" in scene.means[number] and not said
            factor = min(factor, MENTIONED if named else DISCUSSED)
    return factor


def _quoted(text: str, low: int, high: int) -> int:
    """The factor for quotation marks: around the whole match, in a sentence, or before it."""
    if not low or text[low - 1] not in _QUOTES:
        return 1000
    before = text[max(0, low - 3) : low - 1]
    closed = any(char in _CLOSING for char in text[high : high + 3])
    if closed and before[-1:] == " " and before[:1].isalpha():
        return CITED
    return QUOTED


def _titled(text: str, low: int, high: int) -> bool:
    """Whether words begin with capital letters where the word before them does not."""
    names = _NAMED.findall(text[low:high])
    before = _WORD_BEFORE.search(text[max(0, low - _EXCUSE_REACH) : low])
    return before is not None and len(names) > 1 and all(map(str.istitle, names))


def weighed(candidate: Candidate, scene: Scene, kind: str) -> int:
    """The score of a candidate in its surroundings."""
    score = candidate.score
    text = scene.text
    low, high = candidate.start, candidate.end
    quoted = text[max(0, low - 1) : low] in _QUOTES
    if candidate.rule.literal or (kind == "tool_description" and not quoted):
        return score
    score = score * _discussed(candidate, scene) // 1000
    score = score * _quoted(text, low, high) // 1000
    if candidate.rule.category == "toxicity" and _titled(text, low, high):
        score = score * TITLED // 1000
    coded = sum(map(text[low:high].count, _CODE)) * 16 > high - low
    if coded or _OPTION.search(text, max(0, low - 2), high):
        score = score * CODED // 1000
    return score
