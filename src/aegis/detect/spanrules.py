"""Span rules: values with a shape, confirmed by validators and by the words around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from .gate import options
from .masks import mask
from .validators import VALIDATORS, iban_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fold import View
    from .ruleset import SpanRule

THRESHOLD = 500
"""Lowest score (thousandths) at which a value is reported at medium sensitivity."""


class Value:
    """A confirmed value in a view: byte span, score and replacement."""

    __slots__ = ("end", "mask", "score", "start")

    def __init__(self, start: int, end: int, score: int, mask: str) -> None:
        self.start = start
        self.end = end
        self.score = score
        self.mask = mask


class Confirm:
    """One span rule, compiled. Thread-safe; the patterns compile on first use."""

    __slots__ = ("_checks", "_patterns", "rule")

    def __init__(self, rule: SpanRule) -> None:
        self.rule = rule
        self._checks = tuple(VALIDATORS[name] for name in rule.validators)
        self._patterns: tuple[re2._Regexp, ...] = ()

    def values(self, view: View) -> Iterator[Value]:
        """The confirmed values of this rule in a view."""
        if not self._patterns:
            self._patterns = tuple(
                re2.compile(pattern, options(captures=True)) for pattern in self.rule.patterns
            )
        data = view.data
        for pattern in self._patterns:
            group = 1 if pattern.groups else 0
            position = 0
            while (found := pattern.search(data, position)) is not None:
                start, end = found.span(group)
                if start < 0:
                    start, end = found.span()
                position = max(found.end(), position + 1)
                value = self._confirmed(data, start, end)
                if value is not None:
                    yield value
                    position = max(value.end, position if value.end > position else value.end)

    def _confirmed(self, data: bytes, start: int, end: int) -> Value | None:
        rule = self.rule
        text = data[start:end].decode("utf-8", "ignore")
        if rule.type == "IBAN":
            start, end, text = _trim_iban(start, text)
        if not all(check(text) for check in self._checks):
            return None
        score = rule.score
        if rule.refuse:
            before = data[max(0, start - 24) : start].decode("utf-8", "ignore").lower()
            before = before.rstrip(" :=#\"'`(\t")
            if before.endswith(rule.refuse):
                return None
        if rule.context:
            low = max(0, start - rule.before)
            near = data[low:start] + b"\x00" + data[end : end + rule.after]
            around = near.decode("utf-8", "ignore").lower()
            if any(word in around for word in rule.context):
                score = max(score, rule.context_score)
            elif rule.context_required:
                return None
        if score < THRESHOLD:
            return None
        return Value(start, end, score, mask(rule.mask, text, rule.type))


def _trim_iban(start: int, text: str) -> tuple[int, int, str]:
    """An IBAN pattern may swallow the word after it: cut at the length of the country."""
    wanted = iban_length(text)
    seen = 0
    for index, char in enumerate(text):
        seen += char.isalnum()
        if seen == wanted:
            text = text[: index + 1]
            break
    return start, start + len(text.encode()), text
