"""Masks: what stands in the place of a value so that the text keeps its shape.

A style takes the matched text and its type and gives the replacement. No mask leaves enough of a
value to use it, and none reads as a value of its kind again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_ALNUM = re.compile(r"[^\W_]")
_STARRED = str.maketrans(dict.fromkeys(ascii_letters + digits, "*"))


def _stars(value: str, keep_end: int = 0) -> str:
    """Letters and digits as `*`, except the last few; separators stay."""
    starred = value.translate(_STARRED) if value.isascii() else _ALNUM.sub("*", value)
    kept = min(keep_end, sum(map(str.isalnum, value)) // 2)
    low = len(value)
    while kept:
        low -= 1
        kept -= value[low].isalnum()
    return starred[:low] + value[low:]


def _last4(value: str, type: str) -> str:
    return _stars(value, keep_end=4)


def _last2(value: str, type: str) -> str:
    return _stars(value, keep_end=2)


def _full(value: str, type: str) -> str:
    return _stars(value)


def _email(value: str, type: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at:
        return _stars(value)
    return f"{local[:1]}***@{domain}" if len(local) > 1 else f"***@{domain}"


def _network(value: str, type: str) -> str:
    separator = "." if "." in value and ":" not in value else ":"
    parts = value.split(separator)
    keep = 2 if len(parts) >= 4 else 0
    return separator.join(part if i < keep else "*" * len(part) for i, part in enumerate(parts))


def _label(value: str, type: str) -> str:
    return f"[{type}]"


STYLES: dict[str, Callable[[str, str], str]] = {
    "email": _email,
    "full": _full,
    "label": _label,
    "last2": _last2,
    "last4": _last4,
    "network": _network,
}
"""Mask styles by the name that rule files and settings use."""

SHAPED = frozenset({"email", "network"})
"""Styles that keep a shape only some values have: no other value should be masked so."""

HASH = "hash"
"""Style, written `hash:KEY`, that replaces a value by its keyed hash: equal values stay equal."""

HASH_DIGITS = 12
"""Hexadecimal digits of a hash that are shown: two of a million values differ in them."""


def mask(style: str, value: str, type: str) -> str:
    """The replacement of a value. Raises KeyError for an unknown style."""
    name, _, key = style.partition(":")
    return _hash(value, type, key) if name == HASH else STYLES[style](value, type)


def _hash(value: str, type: str, key: str) -> str:
    """HMAC-SHA256 (RFC 2104) over letters and digits, so that writing it differently is the same.

    Without a key, a number of nine digits would be found by trying all of them.
    """
    plain = "".join(char for char in value.lower() if char.isalnum())
    digest = hmac.new(key.encode(), plain.encode(), hashlib.sha256).hexdigest()
    return f"[{type}:{digest[:HASH_DIGITS]}]"
