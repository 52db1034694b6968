"""The values of a result, told apart: whole values of records, and prose.

A tool that answers `{"id": 7, "from": "ann@example.com", "body": "…"}` put `7` and the address in
their places itself; the body is whoever wrote it. The same holds where the record comes as text,
JSON or the block form of YAML, in which what somebody wrote can never stand as far left as a key.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

LEAVES_MAX = 20_000
"""Most values of one result that are told apart; the limit of guards for one value."""

DEPTH_MAX = 64
"""Deepest nesting that is followed, as for guards."""

_LINE = re.compile(r"( *)((?:- +)*)(?:([\w?][^:#]{0,120}|'[^']{0,120}'):(?: +(.*)|$)|(.*)$)")


def leaves(value: Any, fields: bool = True) -> list[tuple[str, bool]]:
    """Every text of a value, and whether it is a whole value of a record."""
    out: list[tuple[str, bool]] = []
    if isinstance(value, str):
        return [(value, False)] if value else out
    _gather(value, fields, 0, out)
    return out


def _gather(value: Any, fields: bool, depth: int, out: list[tuple[str, bool]]) -> None:
    if isinstance(value, str):
        if value:
            out.append((value, fields))
    elif depth >= DEPTH_MAX:
        return
    elif isinstance(value, dict):
        for key, below in value.items():
            # names the tool gave its fields are no data
            if isinstance(key, str) and not key.isidentifier():
                out.append((key, fields))
            _gather(below, fields, depth + 1, out)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for below in value:
            _gather(below, fields, depth + 1, out)


def from_text(text: str) -> list[tuple[str, bool]] | None:
    """The values of a record written as text; None where it is not wholly one."""
    start = text.lstrip()[:1]
    if start in ("{", "["):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return leaves(value)
    return _from_block(text)


def _from_block(text: str) -> list[tuple[str, bool]] | None:
    """The values of YAML in block form. Lines indented more than the key of a value go on with it,
    so nothing written inside a value is taken for a key.
    """
    out: list[tuple[str, bool]] = []
    holder = -1
    open_value: list[str] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None:
            return None
        indent, dashes = len(match[1]), len(match[2])
        if holder >= 0 and indent > holder:
            open_value.append(line)
            continue
        _finish(out, open_value)
        open_value, holder = [], -1
        key, value = match[3], match[4]
        if key is None:
            if not dashes:
                return None
            value, dashes = match[5], dashes - 2
        else:
            out.append((key, True))
        if value:
            open_value, holder = [value], indent + dashes
        if len(out) > LEAVES_MAX:
            return None
    _finish(out, open_value)
    return out


def _finish(out: list[tuple[str, bool]], lines: list[str]) -> None:
    if not lines:
        return
    if len(lines) > 1:
        out.append(("\n".join(lines), False))
        return
    value = lines[0].strip()
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1]
    out.append((value, True))
