"""Reads a ledger's SQLite file, also while another process writes it; verifies it in place."""

from __future__ import annotations

import sqlite3
from binascii import hexlify
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from ...ledger.checkpoint import Identity, Sealed
from ...ledger.entry import Filter, Query, Row, time_of, token
from ...ledger.verify import verify_rows
from ...ledger.walk import FAULTS_MAX, Fault, Report
from ...model import LedgerError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from ...ledger.walk import Item

APPLICATION: Final = 0x41454749
"""`PRAGMA application_id`: "AEGI" in ASCII."""

VERSION: Final = 2
"""`PRAGMA user_version`: the layout below."""

PAGE: Final = 256
"""Rows read per statement. Readers page, so that no read transaction outlives a statement and
keeps the log from being reused."""

SCAN: Final = 8192
"""Entries looked at per statement where a query filters, for the same reason."""

HASHES: Final = 8192
"""Leaf hashes read per statement."""

BUSY_MS: Final = 5_000
"""How long a statement waits for a lock of another process."""

SKEW: Final = 3_600_000_000
"""Entries are nearly, not exactly, in order of their times; filters by time look this many
microseconds around the place they point at."""

COLUMNS: Final = "seq, at, hash, entry"
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
            start, stop = _range(connection, query)
            made = _made(query.action)
            if made is None:
                yield from _scan(connection, query, start, stop)
                return
            # ids tell when they were made; look before that only where nothing is found after
            middle = max(start, _place(connection, stop, made - SKEW))
            empty = True
            for row in _scan(connection, query, middle, stop):
                empty = False
                yield row
            if empty:
                yield from _scan(connection, query, start, middle)

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

    def ends(self) -> tuple[dict[str, tuple[int, bytes]], list[tuple[int, str]]]:
        """The head kept of every session, and the kept checkpoints, as of one moment."""
        with explained(self.path), self._reading() as connection:
            connection.execute("BEGIN")
            rows = connection.execute("SELECT session, seq, hash FROM head").fetchall()
            kept = connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()
        return {session: (seq, digest) for session, seq, digest in rows}, kept

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


def verify_store(
    path: str | os.PathLike[str], trusted_key: bytes | None = None, kept: Iterable[bytes] = ()
) -> Report:
    """Verify a ledger where it stands, also while it is being written.

    Checks what `verify` checks on a full bundle, every checkpoint the store keeps and those `kept`
    elsewhere (signed notes), and that the times and session heads beside the entries are what the
    entries say. Raises LedgerError where the file is no ledger.
    """
    store = SqliteReader(path)
    if not store.path.exists():
        raise LedgerError(f"`{path}` does not exist")
    wrong: list[tuple[int, str]] = []
    last: dict[str, tuple[int, bytes]] = {}

    def items() -> Iterator[Item]:
        for row in store.rows(Query(stop=size)):
            header, _, body = row.entry.partition(b"\n")
            words = header.split(b" ")
            if len(words) == 5 and row.seq < covered:
                last[words[3].decode("utf-8", "replace")] = (row.seq, row.hash)
            if not _fits(row, words, body) and len(wrong) < PAGE:
                wrong.append((row.seq, "its index or time is not what the record says"))
            yield hexlify(row.hash), None, header, b"\x00" + row.entry

    try:
        identity = store.identity
        # checkpoints first: entries that come later are then more than they cover, never fewer
        heads, checkpoints = store.ends()
        covered = checkpoints[-1][0] if checkpoints else 0
        size = store.size
        public = Identity.parse(identity).public if identity else b""
        notes = chain((note.encode() for _, note in checkpoints), kept)
        report = verify_rows(items(), notes, public, trusted_key)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"`{path}`: {error}") from None
    if report.ok:
        for session in last.keys() | heads.keys():
            if last.get(session) != heads.get(session) and len(wrong) < PAGE:
                wrong.append((-1, f"the head kept of session `{session[:80]}` is not its last"))
    for seq, message in wrong[: FAULTS_MAX - len(report.faults)]:
        report.faults.append(Fault("index-mismatch", seq, message))
    return report


def _fits(row: Row, words: list[bytes], body: bytes) -> bool:
    """Whether index and time of a row follow from its entry."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    at = fields.get("at", 0) if isinstance(fields, dict) else 0
    return len(words) == 5 and words[1] == b"%d" % row.seq and row.at == time_of(at)


def _scan(connection: sqlite3.Connection, query: Query, start: int, stop: int) -> Iterator[Row]:
    """The matching entries of a range."""
    matches = Filter(query)
    where, values = _where(matches)
    order = "DESC" if query.newest_first else "ASC"
    text = (
        f"SELECT {COLUMNS} FROM entry WHERE seq >= ? AND seq < ?{where} "  # noqa: S608
        f"ORDER BY seq {order} LIMIT ?"
    )
    left = stop if query.limit is None else query.limit
    while start < stop and left > 0:
        page = PAGE if where else min(PAGE, left)
        span = SCAN if where else page
        low = max(start, stop - span) if query.newest_first else start
        high = stop if query.newest_first else min(stop, start + span)
        found = connection.execute(text, (low, high, *values, page)).fetchall()
        if len(found) == page:
            # there may be more in this span
            low = found[-1][0] if query.newest_first else low
            high = high if query.newest_first else found[-1][0] + 1
        for values_of_row in found:
            row = Row._make(values_of_row)
            if left > 0 and (not where or matches(row)):
                left -= 1
                yield row
        start, stop = (start, low) if query.newest_first else (high, stop)


def _where(matches: Filter) -> tuple[str, list[object]]:
    """What a query's filters ask of an entry, as far as SQL can tell without reading its JSON."""
    text, values = "", list[object]()
    for needle in matches.needles:
        text += " AND instr(entry, ?) > 0"
        values.append(needle)
    for value, condition in ((matches.since, " AND at >= ?"), (matches.until, " AND at < ?")):
        if value is not None:
            text += condition
            values.append(value)
    return text, values


def _range(connection: sqlite3.Connection, query: Query) -> tuple[int, int]:
    """Between which indices the matching entries lie."""
    size = connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM entry").fetchone()[0]
    start, stop = max(0, query.start), size if query.stop is None else min(size, query.stop)
    if query.since is not None:
        start = max(start, _place(connection, size, query.since - SKEW))
    if query.until is not None:
        stop = min(stop, _place(connection, size, query.until + SKEW))
    if query.session is not None:
        start, stop = _session(connection, token(query.session), start, stop)
    return start, stop


def _session(
    connection: sqlite3.Connection, session: str, start: int, stop: int
) -> tuple[int, int]:
    """The range narrowed to a session's: what checkpoints know of it, and all after the last."""
    found = connection.execute("SELECT start, seq FROM head WHERE session = ?", (session,))
    head = found.fetchone()
    covered = connection.execute("SELECT coalesce(max(size), 0) FROM checkpoint").fetchone()[0]
    if head is None:
        return max(start, covered), stop
    begins, last = head
    text = "SELECT 1 FROM entry WHERE seq >= ? AND seq < ? AND instr(entry, ?) > 0 LIMIT 1"
    needle = f" {session} ".encode()
    if connection.execute(text, (covered, stop, needle)).fetchone() is None:
        stop = min(stop, last + 1)
    return max(start, begins), stop


def _made(action: str) -> int | None:
    """When an action id was made, in microseconds: UUIDs of version 7 begin with the time in
    milliseconds (RFC 9562, section 5.7). None for other ids.
    """
    try:
        number = UUID(action)
    except ValueError:
        return None
    return (number.int >> 80) * 1000 if number.version == 7 else None


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
