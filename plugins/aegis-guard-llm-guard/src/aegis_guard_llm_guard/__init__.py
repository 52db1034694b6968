"""The input scanners of LLM Guard as a guard.

A scanner reads a whole text and says whether it is valid, how risky it is and what the text is
without what it found. One that fails raises, so that Aegis records the guard as failed and blocks.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aegis.model import Finding, Verdict
from aegis.plugin.options import options_of, takes

from .scanners import scanner
from .settings import VERDICTS, LlmGuardOptions

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
    slow = True

    def __init__(
        self,
        options: LlmGuardOptions,
        verdict: Verdict,
        scanners: Mapping[str, Scanner],
        stages: frozenset[str],
    ) -> None:
        self.stages = stages
        self.version = version("llm-guard")
        self._options = options
        self._verdict = verdict
        self._scanners = scanners

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """Findings over the texts. Raises LlmGuardError for a text that is too long."""
        found: list[Finding] = []
        for index, text in enumerate(texts):
            if text.kind not in self._options.kinds or not text.text:
                continue
            size, most = len(text.text), self._options.characters_max
            if size > most:
                raise LlmGuardError(
                    f"a text of {size} characters is longer than {most}; raise `characters_max` "
                    "or split the action"
                )
            for name, one in self._scanners.items():
                cleaned, valid, risk = one.scan(text.text)
                # -1 is no risk to some scanners; what they call invalid is one all the same
                score = max(0, min(1000, round(risk * 1000)))
                if not valid and score >= self._options.threshold:
                    found.append(self._finding(index, text, name, score, cleaned))
        return found

    def stream(self, kind: str) -> None:
        """Scanners need the whole text, so replies wait until they are complete."""
        return

    def _finding(self, index: int, text: Text, name: str, score: int, cleaned: str) -> Finding:
        verdict, mask = self._verdict, None
        if verdict is Verdict.SANITIZE:
            if text.key or cleaned == text.text:
                # nothing was taken out, and passing the text on as clean would be a lie
                verdict = Verdict.BLOCK
            else:
                mask = cleaned
        return Finding(
            NAME,
            f"{NAME}.{name}",
            self._options.category,
            name.upper(),
            index,
            0,
            len(text.text),
            score,
            "medium",
            verdict,
            mask,
        )


@takes(llm_guard=LlmGuardOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> LlmGuard:
    """Called once per stage by Aegis. Raises ValueError for options that make no sense."""
    options, action = options_of(LlmGuardOptions, NAME, settings[NAME])
    scanners = {name: scanner(name, given) for name, given in options.scanners.items()}
    return LlmGuard(options, VERDICTS[action], scanners, frozenset({stage}))
