"""What verbs print: tables, JSON and lines.

Names, targets and reasons come from agents and models. Whatever could move the cursor, recolour
or reorder a terminal's text is shown as its code point instead.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..model import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from rich.console import Console

    from ..model import Problem

WIDTH_PIPED = 200
"""Columns of a table that goes into a pipe or file, where no terminal says its width."""


def clean(text: object) -> str:
    """A text that changes nothing on a terminal but the characters it stands for."""
    return shown(text)


def say(text: object = "") -> None:
    """One line on standard output."""
    print(clean(text))


def note(text: object) -> None:
    """One line on standard error: what is not the answer itself."""
    print(clean(text), file=sys.stderr)


def json(value: Any, *, line: bool = False) -> None:
    """A value as JSON: indented, or one line."""
    data = msgspec.json.encode(value, enc_hook=str)
    print((data if line else msgspec.json.format(data, indent=2)).decode())


def console(file: TextIO | None = None) -> Console:
    """Where tables go: no colour and no guessing of width outside a terminal."""
    from rich.console import Console

    terminal = (file or sys.stdout).isatty()
    return Console(
        file=file,
        width=None if terminal else WIDTH_PIPED,
        no_color=None if terminal else True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not terminal,
    )


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    empty: str = "",
    file: TextIO | None = None,
) -> None:
    """A table of texts; `empty` is said where there is no row."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        grid.add_column(Text(header), overflow="fold")
    count = 0
    for row in rows:
        count += 1
        grid.add_row(*(Text(clean(cell)) for cell in row))
    if count:
        console(file).print(grid)
    elif empty:
        note(empty)


def problem(found: Problem) -> dict[str, Any]:
    """A complaint about a document, as JSON output has it."""
    return {
        "message": found.message,
        "file": found.source,
        "line": found.line,
        "column": found.column,
        "path": found.path,
        "hint": found.hint,
        "text": str(found),
    }


def moment(micros: int) -> str:
    """A time (microseconds since the Unix epoch) in UTC, RFC 3339; empty for 0."""
    if not micros:
        return ""
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
