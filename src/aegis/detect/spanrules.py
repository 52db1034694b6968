"""Span rules: values with a shape, confirmed by validators and by the words around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from .gate import finder, occurs, options
from .masks import mask
from .trims import TRIMS
from .validators import VALIDATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .fold import View
    from .gate import Finder
    from .ruleset import SpanRule

THRESHOLD = 500
"""Lowest score (thousandths) at which a value is reported at medium sensitivity."""

REFUSE_REACH = 40
"""Bytes before a value in which a word that makes it something else is looked for."""

TOKENS_MAX = 512
"""Most tokens of one pattern remembered while a text is read: a window holds a quarter of that."""

_LINK = (
    r"(?:[ _-]?(?:number|numero|nummer|code|ref|no|nr|id|is|was"
    r"|号码|编号|番号|번호|号|は|为|是|는|은))*[\s:=#\"'`(./№-]*$"
)
"""What may stand between such a word and the value: `order number: #…`."""


def _words(words: Iterable[str]) -> str:
    r"""One pattern for words of any script: `\b` marks the edge of an ASCII word."""
    parts = [
        "".join(r"\b" if part == r"\b" else re.escape(part) for part in re.split(r"(\\b)", word))
        for word in words
    ]
    return f"(?:{'|'.join(parts)})"


class Value:
    """A confirmed value in a view: byte span, score and replacement."""

    __slots__ = ("end", "mask", "score", "start")

    def __init__(self, start: int, end: int, score: int, mask: str) -> None:
        self.start = start
        self.end = end
        self.score = score
        self.mask = mask


class _Token:
    """What a rule makes of a matched text, wherever that stands: all places count from where it
    begins. `start` and `end` are those of the value as matched, `low` and `high` of what is left
    of it trimmed: `text`, None where a check speaks against it.
    """

    __slots__ = ("checked", "end", "high", "low", "start", "text")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.low = 0
        self.high = 0
        self.text: str | None = None
        self.checked = False


class Tokens(dict["Finder", dict[bytes, _Token]]):
    """What the patterns matched in one text, by the text and its neighbours, and what was made of
    it: it is read in up to three windows, and lists repeat themselves.
    """

    def __missing__(self, pattern: Finder) -> dict[bytes, _Token]:
        known: dict[bytes, _Token] = {}
        self[pattern] = known
        return known


class Confirm:
    """One span rule, compiled. Thread-safe; the patterns compile on first use."""

    __slots__ = (
        "_after", "_before", "_checks", "_context", "_patterns", "_trim", "rule",
    )  # fmt: skip

    def __init__(self, rule: SpanRule) -> None:
        self.rule = rule
        self._checks = tuple(VALIDATORS[name] for name in rule.validators)
        self._trim = TRIMS[rule.trim] if rule.trim else None
        self._context: Finder | None = None
        # what speaks against a value, right before and right behind it
        self._before: Finder | None = None
        self._after: Finder | None = None
        # each twice: where a match is; and where in it the value is, which takes thrice as long
        self._patterns: tuple[tuple[Finder, Finder], ...] = ()

    def _compile(self) -> None:
        rule = self.rule
        if rule.context:
            self._context = finder(_words(rule.context), options())
        before = [f"(?:{rule.unless_before})$"] if rule.unless_before else []
        if rule.refuse:
            refused = _words(
                rf"\b{word}" if word[:1].isascii() and word[:1].isalnum() else word
                for word in rule.refuse
            )
            before.append(refused + _LINK)
        if before:
            self._before = finder("|".join(before), options())
        if rule.unless_after:
            self._after = finder(f"^(?:{rule.unless_after})", options())
        self._patterns = tuple(
            (
                finder(pattern, options()),
                finder(pattern, options(captures=True), re2._Anchor.ANCHOR_BOTH),
            )
            for pattern in rule.patterns
        )

    def values(
        self, view: View, own: range | None = None, tokens: Tokens | None = None
    ) -> Iterator[Value]:
        """The confirmed values of this rule in a view; where `own` is given, all that begin in
        those bytes of its data and no others. `tokens` are those of the same text.
        """
        if not self._patterns:
            self._compile()
        tokens = Tokens() if tokens is None else tokens
        data = view.data
        size = len(data)
        stop = size if own is None else own.stop
        # what is trimmed says where the search goes on, so it is read from the beginning
        first = 0 if own is None or self._trim is not None else own.start
        for find, find_groups in self._patterns:
            known = tokens[find]
            position = 0
            while True:
                low, high = find(data, position, size)[0]
                if not 0 <= low < stop:
                    break
                # at an edge no neighbour says the same as one
                key = data[low - 1 : high + 1] if low > 0 and high < size else b""
                token = known.get(key)
                if token is None:
                    token = _token(low, find_groups(data, low, high))
                    if key:
                        if len(known) >= TOKENS_MAX:
                            known.clear()
                        known[key] = token
                start, end = low + token.start, low + token.end
                if start >= stop:
                    break
                # what ends one value may begin the next: search on from the value's own end
                position = max(end, position + 1)
                if end <= first:
                    continue
                if not token.checked:
                    self._check(token, data[start:end])
                if token.text is None:
                    continue
                left, right = low + token.low, low + token.high
                score = self._weighed(data, left, right)
                if score >= THRESHOLD:
                    position = max(right, start + 1)
                    if own is None or left in own:
                        rule = self.rule
                        yield Value(left, right, score, mask(rule.mask, token.text, rule.type))

    def _weighed(self, data: bytes, start: int, end: int) -> int:
        """How sure it is that what stands there is a value, given what stands around it; 0 where
        that speaks against it.
        """
        rule = self.rule
        if self._before is not None:
            before = data[max(0, start - REFUSE_REACH) : start]
            if occurs(self._before, before):
                return 0
        if self._after is not None and occurs(self._after, data[end : end + REFUSE_REACH]):
            return 0
        if self._context is None:
            return rule.score
        near = data[max(0, start - rule.before) : start] + b"\x00" + data[end : end + rule.after]
        if occurs(self._context, near):
            return max(rule.score, rule.context_score)
        return 0 if rule.context_required else rule.score

    def _check(self, token: _Token, raw: bytes) -> None:
        """Trim a token, and ask the checks about it."""
        text = raw.decode("utf-8", "ignore")
        token.low, token.high = token.start, token.end
        if self._trim is not None:
            low, high = self._trim(text)
            token.low = token.start + len(text[:low].encode())
            token.high = token.start + len(text[:high].encode())
            text = text[low:high]
        token.text = text if all(check(text) for check in self._checks) else None
        token.checked = True


def _token(low: int, spans: Sequence[tuple[int, int]]) -> _Token:
    """A match from `low` on; its first group, where it has one, is the value."""
    start, end = spans[min(1, len(spans) - 1)]
    if start < 0:
        start, end = spans[0]
    return _Token(start - low, end - low)
