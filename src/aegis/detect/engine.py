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

import re
from typing import TYPE_CHECKING

from .concepts import candidates, weighed
from .fold import View, fold
from .gate import ScanError
from .hit import Hit
from .plan import NOTHING, CompactPlanner, Plan, Planner
from .ruleset import load
from .score import Scorer
from .tagger import Tagger
from .views import DECODERS, from_lookalikes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .leak import Leak
    from .ruleset import RuleSet

BLOCK = 256
"""Code points per block of the reading grid."""

MARGIN = 256
"""Code points read on either side of a block; no evidence reaches further."""

HOLD = BLOCK + MARGIN
"""Most code points a streamed text is held back."""

TEXT_MIN = 3
"""Shorter texts hold nothing that any rule describes."""

TEXT_MAX = 4_000_000
"""Longest text read, in code points; longer ones are refused, not skipped."""

HITS_MAX = 20_000
"""Most hits in one text; beyond it the scan is given up, and says so."""

DEPTH_MAX = 2
"""How many disguises may lie over one another."""

VIEWS_MAX = 24
"""Most disguised readings of one window."""

SECRET_MAX = 16_384
"""Longest secret followed beyond its window, in code points (an RSA key of 8192 bits has 6,400)."""

_TOKEN = re.compile(r"[A-Za-z0-9_./+=~%-]*")
_ARMOUR = re.compile(r"(?:[^-]|-(?=[^-]|\Z))*(?:-----END [A-Z0-9 ]*-----)?")

_CHUNK = 4096
"""Code points tested at once when looking for the blocks worth reading."""

_RUN_TOGETHER = frozenset({"run", "joined"})
"""Triggers of words written without blanks."""

_OPAQUE = frozenset({"rot13", "reversed", "leet", "spaced", "lookalike", "broken"})
"""Respellings: letters are rearranged, so numbers in them are not numbers."""


