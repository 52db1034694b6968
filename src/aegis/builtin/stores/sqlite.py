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
from itertools import chain
from typing import TYPE_CHECKING, Final

from ...ledger.entry import Row
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
    from collections.abc import Sequence

    from ...ledger.checkpoint import Sealed

SIZES: Final = (64, 16, 4, 1)
"""Rows per INSERT. sqlite3 gives the GIL back and takes it again at every statement, and waiting
for it behind a busy event loop costs more than the insert: few statements of many rows. 64 rows
of 15 columns stay far below SQLite's limit of 32,766 parameters."""

CHECKPOINT_PAGES: Final = 4000
"""WAL pages after which SQLite copies them into the database (default 1,000): a longer log meets
the same index pages more often before it copies them once."""

_SCHEMA = f"""
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, session TEXT NOT NULL, at INTEGER NOT NULL,
    action TEXT NOT NULL, type TEXT NOT NULL, target TEXT NOT NULL, agent TEXT NOT NULL,
    tenant TEXT NOT NULL, verdict TEXT NOT NULL, rule TEXT NOT NULL, risk TEXT NOT NULL,
    status TEXT NOT NULL, hash BLOB NOT NULL, entry BLOB NOT NULL
) STRICT;
CREATE INDEX entry_session ON entry (session);
CREATE INDEX entry_action ON entry (action);
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
    + ", ".join([f"({', '.join('?' * len(Row._fields))})"] * size)
    for size in SIZES
}


class SqliteStore(SqliteReader):
    """Implements LedgerStore over one file. A store that is never opened only reads."""

    name = "sqlite"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._writer: sqlite3.Connection | None = None
        self._seeker: sqlite3.Connection | None = None
        self._lock = -1
        self._full: bool | None = None
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
        if not self.path.exists():
            # records hold personal data: nobody else may read them
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        self._writer = connection
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA synchronous = FULL")
        self._full = True
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        check_layout(connection, self.path)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (identity,))
        owner = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()[0]
        if owner != identity:
            raise LedgerError(
                f"`{self.path}` was signed with the key of `{owner.partition('+')[0]}`; "
                "bring back its ledger.key, or start a new ledger"
            )
        return connection

    def write(self, rows: Sequence[Row], sync: bool) -> None:
        """Store the rows in one transaction."""
        with explained(self.path):
            connection = self._open_writer(sync)
            if not rows:
                # a commit of anything brings the whole log to the disk
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('synced', '')")
                return
            if len(rows) in _INSERT:
                # one statement is its own transaction
                connection.execute(_INSERT[len(rows)], list(chain.from_iterable(rows)))
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                at = 0
                for size in SIZES:
                    while len(rows) - at >= size:
                        part = chain.from_iterable(rows[at : at + size])
                        connection.execute(_INSERT[size], list(part))
                        at += size
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def seal(self, sealed: Sealed) -> None:
        """Keep a checkpoint."""
        with explained(self.path):
            self._open_writer(True).execute(
                "INSERT OR IGNORE INTO checkpoint (size, note, peaks, low, at) "
                "VALUES (?, ?, ?, ?, ?)",
                (sealed.size, sealed.note, sealed.peaks, sealed.low, sealed.at),
            )

    def _open_writer(self, full: bool) -> sqlite3.Connection:
        connection = self._writer
        if connection is None:
            raise LedgerError(f"`{self.path}` is closed")
        if full is not self._full:
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        return connection

    def heads(self, limit: int) -> dict[str, bytes] | None:
        """The last leaf hash of every session."""
        if self.size > limit:
            return None
        # SQLite takes `hash` from the row that holds the maximum
        return {
            session: digest
            for session, digest, _ in self._select(
                "SELECT session, hash, max(seq) FROM entry GROUP BY session", ()
            )
        }

    def head(self, session: str) -> bytes | None:
        """The last leaf hash of one session."""
        query = "SELECT hash FROM entry WHERE session = ? ORDER BY seq DESC LIMIT 1"
        with explained(self.path):
            if self._seeker is None:
                raise LedgerError(f"`{self.path}` is closed")
            found = self._seeker.execute(query, (session,)).fetchone()
        return found[0] if found else None

    def close(self) -> None:
        """Close the file and give up the lock."""
        connections, self._writer, self._seeker = (self._writer, self._seeker), None, None
        for connection in connections:
            if connection is not None:
                connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


_STORES: weakref.WeakSet[SqliteStore] = weakref.WeakSet()

_ORPHANS: list[sqlite3.Connection | None] = []
"""Connections of the parent in a forked child: they may be neither used nor closed there
(https://sqlite.org/howtocorrupt.html, section 2.6), so they are kept from being collected."""


def _forked() -> None:
    """In a forked child the file belongs to the parent, and so does its lock."""
    for store in list(_STORES):
        _ORPHANS.extend((store._writer, store._seeker))
        store._writer = store._seeker = None
        if store._lock >= 0:
            # closing a copy leaves the parent's lock alone, and does not outlive the parent
            os.close(store._lock)
            store._lock = -1


os.register_at_fork(after_in_child=_forked)
