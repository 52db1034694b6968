"""One SQLite file behind a lock, and a counter that tells every process of a change.

The epoch is a counter in a memory-mapped file beside the database, so that looking at it costs
no system call.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ...model import AegisError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 5

BUSY_SECONDS = 10.0
"""How long a statement waits for another process that writes."""

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk is full or failing; look after it and try again",
    sqlite3.SQLITE_READONLY: "it or its folder cannot be written; `aegis doctor` says by whom",
    sqlite3.SQLITE_CANTOPEN: "look whether its folder is there and can be written",
    sqlite3.SQLITE_PERM: "look at the permissions of it and of its folder",
    sqlite3.SQLITE_CORRUPT: "it is damaged; bring back a copy, or move it away to begin anew",
    sqlite3.SQLITE_NOTADB: "bring back a copy, or move it away to begin anew",
}
"""What to do, by SQLite's primary result code (https://sqlite.org/rescode.html)."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, revoked INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS approvals (id TEXT PRIMARY KEY, digest TEXT NOT NULL,
  state TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, body BLOB NOT NULL,
  owner TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS approvals_digest ON approvals (digest, state);
CREATE INDEX IF NOT EXISTS approvals_state ON approvals (state, created);
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, created INTEGER NOT NULL, body BLOB NOT NULL,
  owner TEXT NOT NULL DEFAULT '', approval TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS grants (approval TEXT PRIMARY KEY, covers TEXT NOT NULL,
  expires INTEGER NOT NULL, uses INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS grants_covers ON grants (covers);
CREATE TABLE IF NOT EXISTS posts (approval TEXT NOT NULL, channel TEXT NOT NULL,
  due INTEGER NOT NULL, shown TEXT NOT NULL, held INTEGER NOT NULL, settled INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (approval, channel));
CREATE INDEX IF NOT EXISTS posts_open ON posts (channel, settled, due);
CREATE TABLE IF NOT EXISTS loans (id TEXT PRIMARY KEY, expires INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pins (server TEXT NOT NULL, tool TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (server, tool));
CREATE TABLE IF NOT EXISTS nonces (channel TEXT NOT NULL, nonce TEXT NOT NULL,
  expires INTEGER NOT NULL, PRIMARY KEY (channel, nonce)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session_labels (session TEXT NOT NULL, label TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (session, label)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_labels_at ON session_labels (at);
CREATE TABLE IF NOT EXISTS conducts (session TEXT PRIMARY KEY, at INTEGER NOT NULL,
  released INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS conducts_at ON conducts (at);
CREATE TABLE IF NOT EXISTS tasks (name TEXT PRIMARY KEY, body BLOB NOT NULL);
"""

_ADDED = (("approvals", "owner"), ("runs", "owner"), ("runs", "approval"))
"""Columns that stores of an earlier schema lack."""

_FILLED = (
    "UPDATE runs SET approval=json_extract(CAST(body AS TEXT), '$.approval') WHERE approval=''"
)


class Database:
    """The database of a home folder; `path` None keeps everything in memory.

    With `readonly` nothing is written, not even beside the file; a store that is not there is
    empty. Every failure of SQLite is an AegisError that names the file and what to do.
    """

    def __init__(self, path: Path | None, *, readonly: bool = False) -> None:
        self._lock = threading.RLock()
        if readonly and path is not None and not path.exists():
            path, readonly = None, False
        self.name = ":memory:" if path is None else str(path)
        try:
            with self._explained():
                if path is None:
                    self._db = self._connect(self.name)
                    self._migrate()
                elif readonly:
                    self._db = self._reading(path)
                else:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._db = self._connect(self.name)
                    os.chmod(path, 0o600)
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.execute("PRAGMA synchronous=FULL")
                    self._migrate()
            shared = path is not None and not readonly
            self._epoch = _Epoch(path.with_name("epoch") if path and shared else None)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise AegisError(
                f"the state store `{self.name}` cannot be used: {reason}; `aegis doctor` checks "
                "its folder"
            ) from error

    def _connect(self, name: str, *, uri: bool = False) -> sqlite3.Connection:
        return sqlite3.connect(
            name, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, uri=uri
        )

    def _reading(self, path: Path) -> sqlite3.Connection:
        """A connection that writes nothing. SQLite wants to make files beside a database with a
        log; where it cannot and the log is empty, the database is read as it is.
        """
        log = path.with_name(path.name + "-wal")
        uri = path.absolute().as_uri()
        db = self._connect(f"{uri}?mode=ro", uri=True)
        try:
            self._version(db)
        except sqlite3.OperationalError as error:
            db.close()
            primary = error.sqlite_errorcode & 0xFF
            if primary not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            if log.exists() and log.stat().st_size:
                raise AegisError(
                    f"the state store `{self.name}` was not closed in order and its folder cannot "
                    "be written; copy the folder and read the copy"
                ) from error
            db = self._connect(f"{uri}?immutable=1", uri=True)
            self._version(db)
        return db

    def _version(self, db: sqlite3.Connection) -> int:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise AegisError(
                f"the state store `{self.name}` has schema {version}, this Aegis knows "
                f"{SCHEMA_VERSION}; upgrade Aegis"
            )
        return version

    def _migrate(self) -> None:
        if self._version(self._db) < SCHEMA_VERSION:
            self._db.executescript(_SCHEMA)
            # several processes may come to an older store at once; the first one changes it
            self._db.execute("BEGIN IMMEDIATE")
            for table, column in _ADDED:
                known = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
                if column not in known:
                    self._db.execute(
                        f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
                    )
            self._db.execute(_FILLED)
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self._db.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite raises into a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            advice = _ADVICE.get(code, "`aegis doctor` checks its folder")
            raise AegisError(f"the state store `{self.name}`: {error}; {advice}") from error

    def epoch(self) -> int:
        """A number that changes whenever anything here changes, in any process."""
        return self._epoch.value()

    def _write(self, sql: str, parameters: tuple[Any, ...]) -> int:
        with self._lock, self._explained():
            changed = self._db.execute(sql, parameters).rowcount
        self._epoch.bump()
        return changed

    def _read(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock, self._explained():
            return self._db.execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction over all processes. What is raised inside undoes it."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            before = self._db.total_changes
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself where a disk is full
                    self._db.execute("ROLLBACK")
                raise
            changed = self._db.total_changes != before
        if changed:
            self._epoch.bump()

    def close(self) -> None:
        """Release files."""
        with self._lock:
            self._db.close()
        self._epoch.close()


class _Epoch:
    """A counter all processes on one home folder share."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            self._map = mmap.mmap(-1, 8)
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size < 8:
                    # written, not only stretched: a page without a place on a full disk would
                    # end the process where the counter is first raised
                    os.write(descriptor, bytes(8))
                self._map = mmap.mmap(descriptor, 8)
            finally:
                os.close(descriptor)
        self._lock = threading.Lock()
        self._words = memoryview(self._map).cast("Q")

    def value(self) -> int:
        return self._words[0]

    def bump(self) -> None:
        # two processes bumping at once may end at one number: it still differs from before,
        # and both wrote to the database first
        with self._lock:
            self._words[0] = (self._words[0] + 1) & ((1 << 64) - 1)

    def close(self) -> None:
        self._words.release()
        self._map.close()


def pack(value: Any) -> bytes:
    """A row's body: JSON, in which foreign objects are their repr."""
    return msgspec.json.encode(value, enc_hook=repr)
