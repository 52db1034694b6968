"""The pattern recognisers of Microsoft Presidio as a guard.

Recognisers that need a language model (names, places) are left out: nothing is downloaded, and
no text leaves the process. A recogniser that fails or takes too long raises, so that Aegis records
the guard as failed and blocks.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aegis.model import Finding, Verdict
from aegis.plugin.options import options_of, takes

from .recognizers import SECONDS_MAX, recognizers
from .settings import VERDICTS, PresidioOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from presidio_analyzer import EntityRecognizer

    from aegis.model import Action, Text

__all__ = ["PresidioError", "PresidioGuard", "build"]

NAME = "presidio"

_clock = time.perf_counter if sys.platform == "win32" else time.process_time
# the time `regex` counts: C's clock(), which is that of all threads of the process


class PresidioError(Exception):
    """A text could not be read."""


class PresidioGuard:
    """Reads texts with every chosen recogniser. Thread-safe: recognisers keep no state."""

    name = NAME
    covers = (NAME,)
    pure = True
    slow = True

    def __init__(
        self,
        options: PresidioOptions,
        verdict: Verdict,
        recognizers: Sequence[tuple[EntityRecognizer, list[str]]],
        stages: frozenset[str],
    ) -> None:
        self.stages = stages
        self.version = version("presidio-analyzer")
        self._options = options
        self._verdict = verdict
        self._recognizers = recognizers

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """Findings over the texts. Raises PresidioError for a text that is too long to be read
        by backtracking patterns, or takes them longer than SECONDS_MAX.
        """
        found: list[Finding] = []
        for index, text in enumerate(texts):
            if text.kind not in self._options.kinds or not text.text:
                continue
            size, most = len(text.text), self._options.characters_max
            if size > most:
                raise PresidioError(
                    f"a text of {size} characters is longer than {most}; raise `characters_max` "
                    "or split the action"
                )
            found += self._read(index, text)
        return found

    def stream(self, kind: str) -> None:
        """Recognisers need the whole text, so replies wait until they are complete."""
        return

    def _read(self, index: int, text: Text) -> list[Finding]:
        found: list[Finding] = []
        artifacts: Any = None  # what a language model would add; pattern recognisers need none
        began = _clock()
        for recognizer, entities in self._recognizers:
            results = recognizer.analyze(text.text, entities, artifacts) or ()
            if _clock() - began >= SECONDS_MAX:
                raise PresidioError(
                    f"a text of {len(text.text)} characters takes its patterns longer than "
                    f"{SECONDS_MAX} s; lower `characters_max`, or name fewer `entities`"
                )
            for result in results:
                score = round(result.score * 1000)
                if score >= self._options.threshold and result.end > result.start:
                    found.append(
                        self._finding(index, text, result, score, type(recognizer).__name__)
                    )
        return sorted(found, key=lambda one: (one.start, one.end, one.rule))

    def _finding(self, index: int, text: Text, result: Any, score: int, by: str) -> Finding:
        verdict = self._verdict
        if verdict is Verdict.SANITIZE and text.key:
            verdict = Verdict.ALLOW  # a key cannot be rewritten: the finding stands
        return Finding(
            NAME,
            f"{NAME}.{by}",
            "pii",
            result.entity_type,
            index,
            result.start,
            result.end,
            score,
            "medium",
            verdict,
            f"[{result.entity_type}]" if verdict is Verdict.SANITIZE else None,
        )


@takes(presidio=PresidioOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> PresidioGuard:
    """Called once per stage by Aegis. Raises ValueError for options that make no sense."""
    options, action = options_of(PresidioOptions, NAME, settings[NAME])
    chosen = recognizers(options.language, options.entities)
    return PresidioGuard(options, VERDICTS[action], chosen, frozenset({stage}))
