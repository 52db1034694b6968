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
    "": Verdict.SANITIZE,
    "mask": Verdict.SANITIZE,
    "block": Verdict.BLOCK,
    "review": Verdict.REVIEW,
    "warn": Verdict.ALLOW,
    "log": Verdict.ALLOW,
}
"""What a finding asks for, by the `action` of the guard."""

CHARACTERS_MAX = 1_000_000
"""Most characters that `characters_max` can ask for; Presidio's patterns backtrack."""


class PresidioOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for. `threshold` counts thousandths, `entities` are Presidio's; empty: all."""

    language: str = "en"
    entities: tuple[str, ...] = ()
    threshold: int = 500
    kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind != "arguments")
    characters_max: int = 50_000

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """What the types do not say: an action, a language, kinds and bounds that exist."""
        if entry.action not in VERDICTS:
            hint = "use mask, block, review, warn or log"
            yield Complaint(("action",), f"unknown action `{entry.action}`", hint)
        if len(self.language) != 2 or not self.language.isalpha():
            said = "has to be two letters (ISO 639-1), such as `en`"
            yield Complaint(("options", "language"), said)
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
        if not 0 <= self.threshold <= 1000:
            yield Complaint(("options", "threshold"), "has to be from 0 to 1000 thousandths")
        if not 0 < self.characters_max <= CHARACTERS_MAX:
            said = f"has to be from 1 to {CHARACTERS_MAX}"
            yield Complaint(("options", "characters_max"), said)


class PresidioSettings(PresidioOptions, frozen=True):
    """The options, and what a finding asks for."""

    verdict: Verdict = Verdict.SANITIZE


def resolve(raw: Mapping[str, Any]) -> PresidioSettings:
    """The settings of a configuration. Raises ValueError that says what to write instead."""
    options, action = options_of(PresidioOptions, "presidio", raw)
    return PresidioSettings(**msgspec.structs.asdict(options), verdict=VERDICTS[action])
