"""Answers of the server as the flow reads them: rows as text, in bounded pieces.

A piece is the rows of one read from the socket: cells joined by tabs, rows by line ends, so that a
guard reads them as it would read a page. A masked cell gets its new text; where its type cannot
hold one it becomes NULL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....model import NO_USAGE
from . import wire
from .values import encoded, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ....model import Action, Decision, Usage

SECTION_CHARS = 262_144
"""Text after which what was read is judged and released: what one statement holds in memory. A
finding never reaches across the end of a section, and rows are never divided."""

SECTION_EVENTS = 4_096
"""Pieces after which it is, too, however little text they have."""

COMMANDS_MAX = 32
"""Most results of one statement that its record names."""


class Plain:
    """Messages that carry no text of anybody's: passed on as they are. With `last`, everything
    before has to reach the client now, because it is waited for.
    """

    __slots__ = ("last", "raw")

    def __init__(self, raw: bytes, last: bool = False) -> None:
        self.raw = raw
        self.last = last


class Rows:
    """Consecutive DataRows."""

    __slots__ = ("_columns", "_lines", "raws")

    def __init__(self, raws: list[bytes], columns: Sequence[tuple[int, int]]) -> None:
        self.raws = raws
        self._columns = columns
        self._lines: list[list[str]] = []

    @property
    def raw(self) -> bytes:
        """The messages as they came."""
        return b"".join(self.raws)

    def text(self) -> str:
        """All of it as guards read it."""
        self._lines = [self._line(raw) for raw in self.raws]
        return "".join("\t".join(line) + "\n" for line in self._lines)

    def masked(self, text: str) -> Plain:
        """The rows with what changed. Where a mask swallowed the border of cells, nobody can say
        which cell is which, and all of the piece becomes NULL.
        """
        lines = text.split("\n")[:-1]
        fits = len(lines) == len(self.raws)
        out = []
        for index, raw in enumerate(self.raws):
            new = lines[index].split("\t") if fits else []
            out.append(self._row(raw, self._lines[index], new))
        return Plain(b"".join(out))

    def _line(self, raw: bytes) -> list[str]:
        line = []
        for index, cell in enumerate(wire.cells_of(raw)):
            text = "" if cell is None else seen(*self._column(index), cell)
            if "\t" in text or "\n" in text:
                text = text.replace("\t", " ").replace("\n", " ")
            line.append(text)
        return line

    def _row(self, raw: bytes, old: list[str], new: list[str]) -> bytes:
        if new == old:
            return raw
        cells = wire.cells_of(raw)
        if len(new) != len(old):
            return wire.row([None] * len(cells))
        for index, text in enumerate(new):
            if text != old[index]:
                cells[index] = encoded(*self._column(index), text)
        return wire.row(cells)

    def _column(self, index: int) -> tuple[int, int]:
        # a row the server did not describe: its cells are read as text, and cannot be rewritten
        return self._columns[index] if index < len(self._columns) else (0, 0)


class Copied:
    """Consecutive CopyData of COPY … TO STDOUT, in text or CSV format: one row each."""

    __slots__ = ("raws",)

    def __init__(self, raws: list[bytes]) -> None:
        self.raws = raws

    @property
    def raw(self) -> bytes:
        """The messages as they came."""
        return b"".join(self.raws)

    def text(self) -> str:
        """All of it as guards read it."""
        return b"".join(raw[wire.HEAD_BYTES :] for raw in self.raws).decode("utf-8", "replace")

    def masked(self, text: str) -> Plain:
        """The rows with what changed, as one message."""
        return Plain(wire.message(b"d", text.encode("utf-8", "replace")))


class Told:
    """ErrorResponse, NoticeResponse, NotificationResponse: words of the server, or of somebody."""

    __slots__ = ("_fields", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._fields: dict[str, str] = {}

    def text(self) -> str:
        """The words a person or model would read."""
        if self.raw[:1] == b"A":
            return self.raw[wire.HEAD_BYTES + 4 :].decode("utf-8", "replace").replace("\0", " ")
        self._fields = wire.fields_of(self.raw)
        return "\n".join(self._fields.get(key, "") for key in "MDHW")

    def masked(self, text: str) -> Plain:
        """The message with its words replaced; a notification is not delivered."""
        if self.raw[:1] == b"A":
            return Plain(b"")
        kept = {key: self._fields[key] for key in "SVC" if key in self._fields}
        return Plain(wire.told(self.raw[:1], {**kept, "M": text.strip()}))


Event = Plain | Rows | Copied | Told


class Answer:
    """Reads the answer to one statement (see `flow.view.StreamReader`). `refusal` makes the message
    that ends an answer which may not go on.
    """

    kind = "tool_result"

    def __init__(self, refusal: Callable[[Decision], bytes]) -> None:
        self.due = False
        self._refusal = refusal
        self._chars = self._events = 0
        self._rows = self._bytes = 0
        self._commands: list[str] = []
        self._error = ""

    def read(self, event: Event) -> tuple[Sequence[tuple[int, str]], bool]:
        """The text of an event."""
        if self.due:
            self.due, self._chars, self._events = False, 0, 0
        self._events += 1
        if isinstance(event, Plain):
            self._noted(event.raw)
            self.due = event.last or self._events >= SECTION_EVENTS
            return (), False
        text = event.text()
        self._chars += len(text)
        self.due = self._chars >= SECTION_CHARS or self._events >= SECTION_EVENTS
        if isinstance(event, Told):
            self._error = self._error or _error_of(event.raw)
        else:
            self._rows += len(event.raws)
            self._bytes += sum(map(len, event.raws))
        return ((0, text),), False

    def rewrite(self, event: Event, channel: int, text: str) -> Event:
        """The event with its text replaced."""
        return event if isinstance(event, Plain) else event.masked(text)

    def calls(self) -> Sequence[Action]:
        """Rows propose no calls."""
        return ()

    def without_calls(self, event: Event, refused: Mapping[int, Decision]) -> Event | None:
        """Nothing to refuse."""
        return event

    def arguments(self) -> Sequence[tuple[str, str]]:
        """Rows propose no calls."""
        return ()

    def with_arguments(self, event: Event, restored: Mapping[int, str]) -> Event:
        """Nothing to restore."""
        return event

    def cut(self, decision: Decision) -> Sequence[Event]:
        """The error that ends the answer."""
        return (Plain(self._refusal(decision)),)

    def usage(self) -> Usage:
        """A database tells no usage."""
        return NO_USAGE

    def recorded(self) -> Any:
        """The shape of the answer: commands, rows, bytes, the first error's SQLSTATE."""
        kept: dict[str, Any] = {"rows": self._rows, "bytes": self._bytes}
        if self._commands:
            kept["commands"] = self._commands
        if self._error:
            kept["error"] = self._error
        return kept

    def _noted(self, raw: bytes) -> None:
        if raw[:1] == b"C" and len(self._commands) < COMMANDS_MAX:
            self._commands.append(raw[wire.HEAD_BYTES : -1].decode("utf-8", "replace")[:64])


def _error_of(raw: bytes) -> str:
    return wire.fields_of(raw).get("C", "") if raw[:1] == b"E" else ""
