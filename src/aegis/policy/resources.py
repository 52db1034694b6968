"""The condition over what an action touches: `[verb ]kind:name`.

Only resources of the kinds that the patterns name are looked at. All of them match: TRUE; none
does, or there is none: FALSE; some do: UNKNOWN, which restricts and never permits. A name with a
piece that only running the action would tell (`?`, wildcards of a shell) is UNKNOWN wherever it
could stand for a name that matches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fold import NAME_MAX, fold
from .glob import Glob
from .params import FALSE, TRUE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Resource
    from .conditions import Facts
    from .params import State

VERBS = frozenset(("read", "write", "delete", "deploy", "approve", "execute", "connect", "listen"))
"""What a resource's verb may be; a pattern may begin with one."""

_PATHS = frozenset(("file", "ci", "url"))
"""Kinds whose names are paths, where `*` stops at `/`."""

_WILD = "?*["


class _Pattern:
    def __init__(self, text: str) -> None:
        verb, space, rest = text.strip().partition(" ")
        self.verb, named = (verb, rest.strip()) if space and verb in VERBS else ("", text.strip())
        kind, _, name = named.partition(":")
        self.kind = fold(kind)
        self.glob = Glob(name or "*", "/" if self.kind in _PATHS else "")
        self.start = fold(_literal(name)) if name else ""
        self.deep = name.endswith("/**") and not any(char in name[:-3] for char in _WILD + "{")

    def state(self, resource: Resource, name: str, literal: str | None) -> State:
        """Whether one resource of this kind matches; `literal` is the known beginning of a name
        that is not wholly known.
        """
        if self.verb and resource.verb != self.verb:
            return FALSE
        if literal is None:
            return TRUE if self.glob.matches(name) else FALSE
        if self.deep and "?" not in name and literal.startswith(self.start):
            return TRUE
        if self.glob.anything:
            return TRUE
        near = literal.startswith(self.start) or self.start.startswith(literal)
        return UNKNOWN if near else FALSE


def shaped(text: str) -> bool:
    """Whether a pattern is `[verb ]kind:name`."""
    verb, space, rest = text.strip().partition(" ")
    kind = (rest if space and verb in VERBS else text).strip().partition(":")
    return bool(kind[1]) and kind[0].replace("-", "").isalnum()


def touching(patterns: Sequence[str]) -> Callable[[Facts], State]:
    """The test of a list of patterns."""
    compiled = [_Pattern(text) for text in patterns]
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
    literal = _literal(name) if any(char in name for char in _WILD) else None
    states = [p.state(resource, name, literal) for p in patterns if p.kind == kind]
    return TRUE if TRUE in states else UNKNOWN if UNKNOWN in states else FALSE


def _literal(name: str) -> str:
    """The beginning of a name or pattern up to its first wildcard."""
    ends = [at for char in (*_WILD, "{") if (at := name.find(char)) >= 0]
    return name[: min(ends)] if ends else name
