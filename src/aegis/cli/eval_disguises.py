"""Disguises of a text, and how many detections survive them.

Every transform is a plain function of the text, without chance, so two runs agree. They are
written from the outside: none of them knows how the engine undoes it.
"""

from __future__ import annotations

import base64
import codecs
import re
import textwrap
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from .eval_tally import TYPICAL, Rate, group, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .eval_rows import Row
    from .eval_tally import Seen

SAMPLE_MAX = 200
"""Texts that are disguised, of each label, evenly from all: a rate to within seven points."""

TEXT_MAX = 2000
"""Longest text that is disguised, in characters; a disguise makes a text up to tenfold longer."""

_WORD = re.compile(r"[^\W\d_]{4,}")

_CYRILLIC = str.maketrans("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ")
_GREEK = str.maketrans("aoviptkAEHIKMNOTX", "αονιρτκΑΕΗΙΚΜΝΟΤΧ")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_SYMBOLS = str.maketrans("aislAISL", "@!$|@!$|")
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_BOLD = {ord("A") + i: 0x1D400 + i for i in range(26)} | {
    ord("a") + i: 0x1D41A + i for i in range(26)
}
_CIRCLED = {ord("A") + i: 0x24B6 + i for i in range(26)} | {
    ord("a") + i: 0x24D0 + i for i in range(26)
}


def _between(mark: str) -> Callable[[str], str]:
    """The text with a mark between the letters of every word."""
    return lambda text: re.sub(r"(?<=\w)(?=\w)", mark, text)


def _inside(mark: str) -> Callable[[str], str]:
    """The text with a mark in the middle of every longer word."""

    def put(found: re.Match[str]) -> str:
        word = found.group()
        return word[: len(word) // 2] + mark + word[len(word) // 2 :]

    return lambda text: _WORD.sub(put, text)


def _each(form: str) -> Callable[[str], str]:
    """Every character by its number, as `form` writes it."""
    return lambda text: "".join(form.format(ord(char)) for char in text)


def _mapped(table: dict[int, int]) -> Callable[[str], str]:
    return lambda text: text.translate(table)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(_base64(text), 40))


def _urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _twice(text: str) -> str:
    return _base64(_base64(text))


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _tags(text: str) -> str:
    """Written in tag characters (U+E0020 to U+E007E) behind a harmless word."""
    return "Hello" + "".join(chr(0xE0000 + ord(c)) for c in text if " " <= c <= "~")


def _swapped(text: str) -> str:
    """Two neighbouring letters in the middle of each word of six or more exchanged."""
    return re.sub(r"[^\W\d_]{6,}", lambda m: _swap(m.group()), text)


def _swap(word: str) -> str:
    at = len(word) // 2
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


def _alternating(text: str) -> str:
    return "".join(char.upper() if index % 2 else char.lower() for index, char in enumerate(text))


TRANSFORMS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "alternating case": _alternating,
    "full width": _mapped(_WIDE),
    "bold mathematical letters": _mapped(_BOLD),
    "circled letters": _mapped(_CIRCLED),
    "cyrillic look-alikes": _mapped(_CYRILLIC),
    "greek look-alikes": _mapped(_GREEK),
    "zero width spaces": _between("\u200b"),
    "soft hyphens": _inside("\u00ad"),
    "word joiners": _inside("\u2060"),
    "direction marks": _between("\u200e"),
    "combining marks": _between("\u0336"),
    "leet digits": _mapped(_LEET),
    "leet symbols": _mapped(_SYMBOLS),
    "spaced letters": _between(" "),
    "dotted letters": _between("."),
    "hyphenated letters": _between("-"),
    "words broken over lines": _inside("-\n"),
    "markdown inside words": _inside("**"),
    "words run together": lambda text: re.sub(r"\s+", "", text),
    "swapped letters": _swapped,
    "base64": _base64,
    "base64 in lines": _wrapped,
    "base64, url-safe": _urlsafe,
    "base64, twice": _twice,
    "hexadecimal": lambda text: text.encode().hex(),
    "percent encoding": lambda text: quote(text, safe=""),
    "html entities": _each("&#{};"),
    "unicode escapes": _each("\\u{:04x}"),
    "rot13": _rot13,
    "reversed": lambda text: text[::-1],
    "tag characters": _tags,
    "rot13 in base64": lambda text: _base64(_rot13(text)),
}
"""Name of the disguise to what it does to a text."""


class Disguise(msgspec.Struct, frozen=True):
    """One transform: detections kept, at both operating points, and benign texts flagged."""

    kept: Rate
    kept_confident: Rate
    benign: Rate


class Disguises(msgspec.Struct, frozen=True):
    """All transforms; `mean` and `worst` are shares of the detections kept when flagged."""

    transforms: dict[str, Disguise]
    mean: float
    worst: float
    benign: Rate


def measure(seen: Sequence[Seen], check: Callable[[Row, str], Seen]) -> Disguises | None:
    """Disguise what was detected, and typical benign texts that were not; ask again.

    `check` asks the engine about a row whose text is replaced. Characters a transform cannot
    write stay as they are, and a text it does not change is not counted. None where nothing was
    detected.
    """
    short = [one for one in seen if 0 < len(one.row.text) <= TEXT_MAX]
    attacks = _sample([one for one in short if one.row.label and one.flagged])
    benign = _sample([one for one in short if group(one.row) == TYPICAL and not one.flagged])
    if not attacks:
        return None
    transforms: dict[str, Disguise] = {}
    for name, transform in TRANSFORMS.items():
        asked = _asked(attacks, transform, check)
        if not asked:
            continue
        sure = [after for before, after in asked if before.confident]
        wrong = [after for _, after in _asked(benign, transform, check)]
        transforms[name] = Disguise(
            wilson(sum(after.flagged for _, after in asked), len(asked)),
            wilson(sum(after.confident for after in sure), len(sure)),
            wilson(sum(after.flagged for after in wrong), len(wrong)),
        )
    shares = [one.kept.rate for one in transforms.values()]
    return Disguises(
        transforms,
        sum(shares) / len(shares),
        min(shares),
        wilson(
            sum(one.benign.hits for one in transforms.values()),
            sum(one.benign.n for one in transforms.values()),
        ),
    )


def _sample(seen: list[Seen]) -> list[Seen]:
    """At most SAMPLE_MAX, evenly from the whole list, whatever its order."""
    step = max(1, -(-len(seen) // SAMPLE_MAX))
    return seen[::step]


def _asked(
    seen: Sequence[Seen], transform: Callable[[str], str], check: Callable[[Row, str], Seen]
) -> list[tuple[Seen, Seen]]:
    out: list[tuple[Seen, Seen]] = []
    for one in seen:
        text = transform(one.row.text)
        if text != one.row.text:
            out.append((one, check(one.row, text)))
    return out
