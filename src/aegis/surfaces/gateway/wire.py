"""JSON as it comes from strangers: decoded once, and refused where two readers could differ.

What Aegis inspects must be what the provider and the tools will read. So a body with a repeated
key, an integer no double can hold, a lone surrogate or bytes that are not UTF-8 is refused, not
interpreted.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ...model import CallerError
from ...model.text import DEPTH_MAX

INTEGER_MAX = 1 << 64
"""Integers of this size or more are refused: JSON readers disagree about them (RFC 8259, 6)."""

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""A value as compact UTF-8 JSON."""


class WireError(CallerError):
    """A body cannot be used; `param` names the field at fault where there is one."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


def decode(data: bytes) -> Any:
    """The value of a JSON text. Raises WireError."""
    try:
        value = _decode(data)
        # what removing them leaves is counted: `bytes.count` looks at every byte by itself
        if len(data) - len(data.replace(b"{", b"").replace(b"[", b"")) > DEPTH_MAX:
            _shallow(value)
        again = encode(value)
        if again == data or _repeats_nothing(data, again):
            if _has_long_digits(data):
                _strict(data)
            return value
    except UnicodeDecodeError as error:
        raise WireError(f"the body is not UTF-8: byte {error.start} of a string") from None
    except RecursionError:
        raise WireError(f"the body is nested deeper than {DEPTH_MAX} levels") from None
    except msgspec.DecodeError as error:
        raise WireError(f"the body is not valid JSON: {_plain(error, data)}") from None
    _strict(data)
    return value


def parse_object(text: str) -> dict[str, Any] | None:
    """The object a JSON text stands for; None where it is anything else or ambiguous."""
    try:
        value = decode(text.encode())
    except (WireError, UnicodeEncodeError):
        return None
    return value if isinstance(value, dict) else None


def _repeats_nothing(data: bytes, again: bytes) -> bool:
    r"""Whether a text certainly holds no key twice, given what its value encodes to.

    A dropped key takes its two quotation marks along. Nothing can make up for them: without
    `\u` every mark of the text, between strings and inside them, stands in the encoding too.
    """
    return b"\\u" not in data and again.count(b'"') == data.count(b'"')


def _shallow(value: Any) -> None:
    """Refuse a value nested deeper than everything that reads it goes."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEPTH_MAX + 1):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise RecursionError


def _strict(data: bytes) -> None:
    """Refuse what the fast decoder resolves silently."""
    try:
        json.loads(data, object_pairs_hook=_unique, parse_int=_integer, parse_constant=_constant)
    except RecursionError:
        raise WireError(f"the body is nested deeper than {DEPTH_MAX} levels") from None
    except ValueError as error:
        raise WireError(f"the body is not valid JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise WireError(f"the key `{key[:100]}` appears twice in one object")
        seen.add(key)


def _integer(digits: str) -> int:
    # 20 digits reach 2**64; longer ones are not even converted
    if len(digits) > 21 or abs(value := int(digits)) >= INTEGER_MAX:
        raise WireError(f"the integer {digits[:24]}… does not fit into 64 bits")
    return value


def _constant(name: str) -> None:
    raise WireError(f"`{name}` is not JSON")


_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)


def _has_long_digits(data: bytes) -> bool:
    """Whether 19 digits follow one another anywhere; cheap, and wrong only to the safe side.

    Those that do fill three of every sixth bytes in a row, which seldom holds elsewhere.
    """
    sampled = data[::6].translate(_DIGITS)
    # `find`, because `in` first tries whether what is looked for is a number
    return sampled.find(b"000") >= 0 and b"0" * 19 in data.translate(_DIGITS)


def _plain(error: msgspec.DecodeError, data: bytes) -> str:
    text = str(error)
    if not data.strip():
        return "it is empty"
    if b"\\ud" in data.lower() and "truncated" in text:
        return "it holds half of a surrogate pair, or ends too early"
    return text.removeprefix("JSON is malformed: ") if text else "malformed"
