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
    threshold: int = 0
    category: str = "injection"
    kinds: tuple[str, ...] = ("prompt", "document", "tool_result")
    characters_max: int = 50_000

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """What the types do not say: an action, scanners, kinds and bounds that exist."""
        if entry.action not in VERDICTS:
            hint = "use block, review, mask, warn or log"
            yield Complaint(("action",), f"unknown action `{entry.action}`", hint)
        if not self.scanners:
            said = "has to name one scanner or more, as in `InvisibleText: {}`"
            yield Complaint(("options", "scanners"), said)
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
        if not 0 <= self.threshold <= 1000:
            yield Complaint(("options", "threshold"), "has to be from 0 to 1000 thousandths")
        if not self.category:
            yield Complaint(("options", "category"), "must not be empty")
        if not 0 < self.characters_max <= CHARACTERS_MAX:
            said = f"has to be from 1 to {CHARACTERS_MAX}"
            yield Complaint(("options", "characters_max"), said)


class LlmGuardSettings(LlmGuardOptions, frozen=True):
    """The options, and what a finding asks for."""

    verdict: Verdict = Verdict.BLOCK


def resolve(raw: Mapping[str, Any]) -> LlmGuardSettings:
    """The settings of a configuration. Raises ValueError that says what to write instead."""
    options, action = options_of(LlmGuardOptions, "llm_guard", raw)
    return LlmGuardSettings(**msgspec.structs.asdict(options), verdict=VERDICTS[action])
