"""Span rules: values with a shape, confirmed by validators and by the words around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import re2

from .gate import finder, options
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
"""Most tokens of one rule remembered while a text is read: a window holds a quarter of that."""

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


class Tokens(dict["Confirm", "dict[tuple[object, ...], _Token]"]):
    """What the rules made of the tokens of one text, of each once: it is read in up to three
    windows, and lists repeat themselves.
    """

    def __missing__(self, rule: Confirm) -> dict[tuple[object, ...], _Token]:
        known: dict[tuple[object, ...], _Token] = {}
        self[rule] = known
        return known


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
        # each twice: where a match is; and where in it the value is, which takes thrice as long
        self._patterns: tuple[tuple[Finder, Finder], ...] = ()

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
        self._patterns = tuple(
            (finder(pattern, options()), finder(pattern, options(captures=True)))
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
        known = (Tokens() if tokens is None else tokens)[self]
        data = view.data
        size = len(data)
        stop = size if own is None else own.stop
        # what is trimmed says where the search goes on, so it is read from the beginning
        first = 0 if own is None or self._trim is not None else own.start
        for find, find_groups in self._patterns:
            position = 0
            while True:
                low, high = find(data, position, size)[0]
                if not 0 <= low < stop:
                    break
                # the same characters between the same neighbours
                key = find, low == 0, high == size, data[max(0, low - 1) : high + 1]
                token = known.get(key)
                if token is None:
                    token = _token(low, find_groups(data, low, size))
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
                value = self._confirmed(data, low, token)
                if value is not None:
                    position = max(value.end, start + 1)
                    if own is None or value.start in own:
                        yield value

    def _confirmed(self, data: bytes, place: int, token: _Token) -> Value | None:
        """The value that stands there if the token at that place is one."""
        if not token.checked:
            self._check(token, data[place + token.start : place + token.end])
        if token.text is None:
            return None
        start, end = place + token.low, place + token.high
        if self._spoken_against(data, start, end):
            return None
        rule = self.rule
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
        return Value(start, end, score, mask(rule.mask, token.text, rule.type))

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


def _token(low: int, spans: Sequence[tuple[int, int]]) -> _Token:
    """A match from `low` on; its first group, where it has one, is the value."""
    start, end = spans[min(1, len(spans) - 1)]
    if start < 0:
        start, end = spans[0]
    return _Token(start - low, end - low)
