"""The built-in content guards: injection, pii, secrets, toxicity, prompt leak, tool poisoning,
argument injection.

They are seven to configure and one to run: the engine reads each text once for all of them, and a
text in which nothing was found is not read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...detect import SENSITIVITIES, Engine, Hit, Leak, Stream, shared
from ...detect.tailor import tailored
from ...model import Finding, Verdict
from ...plugin.options import takes
from .clean import CleanTexts
from .options import CATEGORIES, OPTIONS
from .packs import packed
from .settings import MODEL, GuardSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...model import Action, Text
    from .restorer import Restorer
    from .reversible import Reversing

LEAKABLE = frozenset({"reply", "arguments"})
"""Kinds of text in which a guarded prompt or canary is a leak: what the model says or sends."""

BOUND_MAX = 64
"""Most system messages remembered with their runs of words; an application has a few."""

STAGES = frozenset({"input", "output"})


class DetectGuard:
    """Reads texts with the detection engine and says what each finding asks for.

    Thread-safe. `settings` are the guards to perform, by category of finding.
    """

    name = "detect"

    def __init__(
        self,
        settings: Sequence[GuardSettings],
        stages: frozenset[str] = STAGES,
        engine: Engine | None = None,
        leak: Leak | None = None,
    ) -> None:
        self.stages = stages
        self.covers = tuple(one.name for one in settings)
        self._engine = engine
        self._settings = tuple(settings)
        self._bound: dict[tuple[str, ...], DetectGuard] = {}
        self._guarded = next((one for one in settings if one.name == "prompt_leak"), None)
        self._leak = _leak(self._guarded) if leak is None else leak
        self._by_category = {category: one for one in settings for category in CATEGORIES[one.name]}
        self._categories = frozenset(self._by_category)
        self._reversing: Reversing | None = None
        if any(one.reversible for one in settings):
            from .reversible import Reversing

            self._reversing = Reversing(settings)
        self._clean = CleanTexts()
        # read as widely as the widest guard asks, then drop what a narrower one did not ask for
        self._sensitivity = min(
            (one.sensitivity for one in settings), key=SENSITIVITIES.__getitem__, default="medium"
        )

    @property
    def version(self) -> str:
        """Content hash of the rules."""
        return self._ready().version

    @property
    def pure(self) -> bool:
        """True: inspecting is a plain call."""
        return True

    @property
    def compares(self) -> bool:
        """Whether replies are compared with the system messages of their request."""
        return self._guarded is not None and self._guarded.system_messages

    def bound(self, request: Sequence[Text], value: Any = None) -> DetectGuard:
        """This guard for the replies to one request, whose system messages may not come back."""
        spoken = tuple(text.text for text in request if text.kind == "system")
        if self._guarded is None or not spoken:
            return self
        known = self._bound.get(spoken)
        if known is None:
            leak = _leak(self._guarded, spoken)
            known = DetectGuard(self._settings, self.stages, self._engine, leak)
            if len(self._bound) >= BOUND_MAX:
                self._bound.clear()
            self._bound[spoken] = known
        return known

    def _ready(self) -> Engine:
        if self._engine is None:
            self._engine = shared()
        return self._engine

    @property
    def restorer(self) -> Restorer | None:
        """What puts reversibly masked values back; None where nothing is masked reversibly."""
        return self._reversing.restorer if self._reversing is not None else None

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """Findings over the texts. Raises ScanError where a text could not be read."""
        if self._reversing is None:
            return self._read(texts)
        found = list(self._reversing.masked(self._read(texts, action), texts, action))
        if not self._reversing.idle:
            found += self._reversing.travelled(texts, action)
        return found

    def _read(self, texts: Sequence[Text], action: Action | None = None) -> Sequence[Finding]:
        engine = self._engine or self._ready()
        out: list[Finding] = []
        for index, text in enumerate(texts):
            leak = self._leak if text.kind in LEAKABLE else None
            if leak is None and self._clean.holds(text):
                continue
            hits = engine.scan(
                text.text,
                text.kind,
                categories=self._categories,
                sensitivity=self._sensitivity,
                leak=leak,
            )
            if hits:
                out += self.findings(hits, index, text.kind, text.key, action)
            elif leak is None:
                self._clean.keep(text)
        return tuple(out)

    def stream(self, kind: str) -> DetectScan:
        """A scanner for a text that arrives in pieces."""
        stream = Stream(
            self._ready(),
            kind,
            categories=self._categories,
            sensitivity=self._sensitivity,
            leak=self._leak if kind in LEAKABLE else None,
        )
        return DetectScan(self, stream, kind)

    def findings(
        self,
        hits: Sequence[Hit],
        text: int,
        kind: str,
        key: bool = False,
        action: Action | None = None,
    ) -> list[Finding]:
        """Hits as findings, each with the verdict its guard asks for."""
        out: list[Finding] = []
        for hit in hits:
            setting = self._by_category[hit.category]
            if hit.mask is None and hit.score < SENSITIVITIES[setting.sensitivity]:
                continue
            everywhere = action is not None and setting.reversible and action.protocol == MODEL
            verdict = setting.verdict(hit.type, hit.score, "prompt" if everywhere else kind)
            if verdict is Verdict.SANITIZE and key:
                # a key cannot be rewritten: the finding stands, the text stays
                verdict = Verdict.ALLOW
            out.append(
                Finding(
                    setting.name, hit.rule, hit.category, hit.type, text, hit.start, hit.end,
                    hit.score, hit.severity, verdict,
                    hit.mask if verdict is Verdict.SANITIZE else None,
                    f"read through {hit.view}" if hit.view else "",
                )
            )  # fmt: skip
        return out


def _leak(setting: GuardSettings | None, spoken: tuple[str, ...] = ()) -> Leak | None:
    """What may not come back, as far as it is known before (`spoken`: with) the request."""
    if setting is None or not (setting.canaries or setting.system_prompts or spoken):
        return None
    return Leak(setting.canaries, (*setting.system_prompts, *spoken))


class DetectScan:
    """One text read in pieces (see `detect.stream`)."""

    __slots__ = ("_guard", "_kind", "_stream")

    def __init__(self, guard: DetectGuard, stream: Stream, kind: str) -> None:
        self._guard = guard
        self._stream = stream
        self._kind = kind

    @property
    def settled(self) -> int:
        """Offset before which no later piece can add a finding."""
        return self._stream.settled

    def feed(self, piece: str) -> Sequence[Finding]:
        """Findings that are certain now."""
        hits = self._stream.feed(piece)
        return self._guard.findings(hits, 0, self._kind) if hits else ()

    def close(self) -> Sequence[Finding]:
        """The remaining findings."""
        hits = self._stream.close()
        return self._guard.findings(hits, 0, self._kind) if hits else ()


@takes(**OPTIONS)
def build_guard(settings: Mapping[str, Any], stage: str = "") -> DetectGuard:
    """The guard that performs the named scans.

    `settings` maps guard names (`injection`, `pii`, …) to `action`, `sensitivity` and options;
    `stage` is `input`, `output` or empty for both. Raises ValueError for an unknown name, option
    or value.
    """
    packs = settings.get("packs")
    engine = None if packs is None else packed(packs, settings, stage)
    rules = None if engine is None else engine.rules
    resolved = [resolve(name, raw or {}, settings, rules) for name, raw in settings.items()]
    return DetectGuard(
        resolved, frozenset({stage}) if stage else STAGES, _tailored(resolved, engine)
    )


def _tailored(settings: Sequence[GuardSettings], engine: Engine | None) -> Engine | None:
    """The engine with the masks and countries that were asked for."""
    masks = {type: style for one in settings for type, style in one.masks.items()}
    locales = next((one.locales for one in settings if one.locales is not None), None)
    if not masks and locales is None:
        return engine
    return Engine(tailored((engine or shared()).rules, masks, locales))
