"""Settings of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aegis.model import KINDS, Verdict
from aegis.plugin.options import Complaint, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aegis.plugin.options import Entry

VERDICTS = {
    "": Verdict.BLOCK,
    "block": Verdict.BLOCK,
    "review": Verdict.REVIEW,
    "warn": Verdict.ALLOW,
    "log": Verdict.ALLOW,
}
"""What a finding asks for, by the `action` of the guard."""

WINDOW_MAX = 100_000
"""Largest window in tokens or characters; memory grows with it, mostly with its square."""

THREADS_MAX = 64


class OnnxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One classifier. `window` and `overlap` count tokens, or characters for models that read
    strings; `threshold` counts thousandths.
    """

    model: str
    labels: tuple[str, ...]
    findings: tuple[str, ...]
    tokenizer: str = ""
    output: str = ""
    logits: bool = False
    category: str = "injection"
    threshold: int = 900
    kinds: tuple[str, ...] = ("prompt", "document", "tool_result", "tool_description")
    window: int = 512
    overlap: int = 64
    threads: int = 1

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """What the types do not say: an action, labels, kinds and bounds that exist."""
        if entry.action not in VERDICTS:
            said = f"`{entry.action}`: a whole text cannot be masked"
            yield Complaint(("action",), said, "use block, review, warn or log")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            said = "has to name every class of the model, in its order"
            yield Complaint(("options", "labels"), said)
        if not self.findings or not set(self.findings) <= set(self.labels):
            said = "has to list those `labels` that are findings"
            yield Complaint(("options", "findings"), said)
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
        if not 0 <= self.threshold <= 1000:
            yield Complaint(("options", "threshold"), "has to be from 0 to 1000 thousandths")
        if not 8 <= self.window <= WINDOW_MAX:
            yield Complaint(("options", "window"), f"has to be from 8 to {WINDOW_MAX}")
        elif not 0 <= self.overlap <= self.window // 2:
            yield Complaint(("options", "overlap"), "has to be at most half of `window`")
        if not 1 <= self.threads <= THREADS_MAX:
            yield Complaint(("options", "threads"), f"has to be from 1 to {THREADS_MAX}")


class OnnxSettings(OnnxOptions, frozen=True):
    """The options, and what a finding asks for."""

    verdict: Verdict = Verdict.BLOCK


def resolve(raw: Mapping[str, Any]) -> OnnxSettings:
    """The settings of a configuration. Raises ValueError that says what to write instead."""
    options, action = options_of(OnnxOptions, "onnx", raw)
    return OnnxSettings(**msgspec.structs.asdict(options), verdict=VERDICTS[action])
