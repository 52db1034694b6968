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

from typing import TYPE_CHECKING

import msgspec

from . import gibberish, linear
from .compact import Compact
from .concepts import Concepts, weighed
from .fold import View, fold
from .gate import ScanError
from .grid import BLOCK, MARGIN, Frame
from .heard import Heard
from .hidden import from_tags
from .hit import Hit
from .locate import Locator
from .payloads import by_kind
from .plan import Plan, Planner
from .reader import Reader
from .ruleset import load
from .scene import Scene
from .score import REACH as SCORE_REACH
from .score import SENSITIVITIES
from .spanrules import Tokens
from .spelling import MENDED, PARTED
from .survey import WORDING_MIN, Surveyor
from .tagger import Tag, Tagger
from .triggers import TABLED
from .views import DECODERS, from_lookalikes
from .words import UNCUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .leak import Leak
    from .ruleset import RuleSet
    from .spanrules import Confirm
    from .survey import Survey

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

SMUGGLED, HIDDEN = 900, 450
"""Scores of text in characters that nobody sees: in what others brought to be read, and elsewhere.
There it is read like any other, but hiding alone is no attack: what it says decides."""

BROUGHT = frozenset({"tool_result", "document", "arguments"})
"""Kinds of text whose hidden parts have no honest reader. Descriptions of tools are read as a whole
for orders; one that hides nothing but a description orders nothing."""

_CHUNK = 32_768
"""Code points looked at at once when looking for the blocks worth reading."""

_AROUND = SCORE_REACH + 2 * MARGIN
"""Code points looked at on either side: evidence there counts, and its block has a margin."""

_SHRINKING = frozenset({"run", "split", "hex"})
"""Encodings whose content is shorter by a quarter or more: in a window they come to an end."""

_RUN_TOGETHER = frozenset({"run", "joined"})
"""Triggers of words written without blanks."""

_OPAQUE = frozenset({"rot13", "reversed", "leet", "spaced", "lookalike", "broken", MENDED, PARTED})
"""Respellings: letters are rearranged, so numbers in them are not numbers."""


