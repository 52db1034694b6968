"""Reads SQL: statement kinds, tables and columns, conditions, functions that leave the database.

sqlglot parses; what it does not understand is judged by its first words (`words.py`), and what
runs text that is not read stays undecided. Nothing here opens a connection: names are as they are
written, in lower case; a table without a schema gets the default one of its dialect.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..reading import READ, Notes, Reading
from . import words
from .known import trusted
from .lexing import spelled

if TYPE_CHECKING:
    from types import ModuleType

    from ...model import Resource

TEXT_MAX = 65_536
"""Longest text that is read, in characters."""

STATEMENTS_MAX = 128
"""Most statements of one text."""

MEMO_MAX = 2_048
"""Most texts remembered, each at most `MEMO_TEXT_MAX` long: about 2 MB at worst."""

MEMO_TEXT_MAX = 512
"""Longest text that is remembered, in characters."""

NESTING_MAX = 120
"""Most brackets open at once: the parser recurses, and the interpreter's stack is finite."""

DIALECTS = {
    "": "postgres",
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
"""Names of dialects → sqlglot's; without one, PostgreSQL is tried first."""

_MARKS = re.compile(r"[\\#\"`\[]|\$(?!\d)|--|/\*")
"""What servers quote and comment differently; a text without any is read once. `$1` quotes nothing
anywhere (PostgreSQL, 4.1.2.4: the tag of a dollar quote begins with no digit)."""

_TWOFOLD = re.compile(r"\\|#|--(?![\s]|$)|\$\w*\$|/\*.*/\*", re.DOTALL)
"""What is a quote or a comment for one server and none for another."""


def read_text(text: str, dialect: str = "") -> Reading:
    """What a text of SQL would do. Never raises: what cannot be read is undecided."""
    if len(text) <= MEMO_TEXT_MAX:
        return _remembered(text, dialect)
    return _read(text, dialect)


@lru_cache(maxsize=MEMO_MAX)
def _remembered(text: str, dialect: str) -> Reading:
    return _read(text, dialect)


@cache
def _sqlglot() -> ModuleType:
    import sqlglot
    from sqlglot import parser

    # it would write statements to the log, and statements hold what nobody may log
    parser.logger.disabled = True
    return sqlglot


@cache
def _dialect(name: str) -> Any:
    """A dialect that keeps the names functions are called by."""
    from sqlglot.dialects.dialect import Dialect

    from .naming import WRITTEN

    found = Dialect.get_or_raise(name)
    found.ORIGINAL_NAME_META_KEY = WRITTEN
    return found


def _read(text: str, dialect: str, known: frozenset[str] = frozenset()) -> Reading:
    notes = Notes()
    known = known or trusted(DIALECTS.get(dialect.lower(), dialect) if dialect else "")
    if len(text) > TEXT_MAX:
        notes.doubts(f"the text is longer than {TEXT_MAX} characters")
        return notes.reading()
    if text.count("(") > NESTING_MAX and _nesting(text) > NESTING_MAX:
        notes.doubts(f"its brackets are nested more than {NESTING_MAX} deep")
        return notes.reading()
    text = words.hidden(text, notes)
    try:
        first, name = _parse(text, dialect.lower())
    except ImportError:
        notes.doubts("no parser for SQL is installed (`pip install aegis-govern[gates]`)")
        return notes.reading()
    except Unparsable:
        words.unparsed(text, notes)
        return notes.reading()
    _note(text, first, name, notes, known)
    if not dialect and _MARKS.search(text):
        _compared(text, name, notes, known)
    return notes.reading()


def _note(text: str, trees: list[Any], dialect: str, notes: Notes, known: frozenset[str]) -> None:
    from .statement import note

    # what stands inside runs on the same database
    inside = partial(_read, known=known)

    if not trees:
        notes.does(READ)
    if len(trees) > STATEMENTS_MAX:
        notes.doubts(f"it holds more than {STATEMENTS_MAX} statements")
        trees = trees[:STATEMENTS_MAX]
    for tree in trees:
        note(tree, dialect, notes, inside, known)
    if _ends_in_comment(text) and len(trees) > 1:
        notes.threatens("sql-injection")


def _compared(text: str, dialect: str, notes: Notes, known: frozenset[str]) -> None:
    """Adds what the text would do on the other servers, where they take its quotes and comments
    for something else. Names differ by their default schemas only, and are left as they are.
    """
    touched = {_bare(item) for item in notes.reading().resources}
    for other in ("postgres", "mysql", "sqlite"):
        if other == dialect:
            continue
        there = Notes()
        try:
            trees, _ = _parse(text, other)
        except Unparsable:
            if _TWOFOLD.search(text):
                notes.doubts(f"its quotes and comments may mean something else to {other}")
            continue
        _note(text, trees, other, there, known)
        found = there.reading()
        further = not notes.capabilities.issuperset(found.does)
        if further or not touched.issuperset(map(_bare, found.resources)):
            notes.joins(found)
        for danger in found.dangers:
            notes.threatens(danger)
        if found.undecided:
            notes.doubts(found.undecided)


def _bare(item: Resource) -> tuple[str, str, str]:
    return item.kind, item.verb, item.name.removeprefix("public.").removeprefix("main.")


class Unparsable(Exception):
    """No dialect reads the text."""


def _nesting(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif char == ")":
            depth -= 1
    return deepest


def _parse(text: str, dialect: str) -> tuple[list[Any], str]:
    """The statements and the dialect that read them. Raises Unparsable."""
    sqlglot = _sqlglot()
    order = [DIALECTS.get(dialect, dialect)]
    if not dialect:
        # a backslash or a backtick means different things to MySQL and to the others
        order = ["mysql", "postgres"] if "`" in text else ["postgres", "mysql", "sqlite", "tsql"]
    for name in order:
        try:
            given = spelled(text) if name == "postgres" else text
            found = [tree for tree in sqlglot.parse(given, read=_dialect(name)) if tree is not None]
        except Exception:  # noqa: S112 - what the parser cannot read stays undecided
            continue
        return found, name
    raise Unparsable


def _ends_in_comment(text: str) -> bool:
    return re.search(r"(?:--|#)\s*$", text) is not None
