"""The condition over what an action touches: `[verb ]kind:name`.

Only resources of the kinds that the patterns name are looked at. All of them match: TRUE; none
does, or there is none: FALSE; some do: UNKNOWN, which restricts and never permits. A name with a
piece that only running the action would tell (`?`, wildcards of a shell) is UNKNOWN wherever it
could stand for a name that matches.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .fold import NAME_MAX, fold
from .glob import Glob, spelled_out
from .params import FALSE, TRUE, UNKNOWN, any_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Resource
    from .facts import Facts
    from .params import State

VERBS = frozenset(("read", "write", "delete", "deploy", "approve", "execute", "connect", "listen"))
"""What a resource's verb may be; a pattern may begin with one."""

_PATHS = frozenset(("file", "ci", "url"))
"""Kinds whose names are paths, where `*` stops at `/`."""


class _Pattern:
    def __init__(self, verb: str, kind: str, name: str) -> None:
        self.verb = verb
        self.kind = kind
        self.glob = Glob(name, "/" if kind in _PATHS else "")
        self.parts = fold(name).split("/") if kind in _PATHS else [fold(name)]
        self.deep = self.parts[-1] == "**" and not _wild("/".join(self.parts[:-1]))

    def state(self, resource: Resource, name: str) -> State:
        """Whether one resource of this kind matches."""
        if self.verb and resource.verb != self.verb:
            return FALSE
        if not _wild(name):
            return TRUE if self.glob.matches(name) else FALSE
        if self.glob.anything:
            return TRUE
        if (
            self.deep
            and "?" not in name
            and name.split("/")[: len(self.parts) - 1] == (self.parts[:-1])
        ):
            return TRUE
        parts = name.split("/") if self.kind in _PATHS else [name]
        return UNKNOWN if _may_match(parts, self.parts) else FALSE


def _patterns(text: str) -> list[_Pattern]:
    verb, space, rest = text.strip().partition(" ")
    verb, named = (verb, rest.strip()) if space and verb in VERBS else ("", text.strip())
    kind, _, name = named.partition(":")
    return [_Pattern(verb, fold(kind), one) for one in spelled_out(name or "*")]


def _wild(text: str) -> bool:
    return any(char in text for char in "?*[")


def _may_match(parts: list[str], pattern: list[str]) -> bool:
    """Whether a name with wildcards could stand for one that matches, part by part. A `?` may
    stand for any text, separators included; the wildcards of a shell skip hidden names.
    """
    for part, wanted in zip(parts, pattern, strict=False):
        if "?" in part or wanted == "**":
            return True
        if not _wild(part):
            if wanted != part and not (wanted and Glob(wanted).matches(part)):
                return False
        elif not _overlap(part, wanted):
            return False
    return len(parts) == len(pattern) or pattern[len(parts) :] == ["**"]


def _overlap(part: str, wanted: str) -> bool:
    """Whether a part with wildcards could stand for one that matches, as far as literal ends of
    two patterns tell.
    """
    if wanted.startswith(".") and not part.startswith("."):
        return False
    if not _wild(wanted):
        return fnmatchcase(wanted, part)
    for a, b in ((part, wanted), (part[::-1], wanted[::-1])):
        one, other = (re.split(r"[?*\[\]]", text, maxsplit=1)[0] for text in (a, b))
        if not (one.startswith(other) or other.startswith(one)):
            return False
    return True


def shaped(text: str) -> bool:
    """Whether a pattern is `[verb ]kind:name`."""
    verb, space, rest = text.strip().partition(" ")
    kind = (rest if space and verb in VERBS else text).strip().partition(":")
    return bool(kind[1]) and kind[0].replace("-", "").isalnum()


def touching(patterns: Sequence[str]) -> Callable[[Facts], State]:
    """The test of a list of patterns."""
    compiled = [pattern for text in patterns for pattern in _patterns(text)]
    kinds = {pattern.kind for pattern in compiled}

    def test(facts: Facts) -> State:
        states: set[State] = set()
        for resource in facts.action.resources:
            kind = fold(resource.kind)
            if kind in kinds:
                states.add(_one(resource, kind, compiled))
        if not states:
            return FALSE
        return next(iter(states)) if len(states) == 1 else UNKNOWN

    return test


def _one(resource: Resource, kind: str, patterns: list[_Pattern]) -> State:
    if len(resource.name) > NAME_MAX:
        return UNKNOWN
    name = fold(resource.name)
    states = [pattern.state(resource, name) for pattern in patterns if pattern.kind == kind]
    return any_of(states)
