"""Options of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from aegis.model import KINDS, Verdict
from aegis.plugin.options import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

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
"""Most threads of one run; more than a machine has cores slow it down."""


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
    category: Annotated[str, Meta(min_length=1)] = "injection"
    threshold: Annotated[int, Meta(ge=0, le=1000)] = 900
    kinds: tuple[str, ...] = ("prompt", "document", "tool_result", "tool_description")
    window: Annotated[int, Meta(ge=8, le=WINDOW_MAX)] = 512
    overlap: Annotated[int, Meta(ge=0)] = 64
    threads: Annotated[int, Meta(ge=1, le=THREADS_MAX)] = 1

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """Labels that do not fit one another; an action or a kind that does not exist."""
        if entry.action not in VERDICTS:
            yield Complaint(("action",), "a whole text cannot be masked; use block, review or warn")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            wrong = "has to name every class of the model, in its order"
            yield Complaint(("options", "labels"), wrong)
        if not self.findings or any(label not in self.labels for label in self.findings):
            wrong = "has to list those `labels` that are findings"
            yield Complaint(("options", "findings"), wrong)
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
        if self.overlap > self.window // 2:
            yield Complaint(("options", "overlap"), "has to be at most half of `window`")
