"""Tables: a value in a column has its name at the head of it, out of reach of any rule.

Rows of CSV and TSV, of Markdown and HTML, of columns set apart by blanks, and of SQL `INSERT`
statements are read once more with the name of the column before each value. Only columns whose
name says what their values are count: the others are found wherever they stand.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .fold import View

NAMES = (
    "mrn|medical_record|medical record|patient_id|patient id|patient_no|member_id|member id|"
    "subscriber|policy_no|policy no|policy_id|insured|dob|birth|npi|dea|mbi|medicare|pass|"
    "pwd|secret|token|api_key|api key|apikey|my_number|phone|mobile|icd|diagnosis"
)
"""Names of columns, or beginnings of their last words, whose values need a name beside them."""

TABLE = (
    # no blank beside the comma: in prose there is one
    rf'(?:[,;|\t]"?|\n"?)(?:[a-z]+[_ ])*(?:{NAMES})[a-z_]*"?[,;|\t]"?[a-z]'
    rf'|[a-z]"?[,;|\t]"?(?:[a-z]+[_ ])*(?:{NAMES})[a-z_]*"?\n'
    rf"|\| *(?:[a-z]+[_ ])*(?:{NAMES})[a-z_ ]*\|"
    rf"|[a-z]  +(?:[a-z]+[_ ])*(?:{NAMES})[a-z_]*(?:  |\n)"
    rf"|(?:\A|\n)(?:[a-z_]+, )*[a-z_]*(?:{NAMES})[a-z_]*(?:, [a-z_]+)*\n[^\n]*, "
    rf"|<t[dh]>(?:[a-z]+[_ ])*(?:{NAMES})[a-z_ ]*</t[dh]>"
    rf"|\((?:[a-z_]+, ?)*[a-z_]*(?:{NAMES})[a-z_]*(?:, ?[a-z_]+)*\) ?values"
)
"""What a table with such a column begins with."""

CELLS_MAX = 64
"""Most columns of a table, and most rows below one head that are read."""

NAME_MAX = 40
"""Longest name of a column, in characters."""

_NAMED = re.compile(NAMES, re.I)
_DELIMITERS = tuple(map(re.compile, (r"\|", r"\t", r";", r",", r" {2,}")))
_ROW = re.compile(
    r"<tr\b[^>]{0,200}>\s{0,20}<t[dh]\b[^>]{0,200}>(.{0,800}?)</t[dh]>\s{0,20}</tr>", re.I | re.S
)
_CELL = re.compile(r"</t[dh]>\s{0,20}<t[dh]\b[^>]{0,200}>", re.I)
_INSERT = re.compile(r"\(([^()\n]{1,400})\)\s{0,4}values\s{0,4}(?=\()", re.I)
_TUPLE = re.compile(r"\(([^()\n]{1,400})\)[\s,]{0,4}")
_COMMA = re.compile(r",")
_TRIM = " \t\r\"'`|"
_RULE = frozenset("-:=+| \t")

Cell = tuple[int, int]
"""Where the text of a cell begins and ends."""


def named_cells(text: str) -> list[tuple[str, Cell]]:
    """The values of a text that stand in a column with a telling name, and that name."""
    out: list[tuple[str, Cell]] = []
    for found in _INSERT.finditer(text):
        head = _cells(text, *found.span(1), _COMMA)
        _take(text, head, _tuples(text, found.end()), _COMMA, out)
    _headed(text, _lines(text), _DELIMITERS, out)
    _headed(text, [found.span(1) for found in _ROW.finditer(text)], (_CELL,), out)
    return out


def _headed(
    text: str,
    rows: list[Cell],
    delimiters: Iterable[re.Pattern[str]],
    out: list[tuple[str, Cell]],
) -> None:
    """Take the values below every row that may be a head; a row of a table is no head itself."""
    last = 0
    for number, (start, end) in enumerate(rows):
        if start < last or _NAMED.search(text, start, end) is None:
            continue
        for delimiter in delimiters:
            head = _cells(text, start, end, delimiter)
            if len(head) < 2 or any(high - low > NAME_MAX for low, high in head):
                continue
            last = _take(text, head, rows[number + 1 :], delimiter, out)
            if last:
                break


def _lines(text: str) -> list[Cell]:
    out: list[Cell] = []
    start = 0
    for line in text.split("\n"):
        out.append((start, start + len(line)))
        start += len(line) + 1
    return out


def _tuples(text: str, at: int) -> Iterator[Cell]:
    """The tuples that follow one another from a place on, inside their brackets."""
    while (found := _TUPLE.match(text, at)) is not None:
        yield found.span(1)
        at = found.end()


def _cells(text: str, start: int, end: int, delimiter: re.Pattern[str]) -> list[Cell]:
    """The cells of a line, without quotation marks and blanks around them."""
    out: list[Cell] = []
    for low, high in _between(text, start, end, delimiter):
        while low < high and text[low] in _TRIM:
            low += 1
        while high > low and text[high - 1] in _TRIM:
            high -= 1
        out.append((low, high))
    return out


def _between(text: str, start: int, end: int, delimiter: re.Pattern[str]) -> Iterator[Cell]:
    low = start
    for found in islice(delimiter.finditer(text, start, end), CELLS_MAX):
        yield low, found.start()
        low = found.end()
    yield low, end


def _take(
    text: str,
    head: list[Cell],
    rows: Iterable[Cell],
    delimiter: re.Pattern[str],
    out: list[tuple[str, Cell]],
) -> int:
    """Take the values below a head as long as rows have as many cells; where those rows end."""
    names = [text[low:high] for low, high in head]
    telling = [place for place, name in enumerate(names) if _NAMED.search(name)]
    last = 0
    for start, end in islice(rows, CELLS_MAX):
        if _RULE.issuperset(text[start:end]):
            continue
        cells = _cells(text, start, end, delimiter)
        if len(cells) != len(head):
            break
        last = end
        for place in telling:
            low, high = cells[place]
            if low < high:
                out.append((names[place], (low, high)))
    return last


def from_table(view: View) -> Iterator[View]:
    """The values of tables, each on a line of its own behind the name of its column."""
    text: list[str] = []
    starts: list[int] = []
    for name, (low, high) in named_cells(view.text):
        text.append(f"{name}: {view.text[low:high]}\n")
        # the name stands where its value begins, the end of the line where that ends
        starts += [low] * (len(name) + 2) + [*range(low, high)] + [high - 1]
    if text:
        ends = [start + 1 for start in starts]
        yield view.derive("".join(text), "table", (starts, ends))
