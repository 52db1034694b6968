"""The ledger in one SQLite file: the default store.

Write-ahead logging; one writer, whose journal commits in groups; any number of readers at the
same time, in this process and in others. A lock file beside the database keeps a second writer
out. An entry never changes: triggers refuse it, and `verify_store` finds what got around them.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import weakref
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...model import LedgerBusy, LedgerError
from .sqlite_reader import (
    APPLICATION,
    BUSY_MS,
    COLUMNS,
    VERSION,
    SqliteReader,
    check_layout,
    explained,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...ledger.checkpoint import Sealed
    from ...ledger.entry import Stored

SIZES: Final = (64, *range(24, 0, -1))
"""Rows per INSERT, largest first. sqlite3 gives the GIL back and takes it again at every statement,
and waiting for it behind a busy event loop costs more than the insert: few statements of many rows,
and one for the small batches of a server that is not busy. Each keeps what was bound to it last, so
there are no more of them; 64 rows of 4 columns stay far below SQLite's limit of 32,766 parameters.
"""

LOG_BYTES: Final = 32 * 1024 * 1024
"""Entry bytes after which the log is copied into the database. That waits for the disk for long, so
`upkeep` does it beside the writer; what was written meanwhile is copied with the next checkpoint,
while nothing else is, so that the log begins again and does not grow for ever."""

_SCHEMA = f"""
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, hash BLOB NOT NULL, entry BLOB NOT NULL
) STRICT;
CREATE TABLE head (
    session TEXT PRIMARY KEY, start INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY, note TEXT NOT NULL, peaks BLOB NOT NULL, low INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TRIGGER entry_kept BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER entry_fixed BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""

_INSERT = {
    size: f"INSERT INTO entry ({COLUMNS}) VALUES "  # noqa: S608  (placeholders only)
    + ", ".join(["(?, ?, ?, ?)"] * size)
    for size in SIZES
}

_HEADS = {
    size: "INSERT INTO head VALUES "  # noqa: S608  (placeholders only)
    + ", ".join(["(?, ?, ?, ?)"] * size)
    + " ON CONFLICT (session) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
    for size in SIZES
}


class SqliteStore(SqliteReader):
    """Implements LedgerStore over one file. A store that is never opened only reads."""

    name = "sqlite"

    inline = True
    """Writing without `sync` waits for nothing: the journal may do it on an event loop."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._writer: sqlite3.Connection | None = None
        self._seeker: sqlite3.Connection | None = None
        self._keeper: sqlite3.Connection | None = None
        self._copied = False
        self._lock = -1
        self._full: bool | None = None
        self._logged = 0
        _STORES.add(self)

    def open(self, identity: str) -> None:
        """Take the lock, make or check the file, and become its writer."""
        if self._writer is not None:
            raise LedgerError(f"`{self.path}` is already open")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            with explained(self.path):
                self._writer = self._prepare(identity)
                self._seeker = self.connect()
                self._keeper = sqlite3.connect(
                    self.path, isolation_level=None, check_same_thread=False
                )
        except OSError as error:
            self.close()
            raise LedgerError(f"`{self.path}`: {error.strerror}") from None
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            raise LedgerBusy(
                f"`{self.path}` is being written by another process (pid {holder or 'unknown'}); "
                "a ledger has one writer: stop that one, or give this one a path of its own"
            ) from None
        os.truncate(handle, 0)
        os.write(handle, b"%d\n" % os.getpid())
        self._lock = handle

    def _prepare(self, identity: str) -> sqlite3.Connection:
        if not self.path.exists() or not self.path.stat().st_size:
            _make(self.path.resolve())
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        self._writer = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = FULL")
        self._full = True
        check_layout(connection, self.path)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (identity,))
        owner = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()[0]
        if owner != identity:
            raise LedgerError(
                f"`{self.path}` was signed with the key of `{owner.partition('+')[0]}`; "
                "bring back its ledger.key, or start a new ledger"
            )
        return connection

    def write(self, rows: Sequence[Stored], sync: bool) -> None:
        """Store the rows in one transaction."""
        with explained(self.path):
            connection = self._open_writer(sync)
            self._logged += sum([len(row[3]) for row in rows])
            if not rows:
                # a commit of anything brings the whole log to the disk
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('synced', '')")
            elif len(rows) in _INSERT:
                # one statement is its own transaction
                connection.execute(_INSERT[len(rows)], _flat(rows))
            else:
                with _transaction(connection):
                    _insert(connection, _INSERT, rows)

    def seal(self, sealed: Sealed, heads: Mapping[str, tuple[int, bytes]], sync: bool) -> None:
        """Keep a checkpoint; with `sync`, on the disk and everything before it too."""
        with explained(self.path):
            connection = self._open_writer(sync)
            with _transaction(connection):
                # a session that is new since the last checkpoint starts after it
                start = connection.execute("SELECT coalesce(max(size), 0) FROM checkpoint")
                since = start.fetchone()[0]
                rows = [(session, since, *head) for session, head in heads.items()]
                _insert(connection, _HEADS, rows)
                connection.execute(
                    "INSERT OR IGNORE INTO checkpoint (size, note, peaks, low, at) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (sealed.size, sealed.note, sealed.peaks, sealed.low, sealed.at),
                )
            if self._copied:
                self._copied = False
                self._logged = 0
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def upkeep(self) -> None:
        """Copy the log into the database where it has grown long."""
        if self._logged < LOG_BYTES or self._copied or self._keeper is None:
            return
        with explained(self.path):
            self._keeper.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._copied = True

    def _open_writer(self, full: bool) -> sqlite3.Connection:
        connection = self._writer
        if connection is None:
            raise LedgerError(f"`{self.path}` is closed")
        if full is not self._full:
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        return connection

    def heads(self, limit: int) -> dict[str, bytes] | None:
        """The last leaf hash of every session, as of the last checkpoint."""
        found = self._select("SELECT session, hash FROM head LIMIT ?", (limit + 1,))
        return dict(found) if len(found) <= limit else None

    def head(self, session: str) -> bytes | None:
        """The last leaf hash of one session, as of the last checkpoint."""
        with explained(self.path):
            if self._seeker is None:
                raise LedgerError(f"`{self.path}` is closed")
            found = self._seeker.execute(
                "SELECT hash FROM head WHERE session = ?", (session,)
            ).fetchone()
        return found[0] if found else None

    def close(self) -> None:
        """Close the file and give up the lock."""
        connections = (self._writer, self._seeker, self._keeper)
        self._writer = self._seeker = self._keeper = None
        for connection in connections:
            if connection is not None:
                connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _make(path: Path) -> None:
    """Make an empty ledger, which appears whole: other processes look at any time."""
    new = Path(f"{path}.new")
    # records hold personal data: nobody else may read them
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
    finally:
        connection.close()
    for left in ("-wal", "-shm"):
        # of a file that is gone: SQLite would write it over the new one
        Path(f"{path}{left}").unlink(missing_ok=True)
    new.replace(path)


def _insert(
    connection: sqlite3.Connection,
    statements: dict[int, str],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert any number of rows with statements of fixed sizes."""
    at = 0
    for size in SIZES:
        while len(rows) - at >= size:
            connection.execute(statements[size], _flat(rows[at : at + size]))
            at += size


def _flat(rows: Sequence[tuple[object, ...]]) -> list[object]:
    """The values of rows in one list. Byte strings are handed over as byte arrays: sqlite3 asks
    every value of another type for an adapter first, which costs more than to insert it.
    """
    values = chain.from_iterable(rows)
    return [bytearray(value) if value.__class__ is bytes else value for value in values]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_STORES: weakref.WeakSet[SqliteStore] = weakref.WeakSet()

_ORPHANS: list[sqlite3.Connection | None] = []
"""Connections of the parent in a forked child: they may be neither used nor closed there
(https://sqlite.org/howtocorrupt.html, section 2.6), so they are kept from being collected."""


def _forked() -> None:
    """In a forked child the file belongs to the parent, and so does its lock."""
    for store in list(_STORES):
        _ORPHANS.extend((store._writer, store._seeker, store._keeper))
        store._writer = store._seeker = store._keeper = None
        if store._lock >= 0:
            # closing a copy leaves the parent's lock alone, and does not outlive the parent
            os.close(store._lock)
            store._lock = -1


os.register_at_fork(after_in_child=_forked)
