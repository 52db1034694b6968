"""Disguised readings of a window of text: decoded, respelled, reversed.

Each function takes a view and gives views derived from it, or none where the text does not decode
to something readable. Windows are short (see `engine`), so plain loops are fine here.
"""

from __future__ import annotations

import binascii
import html
import re
from collections import Counter
from functools import partial
from string import ascii_letters
from typing import TYPE_CHECKING

from . import triggers
from .confusables import CONFUSABLES, latinised
from .fold import View, fold
from .gate import finder, options
from .hidden import from_tags
from .tables import from_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .fold import Places

DECODED_MIN = 6
"""Fewest characters of decoded text worth reading."""

RUNS_MAX = 1024
"""Most runs of base64 that are remembered: each is read in up to three windows, and once more in
every reading that leaves it alone."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
# nothing is given back: a long run would be tried from each of its letters
_BASE64_SPLIT = re.compile(
    r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{2,}+(?:[ \t\r\n]++[A-Za-z0-9+/]{2,}+)++={0,2}"
)
_HEX = re.compile(r"(?:(?:0x|\\x)?+[0-9A-Fa-f]{2}[ :,\r\n]*+){8,}+")
_HEXED = finder(r"(?U)(?:(?:0x|\\x)?[0-9a-f]{2}[ :,\r\n]*){8}", options())
"""A quick look for the same."""

_HEX_PAIR = re.compile(r"(?:0x|\\x)?([0-9A-Fa-f]{2})")
_HEX_SIGNS = re.compile(r"0x|[^0-9A-Fa-f]")
_GAP = re.compile(r"([\W_]+)")
_WORD = re.compile(r"[^\W\d_]{4}")
_URL = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+")
_INKED = re.compile(r"\S+")
_ENTITY = re.compile(r"&#x[0-9A-Fa-f]+;?|&#[0-9]+;?|&[A-Za-z]{2,8};")
_ESCAPE = re.compile(
    r"\\u\{([0-9A-Fa-f]{1,6})\}|\\u([0-9A-Fa-f]{4,5})|\\U([0-9A-Fa-f]{8})|\\x([0-9A-Fa-f]{2})"
    r"|[Uu]\+([0-9A-Fa-f]{4,6})\s?"
)
_SPACED = re.compile(r"(?<![^\W_])[^\W_]((?:[ ._*|/~-]{1,3}|\n)[^\W_]\b){3,}", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")
_BROKEN = re.compile(
    r"(?<=[A-Za-z])(?:-\s*\n\s*|[*_~`|^]{1,2}|\n|[\u2600-\u27bf\U0001f000-\U0001faff]+)"
    r"(?=[A-Za-z])"
)
_STRANGE = re.compile(
    r"[^\w\s.,;:!?'\"()\[\]{}<>/@#$%&*+=|\\~`^\u2600-\u27bf\U0001f000-\U0001faff-]"
)
_ALPHABET = ascii_letters.encode()
_PLAIN = _STRANGE.sub("", bytes(range(128)).decode()).encode()


def readable(text: str) -> bool:
    """Whether decoded text, as a reader sees it, looks like writing rather than like bytes, or is
    encoded again.
    """
    text = fold(text).text
    if len(text) < DECODED_MIN:
        return False
    if _HEX.fullmatch(text) is not None or "&#" in text:
        return True
    if text.isascii():
        data = text.encode()
        strange = len(data.translate(None, _PLAIN))
        letters = len(data) - len(data.translate(None, _ALPHABET))
    else:
        strange = len(_STRANGE.findall(text))
        letters = len(_LETTERS.findall(text))
    return strange * 12 <= len(text) and letters * 4 >= len(text)


def _as_read(view: View) -> Iterator[View]:
    """A decoded view as a reader sees it, and what it hides from readers."""
    seen = view.folded()
    yield seen
    yield from from_tags(view.text, seen, view)


def _decode(raw: bytes) -> str | None:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        # a window may cut the last character in two
        if error.start < len(raw) - 3 or error.start < DECODED_MIN:
            return None
        text = raw[: error.start].decode()
    return text if readable(text) else None


def _spread(text: str, places: Sequence[int], width: int) -> Places:
    """Where each decoded character stood: `places` are the encoded positions in order."""
    total = len(text.encode()) or 1
    count = len(places)
    if total == len(text) <= count:
        # a byte each, and for each byte a place or more
        steps = range(0, total * count, count)
        ahead = count - 1
        return (
            [places[step // total] for step in steps],
            [places[(step + ahead) // total] + width for step in steps],
        )
    starts: list[int] = []
    ends: list[int] = []
    offset = 0
    for char in text:
        size = len(char.encode())
        low = offset * count // total
        high = min(count - 1, max(low, ((offset + size) * count - 1) // total))
        starts.append(places[low])
        ends.append(places[high] + width)
        offset += size
    return starts, ends


_Run = tuple[str, "Callable[[], Places]"]
"""What a run decodes to, and where its characters stood."""


def _together(view: View, name: str, runs: Sequence[_Run]) -> Iterator[View]:
    """What the runs of a view decode to as one view, a line each: lists of short encoded values
    are ordinary, and what is spread over several runs belongs together.
    """
    if runs:
        text = "\n".join(decoded for decoded, _ in runs)
        yield from _as_read(view.derive(text, name, partial(_together_places, runs)))


def _together_places(runs: Sequence[_Run]) -> Places:
    starts: list[int] = []
    ends: list[int] = []
    for _, places in runs:
        low, high = places()
        # the line end before it stands where the run does
        joint = slice(0, 1 if starts else 0)
        starts += [*low[joint], *low]
        ends += [*high[joint], *high]
    return starts, ends


def from_base64(view: View) -> Iterator[View]:
    """Runs of base64, standard or url-safe."""
    return _from_base64(view, _BASE64)


def from_split_base64(view: View) -> Iterator[View]:
    """Base64 broken by blanks or line ends."""
    return _from_base64(view, _BASE64_SPLIT)


def from_run(view: View) -> Iterator[View]:
    """Long runs of letters and digits: base64 or hexadecimal."""
    yield from from_base64(view)
    yield from from_hex(view)


def _from_base64(view: View, pattern: re.Pattern[str]) -> Iterator[View]:
    text = view.text
    read = list(map(_UNPACKED.__getitem__, pattern.findall(text)))
    first = pattern.match(text)
    if first is not None and read[0] is None:
        # it may have begun earlier, at the left edge of a window
        read[0] = _unpacked(first.group(), range(1, 4))
    runs: list[_Run] = []
    if any(read):
        for unpacked, found in zip(read, pattern.finditer(text), strict=True):
            if unpacked is not None:
                runs.append((unpacked[0], partial(_base64_places, found, unpacked)))
    return _together(view, "base64", runs)


_Unpacked = tuple[str, int, int]
"""What a run of base64 decodes to, and from which sign on, blanks aside, how many are read."""


class _Runs(dict[str, _Unpacked | None]):
    """The runs of base64 seen so far."""

    def __missing__(self, run: str) -> _Unpacked | None:
        unpacked = _unpacked(run, range(1))
        if len(self) >= RUNS_MAX:
            self.clear()
        self[run] = unpacked
        return unpacked


_UNPACKED = _Runs()


def _unpacked(run: str, skips: Iterable[int]) -> _Unpacked | None:
    """What a run of base64 decodes to, by the first alignment that gives something."""
    packed = "".join(run.split()).rstrip("=").replace("-", "+").replace("_", "/")
    for skip in skips:
        part = packed[skip:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            raw = binascii.a2b_base64(part + "=" * (-len(part) % 4))
        except ValueError:
            continue
        decoded = _decode(raw)
        if decoded is not None:
            return decoded, skip, len(part)
    return None


def _base64_places(found: re.Match[str], unpacked: _Unpacked) -> Places:
    decoded, skip, size = unpacked
    first = found.start()
    places = [first + i for i, char in enumerate(found.group()) if not char.isspace()]
    return _spread(decoded, places[skip : skip + size], 1)


def from_hex(view: View) -> Iterator[View]:
    """Runs of hexadecimal bytes, plain, separated or escaped."""
    if _HEXED(view.data, 0, len(view.data))[0][0] < 0:
        return
    runs: list[_Run] = []
    for found in _HEX.finditer(view.text):
        digits = _HEX_SIGNS.sub("", found.group())
        for skip in (0, 1):
            part = digits[skip:]
            decoded = _decode(bytes.fromhex(part[: len(part) & ~1]))
            if decoded is not None:
                runs.append((decoded, partial(_hex_places, decoded, found, skip)))
                break
    yield from _together(view, triggers.HEX, runs)


def _hex_places(decoded: str, found: re.Match[str], skip: int) -> Places:
    pairs = list(_HEX_PAIR.finditer(found.group(), skip))
    places = [found.start() + pair.start() for pair in pairs]
    return _spread(decoded, places, pairs[0].end() - pairs[0].start())


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
    yield from _as_read(view.derive(text, triggers.URL, partial(_url_places, view.text)))


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
        low, high = _spread(_unquoted(found), range(start, end, width), width)
        starts += low
        ends += high
    return [*starts, *range(position, len(text))], [*ends, *range(position + 1, len(text) + 1)]


def from_entities(view: View) -> Iterator[View]:
    """HTML character references."""
    for read in _substitute(view, _ENTITY, lambda m: html.unescape(m.group()), triggers.ENTITY):
        yield from _as_read(read)


def from_escapes(view: View) -> Iterator[View]:
    r"""`\u0041`, `\x41`, `\u{41}` and `U+0041`."""

    def new(found: re.Match[str]) -> str:
        return _char(int(next(group for group in found.groups() if group), 16))

    for read in _substitute(view, _ESCAPE, new, triggers.ESCAPE):
        yield from _as_read(read)


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
    text = _SPACED.sub(_joined, view.text)
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


def _joined(found: re.Match[str]) -> str:
    pieces = _GAP.split(found.group())
    gaps = pieces[1::2]
    pieces[1::2] = map(_joints(gaps).__getitem__, gaps)
    return "".join(pieces)


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