class Engine:
    """The rules, compiled. Immutable after construction, safe for any number of threads."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules = load() if rules is None else rules
        self._planner = Planner(rules)
        self._tagger: Tagger | None = None
        self._compact: tuple[CompactPlanner, Tagger] | None = None

    @property
    def version(self) -> str:
        """Content hash of the rules."""
        return self.rules.version

    def quiet(self, data: bytes, kind: str = "") -> bool:
        """True where no rule can match the UTF-8 text of a kind (empty: of any kind).

        Raises ScanError where unknown.
        """
        return self._planner.plan(data, kind) is NOTHING

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
        view = fold(text)
        if leak is None and _silent(view) and self.quiet(view.data, kind):
            return []
        reader = Reader(self, kind, categories, sensitivity, leak)
        out: list[Hit] = []
        blocks = self._dirty(text, kind) if leak is None else range(-(-size // BLOCK))
        for block in blocks:
            out += reader.read(text, block, 0, size)
            if len(out) > HITS_MAX:
                raise ScanError(f"more than {HITS_MAX} findings in one text; split it")
        return out

    def _dirty(self, text: str, kind: str) -> Iterator[int]:
        """Blocks of a text in order, without long stretches in which nothing can match."""
        size = len(text)
        blocks = (size + BLOCK - 1) // BLOCK
        step = _CHUNK // BLOCK
        for first in range(0, blocks, step):
            last = min(first + step, blocks)
            if blocks > step:
                chunk = fold(text[max(0, first * BLOCK - MARGIN) : last * BLOCK + MARGIN])
                if _silent(chunk) and self.quiet(chunk.data, kind):
                    continue
            yield from range(first, last)

    def window(self, text: str, kind: str, categories: frozenset[str] | None) -> list[Hit]:
        """Raw hits of one window of text, offsets counting from its start."""
        view = fold(text)
        hits: list[Hit] = []
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
            hits += self._read(current, kind, categories, views)
            if len(views) + read > VIEWS_MAX:
                del views[max(0, VIEWS_MAX - read) :]
        return hits

    def _read(
        self, view: View, kind: str, categories: frozenset[str] | None, views: list[View]
    ) -> list[Hit]:
        plan = self._planner.plan(view.data, kind)
        hits = (
            self._confirm(view, plan, self._tags(), kind, categories) if plan is not NOTHING else []
        )
        if view.depth < DEPTH_MAX:
            for trigger in plan.triggers:
                decoder = DECODERS.get(trigger)
                if decoder is not None and not (trigger in _OPAQUE and trigger in view.name):
                    views.extend(decoder(view))
        if not _RUN_TOGETHER.isdisjoint(plan.triggers) or "spaced" in view.name:
            hits += self._read_compact(view, kind, categories)
        return hits

    def _read_compact(self, view: View, kind: str, categories: frozenset[str] | None) -> list[Hit]:
        """Words run together: the lexicon without word boundaries."""
        if self._compact is None:
            tagger = Tagger(self.rules.concepts, self.rules.composites, compact=True)
            self._compact = (CompactPlanner(self.rules, self._planner), tagger)
        planner, tagger = self._compact
        rules = planner.rules(view.data, kind)
        if not rules:
            return []
        return self._confirm(view, Plan((), rules, ()), tagger, kind, categories)

    def _tags(self) -> Tagger:
        if self._tagger is None:
            self._tagger = Tagger(
                self.rules.concepts, self.rules.composites, letters=self._planner.letters
            )
        return self._tagger

    def _confirm(
        self,
        view: View,
        plan: Plan,
        tagger: Tagger,
        kind: str,
        categories: frozenset[str] | None,
    ) -> list[Hit]:
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
        rules = [rule for rule in plan.rules if categories is None or rule.category in categories]
        if rules:
            tags = tagger.tags(view.text, view.data)
            for found in candidates(view.text, tags, rules, kind):
                start, end = view.back(found.start, found.end)
                score = weighed(found, view.text, tags, kind)
                idea = found.rule
                hits.append(
                    Hit(start, end, idea.id, idea.category, idea.type, score, idea.severity,
                        None, view.name)
                )  # fmt: skip
        return hits


def _silent(view: View) -> bool:
    """Whether the gate over the folded text sees all there is to see."""
    rest = view.rest
    if not rest:
        return True
    return not any(char in _LOOK or "\U000e0000" <= char <= "\U000e007f" for char in rest)


def _lookalikes() -> frozenset[str]:
    from .confusables import CONFUSABLES

    return frozenset(CONFUSABLES)


_LOOK = _lookalikes()


def _hidden(text: str, view: View) -> list[View]:
    """Text written in tag characters (U+E0020 to U+E007E), which no reader sees."""
    if not any("\U000e0020" <= char <= "\U000e007e" for char in view.rest):
        return []
    places = [i for i, char in enumerate(text) if "\U000e0020" <= char <= "\U000e007e"]
    letters = "".join(chr(ord(text[i]) - 0xE0000) for i in places)
    if len(places) <= 6 and "\U0001f3f4" in view.rest:
        # flags of regions are written with tags (UTS 51, emoji tag sequences)
        return []
    return [View("").derive(letters, "tags", places, [i + 1 for i in places])]


def _invisible(view: View) -> Hit:
    start, end = view.back(0, len(view.text))
    return Hit(start, end, "invisible_text", "injection", "INVISIBLE_TEXT", 900, "high", "", "tags")


class Reader:
    """Reads the blocks of one text in order and keeps what must be known between blocks."""

    __slots__ = ("_categories", "_engine", "_kind", "_leak", "_open", "_scorer", "_since")

    def __init__(
        self,
        engine: Engine,
        kind: str,
        categories: frozenset[str] | None,
        sensitivity: str,
        leak: Leak | None = None,
    ) -> None:
        self._engine = engine
        self._kind = kind
        self._categories = categories
        self._scorer = Scorer(sensitivity)
        self._leak = leak
        self._open: Hit | None = None
        self._since = 0

    def read(self, text: str, block: int, base: int, size: int) -> list[Hit]:
        """The hits that start in a block.

        `text` begins at offset `base` of the whole text and reaches at least MARGIN beyond the
        block, or to `size`, the end of the whole text where that is known.
        """
        low = block * BLOCK
        left = max(0, low - MARGIN)
        right = min(low + BLOCK + MARGIN, size)
        window = text[left - base : right - base]
        hits = self._engine.window(window, self._kind, self._categories)
        if self._leak is not None:
            hits += self._leak.hits(window)
        own = [_moved(hit, left) for hit in hits if low <= hit.start + left < low + BLOCK]
        out = self._scorer.take(_best(own))
        if self._open is not None:
            out += self._continued(text, base, right)
        else:
            self._open = next((h for h in out if h.end == right and h.category == "secret"), None)
            self._since = right
        return out

    def _continued(self, text: str, base: int, right: int) -> list[Hit]:
        """The rest of a secret that reaches beyond the window in which it began."""
        opened = self._open
        if opened is None or right <= opened.end:
            return []
        start = opened.end
        pattern = _ARMOUR if opened.rule == "private_key" else _TOKEN
        found = pattern.match(text, start - base, right - base)
        stop = found.end() + base if found else start
        if stop < right or stop - self._since > SECRET_MAX:
            self._open = None
        else:
            self._open = Hit(
                stop, stop, opened.rule, opened.category, opened.type, opened.score,
                opened.severity,
            )  # fmt: skip
        if stop == start:
            return []
        return [
            Hit(start, stop, opened.rule, opened.category, opened.type, opened.score,
                opened.severity, "", opened.view, "continued")
        ]  # fmt: skip


def _moved(hit: Hit, by: int) -> Hit:
    if not by:
        return hit
    return Hit(
        hit.start + by, hit.end + by, hit.rule, hit.category, hit.type, hit.score, hit.severity,
        hit.mask, hit.view, hit.reason,
    )  # fmt: skip


def _best(hits: Iterable[Hit]) -> list[Hit]:
    """Of overlapping hits the surest, then the longest: one per rule, and one value per place."""
    out: list[Hit] = []
    for hit in sorted(hits, key=lambda one: (-one.score, one.start - one.end, one)):
        if not any(
            one.start < hit.end
            and hit.start < one.end
            and (one.rule == hit.rule or (one.mask is not None and hit.mask is not None))
            for one in out
        ):
            out.append(hit)
    return out
