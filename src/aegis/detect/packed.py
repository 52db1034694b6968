"""Runs of base64 and hexadecimal, and what they decode to.

Most runs decode to nothing that can be read: keys, digests, names. So what a run gives is
remembered, and where its characters stood is worked out where something is found.
"""

from __future__ import annotations

import binascii
import re
from functools import partial
from string import ascii_letters
from typing import TYPE_CHECKING

from . import triggers
from .fold import fold
from .gate import finder, occurs, options
from .hidden import from_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .fold import Places, View

DECODED_MIN = 6
"""Fewest characters of decoded text worth reading."""

RUNS_MAX = 1024
"""Most runs of a disguise that are remembered: each is read in up to three windows, and once more
in every reading that leaves it alone."""

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
_LETTERS = re.compile(r"[^\W\d_]")
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
    if text.isascii():
        data = text.encode()
        strange = len(data.translate(None, _PLAIN))
        letters = len(data) - len(data.translate(None, _ALPHABET))
    else:
        strange = len(_STRANGE.findall(text))
        letters = len(_LETTERS.findall(text))
    if strange * 12 <= len(text) and letters * 4 >= len(text):
        return True
    return "&#" in text or _HEX.fullmatch(text) is not None


def as_read(view: View) -> Iterator[View]:
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


def spread(text: str, places: Sequence[int], width: int) -> Places:
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
        yield from as_read(view.derive(text, name, partial(_together_places, runs)))


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
    return spread(decoded, places[skip : skip + size], 1)


def from_hex(view: View) -> Iterator[View]:
    """Runs of hexadecimal bytes, plain, separated or escaped."""
    if not occurs(_HEXED, view.data):
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
    return spread(decoded, places, pairs[0].end() - pairs[0].start())
