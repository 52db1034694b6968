"""Keys, agents, parked runs, loans and pinned tools in SQLite.

One connection behind a lock: these tables change a few times a minute at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...approval import DENIED
from ...kernel.state import Agent, Key, Loan, Pin, Run
from ...model import AegisError, Prepared
from .state_approvals import REQUEST
from .state_database import pack
from .state_sessions import SessionTables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNS_MAX = 10_000
"""Most parked runs kept; more means nobody answers, and further runs are refused."""

RUNS_OWNER_MAX = 1_000
"""Most parked runs of one principal: no key can fill the shelf of all others."""

PINS_SINCE = 3
"""The schema that brought pins; an older store, opened for reading, has none."""


_AGENT = Prepared(Agent)
_KEY = Prepared(Key)
_LOAN = Prepared(Loan)
_PIN = Prepared(Pin)
_RUN = Prepared(Run)


class SqliteState(SessionTables):
    """The state store of a home folder (see `state_database.py`)."""

    def all_keys(self) -> Sequence[Key]:
        """All keys, also revoked ones."""
        rows = self._read("SELECT body FROM keys ORDER BY rowid")
        return [_KEY.decode(row[0]) for row in rows]

    def add_key(self, key: Key) -> None:
        """Add a key."""
        self._write(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (key.id, key.name, key.revoked, pack(key))
        )

    def revoke_key(self, id: str, at: int) -> bool:
        """Revoke by id or name; False where there is none that is still valid."""
        done = False
        with self._lock:
            for key in self.all_keys():
                if not key.revoked and id in (key.id, key.name):
                    gone = msgspec.structs.replace(key, revoked=at)
                    self._write(
                        "UPDATE keys SET revoked=?, body=? WHERE id=?", (at, pack(gone), key.id)
                    )
                    done = True
        return done

    def agents(self) -> Sequence[Agent]:
        """All registered agents."""
        rows = self._read("SELECT body FROM agents ORDER BY name")
        return [_AGENT.decode(row[0]) for row in rows]

    def change_agent(self, name: str, change: Callable[[Agent | None], Agent]) -> Agent:
        """Replace an agent by what `change` makes of it (None where it is new), in one
        transaction over all processes: a kill and a registration cannot undo one another.
        """
        with self.transaction() as db:
            row = db.execute("SELECT body FROM agents WHERE name=?", (name,)).fetchone()
            known = _AGENT.decode(row[0]) if row else None
            agent: Agent = change(known)
            if agent != known:
                db.execute("INSERT OR REPLACE INTO agents VALUES (?, ?)", (name, pack(agent)))
        return agent

    def add_run(self, run: Run) -> None:
        """Park a run."""
        with self.transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM runs").fetchone()
            (own,) = db.execute("SELECT count(*) FROM runs WHERE owner=?", (run.owner,)).fetchone()
            if count >= RUNS_MAX or own >= RUNS_OWNER_MAX:
                whose = f"{own} runs of this caller" if count < RUNS_MAX else f"{count} runs"
                raise AegisError(f"{whose} are parked already; answer their approvals first")
            db.execute(
                "INSERT OR REPLACE INTO runs (id, created, body, owner, approval)"
                " VALUES (?, ?, ?, ?, ?)",
                (run.id, run.created, pack(run), run.owner, run.approval),
            )

    def run(self, id: str) -> Run | None:
        """A parked run."""
        rows = self._read("SELECT body FROM runs WHERE id=?", (id,))
        return _RUN.decode(rows[0][0]) if rows else None

    def runs(self) -> Sequence[Run]:
        """All parked runs, oldest first."""
        rows = self._read("SELECT body FROM runs ORDER BY created")
        return [_RUN.decode(row[0]) for row in rows]

    def take_run(self, id: str) -> bool:
        """Remove a parked run; True for exactly one caller, who may continue it."""
        return bool(self._write("DELETE FROM runs WHERE id=?", (id,)))

    def drop_runs(self, before: int) -> Sequence[tuple[str, str]]:
        """Remove the runs that ended before a time without having happened."""
        ended = [
            (run, approval)
            for run, approval, expires, body in self._read(
                "SELECT r.id, r.approval, a.expires, a.body FROM runs r"
                " LEFT JOIN approvals a ON a.id=r.approval"
                " WHERE r.created<=? AND (a.id IS NULL OR a.expires<=? OR a.state=?)",
                (before, before, DENIED),
            )
            if body is None or expires <= before or REQUEST.decode(body).answered <= before
        ]
        return [(run, approval) for run, approval in ended if self.take_run(run)]

    def put_loan(self, loan: Loan) -> None:
        """Remember a credential until it is revoked, or what there is new about it."""
        row = (loan.id, loan.expires, pack(loan))
        self._write("INSERT OR REPLACE INTO loans VALUES (?, ?, ?)", row)

    def take_loan(self, loan: Loan, owner: str) -> bool:
        """Make a loan that is still as given this owner's; True for exactly one caller."""
        if loan.owner == owner:
            return True  # nobody else has that name now
        row = (pack(msgspec.structs.replace(loan, owner=owner)), loan.id, pack(loan))
        return bool(self._write("UPDATE loans SET body=? WHERE id=? AND body=?", row))

    def drop_loan(self, id: str) -> None:
        """Forget a credential that is revoked."""
        self._write("DELETE FROM loans WHERE id=?", (id,))

    def loans(self) -> Sequence[Loan]:
        """The credentials that nobody revoked yet."""
        rows = self._read("SELECT body FROM loans")
        return [_LOAN.decode(row[0]) for row in rows]

    def pins(self, server: str = "") -> Sequence[Pin]:
        """The pinned tools of one MCP server, or of all."""
        if self._version(self._db) < PINS_SINCE:
            return ()  # an older store, opened only for reading
        rows = self._read(
            "SELECT body FROM pins WHERE ?='' OR server=? ORDER BY server, tool", (server, server)
        )
        return [_PIN.decode(row[0]) for row in rows]

    def put_pins(self, pins: Sequence[Pin]) -> None:
        """Keep pins, in one transaction; each replaces the one of the same tool."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO pins VALUES (?, ?, ?)",
                    [(pin.server, pin.tool, pack(pin)) for pin in pins],
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself where a disk is full
                    self._db.execute("ROLLBACK")
                raise
        self._epoch.bump()
