"""Statements around another one, which the parser takes whole: EXPLAIN, DECLARE; and PRAGMA."""

from __future__ import annotations

import re

from .known import READING_PRAGMAS, WRITING_PRAGMAS

_OPTIONS = re.compile(
    r"\s*(\([^)]*\)|(?:\s*(?:ANALY[SZ]E|VERBOSE|QUERY\s+PLAN|EXTENDED|FORMAT\s*=?\s*\w+)\b)*)",
    re.IGNORECASE,
)
_ANALYZE = re.compile(r"ANALY[SZ]E\b\s*([^\s,)]*)", re.IGNORECASE)
_QUOTING = re.compile(r"--|/\*|['\"#$]")
_DECLARE = re.compile(
    r"""DECLARE\s+(?:\w+|"[^"]*")\s+(?:(?:BINARY|ASENSITIVE|INSENSITIVE|NO|SCROLL)\s+)*CURSOR\s+"""
    r"(?:WITH(?:OUT)?\s+HOLD\s+)?FOR\b",
    re.IGNORECASE,
)
_PRAGMA = re.compile(r"\s*PRAGMA\s+(?:\w+\s*\.\s*)?(\w+)\s*(.*)", re.IGNORECASE | re.DOTALL)


def explained(rest: str) -> tuple[str, bool, bool]:
    """The statement behind the word EXPLAIN, whether it runs, and whether its options are clear.

    The last ANALYZE holds (PostgreSQL, EXPLAIN); it is off only where a plain word says so.
    """
    found = _OPTIONS.match(rest)
    options = found[0] if found else ""
    values = _ANALYZE.findall(options)
    runs = bool(values) and values[-1].lower() not in ("false", "off", "0")
    return rest[len(options) :], runs, _QUOTING.search(options) is None


def declared(text: str) -> str:
    """The query of a DECLARE … CURSOR; empty where there is none."""
    found = _DECLARE.match(text)
    return text[found.end() :] if found else ""


def pragma_writes(text: str) -> bool:
    """Whether a PRAGMA of SQLite changes something: `x = 1` and `x(1)` mean the same."""
    found = _PRAGMA.match(text)
    if found is None:
        return True
    name, argument = found[1].lower(), found[2].strip(" ;")
    return name in WRITING_PRAGMAS or (bool(argument) and name not in READING_PRAGMAS)