class Engine:
    """The rules, compiled. Immutable after construction, safe for any number of threads."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules = load() if rules is None else rules
        common = tuple(rule for rule in rules.spans if not rule.payload)
        self._planner = Planner(msgspec.structs.replace(rules, spans=common))
        self._concepts = Concepts(rules.rules)
        self._payloads = by_kind(rules.spans)
        self._linear = linear.load()
        self._surveyor = Surveyor(
            self._planner, Locator(rules), self._linear, self._payloads, self._tags
        )
        self._tagger: Tagger | None = None
        self._compact: Compact | None = None

    @property
    def version(self) -> str:
        """Content hash of the rules."""
        return self.rules.version

    def holds_values(self, texts: Sequence[str]) -> bool:
        """False where texts certainly hold no value: no personal data, no secret.

        Raises ScanError where that is unknown.
        """
        return self._surveyor.shaped("\n\x00\n".join(texts)) and any(
            # longer ones are scanned in any case: that goes chunk by chunk
            len(text) > _CHUNK or self._surveyor.valued(text)
            for text in texts
        )

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
        threshold = SENSITIVITIES[sensitivity]
        tokens = Tokens()
        reader: Reader | None = None
        out: list[Hit] = []
        for first in range(0, size, _CHUNK):
            low = first - _AROUND if first > _AROUND else 0
            stretch = text[low : first + _CHUNK + _AROUND]
            survey = self._surveyor.survey(stretch, low, kind, threshold, tokens)
            if reader is None and leak is None and not survey.bits:
                # nearly all texts end here
                continue
            reader = reader or Reader(self, kind, categories, sensitivity, leak, tokens)
            blocks = range(first // BLOCK, -(-min(first + _CHUNK, size) // BLOCK))
            for block in blocks if leak is not None else _worth_reading(blocks, survey, reader):
                out += reader.read(text, block, 0, size, survey)
                if len(out) > HITS_MAX:
                    raise ScanError(f"more than {HITS_MAX} findings in one text; split it")
        return out

    def window(
        self,
        text: str,
        kind: str,
        categories: frozenset[str] | None,
        frame: Frame | None = None,
    ) -> list[Hit]:
        """Raw hits of one window of text, offsets counting from its start."""
        frame = frame or Frame()
        view = frame.heard.view if frame.heard else fold(text)
        payloads = self._payloads.get(kind)
        begins = not frame.cut[0]
        injection = categories is None or "injection" in categories
        hits: list[Hit] = []
        if injection and not (frame.certain or frame.written):
            hits += gibberish.hits(text, frame.start, BLOCK)
        views = [view]
        hidden = list(from_tags(text, view))
        views += hidden
        if injection and any(len(one.text) >= 4 for one in hidden):
            hits.append(_invisible(hidden[0], kind))
        read = 0
        barren: set[tuple[object, ...]] = set()
        while views:
            current = views.pop(0)
            read += 1
            # letters written apart, then in leet, and the other way round: the same text
            names = tuple(sorted(current.name.split("+")))
            reading = current.text, current.rest, current.depth, names
            if reading in barren:
                continue
            if read > 1:
                frame = Frame(UNCUT, frame.start, frame.tokens, certain=frame.certain)
            found, derived = self._read(current, frame, kind, categories)
            if payloads is not None:
                found += payloads.hits(current, categories, begins)
            hits += found
            views += derived
            if not (found or derived):
                barren.add(reading)
            if len(views) + read > VIEWS_MAX:
                raise ScanError(f"more than {VIEWS_MAX} encodings within {len(text)} characters")
        return hits

    def _read(
        self, view: View, frame: Frame, kind: str, categories: frozenset[str] | None
    ) -> tuple[list[Hit], list[View]]:
        """The hits of one reading, and the readings it calls for."""
        respelled = not _OPAQUE.isdisjoint(view.name.split("+"))
        values = not respelled and (frame.valued or bool(view.name))
        plan = frame.plan or self._planner.plan(view.data, values=values)
        hits = self._values(view, plan.spans, frame, kind, categories)
        if view.name.endswith(TABLED):
            # its words have been read where they stand
            return hits, []
        spelt = self._respelled(frame, kind)
        derived = _decoded(view, plan, respelled=spelt)
        if view.rest and spelt:
            derived += from_lookalikes(view)
        if not frame.certain:
            heard = frame.heard or Heard(self._tags(), view, frame.cut)
            if not frame.silent:
                hits += self._worded(heard, plan, frame, kind, categories)
            joined = not _RUN_TOGETHER.isdisjoint(plan.triggers) or "spaced" in view.name
            if joined:
                hits += self._read_compact(view, kind, categories)
            # respelled ones are odd by their spelling
            if view.name and not respelled and (categories is None or "injection" in categories):
                hits += _unwritten(view)
            if view.depth < DEPTH_MAX:
                derived += self._spelt(heard, joined=joined)
        return hits, derived

    def _respelled(self, frame: Frame, kind: str) -> bool:
        """Whether other spellings count: numbers in them are no values."""
        return not frame.certain or kind in self._payloads

    def _spelt(self, heard: Heard, *, joined: bool) -> Iterator[View]:
        """A view with its spelling put right, each way once."""
        view = heard.view
        spelling = self._tags().spelling
        if MENDED not in view.name and heard.slipped():
            yield from spelling.mended(view)
        if joined and PARTED not in view.name:
            yield from spelling.parted(view)

    def _worded(
        self, heard: Heard, plan: Plan, frame: Frame, kind: str, categories: frozenset[str] | None
    ) -> list[Hit]:
        """What the words of a view say: to the rules, and to the model."""
        view = heard.view
        hits: list[Hit] = []
        tags = self._tags().named(heard.words, heard.said, heard.phrases)
        tags = self._tags().completed(tags, view, marked=plan.marked)
        if tags:
            hits += self._ideas(view, tags, kind, categories)
        if categories is None or "injection" in categories:
            score = self._linear.score(heard.segment(0 if view.depth else view.at(frame.start)))
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
            self._tagger = Tagger(self.rules.concepts, self.rules.composites, self._linear.singles)
        return self._tagger

    def _values(
        self,
        view: View,
        confirms: Iterable[Confirm],
        frame: Frame,
        kind: str,
        categories: frozenset[str] | None,
    ) -> list[Hit]:
        """The values in a view, of a window those that begin in its block: what has a shape and
        passes its validators.
        """
        own = None if view.name else view.own(frame.start, frame.start + BLOCK)
        hits: list[Hit] = []
        for confirm in confirms:
            rule = confirm.rule
            if (categories is not None and rule.category not in categories) or (
                rule.kinds and kind not in rule.kinds
            ):
                continue
            if view.name and not rule.decoded:
                continue
            for value in confirm.values(view, own, frame.tokens):
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
        scene = Scene(view.text, tags)
        hits: list[Hit] = []
        for found in self._concepts.candidates(scene, kind, categories):
            idea = found.rule
            start, end = view.back(found.start, found.end)
            score = weighed(found, scene, kind)
            hits.append(
                Hit(start, end, idea.id, idea.category, idea.type, score, idea.severity,
                    None, view.name)
            )  # fmt: skip
        return hits


def _worth_reading(blocks: range, survey: Survey, reader: Reader) -> Iterator[int]:
    """Blocks in order, without those in which nothing can be found."""
    if survey.bits or reader.follows:
        for block in blocks:
            if survey.names(block) or reader.follows:
                yield block


def _unwritten(view: View) -> Iterator[Hit]:
    """What no person wrote in a decoded view."""
    for hit in gibberish.hits(view.text, 0, len(view.text)):
        start, end = view.back(hit.start, hit.end)
        yield msgspec.structs.replace(hit, start=start, end=end, view=view.name)


def _decoded(view: View, plan: Plan, *, respelled: bool) -> list[View]:
    """The disguised readings that a plan calls for, those of other spellings where they count."""
    out: list[View] = []
    for trigger in plan.triggers:
        if trigger in _OPAQUE and not respelled:
            continue
        if view.depth >= DEPTH_MAX and trigger not in _SHRINKING:
            continue
        decoder = DECODERS.get(trigger)
        if decoder is not None and not (trigger in _OPAQUE and trigger in view.name):
            out.extend(decoder(view))
    return out


def _invisible(view: View, kind: str) -> Hit:
    start, end = view.back(0, len(view.text))
    score = SMUGGLED if kind in BROUGHT else HIDDEN
    return Hit(
        start, end, "invisible_text", "injection", "INVISIBLE_TEXT", score, "high", "", "tags"
    )
