"""A text classifier in ONNX form as a guard.

Long texts are read in overlapping windows, all of them: a text with more windows than allowed is
refused. A model that fails raises, so that Aegis records the guard as failed and blocks.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aegis.model import Finding
from aegis.plugin.options import takes

from .model import Classifier, OnnxError
from .settings import OnnxOptions, OnnxSettings, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis.model import Action, Text

__all__ = ["OnnxError", "OnnxGuard", "build"]

NAME = "onnx"

MODEL_BYTES_MAX = 4 << 30
"""Largest model file; larger ones need their weights in files of their own."""


class OnnxGuard:
    """Reads texts with one model. Thread-safe: a session may run on several threads."""

    name = NAME
    covers = (NAME,)
    pure = True

    def __init__(
        self, settings: OnnxSettings, classifier: Classifier, version: str, stages: frozenset[str]
    ) -> None:
        self.stages = stages
        self.version = version
        self._settings = settings
        self._classifier = classifier

    def inspect(self, texts: Sequence[Text], action: Action) -> Sequence[Finding]:
        """One finding per text and label: the surest window. Raises OnnxError."""
        return [
            finding
            for index, text in enumerate(texts)
            if text.kind in self._settings.kinds and text.text.strip()
            for finding in self._read(index, text.text)
        ]

    def stream(self, kind: str) -> None:
        """A classifier needs the whole text, so replies wait until they are complete."""
        return

    def _read(self, index: int, text: str) -> list[Finding]:
        best: dict[str, tuple[int, int, int]] = {}
        for start, end, scores in self._classifier.windows(text):
            for label, score in zip(self._settings.labels, scores, strict=True):
                if label in self._settings.findings and score >= self._settings.threshold:
                    best[label] = max(best.get(label, (0, 0, 0)), (score, start, end))
        return [
            Finding(
                NAME,
                f"{NAME}.{label}",
                self._settings.category,
                label.upper(),
                index,
                start,
                end,
                score,
                "high",
                self._settings.verdict,
            )
            for label, (score, start, end) in sorted(best.items())
        ]


def _digest(path: Path) -> str:
    """Hash of a model file: what a record says about which model judged."""
    if path.stat().st_size > MODEL_BYTES_MAX:
        raise ValueError(f"`{path}` is larger than {MODEL_BYTES_MAX} bytes")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@takes(onnx=OnnxOptions)
def build(settings: Mapping[str, Mapping[str, Any]], *, stage: str) -> OnnxGuard:
    """Called once per stage by Aegis. Raises ValueError for settings that make no sense."""
    resolved = resolve(settings[NAME])
    path = Path(resolved.model)
    try:
        version = _digest(path)
        classifier = Classifier(resolved)
    except (OSError, OnnxError) as error:
        raise ValueError(f"`{path}`: {error}") from None
    return OnnxGuard(resolved, classifier, version, frozenset({stage}))
