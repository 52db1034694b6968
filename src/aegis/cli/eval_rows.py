"""Labelled texts for `aegis eval detect`: read line by line, refused with file, line and reason.

The form is described in `spec/detection-rows.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..model import CallerError, ConfigError, Problem
from . import output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_BYTES_MAX = 16_777_216
"""Longest line read: four times the longest text the engine reads, at one byte a character."""

ROWS_MAX = 1_000_000
"""Most rows of one file; all rows of a task are held in memory to be counted in several ways."""

PROBLEMS_MAX = 20
"""Complaints after which reading stops: a file of another form has one in every line."""


class Task(NamedTuple):
    """What the rows of one file ask of the detection engine.

    `kind` is what their texts are to a model, `categories` the findings that count; with `spans`
    the places of values are compared, otherwise only whether a text was flagged.
    """

    kind: str
    categories: frozenset[str]
    spans: bool = False


ATTACKS = frozenset({"injection", "tool_poisoning", "prompt_leak"})

ORDERS = ATTACKS | {"argument_injection"}

VALUES = frozenset({"pii", "phi", "secret"})

TASKS = {
    "injection": Task("prompt", ATTACKS),
    "tools": Task("tool_description", ATTACKS),
    "toxicity": Task("prompt", frozenset({"toxicity"})),
    "shell": Task("arguments", ORDERS),
    "sql": Task("arguments", ORDERS),
    "pii": Task("prompt", VALUES, spans=True),
    "phi": Task("prompt", VALUES, spans=True),
}
"""Name of the file (without `.jsonl`) to what its rows ask."""

ALIASES = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
}
"""Other people's names of types (Microsoft Presidio's entities) and the engine's own."""


class Span(msgspec.Struct, frozen=True):
    """A value in a text: its type, and code points from `start` up to `end`."""

    type: str
    start: int
    end: int


class Row(msgspec.Struct, frozen=True):
    """One labelled text; `label` 1 means it should be flagged."""

    id: str
    text: str
    label: int
    category: str
    source: str
    lang: str
    role: str = ""
    spans: tuple[Span, ...] = ()


def read(folder: Path) -> dict[str, list[Row]]:
    """The rows of a folder, by task.

    Raises ConfigError that lists what is wrong with the rows, CallerError where there are none.
    """
    if not folder.is_dir():
        raise CallerError(f"`{folder}` is no folder; `--data` names the folder of *.jsonl files")
    found: dict[str, list[Row]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.jsonl")):
        if path.stem not in TASKS:
            output.note(f"`{path}` is not read: it is none of {', '.join(TASKS)}")
            continue
        rows = _file(path, problems)
        if rows:
            found[path.stem] = rows
    if problems:
        raise ConfigError(problems)
    if not found:
        names = ", ".join(f"{name}.jsonl" for name in TASKS)
        raise CallerError(f"`{folder}` holds no rows; it needs at least one of {names}")
    return found


def _file(path: Path, problems: list[Problem]) -> list[Row]:
    decoder = msgspec.json.Decoder(Row)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            row = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            wrong = f"{str(error)[:1].lower()}{str(error)[1:]}"
        else:
            wrong = _wrong(row, seen)
            seen[row.id] = number
            rows.append(_renamed(row))
        if wrong:
            problems.append(Problem(wrong, source=str(path), line=number, column=1))
        if len(problems) >= PROBLEMS_MAX:
            raise ConfigError(problems)
    return rows


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank. Raises ConfigError for a file beyond the limits."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX or number > ROWS_MAX:
                limit = f"{ROWS_MAX} rows" if number > ROWS_MAX else f"{LINE_BYTES_MAX} bytes"
                raise ConfigError(
                    [Problem(f"more than {limit}", source=str(path), line=number, column=1)]
                )
            if line.strip():
                yield number, line


def _renamed(row: Row) -> Row:
    """The row with the engine's own names of types."""
    if not any(span.type in ALIASES for span in row.spans):
        return row
    spans = (Span(ALIASES.get(one.type, one.type), one.start, one.end) for one in row.spans)
    return msgspec.structs.replace(row, spans=tuple(spans))


def _wrong(row: Row, seen: dict[str, int]) -> str:
    """What is wrong with a row; empty where nothing is."""
    if row.label not in (0, 1):
        return f"`label` is {row.label}; it must be 0 or 1"
    if not (row.id and row.source and row.lang and row.category):
        return "`id`, `category`, `source` and `lang` must not be empty"
    if row.id in seen:
        return f"`id` `{row.id}` is that of line {seen[row.id]} too"
    for span in row.spans:
        if not 0 <= span.start < span.end <= len(row.text):
            return (
                f"span `{span.type}` from {span.start} to {span.end} lies outside the text of "
                f"{len(row.text)} characters"
            )
    return ""
