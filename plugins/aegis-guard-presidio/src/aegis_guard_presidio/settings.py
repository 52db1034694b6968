"""Settings of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from aegis.model import KINDS, Prepared, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class PresidioSettings(PresidioOptions, frozen=True):
    """The options, and what a finding asks for."""

    verdict: Verdict = Verdict.SANITIZE


_SETTINGS = Prepared(PresidioSettings)


OPTIONS = PresidioOptions.__struct_fields__


def resolve(raw: Mapping[str, Any]) -> PresidioSettings:
    """The settings of a configuration. Raises ValueError that says what to write instead."""
    given = {key: value for key, value in raw.items() if key not in ("action", "sensitivity")}
    for key in given:
        if key not in OPTIONS:
            near = get_close_matches(key, OPTIONS, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(OPTIONS)}"
            raise ValueError(f"unknown option `{key}`; {hint}")
    action = str(raw.get("action", "") or "")
    if action not in VERDICTS:
        raise ValueError(f"unknown action `{action}`; use mask, block, review, warn or log")
    try:
        made = _SETTINGS.convert({**given, "verdict": VERDICTS[action].value})
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if len(made.language) != 2 or not made.language.isalpha():
        raise ValueError("`language` has to be two letters (ISO 639-1), such as `en`")
    if not made.kinds or any(kind not in KINDS for kind in made.kinds):
        raise ValueError(f"`kinds` has to list some of {', '.join(KINDS)}")
    if not 0 <= made.threshold <= 1000:
        raise ValueError("`threshold` has to be from 0 to 1000 thousandths")
    if not 0 < made.characters_max <= CHARACTERS_MAX:
        raise ValueError(f"`characters_max` has to be from 1 to {CHARACTERS_MAX}")
    return made
