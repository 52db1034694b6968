"""From a record body to the bytes that are hashed: one line of UTF-8 JSON, bounded in size.

Nothing a caller passes may keep its record from being written. Values JSON has no form for are
replaced by a form that says what they were; members that are too large are replaced by their
digest and length, never dropped in silence.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Final

import msgspec

from ..model import LedgerError

BODY_MAX: Final = 256 * 1024
"""Largest body in bytes; a record is evidence, not the store of what it is evidence of."""

MEMBER_MAX: Final = 8 * 1024
"""Members of an oversized body that are longer than this become digests. 26 members (the widest
body) of this size stay below BODY_MAX, so the result always fits."""

REPR_MAX: Final = 200
"""Longest stand-in, in code points, for a value JSON has no form for."""

DEPTH_MAX: Final = 64
"""Deepest nesting that is written; what lies deeper becomes a stand-in (it may be a cycle)."""

INT_BITS_MAX: Final = 14_000
"""Integers wider than this become hexadecimal strings: CPython refuses to print more than 4,300
decimal digits (`sys.int_info.default_max_str_digits`), as that takes quadratic time."""


def _stand_in(value: Any) -> str:
    """A bounded text for a value that JSON cannot hold."""
    try:
        text = repr(value)
    except Exception as error:  # it is the caller's code, and may raise anything
        text = f"<{type(value).__name__}: repr raised {type(error).__name__}>"
    if len(text) > REPR_MAX:
        text = text[: REPR_MAX - 1] + "…"
    return _text(text)


def _text(value: str) -> str:
    """The string with lone surrogates escaped: UTF-8 has no form for them (RFC 3629, 3)."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


_FAST = msgspec.json.Encoder(order="deterministic", enc_hook=_stand_in)


def quoted(text: str) -> bytes:
    """A string as bodies hold it."""
    return _FAST.encode(_text(text))


def encode(body: msgspec.Struct) -> tuple[bytes, bool]:
    """The bytes of a body, and whether the body was written exactly as it is.

    False means that some value was replaced: by a stand-in, or by its digest because the body
    was larger than BODY_MAX. NaN and infinities of a plain body become null (RFC 8259 has no
    form for them).
    """
    try:
        data = _FAST.encode(body)
    except Exception:
        # a key that is no string, a set of mixed types, a lone surrogate, a cycle, a huge integer
        data = _FAST.encode(_members(body))
        return (data, False) if len(data) <= BODY_MAX else (_shortened(body), False)
    return (data, True) if len(data) <= BODY_MAX else (_shortened(body), False)


def _members(body: msgspec.Struct) -> dict[str, Any]:
    """The members of a body that differ from their defaults, as plain JSON values."""
    fields = msgspec.structs.fields(body)
    return {
        field.name: _plain(value, 0)
        for field in fields
        if (value := getattr(body, field.name)) is not field.default
    }


def _shortened(body: msgspec.Struct) -> bytes:
    """The body with every long member replaced by its digest and length."""
    members: dict[str, Any] = {}
    for name, value in _members(body).items():
        data = _FAST.encode(value)
        if len(data) > MEMBER_MAX:
            digest = hashlib.sha256(data).hexdigest()
            members[name] = {"bytes": len(data), "sha256": digest, "truncated": True}
        else:
            members[name] = value
    encoded = _FAST.encode(members)
    if len(encoded) > BODY_MAX:
        raise LedgerError(f"record of {len(encoded)} bytes; at most {BODY_MAX} can be written")
    return encoded


def _plain(value: Any, depth: int) -> Any:
    """The value in JSON's own terms."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= INT_BITS_MAX else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth >= DEPTH_MAX:
        return f"<{type(value).__name__} nested deeper than {DEPTH_MAX} levels>"
    if isinstance(value, dict):
        return _object(value, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        items = [_plain(item, depth + 1) for item in value]
        return sorted(items, key=lambda item: (type(item).__name__, _FAST.encode(item)))
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return {name: _plain(getattr(value, name), depth + 1) for name in names}
    return _leaf(value)


def _object(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    """The mapping with string keys; keys that would become equal get a number, so none is lost."""
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _text(key) if isinstance(key, str) else _stand_in(key)
        unique, count = name, 2
        while unique in plain:
            unique, count = f"{name}#{count}", count + 1
        plain[unique] = _plain(item, depth + 1)
    return plain


def _leaf(value: Any) -> Any:
    """What msgspec makes of a date, bytes, decimal, dataclass or unknown object."""
    try:
        return msgspec.json.decode(_FAST.encode(value))
    except Exception:  # a dataclass that holds one of the values above, a property that raises
        return _stand_in(value)
