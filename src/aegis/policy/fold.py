"""Names as people read them: one spelling for every way a name can be disguised.

A block rule on `delete*` is worth nothing if `Delete`, full-width letters, a Cyrillic `е` or a
zero-width space slip past it. Patterns and values are therefore both folded before they are
compared:

1. compatibility decomposition (NFKD, UAX #15), the combining marks of the blocks for Latin,
   Cyrillic and symbols dropped;
2. invisible characters dropped: controls, format characters (soft hyphen, zero-width, bidi, tags),
   the Braille blank, and whatever Unicode lets a font ignore, assigned or not;
3. look-alike letters of other scripts (a subset of UTS #39) and letters in filled circles, squares
   and flags folded to Latin, case folded;
4. white space runs become one space; the ends are stripped.

Folding is for comparing only: what is performed and recorded keeps its own spelling.
"""

from __future__ import annotations

import re
import unicodedata

NAME_MAX = 16_384
"""Longest name that is matched, in code points. A longer one cannot be decided and counts as
unknown: rules that restrict apply, rules that permit do not. Long enough for a shell command."""

SHOWN_MAX = 80
"""Most characters of a caller's name that are repeated in a sentence or a record."""

# One row per Latin letter: letters of other scripts that look like it in their own case.
_LOOKALIKES = {
    "a": "аɑαАΑᴀꓮᎪᗅ",
    "b": "ЬьвВΒβʙꓐᏴᗷ",
    "c": "сСϲϹᴄꓚᏟ",
    "d": "ԁժᴅꓓᎠᗪ",
    "e": "еЕΕεеҽᴇꓰᎬ",
    "f": "ғƒϝꜰꓝᖴ",
    "g": "ɡցɢԍꓖᏀ",
    "h": "һҺНнΗհʜꓧᎻᕼ",
    "i": "іІΙιıɩӏӀǀꓲᎥ",
    "j": "јЈϳյᴊꓙᎫᒍ",
    "k": "кКΚκᴋꓗᏦ",
    "l": "ⅼʟ∣ꓡᏞᒪ",
    "m": "мМΜᴍꓟᎷ",
    "n": "Νηпոռɴꓠ",
    "o": "оОΟοσօסᴏഠꓳ",
    "p": "рРΡρᴘꓑᏢᑭ",
    "q": "ԛզ",
    "r": "гʀᴦꓣᎡᖇ",
    "s": "ѕЅʂꜱꓢᏚ",
    "t": "тТΤτᴛꓔᎢ",
    "u": "υμʋսᴜꓴᑌ",
    "v": "νѵѴᴠꓦᏙᐯ",
    "w": "ԝωԜᴡѡꓪᎳᏔ",
    "x": "хХΧχꓫ᙭",
    "y": "уУΥүҮʏγꓬᎩ",
    "z": "ΖζᴢꓜᏃ",
}
_ENCLOSED = (0x1F150, 0x1F170, 0x1F1E6)
"""The A of filled circles, filled squares and flags, which NFKD leaves as they are."""

_AS_SEEN = {ord(seen): latin for latin, row in _LOOKALIKES.items() for seen in row}
_AS_SEEN |= {first + place: chr(97 + place) for first in _ENCLOSED for place in range(26)}
_AS_SEEN_LOWER = {code: latin for code, latin in _AS_SEEN.items() if chr(code).islower()}

_MARKS = (
    *((0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF)),
    *((0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)),
)
"""Blocks of combining marks that are not letters of a script (Unicode 15, Blocks.txt)."""

_IGNORABLE = (
    *((0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065)),
    *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
)
"""Default_Ignorable_Code_Point (Unicode 15, DerivedCoreProperties.txt), less the format characters
and plane 14, all of whose 4,096 such characters stand in one row."""

_DROPPED = {chr(c) for first, last in _MARKS + _IGNORABLE for c in range(first, last + 1)}
_DROPPED.add("\u2800")
_CONTROLS = {code: " " if chr(code).isspace() else None for code in (*range(32), 127)}
"""What becomes of ASCII's controls; the same as in `_unmasked`, at the speed of a table."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


def fold(name: str) -> str:
    """The one spelling of a name, ends stripped."""
    if name.isascii():
        if name.isprintable():
            return name.lower() if " " not in name else _spaced(name.lower())
        return _spaced(name.translate(_CONTROLS).lower())
    return _spaced(_unmasked(name))


def fold_part(text: str) -> str:
    """The folded spelling of a piece of a pattern; a space at its ends stays."""
    # the digits keep the ends from being stripped, and belong to no script
    return fold(f"0{text}0")[1:-1]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _unmasked(name: str) -> str:
    kept: list[str] = []
    for char in unicodedata.normalize("NFKD", name):
        if char in _DROPPED or "\U000e0000" <= char <= "\U000e0fff":
            continue
        if char.isspace():
            kept.append(" ")
            continue
        category = unicodedata.category(char)
        if category in ("Cf", "Cc"):
            continue
        # a lone surrogate is not text; it may not reach an encoder
        kept.append("\ufffd" if category == "Cs" else char)
    text = "".join(kept)
    if text.isascii():
        return text.lower()
    # Some capitals look like another Latin letter than their small form does (Greek Nu). Where
    # the name pretends to be Latin, letters count as they are seen; a Greek word stays a word.
    if _pretends(text):
        text = text.translate(_AS_SEEN).casefold().translate(_AS_SEEN_LOWER)
    else:
        text = text.casefold().translate(_AS_SEEN_LOWER)
    return unicodedata.normalize("NFC", text)


def _pretends(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return any(char.isascii() for char in letters) or all(ord(c) in _AS_SEEN for c in letters)


def words(name: str) -> list[str]:
    """The words of a name in snake_case, kebab-case, camelCase or dotted form, folded."""
    return [fold(word) for word in _WORDS.findall(name[:NAME_MAX])]


def shown(name: object) -> str:
    """A caller's name as it may stand in a sentence: printable, short, in backticks."""
    text = name if isinstance(name, str) else repr(name)
    if len(text) <= SHOWN_MAX and text.isprintable() and "`" not in text:
        return f"`{text}`"
    clean = "".join(c if c.isprintable() and c != "`" else "�" for c in text[: SHOWN_MAX + 1])
    return f"`{clean[:SHOWN_MAX]}…`" if len(clean) > SHOWN_MAX else f"`{clean}`"
