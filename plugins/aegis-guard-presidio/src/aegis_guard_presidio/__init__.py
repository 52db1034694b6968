"""The pattern recognisers of Microsoft Presidio as a guard.

Recognisers that need a language model (names, places) are left out: nothing is downloaded, and
no text leaves the process. A recogniser that fails raises, so that Aegis records the guard as
failed and blocks.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import tldextract.tldextract
from presidio_analyzer import RecognizerRegistry
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from aegis.model import Finding, Verdict
from aegis.plugin.options import takes

from .settings import PresidioOptions, PresidioSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from presidio_analyzer import EntityRecognizer

    from aegis.model import Action, Text

__all__ = ["PresidioError", "PresidioGuard", "build"]

NAME = "presidio"

# Its e-mail recogniser looks domains up in a list that tldextract fetches when it is first asked;
# the list inside the package is enough, and a guard must not wait for a network.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True
)


class PresidioError(Exception):
    """A text could not be read."""


class PresidioGuard:
    """Reads texts with every chosen recogniser. Thread-safe: recognisers keep no state."""

    name = NAME
    covers = (NAME,)
    pure = True

    def __init__(
        self,
        settings: PresidioSettings,
        recognizers: Sequence[tuple[EntityRecognizer, list[str]]],
        stages: frozenset[str],
    ) -> None:
        self.stages = stages
        self.version = version("presidio-analyzer")
        self._settings = settings
        self._recognizers = recognizers

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """Findings over the texts. Raises PresidioError for a text that is too long to be read
        by backtracking patterns.
        """
        found: list[Finding] = []
        for index, text in enumerate(texts):
            if text.kind not in self._settings.kinds or not text.text:
                continue
            size, most = len(text.text), self._settings.characters_max
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
        for recognizer, entities in self._recognizers:
            for result in recognizer.analyze(text.text, entities, artifacts) or ():
                score = round(result.score * 1000)
                if score >= self._settings.threshold and result.end > result.start:
                    found.append(
                        self._finding(index, text, result, score, type(recognizer).__name__)
                    )
        return sorted(found, key=lambda one: (one.start, one.end, one.rule))

    def _finding(self, index: int, text: Text, result: Any, score: int, by: str) -> Finding:
        verdict = self._settings.verdict
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


def _recognizers(settings: PresidioSettings) -> list[tuple[EntityRecognizer, list[str]]]:
    """The recognisers of a language with the entities each is asked for.

    Raises ValueError for a language or an entity that has none.
    """
    registry = RecognizerRegistry(supported_languages=[settings.language])
    registry.load_predefined_recognizers(languages=[settings.language])
    usable = [
        one
        for one in registry.recognizers
        if not isinstance(one, SpacyRecognizer) and one.supported_language == settings.language
    ]
    known = {entity for one in usable for entity in one.supported_entities}
    if not known:
        raise ValueError(f"`{settings.language}` has no recogniser that works without a model")
    for entity in settings.entities:
        if entity not in known:
            raise ValueError(f"no recogniser for `{entity}`; known: {', '.join(sorted(known))}")
    wanted = set(settings.entities) or known
    chosen = [(one, [e for e in one.supported_entities if e in wanted]) for one in usable]
    return [(one, entities) for one, entities in chosen if entities]


@takes(presidio=PresidioOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> PresidioGuard:
    """Called once per stage by Aegis. Raises ValueError for settings that make no sense."""
    resolved = resolve(settings[NAME])
    return PresidioGuard(resolved, _recognizers(resolved), frozenset({stage}))
