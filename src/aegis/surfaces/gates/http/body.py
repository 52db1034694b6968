"""Bodies as guards and rules read them: decompressed, decoded, taken apart; and put together again.

A body that is not changed travels as it came. What cannot be decoded to its end is refused, not
guessed at; only what is no text at all counts as binary, whatever it calls itself.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

CODINGS_MAX = 2
"""Most content codings on top of one another; servers apply one."""

FIELDS_MAX = 1_000
"""Most fields of a form that are told apart; one with more is read as plain text."""

PARTS_MAX = 1_000
"""Most parts of a multipart body that are told apart; one with more is read as a whole."""

CHARSETS = re.compile(
    r"utf-?8|utf-?16(?:[bl]e)?|(?:us-)?ascii|(?:iso-?8859-|latin-?)\d{1,2}|windows-125\d|cp125\d"
    r"|shift_?jis|euc-(?:jp|kr)|gb(?:k|2312|18030)|big5|koi8-[ru]"
)
"""Charsets that are decoded, of those in the IANA registry. Others, UTF-7 among them, can hide
text in what looks like another."""

Value = Any


class Unreadable(Exception):
    """A body that cannot be decoded to its end."""


class Body(msgspec.Struct, frozen=True):
    """A body. `data` is it without content codings, `value` what guards read: JSON, a form by name,
    parts, or a text; for binary ones nothing. `kind` says which, `charset` how texts were decoded,
    `boundary` what stands between parts.
    """

    data: bytes
    kind: str
    value: Value = None
    charset: str = "utf-8"
    boundary: bytes = b""

    @property
    def told(self) -> dict[str, Any]:
        """What records keep of it, and rules may ask for."""
        return {"kind": self.kind, "bytes": len(self.data), "sha256": sha256(self.data).hexdigest()}

    def encoded(self, value: Value) -> bytes:
        """Another value of the same kind, as it is sent. Raises Unreadable."""
        if value is self.value:
            return self.data
        if self.kind == "json":
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        elif self.kind == "form":
            text = urlencode(value, doseq=True)
        elif self.kind == "parts":
            whole = zip(value, self.data.split(self.boundary), strict=True)
            return self.boundary.join(
                part.encode(self.charset) if isinstance(part, str) else old for part, old in whole
            )
        else:
            text = value
        try:
            return text.encode(self.charset)
        except UnicodeEncodeError:
            raise Unreadable(f"a masked text does not fit into `{self.charset}`") from None


NOTHING = Body(b"", "none")


def decoded(raw: bytes, media: str, codings: str, limit: int) -> Body:
    """The body that some bytes are. `media` is their content type, `codings` their content
    codings; decompressed it may hold `limit` bytes. Raises Unreadable.
    """
    plain = _plain(raw, codings, limit)
    if not plain:
        return NOTHING
    kind, charset = media_type(media)
    text = as_text(plain, charset, certain=textual(kind))
    if kind.startswith("multipart/"):
        boundary = _boundary(media)
        if boundary and plain.count(boundary) <= PARTS_MAX:
            parts = [_part(part) for part in plain.split(boundary)]
            return Body(plain, "parts", parts, boundary=boundary)
    if text is None:
        return Body(plain, "binary")
    found = _structured(text[0], kind)
    if found is not None:
        return Body(plain, found[0], found[1], text[1])
    return Body(plain, "text", text[0], text[1])


def media_type(media: str) -> tuple[str, str]:
    """The type in lower case, and its charset; empty where there is none (RFC 9110, 8.3)."""
    kind, _, rest = media.partition(";")
    found = re.search(r'charset\s*=\s*"?([^\s";]+)', rest, re.IGNORECASE)
    return kind.strip().lower(), found[1].lower() if found else ""


def textual(kind: str) -> bool:
    """Whether a media type says that it is text."""
    return kind.startswith("text/") or bool(_TEXTUAL.search(kind))


_TEXTUAL = re.compile(r"[/+.-](?:json|xml|yaml|javascript|ndjson|graphql|x-www-form-urlencoded)\b")


def as_text(data: bytes, charset: str, *, certain: bool) -> tuple[str, str] | None:
    """Bytes as text, and the charset they are in; None where they are none. What is `certain` to
    be text and fits no charset is read byte by byte. Raises Unreadable for unknown charsets.
    """
    if charset:
        try:
            return data.decode(codec(charset)), codec(charset)
        except UnicodeDecodeError:
            pass
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return (data.decode("latin-1"), "latin-1") if certain else None
    return (text, "utf-8") if certain or "\0" not in text else None


def codec(charset: str) -> str:
    """The name of a decoder. Raises Unreadable."""
    if not CHARSETS.fullmatch(charset):
        raise Unreadable(f"the charset `{charset[:40]}` is not read here; use UTF-8")
    try:
        return codecs.lookup(charset).name
    except LookupError:
        raise Unreadable(f"there is no charset `{charset[:40]}`; use UTF-8") from None


def _structured(text: str, kind: str) -> tuple[str, Value] | None:
    """A text taken apart; None where it is to be read as it stands."""
    if kind == "application/x-www-form-urlencoded":
        return _form(text)
    if not (kind.endswith("json") or text.lstrip()[:1] in ("{", "[")):
        return None
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite
        )
        msgspec.json.encode(value)
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None  # not JSON, or what no record could hold: huge numbers, half characters
    return "json", value


def _form(text: str) -> tuple[str, Value] | None:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, max_num_fields=FIELDS_MAX
        )
    except ValueError:
        return None
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return "form", {name: each if len(each) > 1 else each[0] for name, each in found.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose keys stands there twice: readers differ about which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _constant(name: str) -> None:
    raise ValueError(f"`{name}` is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("the number is too large")
    return value


def _boundary(media: str) -> bytes:
    found = re.search(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', media, re.IGNORECASE)
    return b"--" + (found[1] or found[2]).encode("latin-1") if found else b""


def _part(part: bytes) -> str | None:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return None  # a file that is no text, with its headers


def codings_of(text: str) -> list[str]:
    """The content codings of a body, the first applied first (RFC 9110, 8.4). Raises Unreadable."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if len(names) > CODINGS_MAX:
        raise Unreadable(f"more than {CODINGS_MAX} content codings")
    return [name for name in names if name != "identity"]


