"""Rules made to measure: identifiers of some countries only, and other masks for some types."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ruleset import RuleSet

_UNRULED = {
    "injection": ("ADVERSARIAL_SUFFIX", "TOKEN_FLOOD", "ATTACK_WORDING", "INVISIBLE_TEXT"),
    "prompt_leak": ("CANARY", "PROMPT_OVERLAP"),
}
"""Types of findings that come from no rule of the rule files, by category."""


def tailored(
    rules: RuleSet, masks: Mapping[str, str], locales: Iterable[str] | None = None
) -> RuleSet:
    """The rules with the mask styles of `masks` (by type), without the identifiers that only the
    countries outside of `locales` issue (None: all countries stay).

    The version names the result by its content. Raises ValueError for a type that no rule finds
    and for a country that no rule knows.
    """
    types = {rule.type for rule in rules.spans if not rule.payload}
    for name in masks:
        _known(name, types, "type")
    kept = rules.spans
    if locales is not None:
        countries = {rule.locale for rule in rules.spans} - {""}
        wanted = {_known(one, countries, "country") for one in locales}
        kept = tuple(rule for rule in kept if not rule.locale or rule.locale in wanted)
    spans = tuple(
        msgspec.structs.replace(rule, mask=masks.get(rule.type, rule.mask)) for rule in kept
    )
    digest = hashlib.sha256(rules.version.encode() + msgspec.json.encode(spans)).hexdigest()[:16]
    return msgspec.structs.replace(rules, spans=spans, version=digest)


def check_types(rules: RuleSet, names: Iterable[str], categories: Iterable[str]) -> None:
    """Raises ValueError for a type that no finding of some categories has."""
    types = {rule.type for rule in rules.spans if rule.category in categories}
    types |= {rule.type for rule in rules.rules if rule.category in categories}
    types.update(*(_UNRULED.get(category, ()) for category in categories))
    for name in names:
        _known(name, types, "type")


def _known(word: str, known: Iterable[str], what: str) -> str:
    if word in known:
        return word
    near = get_close_matches(word, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}"
    raise ValueError(f"no rule knows the {what} `{word}`; {hint}")
