"""A text as the tokens that survive copying: quotes, case, punctuation and spacing fall away.

Both sides of a comparison pass here, the result a value came from and the argument it ends up in.
A model rarely copies exactly: it adds `https://`, drops a full stop, writes `98.70` as 98.7. What
was encoded on the way (Base64, hexadecimal, percent signs) is read as well.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error
from urllib.parse import unquote

TEXT_MAX = 200_000
"""Most characters of one text that are followed; a longer result counts as lost from there on."""

DECODED_MAX = 16
"""Most encoded runs of one text that are read; more is a file, and nobody's address."""

TALK_MIN = 3
"""Different words of talk that make instructions: a letter has `you` and `please` anyway."""

ADDRESS_MIN = 14
"""Shortest account number that is recognised, in characters."""

ENCODED_MIN = 12
"""Shortest run read as Base64 or hexadecimal: nine bytes; shorter ones are ordinary words."""

VALUE_MIN, WORD_MIN, CODE_MIN = 8, 12, 6
"""Shortest value of a secret that is known again inside an address, in characters of its token; of
one that is a plain word (`production` is none); of a part of a code in Base64."""

VALUES_MAX = 64
"""Most values of one secret text that are known again inside an address."""

PLACES_MAX = 8
"""Most folders of one address that are looked at, and most addresses of one text by the hundred."""

