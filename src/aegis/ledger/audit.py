"""Answers "what was decided, and what became of it?": decisions beside their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .entry import Query, Record, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bundle import Reader


class Audited(msgspec.Struct, frozen=True):
    """A decision and its outcome; the outcome is None while there is none."""

    decision: Record
    outcome: Record | None

    @property
    def status(self) -> str:
        """The outcome's status, or `open`."""
        return "open" if self.outcome is None else str(self.outcome.fields.get("status", ""))


def audit(reader: Reader, query: Query) -> Iterator[Audited]:
    """The decisions that match a query, each with its outcome.

    Every filter but `status` is about the decision; `status` is the outcome's, or `open` for
    decisions without one. `limit` counts what is yielded. What is yielded is read from the
    entries, never from the columns that found them.
    """
    decisions = msgspec.structs.replace(
        query, kind="decision", status="", limit=None if query.status else query.limit
    )
    left = query.limit
    for row in reader.rows(decisions):
        if left == 0:
            return
        later = Query(kind="outcome", action=row.action, start=row.seq, limit=1)
        found = next(reader.rows(later), None)
        outcome = None if found is None else record_of(found.hash, found.entry)
        audited = Audited(record_of(row.hash, row.entry), outcome)
        if not query.status or audited.status == query.status:
            left = None if left is None else left - 1
            yield audited
