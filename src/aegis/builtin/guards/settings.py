"""Settings of the built-in guards: what each looks for and what a finding does."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from ...detect import CONFIDENT, SENSITIVITIES
from ...detect.masks import HASH, STYLES
from ...model import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = ("block", "review", "mask", "warn", "log")
"""What a finding may do; `warn` and `log` let the text pass and record the finding."""

CATEGORIES: dict[str, tuple[str, ...]] = {
    "injection": ("injection",),
    "pii": ("pii", "phi"),
    "secrets": ("secret",),
    "toxicity": ("toxicity",),
    "prompt_leak": ("prompt_leak",),
    "tool_poisoning": ("tool_poisoning",),
    "packs": ("confidential",),
    "argument_injection": ("argument_injection",),
}
"""Guard name to the categories of findings it reports."""

DEFAULTS = {
    "injection": "block",
    "pii": "mask",
    "secrets": "mask",
    "toxicity": "block",
    "prompt_leak": "warn",
    "tool_poisoning": "block",
    "packs": "mask",
    "argument_injection": "warn",
}
"""What a finding does where the configuration does not say."""

_VALUES = frozenset({"pii", "secrets", "packs"})

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

KEEP_MINUTES_MAX = 7 * 24 * 60
"""Longest a value may be kept: what is kept can be stolen."""

MINUTE = 60_000_000
"""Microseconds."""

HASH_KEY_MIN = 16
"""Fewest characters of `hash_key`: a key that can be guessed gives the values away."""


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


def _known(name: str, word: str, allowed: tuple[str, ...], what: str) -> str:
    if word in allowed:
        return word
    near = get_close_matches(word, allowed, 1)
    hint = f"; did you mean `{near[0]}`?" if near else f"; use one of {', '.join(allowed)}"
    raise ValueError(f"{name}: unknown {what} `{word}`{hint}")


def _action(name: str, word: str) -> str:
    if not word:
        return DEFAULTS[name]
    _known(name, word, ACTIONS, "action")
    if word == "mask" and name not in _VALUES:
        raise ValueError(f"{name}: what it finds cannot be masked; use block, review, warn or log")
    return word


def _strings(name: str, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise ValueError(f"{name}: `{key}` must be a list of strings")


def _masks(name: str, key: str, word: Any) -> bool:
    return _known(name, str(word), ("mask", "record"), f"choice for `{key}`") == "mask"


def resolve(name: str, raw: Mapping[str, Any]) -> GuardSettings:
    """The settings of one guard. Raises ValueError that says what is wrong and what to write."""
    _known("guards", name, tuple(CATEGORIES), "guard")
    keys = ["action", "sensitivity", "types", "block_at"]
    if name == "prompt_leak":
        keys += ["canaries", "system_prompts", "system_messages"]
    if name in _VALUES:
        keys += ["arguments", "results", "reversible", "keep_minutes", "restore_to", "elsewhere"]
        keys += ["masks", "hash_key"]
    if name == "pii":
        keys.append("locales")
    if name == "packs":
        keys += ["use", "engine", "brings"]
    for key in raw:
        _known(name, key, tuple(keys), "option")
    types: dict[str, str] = {}
    given = raw.get("types", {})
    if not isinstance(given, dict):
        raise ValueError(f"{name}: `types` must map types to actions, as in `EMAIL: warn`")
    for type_name, word in given.items():
        if not isinstance(word, str):
            raise ValueError(f"{name}: the action of `{type_name}` must be a word")
        types[str(type_name).upper()] = _action(name, word)
    at = raw.get("block_at", BLOCK_AT.get(name, 0))
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= 1000:
        raise ValueError(f"{name}: `block_at` must be a whole number from 0 to 1000")
    own = raw.get("system_messages", False)
    if not isinstance(own, bool):
        raise ValueError(f"{name}: `system_messages` must be true or false")
    return GuardSettings(
        name,
        _action(name, str(raw.get("action", "") or "")),
        _known(name, str(raw.get("sensitivity", "medium")), tuple(SENSITIVITIES), "sensitivity"),
        types,
        at,
        _strings(name, "canaries", raw.get("canaries", ())),
        _strings(name, "system_prompts", raw.get("system_prompts", ())),
        own,
        _masks(name, "arguments", raw.get("arguments", "record")),
        _masks(name, "results", raw.get("results", "mask" if name == "secrets" else "record")),
        *_reversible(name, raw),
        _styles(name, raw),
        tuple(one.lower() for one in _strings(name, "locales", raw["locales"]))
        if "locales" in raw
        else None,
    )


def _reversible(name: str, raw: Mapping[str, Any]) -> tuple[bool, int, tuple[str, ...], str]:
    on = raw.get("reversible", False)
    if not isinstance(on, bool):
        raise ValueError(f"{name}: `reversible` must be true or false")
    keep = raw.get("keep_minutes", KEEP_MINUTES)
    if not isinstance(keep, int) or isinstance(keep, bool) or not 1 <= keep <= KEEP_MINUTES_MAX:
        raise ValueError(f"{name}: `keep_minutes` must be a number from 1 to {KEEP_MINUTES_MAX}")
    elsewhere = str(raw.get("elsewhere", "block"))
    _known(name, elsewhere, ("block", "review", "warn", "log"), "choice for `elsewhere`")
    for key in ("keep_minutes", "restore_to", "elsewhere"):
        if key in raw and not on:
            raise ValueError(f"{name}: `{key}` has no effect without `reversible: true`")
    if on and str(raw.get("action") or DEFAULTS[name]) != "mask":
        raise ValueError(f"{name}: `reversible` needs the action `mask`")
    return on, keep * MINUTE, _strings(name, "restore_to", raw.get("restore_to", ())), elsewhere


def _styles(name: str, raw: Mapping[str, Any]) -> dict[str, str]:
    """Mask styles by type, the key of hashes within them."""
    given = raw.get("masks", {})
    if not isinstance(given, dict):
        raise ValueError(f"{name}: `masks` must map types to styles, as in `CREDIT_CARD: last4`")
    if given and raw.get("reversible"):
        raise ValueError(f"{name}: `masks` has no effect with `reversible: true`")
    key = raw.get("hash_key", "")
    hashes = HASH in given.values()
    if hashes and (not isinstance(key, str) or len(key) < HASH_KEY_MIN):
        raise ValueError(
            f"{name}: the mask `hash` needs a `hash_key` of {HASH_KEY_MIN} characters or more; "
            "write it as a `secret://` reference"
        )
    if "hash_key" in raw and not hashes:
        raise ValueError(f"{name}: `hash_key` has no effect without a mask `hash`")
    out: dict[str, str] = {}
    for type_name, word in given.items():
        style = _known(name, str(word), (*STYLES, HASH), f"mask for `{type_name}`")
        out[str(type_name).upper()] = f"{HASH}:{key}" if style == HASH else style
    return out