_TOKEN = re.compile(r"""[^\s,;|<>()\[\]{}"'`=*]+(?:,\d{3}(?!\d)[^\s,;|<>()\[\]{}"'`=*]*)*""")
# punctuation between digits means something: 98.70, 1,000, 10:30, 2026-01-02
_FIGURES = re.compile(rb"[0-9][.,:-][0-9]")
_APART = b""",;|<>()[]{}"'`=*:"""
_DROPPED_ASCII = b"!#$%&+-./?@\\^_~\x7f"
_LOWER = bytes(32 if code in _APART else ord(chr(code).lower()) for code in range(128)) + bytes(128)
# scripts written without spaces: a token per character, so that phrases match as sequences
_WIDE = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_JOINTS = re.compile(r"[/.?#&@+=:()\[\]!]")
_PIECES = re.compile(r"[/?&=#]")
_DROPPED = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[$€£¥]?(\d[\d,]*(?:\.\d+)?)[%.:]?$")
_PREFIX = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://(?:www\.)?|\bwww\.", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9][0-9][ -][A-Za-z0-9]{4}")
_SPACED_CODE = re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -][A-Za-z0-9]{2,4}){2,8}\b")
_RUN = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{ENCODED_MIN}}}")
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{ENCODED_MIN},}}={{0,2}}")
_HEX = re.compile(rf"(?:[0-9A-Fa-f]{{2}}){{{ENCODED_MIN // 2},}}")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_DATE = re.compile(
    r"(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d\d:\d\d(?::\d\d)?)"
)
_VALUE = re.compile(r"""[=:|]\s*["']?([^\s"'|,;]{6,256})""")
_CREDENTIALS = re.compile(r"://[^/@:\s]*:([^/@\s]{1,256})@|[?&][\w.-]{1,64}=([^&#\s]{1,256})")
_CODE = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/_-]{16,256}={0,2}")
_URL = re.compile(
    r"""https?://(?:[^\s/@<>"']{1,128}@)?([^\s/?#:<>"'`)\]]{1,255})(?::\d{1,5})?"""
    r"""([^\s<>"'`)\]?#]{0,1024})""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"""[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"""
    r"""|https?://[^\s<>"'`)\]]+"""
    r"""|www\.[^\s<>"'`)\]]+"""
    r"""|\b[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/[^\s<>"'`)\]]+"""
    r"""|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b"""
    r"""|\b0x[0-9a-fA-F]{40}\b""",
)


def tokens(text: str) -> list[bytes]:
    """The tokens of a text, in order, in UTF-8. Most texts take the short way, which gives the
    same.
    """
    if text.isascii():
        if "://" in text or "www." in text:
            text = _PREFIX.sub(" ", text)
        raw = text.encode()
        if _FIGURES.search(raw) is None:
            return raw.translate(_LOWER, _DROPPED_ASCII).split()
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", text).casefold()
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
        text = _PREFIX.sub(" ", _WIDE.sub(r" \g<0> ", text))
    out = []
    for word in _TOKEN.findall(text):
        figure = _figure(word)
        parts = (figure,) if figure else [_DROPPED.sub("", part) for part in word.split(":")]
        out += [part.encode("utf-8", "replace") for part in parts if part]
    return out


def split(text: str) -> str:
    """The text with its parts set apart where addresses and markup join them: a key in the path
    of a URL is a token of its own.
    """
    return _JOINTS.sub(" ", text)


def pieces(text: str) -> list[bytes]:
    """The tokens of a text set apart where only paths and queries join them: `a.b` stays one."""
    return tokens(_PIECES.sub(" ", text)) if "/" in text or "=" in text else []


def values(text: str, found: list[bytes]) -> set[bytes]:
    """What of a secret text, whose tokens were `found`, is the secret: short texts as a whole, and
    what stands behind `=`, `:` or `|`. As tokens, also of the parts of a code that holds `/`.
    """
    if len(found) == 1 and len(found[0]) >= CODE_MIN:
        return {found[0], *_parts_of_code(text.strip())}
    out: set[bytes] = set()
    given = _VALUE.findall(text) if len(found) > 1 else [text]
    for value in (text.split() if len(found) <= SHORT_TOKENS else []) + given[:VALUES_MAX]:
        if "://" in value:
            continue
        token = b"".join(tokens(value))
        plain = value.isalpha() and value in (value.lower(), value.upper(), value.capitalize())
        if len(token) >= (WORD_MIN if plain else VALUE_MIN):
            out.add(token)
        out |= _parts_of_code(value)
    if "://" in text:
        for pair in _CREDENTIALS.findall(text)[:VALUES_MAX]:
            out.update(token for each in pair for token in tokens(each) if len(token) >= CODE_MIN)
    return out


SHORT_TOKENS = 3
"""Most tokens of a text of which each word may be the secret: a row of a table."""


def _parts_of_code(value: str) -> set[bytes]:
    """The parts of a code in Base64 that an address would set apart."""
    code = _CODE.match(value)
    if code is None:
        return set()
    apart = (*re.split("[/+]", code[0]), *code[0].split("/"))
    return {token for part in apart for token in tokens(part) if len(token) >= CODE_MIN}


def places(text: str) -> list[list[bytes]]:
    """For every URL of a text, its host and each folder of its path, one token each: where it lies,
    without scheme, user, port and query.
    """
    out = []
    for host, path in _URL.findall(text)[: PLACES_MAX * 100]:
        place, found = host, [b"".join(tokens(host))]
        for folder in path.split("/")[1 : PLACES_MAX + 1]:
            place = f"{place}/{folder}"
            found.append(b"".join(tokens(place)))
        out.append(found)
    return out


def _figure(word: str) -> str:
    """A number without trailing zeros and grouping, a date or a time as it stands; else nothing."""
    number = _NUMBER.match(word)
    if number:
        digits = number[1].replace(",", "")
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    return word if dated(word) else ""


def decoded(text: str) -> list[str]:
    """What encoded runs of a text say: percent signs, Base64 (RFC 4648, both alphabets),
    hexadecimal. Runs that are no text are passed over.
    """
    out = [unquote(text)] if "%" in text and _PERCENT.search(text) else []
    if len(text) < ENCODED_MIN or _RUN.search(text) is None:
        return out
    for run in _BASE64.findall(text)[:DECODED_MAX]:
        said = _from_base64(run)
        if said:
            out.append(said)
    for run in _HEX.findall(text)[:DECODED_MAX]:
        said = _printable(bytes.fromhex(run))
        if said:
            out.append(said)
    return out


def joined_codes(text: str) -> list[bytes]:
    """Account numbers written in groups, as one token each. Where one ends cannot be told from the
    words behind it, so every number of groups is one.
    """
    out: list[bytes] = []
    if _GROUPED.search(text) is None:
        return out
    for code in _SPACED_CODE.findall(text):
        groups = re.split("[ -]", code.lower())
        out += ["".join(groups[:count]).encode() for count in range(3, len(groups) + 1)]
    return out


def addresses(text: str) -> list[str]:
    """Where things can be sent: mail addresses, URLs, account numbers (ISO 13616), wallets."""
    if "@" not in text and "." not in text and len(text) < ADDRESS_MIN:
        return []
    return _ADDRESS.findall(text)


def instructs(text: str, found: list[bytes]) -> bool:
    """Whether a text, whose tokens were `found`, speaks to its reader as one who gives orders
    does: by TALK_MIN different words of such talk, or by a sentence that begins with where to go.
    This is a cheap sign, for sinks that do little harm; guards look closer.
    """
    if len(_TALK.intersection(found)) >= TALK_MIN:
        return True
    return not _GOES.isdisjoint(found) and _GO.search(text) is not None


def dated(text: str) -> bool:
    """Whether a text is nothing but a date or a time (ISO 8601)."""
    return text[:1].isdigit() and _DATE.fullmatch(text) is not None


def _from_base64(run: str) -> str:
    body = run.rstrip("=").translate(_URLSAFE)
    if len(body) % 4 == 1:
        return ""
    try:
        return _printable(b64decode(body + "=" * (-len(body) % 4), validate=True))
    except (Base64Error, ValueError):
        return ""


def _printable(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.replace("\n", "").replace("\t", "").isprintable() else ""


_TALK = frozenset(
    b"""you your please must instruction instructions instead ignore disregard assistant ai llm
    chatbot agent task prompt system before first immediately urgent important""".split()
)
_GOES = frozenset(b"visit open go click browse follow fetch download".split())
_GO = re.compile(
    r"(?:^|[.!?:>\n])[\s'\"]*(?:visit|open|go to|click|browse|follow|fetch|download)\b",
    re.IGNORECASE,
)
_URLSAFE = str.maketrans("-_", "+/")
