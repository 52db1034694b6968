"""What sessions have seen and done, and the tasks people have started, in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...kernel.state import Conduct, Task
from ...model import AegisError, Prepared
from .state_approvals import ApprovalTables
from .state_database import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSION_LABELS_MAX = 1_000_000
"""Most labels of sessions kept, about 100 MB; callers choose the names of sessions, so the oldest
go first."""

CONDUCTS_MAX = 100_000
"""Most sessions whose alerts are kept, about 50 MB; those that alerted longest ago go first."""

PRUNE_EVERY = 1_024
"""Writes between two looks at how many rows there are."""

TASKS_MAX = 1_000
"""Most tasks kept, ended ones too, which have to stay refused."""

SINCE = 4
"""The schema that brought alerts and tasks; an older store, opened for reading, has none."""


_CONDUCT = Prepared(Conduct)
_TASK = Prepared(Task)


class SessionTables(ApprovalTables):
    """Labels, alerts and tasks."""

    _written = 0

    def session_labels(self, session: str) -> Sequence[str]:
        """The labels of the data a session has seen, in any process."""
        rows = self._read("SELECT label FROM session_labels WHERE session=?", (session,))
        return [row[0] for row in rows]

    def label_session(self, session: str, labels: Sequence[str], at: int) -> None:
        """Add labels to a session. The epoch stays: sessions ask for themselves."""
        rows = [(session, label, at) for label in labels]
        with self._lock, self._explained():
            self._db.executemany("INSERT OR IGNORE INTO session_labels VALUES (?, ?, ?)", rows)
            self._prune("session_labels", SESSION_LABELS_MAX)

    def conduct(self, session: str) -> Conduct | None:
        """What a session has done, as far as rules alerted."""
        rows = self._read("SELECT body, released FROM conducts WHERE session=?", (session,))
        return _conduct(*rows[0]) if rows else None

    def put_conduct(self, conduct: Conduct) -> None:
        """Keep alerts; when people released the session stays. The epoch stays as well."""
        row = (conduct.session, conduct.at, 0, pack(conduct))
        with self._lock, self._explained():
            self._db.execute(
                "INSERT INTO conducts VALUES (?, ?, ?, ?) ON CONFLICT (session) DO UPDATE"
                " SET at=excluded.at, body=excluded.body",
                row,
            )
            self._prune("conducts", CONDUCTS_MAX)

    def release_session(self, session: str, at: int) -> None:
        """Note that people let a session go on; alerts up to then count no more."""
        self._write("UPDATE conducts SET released=? WHERE session=?", (at, session))

    def conducts(self, limit: int) -> Sequence[Conduct]:
        """The sessions with alerts, the latest first."""
        if self._version(self._db) < SINCE:
            return ()
        sql = "SELECT body, released FROM conducts ORDER BY at DESC LIMIT ?"
        return [_conduct(*row) for row in self._read(sql, (limit,))]

    def labelled(self, limit: int) -> Sequence[tuple[str, Sequence[str]]]:
        """The sessions with labels, the latest first."""
        rows = self._read(
            "SELECT session, json_group_array(label) FROM session_labels GROUP BY session"
            " ORDER BY max(at) DESC LIMIT ?",
            (limit,),
        )
        return [(session, msgspec.json.decode(labels)) for session, labels in rows]

    def tasks(self) -> Sequence[Task]:
        """The tasks people have started, ended ones too."""
        if self._version(self._db) < SINCE:
            return ()
        rows = self._read("SELECT body FROM tasks ORDER BY name")
        return [_TASK.decode(row[0]) for row in rows]

    def put_task(self, task: Task) -> None:
        """Keep a task; it replaces the one of the same name."""
        (count,) = self._read("SELECT count(*) FROM tasks WHERE name!=?", (task.name,))[0]
        if count >= TASKS_MAX:
            raise AegisError(f"{count} tasks are kept already; use one of their names again")
        self._write("INSERT OR REPLACE INTO tasks VALUES (?, ?)", (task.name, pack(task)))

    def _prune(self, table: str, most: int) -> None:
        self._written += 1
        if self._written % PRUNE_EVERY == 0:
            self._db.execute(
                f"DELETE FROM {table} WHERE at < (SELECT at FROM {table}"  # noqa: S608 - our names
                " ORDER BY at DESC LIMIT 1 OFFSET ?)",
                (most,),
            )


def _conduct(body: bytes, released: int) -> Conduct:
    found = _CONDUCT.decode(body)
    return msgspec.structs.replace(found, released=released)
