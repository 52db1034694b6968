"""Reads a ledger's SQLite file, also while another process writes it; verifies it in place."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...ledger.checkpoint import Identity, Sealed
from ...ledger.entry import COLUMN_MAX, EXACT, Query, Row, columns, token
from ...ledger.verify import verify_rows
from ...ledger.walk import Item, Report
from ...model import LedgerError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

APPLICATION: Final = 0x41454749
"""`PRAGMA application_id`: "AEGI" in ASCII."""

VERSION: Final = 1
"""`PRAGMA user_version`: the layout below."""

PAGE: Final = 256
"""Rows read per statement. Readers page, so that no read transaction outlives a statement and
keeps the log from being reused."""

HASHES: Final = 8192
"""Leaf hashes read per statement."""

BUSY_MS: Final = 5_000
"""How long a statement waits for a lock of another process."""

SKEW: Final = 3_600_000_000
"""Entries are nearly, not exactly, in order of their times; filters by time look this many
microseconds around the place they point at."""

COLUMNS: Final = ", ".join(Row._fields)
"""The columns of table `entry`, in the order of Row."""


class SqliteReader:
    """Implements LedgerReader over one file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def identity(self) -> str:
        """The verifier key the ledger belongs to; empty before there is a file."""
        if not self.path.exists():
            return ""
        found = self._select("SELECT value FROM meta WHERE name = 'identity'", ())
        return str(found[0][0]) if found else ""

    @property
    def size(self) -> int:
        """One more than the highest index; 0 before there is a file."""
        if not self.path.exists():
            return 0
        return int(self._select("SELECT coalesce(max(seq) + 1, 0) FROM entry", ())[0][0])

    def rows(self, query: Query) -> Iterator[Row]:
        """The matching entries, read in pages."""
        with explained(self.path), self._reading() as connection:
            where, values = _where(query)
            size = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM entry").fetchone()[0]
            start, stop = max(0, query.start), min(size, size if query.stop is None else query.stop)
            if query.since is not None:
                start = max(start, _place(connection, size, query.since - SKEW))
            if query.until is not None:
                stop = min(stop, _place(connection, size, query.until + SKEW))
            order = "DESC" if query.newest_first else "ASC"
            text = (
                f"SELECT {COLUMNS} FROM entry WHERE seq >= ? AND seq < ?{where} "  # noqa: S608
                f"ORDER BY seq {order} LIMIT ?"
            )
            left = query.limit
            while start < stop and left != 0:
                page = PAGE if left is None else min(PAGE, left)
                found = connection.execute(text, (start, stop, *values, page)).fetchall()
                for values_of_row in found:
                    yield Row._make(values_of_row)
                if len(found) < page:
                    return
                left = None if left is None else left - len(found)
                if query.newest_first:
                    stop = found[-1][0]
                else:
                    start = found[-1][0] + 1

    def hashes(self, start: int, stop: int) -> Iterator[bytes]:
        """The leaf hashes of a range."""
        with explained(self.path), self._reading() as connection:
            while start < stop:
                found = connection.execute(
                    "SELECT hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq",
                    (start, min(stop, start + HASHES)),
                ).fetchall()
                for (digest,) in found:
                    yield digest
                start += HASHES

    def sealed(self, newest: bool = False) -> Iterator[Sealed]:
        """The kept checkpoints."""
        order = "DESC LIMIT 1" if newest else "ASC"
        text = f"SELECT size, note, peaks, low, at FROM checkpoint ORDER BY size {order}"  # noqa: S608
        for row in self._select(text, ()):
            yield Sealed(*row)

    def _select(self, text: str, values: tuple[object, ...]) -> list[Any]:
        with explained(self.path), self._reading() as connection:
            return connection.execute(text, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = self.connect()
        try:
            check_layout(connection, self.path)
            yield connection
        finally:
            connection.close()

    def connect(self) -> sqlite3.Connection:
        """A connection that can only read."""
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )


def verify_store(path: str | os.PathLike[str], trusted_key: bytes | None = None) -> Report:
    """Verify a ledger where it stands, also while it is being written.

    Checks what `verify` checks on a full bundle, every checkpoint the store keeps, and that the
    index columns say what the records say. Raises LedgerError where the file is no ledger.
    """
    store = SqliteReader(path)
    if not store.path.exists():
        raise LedgerError(f"`{path}` does not exist")
    wrong: list[int] = []

    def items() -> Iterator[Item]:
        for row in store.rows(Query(stop=size)):
            header, _, body = row.entry.partition(b"\n")
            if not _indexed(row, header, body) and len(wrong) < PAGE:
                wrong.append(row.seq)
            yield Item(row.hash.hex().encode(), None, header, row.entry)

    try:
        identity = store.identity
        # checkpoints first: entries that come later are then more than they cover, never fewer
        notes = [sealed.note.encode() for sealed in store.sealed()]
        size = store.size
        public = Identity.parse(identity).public if identity else b""
        report = verify_rows(items(), notes, public, trusted_key)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"`{path}`: {error}") from None
    for seq in wrong[: 100 - len(report.faults)]:
        report.fault("index-mismatch", seq, "its index columns are not what the record says")
    return report


def _indexed(row: Row, header: bytes, body: bytes) -> bool:
    """Whether the columns follow from the entry."""
    words = header.split(b" ")
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return (
        len(words) == 5
        and words[1:4] == [b"%d" % row.seq, row.kind.encode(), row.session.encode()]
        and tuple(row[3:13]) == columns(row.kind, fields)
    )


def _where(query: Query) -> tuple[str, list[object]]:
    """The filters of a query that are set, as SQL and its values."""
    text, values = "", list[object]()
    for name in EXACT:
        if value := getattr(query, name):
            text += f" AND {name} = ?"
            values.append(value[:COLUMN_MAX])
    if query.session is not None:
        text += " AND session = ?"
        values.append(token(query.session))
    for value, condition in ((query.since, " AND at >= ?"), (query.until, " AND at < ?")):
        if value is not None:
            text += condition
            values.append(value)
    return text, values


def _place(connection: sqlite3.Connection, size: int, at: int) -> int:
    """About where entries of a time begin: a binary search, as indices follow time."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        found = connection.execute("SELECT at FROM entry WHERE seq = ?", (middle,)).fetchone()
        if found is None or found[0] < at:
            low = middle + 1
        else:
            high = middle
    return low


def check_layout(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is no ledger, or one of another version."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise LedgerError(f"`{path}` is a database, but not a ledger of Aegis")
    if version != VERSION:
        raise LedgerError(f"`{path}` has layout {version}; this version reads layout {VERSION}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a LedgerError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(f"`{path}`: {error}") from error
