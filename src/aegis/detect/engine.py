"""The detection engine: one gate over the whole text, close reading only where it matters.

How a text is read
------------------
1. It is folded (see `fold`) and passes one gate (see `gate`). Nothing found: done.
2. Otherwise it is read in a fixed grid: block `k` covers code points `[k*BLOCK, (k+1)*BLOCK)` and
   is read together with MARGIN on either side; it owns the hits that start in it. Blocks whose
   own gate is silent are skipped.
3. In each window the rules named by the gate are confirmed exactly, and disguised readings are
   made where their triggers fired (see `views`), at most DEPTH_MAX deep.

The grid is what makes streaming exact: a block is read the same way whether the text came whole
or in pieces, as soon as its right margin is there. It also bounds every cost per character.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

from . import gibberish, linear
from .compact import Compact
from .concepts import candidates, weighed
from .fold import View, fold
from .gate import ScanError
from .hit import Hit
from .locate import BUCKET, Locator, around
from .payloads import by_kind
from .plan import Plan, Planner
from .reader import BLOCK, MARGIN, Frame, Reader, Survey
from .ruleset import load
from .tagger import Tag, Tagger
from .views import DECODERS, from_lookalikes
from .words import UNCUT, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .leak import Leak
    from .ruleset import RuleSet
    from .words import Words

TEXT_MIN = 3
"""Shorter texts hold nothing that any rule describes."""

TEXT_MAX = 4_000_000
"""Longest text read, in code points; longer ones are refused, not skipped."""

HITS_MAX = 20_000
"""Most hits in one text; beyond it the scan is given up, and says so."""

DEPTH_MAX = 2
"""How many disguises may lie over one another; those of _SHRINKING are always undone."""

VIEWS_MAX = 24
"""Most readings of one window; where more are called for, the scan is given up."""

WORDING = "attack_wording"
"""Name of the rule of findings that come from the linear model."""

WORDING_MIN = 350
"""Lowest score of the model that counts as evidence: the threshold of high sensitivity."""

_CHUNK = 32_768
"""Code points looked at at once when looking for the blocks worth reading."""

_NEAR = 128
"""Code points between the place that gives a value away and its beginning, or the next one."""

_BLOCK_BITS = (1 << BLOCK // BUCKET) - 1

_TAGS = frozenset(map(chr, range(0xE0020, 0xE007F)))
"""Tag characters (Unicode, "Tags" block): ASCII that no reader sees."""

_SHRINKING = frozenset({"run", "split", "hex"})
"""Encodings whose content is shorter by a quarter or more: in a window they come to an end."""

_RUN_TOGETHER = frozenset({"run", "joined"})
"""Triggers of words written without blanks."""

_OPAQUE = frozenset({"rot13", "reversed", "leet", "spaced", "lookalike", "broken"})
"""Respellings: letters are rearranged, so numbers in them are not numbers."""


class Engine:
    """The rules, compiled. Immutable after construction, safe for any number of threads."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules = load() if rules is None else rules
        common = tuple(rule for rule in rules.spans if not rule.payload)
        self._planner = Planner(msgspec.structs.replace(rules, spans=common))
        self._payloads = by_kind(rules.spans)
        self._locator = Locator(rules)
        self._linear = linear.load()
        self._tagger: Tagger | None = None
        self._compact: Compact | None = None

    @property
    def version(self) -> str:
        """Content hash of the rules."""
        return self.rules.version

    def quiet(self, text: str, kind: str = "") -> bool:
        """True where no rule can match an ASCII text of a kind (empty: of any kind).

        Of texts longer than a chunk, which are better scanned at once, it says False. Raises
        ScanError where unknown.
        """
        return len(text) <= _CHUNK and not self._survey(text, 0, kind, 0).bits

    def scan(
        self,
        text: str,
        kind: str = "prompt",
        *,
        categories: frozenset[str] | None = None,
        sensitivity: str = "medium",
        leak: Leak | None = None,
    ) -> list[Hit]:
        """Everything found in a text, in reading order.

        `kind` is one of `model.KINDS`, `categories` limits what is looked for, `sensitivity` is
        low, medium or high, `leak` what must not be recited. Raises ScanError where the text is
        longer than TEXT_MAX, holds more than HITS_MAX findings, or the gate gave up.
        """
        size = len(text)
        if size < TEXT_MIN:
            return []
        if size > TEXT_MAX:
            raise ScanError(f"text of {size} characters is longer than {TEXT_MAX}; split it")
        reader = Reader(self, kind, categories, sensitivity, leak)
        out: list[Hit] = []
        for block, survey in self._worth_reading(text, reader.threshold, kind, leak is not None):
            out += reader.read(text, block, 0, size, survey)
            if len(out) > HITS_MAX:
                raise ScanError(f"more than {HITS_MAX} findings in one text; split it")
        return out

    def _worth_reading(
        self, text: str, threshold: int, kind: str, every: bool
    ) -> Iterator[tuple[int, Survey | None]]:
        """Blocks of a text in order, without those in which nothing can match."""
        size = len(text)
        for first in range(0, size, _CHUNK):
            low = max(0, first - 2 * MARGIN)
            stop = min(first + _CHUNK, size)
            survey = self._survey(text[low : stop + 2 * MARGIN], low, kind, threshold)
            if not (survey.bits or every):
                continue
            for block in range(first // BLOCK, -(-stop // BLOCK)):
                if every or survey.bits >> (block * BLOCK - low) // BUCKET & _BLOCK_BITS:
                    yield block, survey

    def _survey(self, text: str, low: int, kind: str, threshold: int) -> Survey:
        """Where to read a stretch of text closely."""
        view = fold(text)
        survey = Survey(view, low)
        self._look(view, kind, threshold, survey, len(text))
        if view.rest:
            for other in from_lookalikes(view):
                disguised = Survey(other, low)
                self._look(other, kind, threshold, disguised, len(text))
                survey.shaped |= around(disguised.bits, MARGIN // BUCKET)
            if not view.rest.isdisjoint(_TAGS):
                places = sum(1 << place for place in {place // BUCKET for place in _places(text)})
                survey.shaped |= around(places, MARGIN // BUCKET)
        survey.bits |= survey.shaped
        payloads = self._payloads.get(kind)
        if payloads is not None and payloads.heard(view.data):
            survey.bits |= (1 << len(text) // BUCKET + 1) - 1
        for start in range(-low % BLOCK, len(text), BLOCK):
            if gibberish.odd(text[max(0, start - MARGIN) : start + BLOCK + MARGIN]):
                survey.bits |= 1 << start // BUCKET
        return survey

    def _look(self, view: View, kind: str, threshold: int, survey: Survey, size: int) -> None:
        """Fill in what a look at a view says."""
        planner = self._planner
        look = planner.look(view.data)
        survey.words = words = split(view.text)
        alike = self._resembling(survey, words, size)
        survey.bits = alike
        if look is None:
            return
        if look.shapes or look.disguises:
            edges = view.edges(BUCKET)
            values = _bits(planner.values(look, view.data), edges)
            disguised = _bits(planner.disguised(look, view.data), edges)
            survey.shaped = around(values, _NEAR // BUCKET) | around(disguised, MARGIN // BUCKET)
            survey.bits |= survey.shaped
        if planner.worded(look):
            survey.tags = self._tags().named(words, view.text)
            marks = list(planner.marks(look, view.data))
            survey.marked = bool(marks)
            concepts = self._locator.concepts(view, survey.tags, marks)
            survey.bits |= self._locator.begins(concepts, kind, threshold, alike)

    def _resembling(self, survey: Survey, words: Words, size: int) -> int:
        """Where the wording is that of attacks, as bits: the beginnings of such blocks."""
        out = 0
        gains = self._linear.gains(words.parts)
        for start in range(-survey.low % BLOCK, size, BLOCK):
            right = min(start + BLOCK + MARGIN, size)
            first, last = survey.span(words, start, right)
            if sum(gains[first:last]) < 0:
                continue
            if self._linear.score([one for one in words.parts[first:last] if one]) >= WORDING_MIN:
                out |= 1 << start // BUCKET
        return out

    def window(
        self,
        text: str,
        kind: str,
        categories: frozenset[str] | None,
        frame: Frame | None = None,
    ) -> list[Hit]:
        """Raw hits of one window of text, offsets counting from its start."""
        view = fold(text)
        frame = frame or Frame()
        payloads = self._payloads.get(kind)
        begins = not frame.cut[0]
        hits: list[Hit] = []
        if not frame.certain and (categories is None or "injection" in categories):
            hits += gibberish.hits(text, frame.start, BLOCK)
        views = [view]
        hidden = _hidden(text, view)
        views += hidden
        if hidden and any(len(one.text) >= 4 for one in hidden):
            hits.append(_invisible(hidden[0]))
        if view.rest:
            views += from_lookalikes(view)
        read = 0
        while views:
            current = views.pop(0)
            read += 1
            if read > 1:
                frame = Frame(UNCUT, frame.start, certain=frame.certain)
            found, derived = self._read(current, frame, kind, categories)
            hits += found
            views += derived
            if payloads is not None:
                hits += payloads.hits(current, categories, begins)
            if len(views) + read > VIEWS_MAX:
                raise ScanError(f"more than {VIEWS_MAX} encodings within {len(text)} characters")
        return hits

    def _read(
        self, view: View, frame: Frame, kind: str, categories: frozenset[str] | None
    ) -> tuple[list[Hit], list[View]]:
        """The hits of one reading, and the readings it calls for."""
        plan = frame.plan or self._planner.plan(view.data)
        hits = self._values(view, plan, kind, categories)
        if not frame.certain:
            hits += self._worded(view, plan, frame, kind, categories)
            if not _RUN_TOGETHER.isdisjoint(plan.triggers) or "spaced" in view.name:
                hits += self._read_compact(view, kind, categories)
        return hits, _decoded(view, plan)

    def _worded(
        self, view: View, plan: Plan, frame: Frame, kind: str, categories: frozenset[str] | None
    ) -> list[Hit]:
        """What the words of a view say: to the rules, and to the model."""
        hits: list[Hit] = []
        words: Words | None = None
        if plan.worded:
            tags = frame.tags
            if tags is None:
                words = split(view.text, frame.cut)
                tags = self._tags().named(words, view.text, frame.cut)
            tags = self._tags().completed(tags, view, marked=plan.marked)
            hits += self._ideas(view, tags, kind, categories)
        if categories is None or "injection" in categories:
            segment = frame.segment
            if segment is None:
                words = words or split(view.text, frame.cut)
                # the edge of the window has been seen to by the cut
                first = 0 if view.depth else view.at(frame.start)
                segment = words.between(first, len(view.text), cut=False)
            score = self._linear.score(segment)
            first = view.within(frame.start) if score >= WORDING_MIN else len(view.text)
            if first < len(view.text):
                start, end = view.back(first, len(view.text))
                hits.append(
                    Hit(start, end, WORDING, "injection", "ATTACK_WORDING", score, "medium", None,
                        view.name)
                )  # fmt: skip
        return hits

    def _read_compact(self, view: View, kind: str, categories: frozenset[str] | None) -> list[Hit]:
        """Words run together: the lexicon without word boundaries."""
        if self._compact is None:
            self._compact = Compact(self.rules)
        tags = self._compact.tags(view)
        if len(tags) < 2:
            return []
        self._tags().compose(tags)
        return self._ideas(view, tags, kind, categories)

    def _tags(self) -> Tagger:
        if self._tagger is None:
            self._tagger = Tagger(
                self.rules.concepts, self.rules.composites, letters=self._planner.letters
            )
        return self._tagger

    def _values(
        self, view: View, plan: Plan, kind: str, categories: frozenset[str] | None
    ) -> list[Hit]:
        """The values in a view: what has a shape and passes its validators."""
        hits: list[Hit] = []
        respelled = not _OPAQUE.isdisjoint(view.name.split("+"))
        for confirm in plan.spans:
            rule = confirm.rule
            if (categories is not None and rule.category not in categories) or (
                rule.kinds and kind not in rule.kinds
            ):
                continue
            if view.name and (respelled or not rule.decoded):
                continue
            for value in confirm.values(view):
                start, end = view.origin(value.start, value.end)
                replacement = value.mask if not view.name else f"[{rule.type}]"
                hits.append(
                    Hit(start, end, rule.id, rule.category, rule.type, value.score, rule.severity,
                        replacement, view.name)
                )  # fmt: skip
        return hits

    def _ideas(
        self, view: View, tags: list[Tag], kind: str, categories: frozenset[str] | None
    ) -> list[Hit]:
        """The concept rules that match in a view."""
        present = frozenset().union(*{tag.concepts for tag in tags})
        hits: list[Hit] = []
        for found in candidates(view.text, tags, self._planner.rules(present, kind), kind):
            idea = found.rule
            if categories is not None and idea.category not in categories:
                continue
            start, end = view.back(found.start, found.end)
            score = weighed(found, view.text, tags, kind)
            hits.append(
                Hit(start, end, idea.id, idea.category, idea.type, score, idea.severity,
                    None, view.name)
            )  # fmt: skip
        return hits


def _bits(offsets: Iterable[int], edges: list[int] | None) -> int:
    """Byte offsets as bits for BUCKET code points each."""
    out = 0
    for offset in offsets:
        out |= 1 << (offset // BUCKET if edges is None else bisect_right(edges, offset))
    return out


def _decoded(view: View, plan: Plan) -> list[View]:
    """The disguised readings that a plan calls for."""
    out: list[View] = []
    for trigger in plan.triggers:
        if view.depth >= DEPTH_MAX and trigger not in _SHRINKING:
            continue
        decoder = DECODERS.get(trigger)
        if decoder is not None and not (trigger in _OPAQUE and trigger in view.name):
            out.extend(decoder(view))
    return out


def _places(text: str) -> list[int]:
    """Where the tag characters of a text stand."""
    return [i for i, char in enumerate(text) if "\U000e0020" <= char <= "\U000e007e"]


def _hidden(text: str, view: View) -> list[View]:
    """Text written in tag characters (U+E0020 to U+E007E), which no reader sees."""
    if view.rest.isdisjoint(_TAGS):
        return []
    places = _places(text)
    letters = "".join(chr(ord(text[i]) - 0xE0000) for i in places)
    if len(places) <= 6 and "\U0001f3f4" in view.rest:
        # flags of regions are written with tags (UTS 51, emoji tag sequences)
        return []
    return [View("").derive(letters, "tags", (places, [i + 1 for i in places]))]


def _invisible(view: View) -> Hit:
    start, end = view.back(0, len(view.text))
    return Hit(start, end, "invisible_text", "injection", "INVISIBLE_TEXT", 900, "high", "", "tags")
