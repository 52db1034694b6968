"""Payloads: values with a shape that mean an attack in one kind of text only.

`'; DROP TABLE x --` is a parameter that breaks out; in a prompt it is somebody's homework. Such
rules are kept apart from the others, by kind of text, so that nobody else pays for them. Each
pattern has a gate of its own: what the gate did not see is not looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from .gate import Gate, options
from .hit import Hit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .fold import View
    from .ruleset import SpanRule

TAKEN_MAX = 12
"""Most matches of one pattern in one window: more of the same say nothing new."""

_OPENING = r"\A"
"""A pattern with this describes a whole value from its first character."""


def by_kind(rules: Iterable[SpanRule]) -> dict[str, Payloads]:
    """The rules that are read apart, compiled for each kind of text they are for."""
    own: dict[str, list[SpanRule]] = {}
    for rule in rules:
        for kind in rule.kinds if rule.payload else ():
            own.setdefault(kind, []).append(rule)
    return {kind: Payloads(some) for kind, some in own.items()}


class Payloads:
    """The rules for one kind of text. Thread-safe; patterns compile on first use."""

    __slots__ = ("_compiled", "_gate", "_pairs")

    def __init__(self, rules: Iterable[SpanRule]) -> None:
        pairs = [
            (rule, pattern, "|".join(gate))
            for rule in rules
            for pattern, gate in zip(rule.patterns, rule.gate, strict=True)
        ]
        known = list(dict.fromkeys(gate for _, _, gate in pairs))
        self._gate = Gate(known)
        self._pairs = [(rule, pattern, known.index(gate)) for rule, pattern, gate in pairs]
        self._compiled: dict[str, re2._Regexp] = {}

    def heard(self, data: bytes) -> bool:
        """False where no rule can match the UTF-8 text. Raises ScanError where unknown."""
        return bool(self._gate.match(data))

    def hits(self, view: View, categories: frozenset[str] | None, opening: bool) -> Iterator[Hit]:
        """Payloads in a view; `opening` says that it begins where the text begins."""
        seen = self._gate.match(view.data)
        if not seen:
            return
        for rule, pattern, gate in self._pairs:
            if (
                gate not in seen
                or (categories is not None and rule.category not in categories)
                or (_OPENING in pattern and not opening)
            ):
                continue
            for low, high in self._places(pattern, view.data):
                start, end = view.origin(low, high)
                yield Hit(
                    start, end, rule.id, rule.category, rule.type, rule.score, rule.severity,
                    None, view.name,
                )  # fmt: skip

    def _places(self, pattern: str, data: bytes) -> Iterator[tuple[int, int]]:
        position = 0
        for _ in range(TAKEN_MAX):
            found = self._pattern(pattern).search(data, position)
            if found is None:
                return
            yield found.span()
            position = max(found.end(), position + 1)

    def _pattern(self, source: str) -> re2._Regexp:
        known = self._compiled.get(source)
        if known is None:
            known = self._compiled[source] = re2.compile(source, options())
        return known
