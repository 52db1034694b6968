"""Settings of the built-in guards: what each looks for and what a finding does."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from ...detect import CONFIDENT, SENSITIVITIES
from ...detect.masks import HASH
from ...model import Verdict
from ...plugin.options import options_of
from .options import CATEGORIES, DEFAULTS, OPTIONS, Act, PiiOptions, ValueOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ...detect.ruleset import RuleSet
    from .options import Options

BLOCK_AT = {
    "injection": CONFIDENT,
    "tool_poisoning": 700,
    "toxicity": 600,
    "prompt_leak": 500,
    "argument_injection": CONFIDENT,
}
"""Score (thousandths) from which `block` and `review` act; findings below it are recorded only.

Operating points, measured in `docs/reference/guards/README.md`.
"""


MODEL = "llm"
"""Protocol of actions that go to a model. Reversible masking masks all a model reads, the calls
and results in its history too: its user gets the values back, so nothing works on wrong data.
"""

KEEP_MINUTES = 60
"""How long a session's placeholders are remembered where the configuration does not say."""

MINUTE = 60_000_000
"""Microseconds."""


class GuardSettings(msgspec.Struct, frozen=True):
    """One guard, resolved.

    `types` overrules the action for single types (`EMAIL: warn`), `block_at` is the score from
    which `block` and `review` act, `canaries`, `system_prompts` and `system_messages` (compare
    replies with the system messages of their request) belong to `prompt_leak`.
    `arguments` and `results` say whether values are masked in the arguments of tools and in what
    tools return, too: a call with a masked argument is another call, and a program that gets a
    masked result works on wrong data, so that has to be asked for.
    `masks` are styles by type (see `detect.masks`), `locales` the countries whose identifiers are
    looked for (None: all).
    """

    name: str
    action: str
    sensitivity: str = "medium"
    types: dict[str, str] = {}
    block_at: int = 0
    canaries: tuple[str, ...] = ()
    system_prompts: tuple[str, ...] = ()
    system_messages: bool = False
    arguments: bool = False
    results: bool = False
    reversible: bool = False
    keep: int = 0
    restore_to: tuple[str, ...] = ()
    elsewhere: str = "block"
    masks: dict[str, str] = {}
    locales: tuple[str, ...] | None = None

    def verdict(self, type: str, score: int, kind: str = "prompt") -> Verdict:
        """What a finding of a type and score, in a kind of text, asks for."""
        action = self.types.get(type, self.action)
        if action == "mask":
            if (kind == "arguments" and not self.arguments) or (
                kind == "tool_result" and not self.results
            ):
                return Verdict.ALLOW
            return Verdict.SANITIZE
        if score < self.block_at:
            return Verdict.ALLOW
        if action == "block":
            return Verdict.BLOCK
        return Verdict.REVIEW if action == "review" else Verdict.ALLOW


_ADDED = ("engine", "brings")
"""What the composition root puts beside the options where packs are in force."""


def resolve(
    name: str,
    raw: Mapping[str, Any],
    guards: Collection[str] = (),
    rules: RuleSet | None = None,
) -> GuardSettings:
    """The settings of one guard. `guards` run beside it, `rules` are theirs where packs add some.

    Raises ValueError that says what is wrong. A configuration has been checked before, with the
    places of everything that is wrong (see `options`); what packs bring is known here only.
    """
    _known("guards", name, CATEGORIES, "guard")
    action, sensitivity = str(raw.get("action") or ""), str(raw.get("sensitivity") or "medium")
    _known(name, action or DEFAULTS[name], get_args(Act), "action")
    _known(name, sensitivity, SENSITIVITIES, "sensitivity")
    given = {key: value for key, value in raw.items() if key not in _ADDED}
    options, _ = options_of(OPTIONS[name], name, given, frozenset(guards))
    for one in options.unknown(name, rules) if rules is not None else ():
        raise ValueError(f"{name}: `{one.path[-1]}`: {one.message}; {one.hint}")
    return _settled(options, name, action or DEFAULTS[name], sensitivity)


def _known(name: str, word: str, allowed: Collection[str], what: str) -> None:
    if word not in allowed:
        near = get_close_matches(word, allowed, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(allowed)}"
        raise ValueError(f"{name}: unknown {what} `{word}`; {hint}")


def _settled(options: Options, name: str, action: str, sensitivity: str) -> GuardSettings:
    """The settings that options stand for, defaults filled in."""
    said = {
        key: value
        for key, value in msgspec.structs.asdict(options).items()
        if key in GuardSettings.__struct_fields__ and value is not None
    }
    said["types"] = {key.upper(): act for key, act in options.types.items()}
    said["block_at"] = said.get("block_at", BLOCK_AT.get(name, 0))
    if isinstance(options, ValueOptions):
        key = options.hash_key
        said["arguments"] = options.arguments == "mask"
        said["results"] = options.results == "mask"
        said["keep"] = (options.keep_minutes or KEEP_MINUTES) * MINUTE
        said["masks"] = {
            type.upper(): f"{HASH}:{key}" if style == HASH else style
            for type, style in options.masks.items()
        }
    if isinstance(options, PiiOptions) and options.locales is not None:
        said["locales"] = tuple(one.lower() for one in options.locales)
    return GuardSettings(name, action, sensitivity, **said)
