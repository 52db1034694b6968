"""Settings of the guard, checked when the configuration is loaded."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from aegis.model import KINDS, Prepared, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class OnnxSettings(OnnxOptions, frozen=True):
    """The options, and what a finding asks for."""

    verdict: Verdict = Verdict.BLOCK


_SETTINGS = Prepared(OnnxSettings)


OPTIONS = OnnxOptions.__struct_fields__


def resolve(raw: Mapping[str, Any]) -> OnnxSettings:
    """The settings of a configuration. Raises ValueError that says what to write instead."""
    given = {key: value for key, value in raw.items() if key not in ("action", "sensitivity")}
    for key in given:
        if key not in OPTIONS:
            near = get_close_matches(key, OPTIONS, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(OPTIONS)}"
            raise ValueError(f"unknown option `{key}`; {hint}")
    action = str(raw.get("action", "") or "")
    if action not in VERDICTS:
        raise ValueError(f"`{action}`: a whole text cannot be masked; use block, review or warn")
    try:
        made = _SETTINGS.convert({**given, "verdict": VERDICTS[action].value})
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    _check(made)
    return made


def _check(made: OnnxSettings) -> None:
    if len(made.labels) < 2 or len(set(made.labels)) != len(made.labels):
        raise ValueError("`labels` has to name every class of the model, in its order")
    unknown = [label for label in made.findings if label not in made.labels]
    if unknown or not made.findings:
        raise ValueError("`findings` has to list those `labels` that are findings")
    if not made.kinds or any(kind not in KINDS for kind in made.kinds):
        raise ValueError(f"`kinds` has to list some of {', '.join(KINDS)}")
    if not 0 <= made.threshold <= 1000:
        raise ValueError("`threshold` has to be from 0 to 1000 thousandths")
    if not 8 <= made.window <= WINDOW_MAX or not 0 <= made.overlap <= made.window // 2:
        raise ValueError(f"`window` has to be 8 to {WINDOW_MAX}, `overlap` at most half of it")
    if not 1 <= made.threads <= THREADS_MAX:
        raise ValueError(f"`threads` has to be from 1 to {THREADS_MAX}")
