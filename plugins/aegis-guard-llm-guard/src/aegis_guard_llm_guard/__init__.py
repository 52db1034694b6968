"""The input scanners of LLM Guard as a guard.

A scanner reads a whole text and says whether it is valid, how risky it is and what the text is
without what it found. One that fails raises, so that Aegis records the guard as failed and blocks.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llm_guard.input_scanners import get_scanner_by_name

from aegis.model import Finding, Verdict
from aegis.plugin.options import takes

from .settings import LlmGuardOptions, LlmGuardSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llm_guard.input_scanners.base import Scanner

    from aegis.model import Action, Text

__all__ = ["LlmGuard", "LlmGuardError", "build"]

NAME = "llm_guard"


class LlmGuardError(Exception):
    """A text could not be read."""


class LlmGuard:
    """Reads texts with every chosen scanner, one after the other."""

    name = NAME
    covers = (NAME,)
    pure = True

    def __init__(
        self,
        settings: LlmGuardSettings,
        scanners: Mapping[str, Scanner],
        stages: frozenset[str],
    ) -> None:
        self.stages = stages
        self.version = version("llm-guard")
        self._settings = settings
        self._scanners = scanners

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """Findings over the texts. Raises LlmGuardError for a text that is too long."""
        found: list[Finding] = []
        for index, text in enumerate(texts):
            if text.kind not in self._settings.kinds or not text.text:
                continue
            size, most = len(text.text), self._settings.characters_max
            if size > most:
                raise LlmGuardError(
                    f"a text of {size} characters is longer than {most}; raise `characters_max` "
                    "or split the action"
                )
            for name, scanner in self._scanners.items():
                cleaned, valid, risk = scanner.scan(text.text)
                # -1 is no risk to some scanners; what they call invalid is one all the same
                score = max(0, min(1000, round(risk * 1000)))
                if not valid and score >= self._settings.threshold:
                    found.append(self._finding(index, text, name, score, cleaned))
        return found

    def stream(self, kind: str) -> None:
        """Scanners need the whole text, so replies wait until they are complete."""
        return

    def _finding(self, index: int, text: Text, name: str, score: int, cleaned: str) -> Finding:
        verdict, mask = self._settings.verdict, None
        if verdict is Verdict.SANITIZE:
            if text.key or cleaned == text.text:
                # nothing was taken out, and passing the text on as clean would be a lie
                verdict = Verdict.BLOCK
            else:
                mask = cleaned
        return Finding(
            NAME,
            f"{NAME}.{name}",
            self._settings.category,
            name.upper(),
            index,
            0,
            len(text.text),
            score,
            "medium",
            verdict,
            mask,
        )


def _made(name: str, parameters: Mapping[str, Any]) -> Scanner:
    """A scanner. Raises ValueError that names it where LLM Guard does not make it."""
    try:
        return get_scanner_by_name(name, dict(parameters))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the scanner `{name}` cannot be made: {error}") from error


@takes(llm_guard=LlmGuardOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> LlmGuard:
    """Called once per stage by Aegis. Raises ValueError for settings that make no sense."""
    resolved = resolve(settings[NAME])
    scanners = {name: _made(name, given) for name, given in resolved.scanners.items()}
    return LlmGuard(resolved, scanners, frozenset({stage}))
