"""Letters that look like Latin ones, for reading words written in several scripts at once.

A hand-kept selection of the lookalikes of Unicode Technical Standard 39 (confusables): Cyrillic,
Greek, Armenian, Cherokee, phonetic letters, squared and regional symbols.
"""

from __future__ import annotations

_PAIRS = (
    # Cyrillic
    "аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw вb кk мm нh тt гr пn иu ьb ѵv ӏl ґr ё"
    "e єe зz бb АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS ӀI ԌG ԚQ ԜW ҮY ҺH яr шw щw дd лn "
    # Greek
    "αa βb γy εe ηn ιi κk νv οo ρp σo ςc τt υu χx ωw ϲc ϳj ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP "
    "ΤT ΥY ΧX ϹC δd θo λl μm πn ζz ξe "
    # Armenian
    "օo սu հh ոn գq ցg զq եt ոn յj ս"
    "u ԁd ԍg ՕO ՏS ԼL ՍU "
    # Cherokee capitals
    "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎥI ᎫJ ᏦK ᏞL ᎷM ᏢP ᎡR ᏚS ᎢT ᏙV ᏔW ᎩY ᏃZ "
    # phonetic and small capitals
    "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz ɑa ɡg ɩi ɔo ʋv ɐa "
    "ǝe ɯm ɹr ʇt ʌv ʍw ʎy ɥh ʞk ƒf ǀl ⅼl ⅽc ⅾd ⅿm ℮e"
)


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for pair in _PAIRS.split():
        if len(pair) == 2:
            table.setdefault(pair[0], pair[1])
    table["ё"] = "e"
    table["ս"] = "u"
    for offset in range(26):
        letter = chr(97 + offset)
        # squared, negative squared, negative circled letters and regional indicators
        for base in (0x1F130, 0x1F170, 0x1F150, 0x1F1E6):
            table[chr(base + offset)] = letter
    return table


CONFUSABLES: dict[str, str] = _table()
"""Character to the Latin letter it resembles."""

_CODES = {ord(char): latin for char, latin in CONFUSABLES.items()}

_REPLACES_MAX = 60
"""Up to this many distinct characters `str.replace` is faster than one `str.translate`."""


def latinised(text: str) -> str:
    """The text with every lookalike replaced, character for character."""
    found = CONFUSABLES.keys() & set(text)
    if len(found) > _REPLACES_MAX:
        return text.translate(_CODES)
    for char in found:
        text = text.replace(char, CONFUSABLES[char])
    return text
