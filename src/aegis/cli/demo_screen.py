"""What `aegis demo` shows: scenes, commands, who says what, verdicts in colour, a table at last.

Falls back to plain lines where there is no terminal or no colour, to ASCII where the output
cannot show more, and fits into 80 columns.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .output import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH_MAX = 100
"""Columns the story uses at most: longer lines are read with a moving head."""

WIDTH_PIPED = 80
"""Columns where no terminal says how wide it is."""

PAUSE_SECONDS = 0.6
"""After a scene, so that it can be read; there are at most six, and all takes under 20 seconds."""

BEAT_SECONDS = 0.2
"""Between two lines of a scene."""

COLOURS = {
    "allow": "green",
    "sanitize": "cyan",
    "review": "yellow",
    "block": "red",
    "killed": "red",
    "harm": "bold red",
    "verified": "green",
    "caught": "red",
    "failed": "bold white on red",
}
"""Verdicts, and the words of the scenes that have none."""


class Shown(NamedTuple):
    """One row of the story: what was tried, how it ended, under which record numbers."""

    what: str
    verdict: str
    records: str
    happened: str


class Screen:
    """Prints the story. `fast` leaves the pauses out, `plain` also colour and what moves."""

    def __init__(self, *, fast: bool, plain: bool = False) -> None:
        self._terminal = sys.stdout.isatty() and not plain
        self._fast = fast or not self._terminal
        self._console = Console(
            width=None if self._terminal else WIDTH_PIPED,
            highlight=False,
            markup=False,
            force_terminal=False if plain else None,
        )
        self._console.width = min(self._console.width, WIDTH_MAX)
        self._encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        unicode = self._encoding.lower().replace("-", "").startswith("utf")
        self._bar, self._spinner = ("│", "dots") if unicode else ("|", "line")

    def title(self, text: str, *lines: str) -> None:
        """How it begins."""
        self._console.print()
        self._console.print(self._text(text, "bold"))
        for line in lines:
            self._console.print(self._text(line, "dim"))

    def scene(self, number: int, count: int, title: str, story: str) -> None:
        """The head of a scene."""
        self._console.print()
        self._console.rule(self._text(f"{number}/{count}  {title}", "bold"), align="left")
        self._console.print(self._text(story))
        self._beat()

    def command(self, text: str) -> None:
        """What is typed."""
        self._line("  $ ", text, "bold", "dim")

    def told(self, who: str, text: str, style: str = "") -> None:
        """What somebody says."""
        self._line(f"  {who:<8} {self._bar} ", text, style, "dim")
        self._beat()

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Something moves while the block runs; without a terminal, nothing is printed."""
        if not self._terminal:
            yield
            return
        with self._console.status(self._text(text, "dim"), spinner=self._spinner):
            yield

    def verdict(self, shown: Shown) -> None:
        """How a try ended."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=9)
        grid.add_column(width=13)
        grid.add_column(overflow="fold")
        record = f"record {shown.records}" if shown.records else ""
        grid.add_row(
            self._mark(shown.verdict), self._text(record, "dim"), self._text(shown.happened)
        )
        self._console.print(Padding(grid, (0, 0, 0, 2)))
        self._beat()

    def pause(self) -> None:
        """The end of a scene."""
        if not self._fast:
            time.sleep(PAUSE_SECONDS)

    def summary(self, rows: Sequence[Shown], closing: str, commands: Sequence[str]) -> None:
        """The table of what happened, and what to try next."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("what was tried", "verdict", "record", "what happened"):
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(
                self._text(row.what),
                self._mark(row.verdict),
                self._text(row.records, "dim"),
                self._text(row.happened),
            )
        self._console.print()
        self._console.rule(self._text("what happened", "bold"), align="left")
        self._console.print(table)
        self._console.print()
        self._console.print(self._text(closing))
        for command in commands:
            self._line("  $ ", command, "bold", "dim")

    def _beat(self) -> None:
        if not self._fast:
            time.sleep(BEAT_SECONDS)

    def _mark(self, word: str) -> Text:
        return self._text(word.upper(), COLOURS.get(word, ""))

    def _line(self, head: str, text: str, style: str, head_style: str) -> None:
        """Text behind a head, its further lines indented as far."""
        grid = Table.grid()
        grid.add_column(width=len(head), no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(self._text(head, head_style), self._text(text, style))
        self._console.print(grid)

    def _text(self, text: str, style: str = "") -> Text:
        shown = clean(text).encode(self._encoding, "replace").decode(self._encoding)
        return Text(shown, style=style)
