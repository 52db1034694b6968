"""What is legal in a policy and still surely not meant. Only what can be told exactly."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from ..model import CAPABILITIES, PROTOCOLS, Problem, Verdict
from .fold import fold
from .glob import Glob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Rule
    from .policy import Policy

_DANGEROUS = ("delete", "deploy", "approve")
_KNOWN = {"protocol": PROTOCOLS, "capability": CAPABILITIES}


def lint(policy: Policy) -> list[Problem]:
    """Complaints about a policy, in the order of its rules."""
    rules = [rule for rule in policy.rules if rule.enabled]
    return [
        *_duplicates(rules),
        *_unreachable(rules),
        *(problem for rule in rules for problem in _each(rule)),
    ]


def _at(rule: Rule, message: str, hint: str) -> Problem:
    source, line, column = rule.place
    return Problem(message, source=source, line=line, column=column, path=rule.name, hint=hint)


def _duplicates(rules: list[Rule]) -> Iterator[Problem]:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            yield _at(
                rule,
                f"another rule is also called `{rule.name}`",
                "records cannot tell them apart; rename one",
            )
        seen.add(rule.name)


def _anything(globs: list[str]) -> bool:
    return any(Glob(text).anything for text in globs)


def _narrowing(rule: Rule) -> dict[str, frozenset[str]]:
    """The criteria that narrow a rule, folded."""
    return {
        key: frozenset(fold(text) for text in globs)
        for key, globs in rule.match.items()
        if not _anything(globs)
    }


def _unreachable(rules: list[Rule]) -> Iterator[Problem]:
    """Rules after one without conditions that asks for the same, or for less."""
    first: dict[frozenset[tuple[str, frozenset[str]]], Rule] = {}
    for rule in rules:
        asked = list(_narrowing(rule).items())
        # at most eight criteria, so at most 256 subsets
        subsets = (
            frozenset(some) for size in range(len(asked) + 1) for some in combinations(asked, size)
        )
        before = next((first[some] for some in subsets if some in first), None)
        if before is not None:
            yield _at(
                rule,
                f"rule `{before.name}` before it already covers every action it names",
                "move it up, or remove it",
            )
        elif not rule.conditions:
            first[frozenset(asked)] = rule


def _each(rule: Rule) -> Iterator[Problem]:
    permits = rule.verdict < Verdict.REVIEW
    narrowing = _narrowing(rule)
    if permits and not narrowing and not rule.conditions:
        yield _at(
            rule,
            "allows everything that no rule before it decides",
            "name what is allowed; the default decides the rest",
        )
    capabilities = [Glob(text) for text in rule.match.get("capability", ())]
    named = [c for c in _DANGEROUS if any(glob.matches(c) for glob in capabilities)]
    if permits and named and set(narrowing) <= {"capability"} and capabilities:
        yield _at(
            rule, f"allows every action that can {named[0]}", "name the types it is meant for"
        )
    for field, known in _KNOWN.items():
        for text in rule.match.get(field, ()):
            glob = Glob(text)
            if not any(glob.matches(name) for name in known):
                yield _at(rule, f"{field} `{text}` does not exist", f"known: {', '.join(known)}")
    conditions = rule.conditions
    if "timezone" in conditions and not (
        {"time_after", "time_before", "weekdays", "any", "all", "not"} & set(conditions)
    ):
        yield _at(rule, "`timezone` without a time or weekday has no effect", "remove it")
