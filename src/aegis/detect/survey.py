"""The survey: one look at a whole stretch of text that says which blocks are worth reading.

Reading a window closely costs a hundred times what looking at it costs, and finding nothing is the
rule. So a stretch is looked at as a whole, and a block is named where

- a value stands: the gates saw its shape and the words it needs near one another, and the rule
  confirms one in the window of the block;
- a disguise stands near, which has to be undone to know more, or words in disorder;
- some concept rule could begin to match (see `locate`);
- the wording is that of attacks (see `linear`);
- the characters are those of a suffix no person wrote (see `gibberish`).

What is named is a superset of the blocks in which anything would be found, never less: a text that
arrives in pieces is read without a survey, and both must find the same.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from . import gibberish
from .fold import fold
from .grid import BLOCK, MARGIN, Frame
from .heard import Heard
from .hidden import hidden_places
from .linear import GAIN_MIN, says_enough
from .locate import BUCKET, Matches, Spots, around, ones, original, spread
from .phrases import DISORDER, SLIPPED
from .plan import STRIDE, UNSEEN, Plan
from .spanrules import Tokens
from .spelling import SLIPS_MIN
from .tagger import singles
from .views import from_lookalikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .fold import View
    from .linear import Linear
    from .locate import Locator, Way
    from .payloads import Payloads
    from .phrases import Word
    from .plan import Look, Planner
    from .spanrules import Confirm
    from .tagger import Tagger
    from .words import Cut, Words

WORDING_MIN = 350
"""Lowest score of the model that counts as evidence: the threshold of high sensitivity."""

CONFIRMED_MAX = 8
"""Blocks with a value after which the others of the stretch are not asked first."""

_PLACES = BLOCK // BUCKET
_WINDOW = 1 + MARGIN // BLOCK
_WHOLE = (1 << _PLACES) - 1


class Survey:
    """What a look at a stretch of `size` code points from offset `low` on saw.

    `bits` are the places to be read: `shaped` where a value or a disguise stands, `worded` where
    the words may count; `valued` are blocks in which a value stands, `unwritten` the beginnings of
    those that a machine may have made.
    `marked` says whether there are marks, `heard` are the words, `tokens` what looks like values.
    """

    __slots__ = (
        "_size", "bits", "heard", "low", "marked", "shaped", "tokens", "unwritten", "valued",
        "view", "worded",
    )  # fmt: skip

    def __init__(self, view: View, low: int, size: int, tokens: Tokens) -> None:
        self.tokens = tokens
        self.view = view
        self.low = low
        self._size = size
        self.heard: Heard | None = None
        self.bits = 0
        self.unwritten = 0
        self.shaped = 0
        self.valued = 0
        self.worded = 0
        self.marked = False

    def names(self, block: int) -> bool:
        """Whether a block is to be read."""
        return bool(self.bits >> (block * BLOCK - self.low) // BUCKET & _WHOLE)

    def frame(self, left: int, low: int, right: int, cut: Cut) -> Frame:
        """What is known about a window from `left` to `right` whose block begins at `low`."""
        frame = Frame(cut, low - left, self.tokens)
        first, last = (left - self.low) // BUCKET, -((self.low - right) // BUCKET)
        if not self.shaped >> first & ((1 << last - first) - 1):
            frame.plan = Plan(marked=self.marked)
        frame.valued = bool(self.valued >> (low - self.low) // BUCKET & 1)
        frame.written = not self.unwritten >> (low - self.low) // BUCKET & 1
        frame.silent = not self.worded >> (low - self.low) // BUCKET & _WHOLE
        if not any(cut) and right - left == self._size:
            frame.heard = self.heard
        return frame


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

    def survey(self, text: str, low: int, kind: str, threshold: int, tokens: Tokens) -> Survey:
        """Where to read a stretch of text closely; `kind` is empty for any kind.

        `low`, its offset in the whole text, is a multiple of BLOCK. Raises ScanError where a gate
        gave up.
        """
        view = fold(text)
        survey = Survey(view, low, len(text), tokens)
        seen: list[tuple[Spots, list[Way]]] = []
        self._look(survey, text, kind, seen)
        alike = survey.worded
        others = list(from_lookalikes(view)) if view.rest else []
        for other in others:
            disguised = Survey(other, low, len(text), tokens)
            self._look(disguised, text, kind, seen)
            alike |= disguised.worded
            survey.shaped |= around(disguised.shaped, MARGIN // BUCKET)
        if view.rest:
            survey.shaped |= around(_bits(hidden_places(text, view)), MARGIN // BUCKET)
        # what disguises say counts as evidence for words in the open, and nobody knows yet
        survey.bits = survey.unwritten = _unwritten(text)
        survey.worded = alike
        if seen:
            matches = Matches()
            for spots, ways in seen:
                self._locator.matches(spots, ways, threshold, matches)
            survey.worded |= matches.counting(alike, survey.shaped | survey.bits)
        if others:
            survey.shaped |= around(survey.worded, MARGIN // BUCKET)
        survey.bits |= survey.shaped | survey.worded
        payloads = self._payloads.get(kind)
        if payloads is not None and payloads.heard(view.data):
            survey.bits |= (1 << len(text) // BUCKET + 1) - 1
        return survey

    def _look(
        self, survey: Survey, text: str, kind: str, seen: list[tuple[Spots, list[Way]]]
    ) -> None:
        """Fill in what a look at a view says; what may match, and where its concepts stand, goes
        into `seen`.
        """
        planner = self._planner
        view = survey.view
        look = planner.look(view.data)
        marks: list[tuple[str, int]] = []
        if look is not UNSEEN:
            survey.shaped = self._disguised(view, look)
            if not view.name:
                # numbers in a respelled text are not numbers
                survey.valued = self._valued(view, look, text, kind, survey.tokens)
                survey.shaped |= survey.valued
            marks = sorted(planner.marks(look, view.data), key=itemgetter(1))
            survey.marked = bool(marks)
        tagger = self._tagger()
        heard = survey.heard = Heard(tagger, view)
        words, said = heard.words, heard.said
        meant = heard.meant()
        if DISORDER in meant:
            meant.discard(DISORDER)
            survey.shaped |= _slips(view, words, said, said.count(SLIPPED))
        survey.worded = self._resembling(view, words, said, len(text))
        ways = self._locator.possible(meant, marks, kind)
        if ways:
            seen.append((Spots(view, words, singles(said), heard.phrases, marks), ways))

    def shaped(self, text: str) -> bool:
        """Whether a text holds the shape of a value or a disguise. Raises ScanError where a gate
        gave up.
        """
        view = fold(text)
        look = self._planner.look(view.data)
        return bool(look.shapes or look.disguises or hidden_places(text, view))

    def valued(self, text: str) -> bool:
        """Whether a value may stand in a text of any kind, in the open or in disguise. Raises
        ScanError where a gate gave up.
        """
        view = fold(text)
        look = self._planner.look(view.data)
        return bool(
            self._disguised(view, look)
            or hidden_places(text, view)
            or self._valued(view, look, text, "", Tokens())
        )

    def _disguised(self, view: View, look: Look) -> int:
        """Where a disguise is within reach, as bits."""
        places = _bits(view.characters(sorted(self._planner.disguised(look, view.data))))
        # the planner names one in STRIDE bytes
        return around(original(spread(places, 0, STRIDE // BUCKET), view), MARGIN // BUCKET)

    def _resembling(self, view: View, words: Words, said: list[Word], size: int) -> int:
        """Where the wording is that of attacks, as bits: the beginnings of such blocks."""
        gains = [word.gain for word in said]
        if size <= BLOCK:
            gain = sum(gains)
            return int(gain >= GAIN_MIN and self._reminds(words.parts, gain))
        out = 0
        offsets = [view.at(start) for start in range(0, size, BLOCK)]
        bounds = list(words.bounds([*offsets, view.at(size) + 1]))
        for block in range(len(offsets)):
            first = bounds[block][0]
            last = bounds[min(block + _WINDOW, len(offsets))][1]
            gain = sum(gains[first:last])
            # nearly all texts end here: what words weigh one by one says enough
            if gain >= GAIN_MIN and self._reminds(words.parts[first:last], gain):
                out |= 1 << block * _PLACES
        return out

    def _reminds(self, parts: list[bytes], gain: int) -> bool:
        """Whether the wording of a window is that of attacks, whose words weigh so much."""
        return (
            says_enough(gain, len(parts) - parts.count(b""))
            and self._linear.rated(list(filter(None, parts))) >= WORDING_MIN
        )

    def _valued(self, view: View, look: Look, text: str, kind: str, tokens: Tokens) -> int:
        """The blocks in which a value begins, as bits: only what is confirmed is read for."""
        if not look.shapes:
            return 0
        near: dict[str, int] = {}
        wanted: dict[int, list[tuple[Confirm, frozenset[int]]]] = {}
        for confirm, shape, words in self._planner.suspects(look, view.data):
            if kind and confirm.rule.kinds and kind not in confirm.rule.kinds:
                continue
            if shape not in near:
                places = _bits(view.characters(self._planner.starts(shape, view.data)))
                # anywhere in the window: an address may be long before its `@`
                reach = spread(places, MARGIN // BUCKET, (MARGIN + STRIDE) // BUCKET)
                near[shape] = _blocks(original(reach, view))
            for bit in ones(near[shape]):
                wanted.setdefault(bit // _PLACES, []).append((confirm, words))
        out = 0
        sure = 0
        for block, suspects in wanted.items():
            # a text full of values is read anyway
            if sure >= CONFIRMED_MAX or self._confirmed(
                view, text, block * BLOCK, suspects, tokens
            ):
                out |= _WHOLE << block * _PLACES
                sure += 1
        return out

    def _confirmed(
        self,
        view: View,
        text: str,
        low: int,
        suspects: list[tuple[Confirm, frozenset[int]]],
        tokens: Tokens,
    ) -> bool:
        """Whether a value begins in the block at an offset, read in its window as ever."""
        left, right = max(0, low - MARGIN), low + BLOCK + MARGIN
        window = view.part(left, right) if view.aligned else fold(text[left:right])
        wanted = frozenset[int]().union(*[words for _, words in suspects])
        heard = self._planner.hears(wanted, window.data)
        near = [confirm for confirm, words in suspects if words <= heard]
        if not near:
            return False
        own = window.own(low - left, low - left + BLOCK)
        return any(value.start in own for one in near for value in one.values(window, own, tokens))


def _unwritten(text: str) -> int:
    """Where blocks begin in which text does that no person wrote, as bits."""
    out = 0
    for start in gibberish.suspected(text, BLOCK, MARGIN):
        left = max(0, start - MARGIN)
        window = text[left : start + BLOCK + MARGIN]
        own = range(start - left, start - left + BLOCK)
        if any(hit.start in own for hit in gibberish.hits(window, start - left, BLOCK)):
            out |= 1 << start // BUCKET
    return out


def _slips(view: View, words: Words, said: list[Word], count: int) -> int:
    """Where enough words with letters in disorder stand within one window, as bits."""
    sums = words.sums
    places: list[int] = []
    at = -1
    for _ in range(count):
        at = said.index(SLIPPED, at + 1)
        places.append(view.back(sums[at] + at - 2, sums[at] + at - 1)[0])
    near: set[int] = set()
    for index, last in enumerate(places[SLIPS_MIN - 1 :]):
        if last - places[index] <= BLOCK + 2 * MARGIN:
            near.update(place // BUCKET for place in places[index : index + SLIPS_MIN])
    return around(sum(1 << place for place in near), MARGIN // BUCKET)


def _bits(offsets: Iterable[int]) -> int:
    """Offsets as bits for BUCKET code points each."""
    out = 0
    for offset in offsets:
        out |= 1 << offset // BUCKET
    return out


def _blocks(bits: int) -> int:
    """Of each block with a bit the first bit."""
    reach = 1
    while reach < _PLACES:
        bits |= bits >> reach
        reach *= 2
    firsts = int.from_bytes(b"\x01" * (bits.bit_length() // 8 + 1), "little")
    return bits & firsts
