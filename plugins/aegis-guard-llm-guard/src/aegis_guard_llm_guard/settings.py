"""Options of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from aegis.model import KINDS, Verdict
from aegis.plugin.options import Complaint

from .scanners import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aegis.plugin.options import Entry

VERDICTS = {
    "": Verdict.BLOCK,
    "block": Verdict.BLOCK,
    "review": Verdict.REVIEW,
    "mask": Verdict.SANITIZE,
    "warn": Verdict.ALLOW,
    "log": Verdict.ALLOW,
}
"""What a finding asks for, by the `action` of the guard."""

CHARACTERS_MAX = 1_000_000
"""Most characters that `characters_max` can ask for; a model reads them in windows, one by one."""


class LlmGuardOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to scan with. `scanners` are parameters by name, `threshold` counts thousandths."""

    scanners: dict[str, dict[str, Any]]
    threshold: Annotated[int, Meta(ge=0, le=1000)] = 0
    category: Annotated[str, Meta(min_length=1)] = "injection"
    kinds: tuple[str, ...] = ("prompt", "document", "tool_result")
    characters_max: Annotated[int, Meta(ge=1, le=CHARACTERS_MAX)] = 50_000

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """No scanner; a scanner, a parameter, a kind or an action that does not exist."""
        if entry.action not in VERDICTS:
            known = ", ".join(filter(None, VERDICTS))
            yield Complaint(("action",), f"has to be one of {known}, not `{entry.action}`")
        if not self.scanners:
            wrong = "has to name one scanner or more, as in `InvisibleText: {}`"
            yield Complaint(("options", "scanners"), wrong)
        for name, parameters in self.scanners.items():
            if wrong := complaint(name, parameters):
                yield Complaint(("options", "scanners", name), wrong)
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
