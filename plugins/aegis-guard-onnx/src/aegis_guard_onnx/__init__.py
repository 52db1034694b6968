"""A text classifier in ONNX form as a guard.

Long texts are read in overlapping windows, all of them: a text with more windows than allowed is
refused. A model that fails raises, so that Aegis records the guard as failed and blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis.model import Finding, Verdict
from aegis.plugin.options import options_of, takes

from .model import Classifier, OnnxError
from .settings import VERDICTS, OnnxOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis.model import Action, Text

__all__ = ["OnnxError", "OnnxGuard", "build"]

NAME = "onnx"


class OnnxGuard:
    """Reads texts with one model. Thread-safe: a session may run on several threads."""

    name = NAME
    covers = (NAME,)
    pure = True
    slow = True

    def __init__(
        self, options: OnnxOptions, verdict: Verdict, classifier: Classifier, stages: frozenset[str]
    ) -> None:
        self.stages = stages
        self.version = classifier.version
        self._options = options
        self._verdict = verdict
        self._classifier = classifier

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """One finding per text and label: the surest window. Raises OnnxError."""
        return [
            finding
            for index, text in enumerate(texts)
            if text.kind in self._options.kinds and text.text.strip()
            for finding in self._read(index, text.text)
        ]

    def stream(self, kind: str) -> None:
        """A classifier needs the whole text, so replies wait until they are complete."""
        return

    def _read(self, index: int, text: str) -> list[Finding]:
        best: dict[str, tuple[int, int, int]] = {}
        for start, end, scores in self._classifier.windows(text):
            for label, score in zip(self._options.labels, scores, strict=True):
                if label in self._options.findings and score >= self._options.threshold:
                    best[label] = max(best.get(label, (0, 0, 0)), (score, start, end))
        return [
            Finding(
                NAME,
                f"{NAME}.{label}",
                self._options.category,
                label.upper(),
                index,
                start,
                end,
                score,
                "high",
                self._verdict,
            )
            for label, (score, start, end) in sorted(best.items())
        ]


@takes(onnx=OnnxOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> OnnxGuard:
    """Called once per stage by Aegis. Raises ValueError for options that make no sense."""
    options, action = options_of(OnnxOptions, NAME, settings[NAME])
    try:
        classifier = Classifier(options)
    except (OSError, OnnxError) as error:
        raise ValueError(f"`{options.model}`: {error}") from None
    return OnnxGuard(options, VERDICTS[action], classifier, frozenset({stage}))
