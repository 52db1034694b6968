"""Rules made to measure: identifiers of some countries only, and other masks for some types."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from .masks import SHAPED

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

    The version names the result by its content.
    """
    kept = rules.spans
    if locales is not None:
        wanted = frozenset(locales)
        kept = tuple(rule for rule in kept if not rule.locale or rule.locale in wanted)
    spans = tuple(
        msgspec.structs.replace(rule, mask=masks.get(rule.type, rule.mask)) for rule in kept
    )
    digest = hashlib.sha256(rules.version.encode() + msgspec.json.encode(spans)).hexdigest()[:16]
    return msgspec.structs.replace(rules, spans=spans, version=digest)


def types_of(rules: RuleSet, categories: Iterable[str]) -> frozenset[str]:
    """The types that findings of some categories have."""
    types = {rule.type for rule in rules.spans if rule.category in categories}
    types |= {rule.type for rule in rules.rules if rule.category in categories}
    return frozenset(types.union(*(_UNRULED.get(category, ()) for category in categories)))


def masked_types(rules: RuleSet, categories: Iterable[str]) -> frozenset[str]:
    """The types among them whose values are masked."""
    return frozenset(
        rule.type for rule in rules.spans if not rule.payload and rule.category in categories
    )


def countries_of(rules: RuleSet) -> frozenset[str]:
    """The countries (ISO 3166-1, lower case) whose identifiers the rules know."""
    return frozenset(rule.locale for rule in rules.spans) - {""}


def fitting(rules: RuleSet, style: str) -> frozenset[str] | None:
    """The types whose values have the shape that a mask style keeps; None: it fits any."""
    if style not in SHAPED:
        return None
    return frozenset(rule.type for rule in rules.spans if rule.mask == style)
