"""The survey: one look at a whole stretch of text that says which blocks are worth reading.

Reading a window closely costs a hundred times what looking at it costs, and finding nothing is the
rule. So a stretch is looked at as a whole, and a block is named where

- a value stands: the gates saw its shape and the words it needs near one another, and the rule
  confirms one in the window of the block;
- a disguise stands near, which has to be undone to know more;
- some concept rule could begin to match (see `locate`);
- the wording is that of attacks (see `linear`).

What is named is a superset of the blocks in which anything would be found, never less: a text that
arrives in pieces is read without a survey, and both must find the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from .fold import fold
from .locate import BUCKET, around, spread
from .plan import STRIDE, Plan
from .reader import BLOCK, MARGIN, Frame
from .tagger import Tag
from .views import from_lookalikes, hidden_places
from .words import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .fold import View
    from .linear import Linear
    from .locate import Locator
    from .payloads import Payloads
    from .plan import Look, Planner
    from .spanrules import Confirm
    from .tagger import Tagger
    from .words import Cut, Words

WORDING_MIN = 350
"""Lowest score of the model that counts as evidence: the threshold of high sensitivity."""

NEAR = 128
"""Code points between the place that gives a value away and its beginning, or the next one."""

_PLACES = BLOCK // BUCKET
_WHOLE = (1 << _PLACES) - 1


class Survey:
    """What a look at a stretch of text from offset `low` on saw.

    `bits` are the places to be read, `shaped` those of them where a value or a disguise may
    stand, `words` and `tags` what is written there, `marked` says whether there are marks.
    """

    __slots__ = ("_starts", "bits", "low", "marked", "shaped", "tags", "view", "words")

    def __init__(self, view: View, low: int) -> None:
        self.view = view
        self.low = low
        self._starts: list[int] | None = None
        self.bits = 0
        self.shaped = 0
        self.marked = False
        self.words: Words | None = None
        self.tags: list[Tag] | None = None

    def names(self, block: int) -> bool:
        """Whether a block is to be read."""
        return bool(self.bits >> (block * BLOCK - self.low) // BUCKET & _WHOLE)

    def span(self, words: Words, start: int, right: int) -> tuple[int, int]:
        """The words from a place of the stretch to the end of the window of its block."""
        at = self.view.at
        return words.span(at(start), at(right), cut=right - start == BLOCK + MARGIN)

    def frame(self, left: int, low: int, right: int, cut: Cut) -> Frame:
        """What is known about a window from `left` to `right` whose block begins at `low`."""
        frame = Frame(cut, low - left)
        if self.words is not None:
            first, last = self.span(self.words, low - self.low, right - self.low)
            frame.segment = [part for part in self.words.parts[first:last] if part]
        if self.tags is not None:
            frame.tags = self._tags(self.tags, left, right, cut)
            first, last = (left - self.low) // BUCKET, -((self.low - right) // BUCKET)
            if not self.shaped >> first & ((1 << last - first) - 1):
                frame.plan = Plan(worded=True, marked=self.marked)
        return frame

    def _tags(self, tags: list[Tag], left: int, right: int, cut: Cut) -> list[Tag]:
        if self._starts is None:
            self._starts = [tag.start for tag in tags]
        low, high = self.view.at(left - self.low), self.view.at(right - self.low)
        first = (bisect_right if cut[0] else bisect_left)(self._starts, low)
        last = bisect_left(self._starts, high)
        stop = high - 1 if cut[1] else high
        return [
            Tag(tag.start - low, tag.end - low, tag.concepts)
            for tag in tags[first:last]
            if tag.end <= stop
        ]


class Surveyor:
    """Makes surveys. Thread-safe; `tagger` gives the tagger, which is built where it is needed."""

    __slots__ = ("_linear", "_locator", "_payloads", "_planner", "_tagger")

    def __init__(
        self,
        planner: Planner,
        locator: Locator,
        linear: Linear,
        payloads: Mapping[str, Payloads],
        tagger: Callable[[], Tagger],
    ) -> None:
        self._planner = planner
        self._locator = locator
        self._linear = linear
        self._payloads = payloads
        self._tagger = tagger

    def survey(self, text: str, low: int, kind: str, threshold: int) -> Survey:
        """Where to read a stretch of text closely; `kind` is empty for any kind.

        `low`, its offset in the whole text, is a multiple of BLOCK. Raises ScanError where a gate
        gave up.
        """
        view = fold(text)
        survey = Survey(view, low)
        self._look(survey, text, kind, threshold)
        if view.rest:
            for other in from_lookalikes(view):
                disguised = Survey(other, low)
                self._look(disguised, text, kind, threshold)
                survey.shaped |= around(disguised.bits, MARGIN // BUCKET)
            survey.shaped |= around(_bits(hidden_places(text, view), None), MARGIN // BUCKET)
        survey.bits |= survey.shaped
        payloads = self._payloads.get(kind)
        if payloads is not None and payloads.heard(view.data):
            survey.bits |= (1 << len(text) // BUCKET + 1) - 1
        return survey

    def _look(self, survey: Survey, text: str, kind: str, threshold: int) -> None:
        """Fill in what a look at a view says."""
        planner = self._planner
        view = survey.view
        look = planner.look(view.data)
        survey.words = words = split(view.text)
        alike = self._resembling(survey, words, len(text))
        survey.bits = alike
        if look is None:
            return
        places = _bits(planner.disguised(look, view.data), view.edges(BUCKET))
        survey.shaped = spread(places, MARGIN // BUCKET, (MARGIN + STRIDE) // BUCKET)
        if not view.name:
            # numbers in a respelled text are not numbers
            survey.shaped |= self._valued(view, look, text, kind)
        survey.bits |= survey.shaped
        if planner.worded(look):
            survey.tags = self._tagger().named(words, view.text)
            marks = list(planner.marks(look, view.data))
            survey.marked = bool(marks)
            concepts = self._locator.concepts(view, survey.tags, marks)
            survey.bits |= self._locator.begins(concepts, kind, threshold, alike)

    def _resembling(self, survey: Survey, words: Words, size: int) -> int:
        """Where the wording is that of attacks, as bits: the beginnings of such blocks."""
        out = 0
        sums = [0, *accumulate(self._linear.gains(words.parts))]
        for start in range(0, size, BLOCK):
            first, last = survey.span(words, start, min(start + BLOCK + MARGIN, size))
            if sums[last] < sums[first]:
                continue
            if self._linear.score([one for one in words.parts[first:last] if one]) >= WORDING_MIN:
                out |= 1 << start // BUCKET
        return out

    def _valued(self, view: View, look: Look, text: str, kind: str) -> int:
        """The blocks in which a value begins, as bits: only what is confirmed is read for."""
        wanted: dict[int, list[Confirm]] = {}
        for confirm, blocks in self._suspected(view, look):
            if not kind or not confirm.rule.kinds or kind in confirm.rule.kinds:
                for block in _ones(blocks):
                    wanted.setdefault(block // _PLACES, []).append(confirm)
        out = 0
        for block, confirms in wanted.items():
            low = block * BLOCK
            left = max(0, low - MARGIN)
            window = fold(text[left : low + BLOCK + MARGIN])
            own = range(low - left, low - left + BLOCK)
            if any(
                window.origin(value.start, value.end)[0] in own
                for confirm in confirms
                for value in confirm.values(window)
            ):
                out |= _WHOLE << block * _PLACES
        return out

    def _suspected(self, view: View, look: Look) -> Iterator[tuple[Confirm, int]]:
        """Rules and the blocks whose windows hold all they ask for: a bit at the block's start."""
        edges = view.edges(BUCKET)
        known: dict[str, int] = {}

        def places(pattern: str) -> int:
            if pattern not in known:
                known[pattern] = _bits(self._planner.starts(pattern, view.data), edges)
            return known[pattern]

        for confirm, shape, others in self._planner.suspects(look, view.data):
            blocks = _blocks(around(places(shape), NEAR // BUCKET))
            for pattern in others:
                # anywhere in the window, and up to STRIDE behind a place that was noted
                wide = spread(places(pattern), MARGIN // BUCKET, (MARGIN + STRIDE) // BUCKET)
                blocks &= _blocks(wide)
            yield confirm, blocks


def _bits(offsets: Iterable[int], edges: list[int] | None) -> int:
    """Byte offsets as bits for BUCKET code points each."""
    out = 0
    for offset in offsets:
        out |= 1 << (offset // BUCKET if edges is None else bisect_right(edges, offset))
    return out


def _blocks(bits: int) -> int:
    """Of each block with a bit the first bit."""
    reach = 1
    while reach < _PLACES:
        bits |= bits >> reach
        reach *= 2
    firsts = int.from_bytes(b"\x01" * (bits.bit_length() // 8 + 1), "little")
    return bits & firsts


def _ones(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
