"""A ledger in memory: for tests and for runs that keep no evidence. Gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...ledger.entry import EXACT, Query, Row, token
from ...model import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...ledger.checkpoint import Sealed

ENTRIES_MAX: Final = 1_000_000
"""Most entries kept."""

BYTES_MAX: Final = 512 * 1024 * 1024
"""Most bytes of entries kept. A full store refuses, as a full disk does: it never forgets."""


class MemoryStore:
    """Implements LedgerStore over a list."""

    name = "memory"

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

    def write(self, rows: Sequence[Row], sync: bool) -> None:
        """Append the rows."""
        if not self._writing:
            raise LedgerError("the ledger in memory is closed")
        room = self._room - sum(len(row.entry) for row in rows)
        if room < 0 or len(self._rows) + len(rows) > self._entries:
            raise LedgerError(
                f"the ledger in memory is full at {len(self._rows)} entries; "
                "keep it in a file (`ledger: {path: …}`), or start a new process"
            )
        if rows and rows[0].seq != len(self._rows):
            raise LedgerError(f"entry {rows[0].seq} does not follow {len(self._rows) - 1}")
        self._room = room
        self._rows.extend(rows)
        for row in rows:
            self._heads[row.session] = row.hash

    def seal(self, sealed: Sealed) -> None:
        """Keep a checkpoint."""
        self._sealed.append(sealed)

    def heads(self, limit: int) -> dict[str, bytes] | None:
        """The last leaf hash of every session."""
        return dict(self._heads) if len(self._rows) <= limit else None

    def head(self, session: str) -> bytes | None:
        """The last leaf hash of one session."""
        return self._heads.get(session)

    def rows(self, query: Query) -> Iterator[Row]:
        """The matching entries."""
        stop = len(self._rows) if query.stop is None else min(query.stop, len(self._rows))
        indices = range(max(0, query.start), stop)
        left = query.limit
        matches = _Matcher(query)
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


class _Matcher:
    """The filters of a query that are set, as one callable."""

    def __init__(self, query: Query) -> None:
        self._wanted = [(name, getattr(query, name)) for name in EXACT if getattr(query, name)]
        if query.session is not None:
            self._wanted.append(("session", token(query.session)))
        self._since = query.since
        self._until = query.until

    def __call__(self, row: Row) -> bool:
        if self._since is not None and row.at < self._since:
            return False
        if self._until is not None and row.at >= self._until:
            return False
        return all(getattr(row, name) == value for name, value in self._wanted)
