"""Span rules: values with a shape, confirmed by validators and by the words around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from .gate import options
from .masks import mask
from .trims import TRIMS
from .validators import VALIDATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .fold import View
    from .ruleset import SpanRule

THRESHOLD = 500
"""Lowest score (thousandths) at which a value is reported at medium sensitivity."""

REFUSE_REACH = 40
"""Bytes before a value in which a word that makes it something else is looked for."""

_LINK = (
    r"(?:[ _-]?(?:number|numero|nummer|code|ref|no|nr|id|is|was"
    r"|号码|编号|番号|번호|号|は|为|是|는|은))*[\s:=#\"'`(./№-]*$"
)
"""What may stand between such a word and the value: `order number: #…`."""


def words_near(words: Iterable[str], tail: str = "") -> re2._Regexp:
    r"""One pattern for words of any script: `\b` marks the edge of an ASCII word."""
    parts = [
        "".join(r"\b" if part == r"\b" else re.escape(part) for part in re.split(r"(\\b)", word))
        for word in words
    ]
    return re2.compile(f"(?:{'|'.join(parts)}){tail}", options())


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

    __slots__ = (
        "_checks", "_context", "_patterns", "_refuse", "_trim", "_unless_after", "_unless_before",
        "rule",
    )  # fmt: skip

    def __init__(self, rule: SpanRule) -> None:
        self.rule = rule
        self._checks = tuple(VALIDATORS[name] for name in rule.validators)
        self._trim = TRIMS[rule.trim] if rule.trim else None
        self._context: re2._Regexp | None = None
        self._refuse: re2._Regexp | None = None
        self._unless_before: re2._Regexp | None = None
        self._unless_after: re2._Regexp | None = None
        # with the number of the group that is the value
        self._patterns: tuple[tuple[re2._Regexp, int], ...] = ()

    def _compile(self) -> None:
        rule = self.rule
        if rule.context:
            self._context = words_near(rule.context)
        if rule.refuse:
            self._refuse = words_near(
                (
                    rf"\b{word}" if word[:1].isascii() and word[:1].isalnum() else word
                    for word in rule.refuse
                ),
                _LINK,
            )
        if rule.unless_before:
            self._unless_before = re2.compile(f"(?:{rule.unless_before})$", options())
        if rule.unless_after:
            self._unless_after = re2.compile(f"^(?:{rule.unless_after})", options())
        compiled = [re2.compile(pattern, options(captures=True)) for pattern in rule.patterns]
        self._patterns = tuple((pattern, min(1, pattern.groups)) for pattern in compiled)

    def values(self, view: View, own: range | None = None) -> Iterator[Value]:
        """The confirmed values of this rule in a view; where `own` is given, all that begin in
        those bytes of its data and no others.
        """
        if not self._patterns:
            self._compile()
        data = view.data
        for pattern, group in self._patterns:
            position = 0
            while (found := pattern.search(data, position)) is not None:
                start, end = found.span(group)
                if start < 0:
                    start, end = found.span()
                if own is not None and start >= own.stop:
                    break
                # what ends one value may begin the next: search on from the value's own end
                position = max(end, position + 1)
                if own is not None and end <= own.start and self._trim is None:
                    continue
                value = self._confirmed(data, start, end)
                if value is not None:
                    position = max(value.end, start + 1)
                    if own is None or value.start in own:
                        yield value

    def _confirmed(self, data: bytes, start: int, end: int) -> Value | None:
        rule = self.rule
        text = data[start:end].decode("utf-8", "ignore")
        if self._trim is not None:
            low, high = self._trim(text)
            start, end = start + len(text[:low].encode()), start + len(text[:high].encode())
            text = text[low:high]
        if not all(check(text) for check in self._checks):
            return None
        if self._spoken_against(data, start, end):
            return None
        score = rule.score
        if self._context is not None:
            near = (
                data[max(0, start - rule.before) : start] + b"\x00" + data[end : end + rule.after]
            )
            if self._context.search(near):
                score = max(score, rule.context_score)
            elif rule.context_required:
                return None
        if score < THRESHOLD:
            return None
        return Value(start, end, score, mask(rule.mask, text, rule.type))

    def _spoken_against(self, data: bytes, start: int, end: int) -> bool:
        """Whether what stands right beside a value makes it something else."""
        before = data[max(0, start - REFUSE_REACH) : start]
        if self._refuse is not None and self._refuse.search(before):
            return True
        if self._unless_before is not None and self._unless_before.search(before):
            return True
        if self._unless_after is None:
            return False
        return self._unless_after.search(data[end : end + REFUSE_REACH]) is not None
