"""Options of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from aegis.model import KINDS, Verdict
from aegis.plugin.options import Complaint

from .recognizers import recognizers

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    threshold: Annotated[int, Meta(ge=0, le=1000)] = 500
    kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind != "arguments")
    characters_max: Annotated[int, Meta(ge=1, le=CHARACTERS_MAX)] = 50_000

    def complaints(self, entry: Entry) -> Iterator[Complaint]:
        """An action, a kind or an entity that does not exist, a language that is no code."""
        if entry.action not in VERDICTS:
            known = ", ".join(filter(None, VERDICTS))
            yield Complaint(("action",), f"has to be one of {known}, not `{entry.action}`")
        if len(self.language) != 2 or not self.language.isalpha():
            wrong = "has to be two letters (ISO 639-1), such as `en`"
            yield Complaint(("options", "language"), wrong)
            return
        try:
            recognizers(self.language, self.entities)
        except ValueError as error:
            yield Complaint(("options", "entities" if self.entities else "language"), str(error))
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            yield Complaint(("options", "kinds"), f"has to list some of {', '.join(KINDS)}")
