"""Disguised readings of a window of text: decoded, respelled, reversed.

Each function takes a view and gives views derived from it, or none where the text does not decode
to something readable. Windows are short (see `engine`), so plain loops are fine here.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from . import triggers
from .confusables import CONFUSABLES, latinised
from .packed import RUNS_MAX, as_read, from_hex, from_run, from_split_base64, spread
from .tables import from_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .fold import Places, View

_GAP = re.compile(r"([\W_]+)")
_WORD = re.compile(r"[^\W\d_]{4}")
_URL = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+")
_INKED = re.compile(r"\S+")
_ENTITY = re.compile(r"&#x[0-9A-Fa-f]+;?|&#[0-9]+;?|&[A-Za-z]{2,8};")
_ESCAPE = re.compile(
    r"\\u\{([0-9A-Fa-f]{1,6})\}|\\u([0-9A-Fa-f]{4,5})|\\U([0-9A-Fa-f]{8})|\\x([0-9A-Fa-f]{2})"
    r"|[Uu]\+([0-9A-Fa-f]{4,6})\s?"
)
# most letters have another one behind them, and are left at once
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?=[ ._*|/~\n-])(?:(?:[ ._*|/~-]{1,3}|\n)[^\W_]\b){3,}")
_BROKEN = re.compile(
    r"(?<=[A-Za-z])(?:-\s*\n\s*|[*_~`|^]{1,2}|\n|[\u2600-\u27bf\U0001f000-\U0001faff]+)"
    r"(?=[A-Za-z])"
)


def _substitute(
    view: View, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str], name: str
) -> Iterator[View]:
    """The view with every match replaced, if anything changed."""
    text, count = pattern.subn(new, view.text)
    if count:
        yield view.derive(text, name, partial(_substituted, view.text, pattern, new))


def _substituted(
    text: str, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str]
) -> Places:
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for found in pattern.finditer(text):
        size = len(new(found))
        starts.extend(range(position, found.start()))
        ends.extend(range(position + 1, found.start() + 1))
        starts.extend([found.start()] * size)
        ends.extend([found.end()] * size)
        position = found.end()
    starts.extend(range(position, len(text)))
    ends.extend(range(position + 1, len(text) + 1))
    return starts, ends


def _char(code: int) -> str:
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def from_url(view: View) -> Iterator[View]:
    """Percent-encoding (RFC 3986 section 2.1) and plus signs."""
    text = _URL.sub(_unquoted, view.text)
    yield from as_read(view.derive(text, triggers.URL, partial(_url_places, view.text)))


def _unquoted(found: re.Match[str]) -> str:
    run = found.group()
    return " " if run == "+" else bytes.fromhex(run.replace("%", "")).decode("utf-8", "replace")


def _url_places(text: str) -> Places:
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for found in _URL.finditer(text):
        start, end = found.span()
        starts += range(position, start)
        ends += range(position + 1, start + 1)
        position = end
        width = min(3, end - start)
        low, high = spread(_unquoted(found), range(start, end, width), width)
        starts += low
        ends += high
    return [*starts, *range(position, len(text))], [*ends, *range(position + 1, len(text) + 1)]


def from_entities(view: View) -> Iterator[View]:
    """HTML character references."""
    for read in _substitute(view, _ENTITY, lambda m: html.unescape(m.group()), triggers.ENTITY):
        yield from as_read(read)


def from_escapes(view: View) -> Iterator[View]:
    r"""`\u0041`, `\x41`, `\u{41}` and `U+0041`."""

    def new(found: re.Match[str]) -> str:
        return _char(int(next(group for group in found.groups() if group), 16))

    for read in _substitute(view, _ESCAPE, new, triggers.ESCAPE):
        yield from as_read(read)


def _same_length(view: View, text: str, name: str) -> View:
    places = range(len(text))
    return view.derive(text, name, (places, range(1, len(text) + 1)))


def from_rot13(view: View) -> Iterator[View]:
    """Letters moved thirteen places."""
    yield _same_length(view, triggers.rot13(view.text), triggers.ROT13)


def from_reversed(view: View) -> Iterator[View]:
    """The text read backwards, whole and word by word."""
    text = view.text
    size = len(text)
    places = range(size - 1, -1, -1)
    yield view.derive(text[::-1], triggers.REVERSED, (places, range(size, 0, -1)))
    words = _INKED.sub(lambda found: found.group()[::-1], text)
    yield view.derive(words, triggers.REVERSED, partial(_turned_places, text))


def _turned_places(text: str) -> Places:
    starts = list(range(len(text)))
    for found in _INKED.finditer(text):
        start, end = found.span()
        starts[start:end] = reversed(range(start, end))
    return starts, [place + 1 for place in starts]


_LEET_I = bytes.maketrans(b"4@83961!|05$7+", b"aabegg" + b"iiiosst" + b"t")
_LEET_L = bytes.maketrans(b"4@83961!|05$7+", b"aabegg" + b"lilosst" + b"t")


def from_leet(view: View) -> Iterator[View]:
    """Digits and signs read as the letters they resemble; `1` both as i and as l."""
    yield _same_length(view, view.data.translate(_LEET_I).decode(), triggers.LEETED)
    if "1" in view.text or "|" in view.text:
        yield _same_length(view, view.data.translate(_LEET_L).decode(), triggers.LEETED)


def from_spaced(view: View) -> Iterator[View]:
    """Letters written apart, put together again; words keep their wider gaps."""
    text = _SPACED.sub(lambda found: _JOINED[found.group()], view.text)
    # numbers written apart are numbers still
    if len(text) < len(view.text) and _WORD.search(text):
        yield view.derive(text, triggers.SPACED, partial(_spaced_places, view.text))


def _joints(gaps: Sequence[str]) -> dict[str, str]:
    """What the gaps of a run become: nothing between letters, a blank between words. Wider ones
    are between words, and blanks among other signs.
    """
    counts = Counter(gaps)
    single = min(map(len, counts), default=1)
    signs = sum(count for gap, count in counts.items() if not gap.isspace()) * 2 > len(gaps)
    return {
        gap: "" if len(gap) <= single and not (signs and gap.isspace()) else " " for gap in counts
    }


class _Joined(dict[str, str]):
    """The runs of letters written apart seen so far, put together."""

    def __missing__(self, run: str) -> str:
        pieces = _GAP.split(run)
        gaps = pieces[1::2]
        pieces[1::2] = map(_joints(gaps).__getitem__, gaps)
        if len(self) >= RUNS_MAX:
            self.clear()
        self[run] = joined = "".join(pieces)
        return joined


_JOINED = _Joined()


def _spaced_places(text: str) -> Places:
    keep: list[int] = []
    position = 0
    for found in _SPACED.finditer(text):
        keep.extend(range(position, found.start()))
        position = found.start()
        joints = _joints(_GAP.findall(found.group()))
        for gap in _GAP.finditer(found.group()):
            start = found.start() + gap.start()
            keep.extend(range(position, start))
            if joints[gap.group()]:
                keep.append(start)
            position = found.start() + gap.end()
    keep.extend(range(position, len(text)))
    return keep, [place + 1 for place in keep]


def from_broken(view: View) -> Iterator[View]:
    """Words broken by a hyphen and a line end, or by marks inside them."""
    return _substitute(view, _BROKEN, lambda m: "", triggers.BROKEN)


def from_lookalikes(view: View) -> Iterator[View]:
    """Letters of other scripts read as the Latin ones they resemble."""
    if any(char in CONFUSABLES for char in view.rest):
        yield _same_length(view, latinised(view.text), "lookalike")


DECODERS: dict[str, Callable[[View], Iterator[View]]] = {
    triggers.RUN: from_run,
    triggers.SPLIT: from_split_base64,
    triggers.HEX: from_hex,
    triggers.URL: from_url,
    triggers.ENTITY: from_entities,
    triggers.ESCAPE: from_escapes,
    triggers.ROT13: from_rot13,
    triggers.REVERSED: from_reversed,
    triggers.LEETED: from_leet,
    triggers.SPACED: from_spaced,
    triggers.BROKEN: from_broken,
    triggers.TABLED: from_table,
}
"""Disguised readings by the trigger that calls for them."""
