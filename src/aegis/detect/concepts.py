"""Concept rules: which combinations of ideas make an attack, in whatever language.

A tagger finds the words of the lexicons and names the concept of each; the rules speak about
concepts only. So a new language is a new lexicon and no new rule, and the order of words, which
languages differ in, does not matter unless a rule says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .ruleset import ConceptRule, Match
    from .tagger import Tag

_REACH = 14
"""How many neighbouring concept words a rule looks at on either side of its first step."""

_BREAK = re.compile('[.!?;][\\s"\')]|\\n\\s*(?:\\n|[-*#>|+"{}\\[\\]]|\\d+[.)])|[。；！？]')

_QUOTES = frozenset("\"'`「『(“")

DISCUSSED = 550
"""Factor (thousandths) for words that are talked about rather than said."""

QUOTED = 800
"""Factor (thousandths) for words in quotation marks."""

CITED = 620
"""Factor (thousandths) for words of a sentence that stand between quotation marks."""

CODED = 600
"""Factor (thousandths) for words with many signs of program text between them."""

_CLOSING = frozenset("\"'`」』)”.,!")

_CODE = "{}<>=$\\|;`[]"

_JOINED = 2
"""Code points between two words of one noun."""

_NEAR = 80
"""Code points around a match in which talk about attacks counts."""


class Candidate:
    """A match of a concept rule in a view: character span and score."""

    __slots__ = ("end", "rule", "score", "start")

    def __init__(self, rule: ConceptRule, start: int, end: int, score: int) -> None:
        self.rule = rule
        self.start = start
        self.end = end
        self.score = score


def _apart(text: str, low: int, high: int, match: Match) -> bool:
    """Whether the text between two steps is too long or ends a sentence."""
    distance = high - low
    if distance <= 0:
        return False
    between = text[low:high]
    if not between.isascii() and max(between) >= "\u2e80":
        # one letter of a script without alphabet says about as much as two of Latin
        distance *= 2
    if distance > match.gap:
        return True
    return match.sentence and _BREAK.search(between) is not None


TAKEN_MAX = 12
"""Most matches of one rule in one window. Repeating a rule adds nothing to its score, and text
made of nothing but matches would cost the square of its length."""


def _attempt(text: str, tags: Sequence[Tag], anchor: int, match: Match) -> tuple[int, int] | None:
    """Grow a match from the tag at `anchor`, nearest neighbours first."""
    first = tags[anchor]
    low, high = first.start, first.end
    missing = list(match.steps[1:])
    left, right = anchor - 1, anchor + 1
    budget = _REACH * 2
    while missing and budget:
        budget -= 1
        right_gap = tags[right].start - high if right < len(tags) else None
        left_gap = low - tags[left].end if left >= 0 and not match.ordered else None
        if right_gap is None and left_gap is None:
            return None
        forward = left_gap is None or (right_gap is not None and right_gap <= left_gap)
        tag = tags[right] if forward else tags[left]
        if tag.start < high and tag.end > low:
            # another reading of words already used
            pass
        elif _apart(text, *((high, tag.start) if forward else (tag.end, low)), match):
            if forward:
                right = len(tags)
            else:
                left = -1
            continue
        else:
            wanted = missing[:1] if match.ordered else missing
            step = next((s for s in wanted if not tag.concepts.isdisjoint(s)), None)
            if step is not None:
                missing.remove(step)
                low, high = min(low, tag.start), max(high, tag.end)
        if forward:
            right += 1
        else:
            left -= 1
    return None if missing else (low, high)


def _negated(text: str, tags: Sequence[Tag], anchor: int, low: int, match: Match) -> bool:
    for tag in reversed(tags[max(0, anchor - _REACH) : anchor + 1]):
        if tag.end <= low and not tag.concepts.isdisjoint(match.unless):
            return low - tag.end <= 16 and _BREAK.search(text[tag.end : low]) is None
    return False


def _denied(tags: Sequence[Tag], anchor: int, high: int, match: Match) -> bool:
    """Whether a concept that speaks against the match stands between its steps."""
    first = tags[anchor].end
    return any(
        first <= tag.start and tag.end <= high and not tag.concepts.isdisjoint(match.without)
        for tag in tags[anchor + 1 : anchor + 2 * _REACH]
    )


def candidates(
    text: str, tags: Sequence[Tag], rules: Iterable[ConceptRule], kind: str
) -> list[Candidate]:
    """The matches of the rules among the tags of a text."""
    out: list[Candidate] = []
    index: dict[str, list[int]] = {}
    for number, tag in enumerate(tags):
        for concept in tag.concepts:
            index.setdefault(concept, []).append(number)
    for rule in rules:
        # surest first, so that a weaker match of the same words is not looked at
        taken: list[tuple[int, int]] = []
        for match in sorted(rule.matches, key=lambda one: -one.score):
            if match.kinds and kind not in match.kinds:
                continue
            if not all(any(one in index for one in step) for step in match.steps):
                continue
            anchors = sorted({n for one in match.steps[0] for n in index.get(one, ())})
            for anchor in anchors:
                place = tags[anchor].start
                if any(low <= place < high for low, high in taken):
                    continue
                span = _attempt(text, tags, anchor, match)
                if span is None:
                    continue
                low, high = span
                if match.unless and _negated(text, tags, anchor, low, match):
                    continue
                if match.without and _denied(tags, anchor, high, match):
                    continue
                taken.append(span)
                out.append(Candidate(rule, low, high, match.score))
                if len(taken) >= TAKEN_MAX:
                    break
            if len(taken) >= TAKEN_MAX:
                break
    return out


def _opens(text: str, at: int) -> bool:
    """Whether a sentence begins here: an order, then, rather than talk about one."""
    before = text[max(0, at - 24) : at].rstrip()
    return (
        not before or before[-1] in ".!?;:\n" or before.lower().endswith(("please", "now", "and"))
    )


def _discussed(candidate: Candidate, text: str, tags: Sequence[Tag]) -> bool:
    """Whether the same sentence talks about attacks."""
    low, high = candidate.start, candidate.end
    opening = _opens(text, low)
    for tag in tags:
        if tag.start >= high + _NEAR:
            return False
        if "discussion" not in tag.concepts:
            continue
        if tag.end <= low:
            if low - tag.end <= _NEAR and not _BREAK.search(text[tag.end : low]):
                return True
        elif tag.start < high or tag.start - high <= _JOINED:
            # `prompt leakage`: a noun made of the words of an order
            return True
        elif not opening and not _BREAK.search(text[high : tag.start]):
            return True
    return False


def _quoted(text: str, low: int, high: int) -> int:
    """The factor for quotation marks: around the whole match, in a sentence, or before it."""
    if not low or text[low - 1] not in _QUOTES:
        return 1000
    before = text[max(0, low - 3) : low - 1]
    closed = any(char in _CLOSING for char in text[high : high + 3])
    if closed and before[-1:] == " " and before[:1].isalpha():
        return CITED
    return QUOTED


def weighed(candidate: Candidate, text: str, tags: Sequence[Tag], kind: str) -> int:
    """The score of a candidate in its surroundings."""
    score = candidate.score
    low, high = candidate.start, candidate.end
    quoted = text[max(0, low - 1) : low] in _QUOTES
    if candidate.rule.literal or (kind == "tool_description" and not quoted):
        return score
    if _discussed(candidate, text, tags):
        score = score * DISCUSSED // 1000
    score = score * _quoted(text, low, high) // 1000
    if sum(map(text[low:high].count, _CODE)) * 16 > high - low:
        score = score * CODED // 1000
    return score
