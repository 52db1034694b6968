"""Values as guards and rules read them: text of PostgreSQL's text and binary formats.

Types are known by their object identifiers (PostgreSQL's `pg_type.dat`; they are fixed). A binary
value of a type that is not known here is no text.
"""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, BINARY = 0, 1
"""Formats of a value."""

JSON, JSONB = 114, 3802

TEXTS = frozenset((18, 19, 25, 705, 1042, 1043, 142, JSON))
"""Types whose binary form is their text: char, name, text, unknown, bpchar, varchar, xml, json."""

JSONB_VERSION = b"\x01"
"""How the binary form of jsonb begins (`jsonb_send`)."""

DIMENSIONS_MAX = 6
"""Most dimensions of an array (PostgreSQL's MAXDIM)."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NUMERIC_SIGNS = {0x0000: "", 0x4000: "-"}


class Unreadable(Exception):
    """A binary value that is none of the known types, or not what its type says."""


def decoded(oid: int, form: int, data: bytes) -> str:
    """The text of a value. Raises Unreadable."""
    try:
        if form == TEXT or oid in TEXTS:
            return data.decode("utf-8")
        if oid == JSONB and data[:1] == JSONB_VERSION:
            return data[1:].decode("utf-8")
        read = _BINARY.get(oid)
        if read is not None:
            return read(data)
        if oid in _ARRAYS:
            return _array(data)
    except (ValueError, OverflowError, struct.error):
        pass
    raise Unreadable


def seen(oid: int, form: int, data: bytes) -> str:
    """What can be read of a value in any case: text inside an unknown form stays readable."""
    try:
        return decoded(oid, form, data)
    except Unreadable:
        return data.decode("utf-8", "replace")


def encoded(oid: int, form: int, text: str) -> bytes | None:
    """A text in the place of a value of that type; None where the type cannot hold it."""
    data = text.encode("utf-8", "replace")
    if oid in (JSON, JSONB):
        try:
            msgspec.json.decode(data)
        except msgspec.DecodeError:
            return None
    elif oid not in TEXTS:
        return None
    return JSONB_VERSION + data if oid == JSONB and form == BINARY else data


def _integer(data: bytes) -> str:
    return str(int.from_bytes(data, "big", signed=True))


def _float(data: bytes) -> str:
    return repr(struct.unpack("!f" if len(data) == 4 else "!d", data)[0])


def _date(data: bytes) -> str:
    (days,) = struct.unpack("!i", data)
    return str(date(2000, 1, 1) + timedelta(days=days))


def _time(data: bytes) -> str:
    (micros,) = struct.unpack("!q", data)
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _numeric(data: bytes) -> str:
    """Groups of four digits, the weight of the first, a sign, the digits shown after the point
    (`numeric_send`).
    """
    count, weight, sign, scale = struct.unpack_from("!HhHH", data)
    groups = struct.unpack_from(f"!{count}H", data, 8)
    if sign not in _NUMERIC_SIGNS:
        return "NaN"
    if weight > 1_000 or scale > 1_000:
        raise Unreadable  # it would be a text of many kilobytes
    whole = "".join(f"{groups[i] if i < count else 0:04d}" for i in range(weight + 1))
    rest = "".join(
        f"{groups[i] if 0 <= i < count else 0:04d}"
        for i in range(weight + 1, weight + 2 + scale // 4)
    )[:scale]
    number = whole.lstrip("0") or "0"
    return _NUMERIC_SIGNS[sign] + (f"{number}.{rest}" if scale else number)


def _array(data: bytes) -> str:
    """The elements, joined by commas (`array_send`)."""
    dimensions, _, element = struct.unpack_from("!iiI", data)
    if not 0 <= dimensions <= DIMENSIONS_MAX:
        raise Unreadable
    at = 12 + 8 * dimensions
    found = []
    while at < len(data):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        if size >= 0:
            found.append(decoded(element, BINARY, data[at : at + size]))
            at += size
        else:
            found.append("NULL")
    return "{" + ",".join(found) + "}"


_BINARY: dict[int, Callable[[bytes], str]] = {
    16: lambda data: "true" if data == b"\x01" else "false",
    20: _integer,
    21: _integer,
    23: _integer,
    26: _integer,
    700: _float,
    701: _float,
    1082: _date,
    1114: _time,
    1184: _time,
    1700: _numeric,
    2950: lambda data: str(uuid.UUID(bytes=data)),
}
"""bool, int8, int2, int4, oid, float4, float8, date, timestamp(tz), numeric, uuid."""

_ARRAYS = frozenset((199, 1000, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022))
_ARRAYS |= frozenset((1115, 1182, 1185, 1231, 2951, 3807))
"""Arrays of the types above."""
