"""Keys, agents, approvals, parked runs and pinned tools in SQLite.

One connection behind a lock: these tables change a few times a minute at most. The epoch is a
counter in a memory-mapped file beside the database, so that looking at it costs no system call.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ...approval import APPROVED, CONSUMED, PENDING, Request
from ...kernel.state import Agent, Key, Pin, Run
from ...model import AegisError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SCHEMA_VERSION = 2
RUNS_MAX = 10_000
"""Most parked runs kept; more means nobody answers, and further runs are refused."""

PENDING_MAX = 10_000
"""Most open approvals, for the same reason."""

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
  state TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS approvals_digest ON approvals (digest, state);
CREATE INDEX IF NOT EXISTS approvals_state ON approvals (state, created);
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, created INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pins (server TEXT NOT NULL, tool TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (server, tool));
"""


class SqliteState:
    """The state store of a home folder; `path` None keeps everything in memory.

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
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

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

    def all_keys(self) -> Sequence[Key]:
        """All keys, also revoked ones."""
        rows = self._read("SELECT body FROM keys ORDER BY rowid")
        return [msgspec.json.decode(row[0], type=Key) for row in rows]

    def add_key(self, key: Key) -> None:
        """Add a key."""
        self._write(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (key.id, key.name, key.revoked, _pack(key))
        )

    def revoke_key(self, id: str, at: int) -> bool:
        """Revoke by id or name; False where there is none that is still valid."""
        done = False
        with self._lock:
            for key in self.all_keys():
                if not key.revoked and id in (key.id, key.name):
                    gone = msgspec.structs.replace(key, revoked=at)
                    self._write(
                        "UPDATE keys SET revoked=?, body=? WHERE id=?", (at, _pack(gone), key.id)
                    )
                    done = True
        return done

    def agents(self) -> Sequence[Agent]:
        """All registered agents."""
        rows = self._read("SELECT body FROM agents ORDER BY name")
        return [msgspec.json.decode(row[0], type=Agent) for row in rows]

    def change_agent(self, name: str, change: Callable[[Agent | None], Agent]) -> Agent:
        """Replace an agent by what `change` makes of it (None where it is new), in one
        transaction over all processes: a kill and a registration cannot undo one another.
        """
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                row = self._db.execute("SELECT body FROM agents WHERE name=?", (name,)).fetchone()
                known = msgspec.json.decode(row[0], type=Agent) if row else None
                agent: Agent = change(known)
                if agent != known:
                    self._db.execute(
                        "INSERT OR REPLACE INTO agents VALUES (?, ?)", (name, _pack(agent))
                    )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself where a disk is full
                    self._db.execute("ROLLBACK")
                raise
        if agent != known:
            self._epoch.bump()
        return agent

    def add_approval(self, request: Request) -> bool:
        """Add a pending approval; False where that id is there already."""
        (open_,) = self._read("SELECT count(*) FROM approvals WHERE state=?", (PENDING,))[0]
        if open_ >= PENDING_MAX:
            raise AegisError(f"{open_} approvals are open already; answer or expire some first")
        return bool(
            self._write(
                "INSERT OR IGNORE INTO approvals VALUES (?, ?, ?, ?, ?, ?)",
                (
                    request.id,
                    request.digest,
                    request.state,
                    request.created,
                    request.expires,
                    _pack(request),
                ),
            )
        )

    def approval(self, id: str) -> Request | None:
        """One approval."""
        rows = self._read("SELECT state, body FROM approvals WHERE id=?", (id,))
        return _request(*rows[0]) if rows else None

    def approvals(self, state: str = "", digest: str = "", limit: int = 500) -> Sequence[Request]:
        """Approvals in a state and with a digest, newest first."""
        rows = self._read(
            "SELECT state, body FROM approvals WHERE (?='' OR state=?) AND (?='' OR digest=?)"
            " ORDER BY created DESC LIMIT ?",
            (state, state, digest, digest, limit),
        )
        return [_request(*row) for row in rows]

    def answer(self, request: Request) -> bool:
        """Store an answer; False unless the stored one was still pending."""
        return bool(
            self._write(
                "UPDATE approvals SET state=?, body=? WHERE id=? AND state=?",
                (request.state, _pack(request), request.id, PENDING),
            )
        )

    def consume(self, id: str, now: int) -> bool:
        """Use up an approved, unexpired approval; True for exactly one caller."""
        return bool(
            self._write(
                "UPDATE approvals SET state=? WHERE id=? AND state=? AND expires>?",
                (CONSUMED, id, APPROVED, now),
            )
        )

    def add_run(self, run: Run) -> None:
        """Park a run."""
        (count,) = self._read("SELECT count(*) FROM runs")[0]
        if count >= RUNS_MAX:
            raise AegisError(f"{count} runs are parked already; answer their approvals first")
        self._write(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (run.id, run.created, _pack(run))
        )

    def run(self, id: str) -> Run | None:
        """A parked run."""
        rows = self._read("SELECT body FROM runs WHERE id=?", (id,))
        return msgspec.json.decode(rows[0][0], type=Run) if rows else None

    def runs(self) -> Sequence[Run]:
        """All parked runs, oldest first."""
        rows = self._read("SELECT body FROM runs ORDER BY created")
        return [msgspec.json.decode(row[0], type=Run) for row in rows]

    def take_run(self, id: str) -> bool:
        """Remove a parked run; True for exactly one caller, who may continue it."""
        return bool(self._write("DELETE FROM runs WHERE id=?", (id,)))

    def pins(self, server: str = "") -> Sequence[Pin]:
        """The pinned tools of one MCP server, or of all."""
        if self._version(self._db) < SCHEMA_VERSION:
            return ()  # an older store, opened only for reading
        rows = self._read(
            "SELECT body FROM pins WHERE ?='' OR server=? ORDER BY server, tool", (server, server)
        )
        return [msgspec.json.decode(row[0], type=Pin) for row in rows]

    def put_pins(self, pins: Sequence[Pin]) -> None:
        """Keep pins, in one transaction; each replaces the one of the same tool."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO pins VALUES (?, ?, ?)",
                    [(pin.server, pin.tool, _pack(pin)) for pin in pins],
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself where a disk is full
                    self._db.execute("ROLLBACK")
                raise
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


def _pack(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=repr)


def _request(state: str, body: bytes) -> Request:
    request = msgspec.json.decode(body, type=Request)
    return request if request.state == state else msgspec.structs.replace(request, state=state)
