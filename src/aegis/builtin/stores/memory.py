"""A ledger in memory: for tests and for runs that keep no evidence. Gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...ledger.entry import Filter, Query, Row, Stored
from ...model import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...ledger.checkpoint import Sealed

ENTRIES_MAX: Final = 1_000_000
"""Most entries kept."""

BYTES_MAX: Final = 512 * 1024 * 1024
"""Most bytes of entries kept. A full store refuses, as a full disk does: it never forgets."""


class MemoryStore:
    """Implements LedgerStore over a list."""

    name = "memory"

    inline = True
    """Writing without `sync` waits for nothing: the journal may do it on an event loop."""

    def __init__(self, entries: int = ENTRIES_MAX, room: int = BYTES_MAX) -> None:
        self.identity = ""
        self._rows: list[Row] = []
        self._sealed: list[Sealed] = []
        self._heads: dict[str, bytes] = {}
        self._room = room
        self._entries = entries
        self._writing = False

    @property
    def size(self) -> int:
        """How many entries are stored."""
        return len(self._rows)

    def open(self, identity: str) -> None:
        """Become the writer."""
        if self._writing:
            raise LedgerError("the ledger in memory already has a writer")
        if self.identity not in ("", identity):
            raise LedgerError(f"the ledger in memory belongs to `{self.identity}`")
        self.identity = identity
        self._writing = True

    def write(self, rows: Sequence[Stored], sync: bool) -> None:
        """Append the rows."""
        if not self._writing:
            raise LedgerError("the ledger in memory is closed")
        room = self._room - sum(len(row[3]) for row in rows)
        if room < 0 or len(self._rows) + len(rows) > self._entries:
            raise LedgerError(
                f"the ledger in memory is full at {len(self._rows)} entries; "
                "keep it in a file (`ledger: {path: …}`), or start a new process"
            )
        if rows and rows[0][0] != len(self._rows):
            raise LedgerError(f"entry {rows[0][0]} does not follow {len(self._rows) - 1}")
        self._room = room
        self._rows.extend(map(Row._make, rows))

    def seal(self, sealed: Sealed, heads: Mapping[str, tuple[int, bytes]], sync: bool) -> None:
        """Keep a checkpoint."""
        self._sealed.append(sealed)
        for session, (_, digest) in heads.items():
            self._heads[session] = digest

    def upkeep(self) -> None:
        """Memory needs none."""

    def heads(self, limit: int) -> dict[str, bytes] | None:
        """The last leaf hash of every session, as of the last checkpoint."""
        return dict(self._heads) if len(self._heads) <= limit else None

    def head(self, session: str) -> bytes | None:
        """The last leaf hash of one session, as of the last checkpoint."""
        return self._heads.get(session)

    def rows(self, query: Query) -> Iterator[Row]:
        """The matching entries."""
        stop = len(self._rows) if query.stop is None else min(query.stop, len(self._rows))
        indices = range(max(0, query.start), stop)
        left = query.limit
        matches = Filter(query)
        for index in reversed(indices) if query.newest_first else indices:
            if left == 0:
                return
            row = self._rows[index]
            if matches(row):
                left = None if left is None else left - 1
                yield row

    def hashes(self, start: int, stop: int) -> Iterator[bytes]:
        """The leaf hashes of a range."""
        for index in range(start, min(stop, len(self._rows))):
            yield self._rows[index].hash

    def sealed(self, newest: bool = False) -> Iterator[Sealed]:
        """The kept checkpoints."""
        return iter(self._sealed[-1:] if newest else list(self._sealed))

    def close(self) -> None:
        """End writing; the entries stay readable."""
        self._writing = False