def inflater(coding: str, start: bytes) -> zlib._Decompress:
    """What undoes a content coding; `start` is how the body begins. Raises Unreadable."""
    if coding in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if coding == "deflate":
        # zlib's format, or what some servers send instead (RFC 9110, 8.4.1.2)
        zlibbed = start[:1] != b"" and start[0] & 0x0F == 8 and int.from_bytes(start[:2]) % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if zlibbed else -zlib.MAX_WBITS)
    raise Unreadable(f"the content coding `{coding[:40]}` is not read here; use gzip")


def _plain(raw: bytes, codings: str, limit: int) -> bytes:
    """Bytes without their content codings. Raises Unreadable."""
    for coding in reversed(codings_of(codings)):
        raw = b"".join(_inflated(raw, coding, limit))
    return raw


def _inflated(data: bytes, coding: str, limit: int) -> Iterator[bytes]:
    """Each member of a compressed body (RFC 1952, 2.2: there may be several)."""
    size = 0
    while data:
        stream = inflater(coding, data)
        try:
            piece = stream.decompress(data, limit - size + 1)
        except zlib.error as error:
            raise Unreadable(f"it is not properly compressed: {error}") from None
        size += len(piece)
        if size > limit:
            raise Unreadable(f"it is larger than {limit} bytes once decompressed")
        if not stream.eof:
            raise Unreadable("its compressed form is cut off")
        data = stream.unused_data
        yield piece
