"""`aegis audit`: the records, filtered, followed or exported."""

from __future__ import annotations

import heapq
import os
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from ..ledger.entry import Query, record_of
from ..ledger.record import KINDS
from ..model import CallerError, LedgerError, RiskLevel, Verdict
from . import home, output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from ..kernel.config import Loaded
    from ..ledger.entry import Record, Row

    Placed = tuple[int, Row, int]

ROWS = 50
"""Records a table shows where no number is given."""

FOLLOW_SECONDS = 0.5
"""How often `--tail` looks for new records."""

COLUMNS = ("time", "kind", "agent", "action", "verdict", "rule", "session", "seq")

WORDS = {
    "kind": tuple(KINDS),
    "verdict": tuple(verdict.word for verdict in Verdict),
    "risk": tuple(level.name.lower() for level in RiskLevel),
}
"""What these filters can be; another word would find nothing, and say so as if that were true."""


@Parameter(name="*")
@dataclass(frozen=True)
class Filters:
    """Which records; every filter that is given has to hold.

    Parameters
    ----------
    kind
        kind of record: decision, outcome, approval, admin
    session
        session of the records
    action
        id of an action
    type
        type of the action
    target
        target of the action
    agent
        name of the agent
    tenant
        name of the tenant
    verdict
        verdict: allow, sanitize, review, block
    rule
        name of the rule that decided
    risk
        risk level: low, medium, high, critical
    status
        status of an outcome, approval or administrative act
    since
        from this time on, such as 2026-11-20T23:30:00Z or 2h (two hours ago)
    until
        before this time
    """

    kind: str = ""
    session: str | None = None
    action: str = ""
    type: Annotated[str, Parameter(name=("--type", "--action-type"))] = ""
    target: str = ""
    agent: str = ""
    tenant: str = ""
    verdict: str = ""
    rule: str = ""
    risk: Annotated[str, Parameter(name=("--risk", "--risk-level"))] = ""
    status: str = ""
    since: str | None = None
    until: str | None = None

    def query(self) -> dict[str, Any]:
        """The filters as `ledger.entry.Query` has them. Raises CallerError."""
        given = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if getattr(self, name) not in ("", None)
        }
        for name, words in WORDS.items():
            word = given.get(name, words[0]).lower()
            if word not in words:
                raise CallerError(f"`--{name}` is one of {', '.join(words)}, not `{given[name]}`")
            if name in given:
                given[name] = word
        for name in ("since", "until"):
            if name in given:
                given[name] = home.instant(given[name])
        return given


def audit(
    *,
    filters: Filters | None = None,
    config: Path | None = None,
    limit: int | None = None,
    tail: bool = False,
    format: Literal["table", "json", "jsonl"] = "table",
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None,
) -> int:
    """Show, follow and export records, oldest first.

    Parameters
    ----------
    filters
        which records
    config
        the aegis.yaml to use
    limit
        only the last so many; a table shows 50 unless told otherwise, 0 is all
    tail
        go on with new records as they come, until interrupted
    format
        table, one JSON array, or one JSON object a line
    out
        write to this file, readable by its owner only
    """
    found = home.loaded(config)
    query = (filters or Filters()).query()
    if limit is None and format == "table":
        limit = ROWS
    if limit is not None and limit < 0:
        raise CallerError("`--limit` counts records; it cannot be negative")
    if tail and format == "json":
        raise CallerError("`--tail` has no end, and a JSON array has one; use `--format jsonl`")
    records = (record for record, _ in matching(found, limit=limit or None, **query))
    with _writer(out) as file:
        if tail:
            _follow(found, query, limit, format, file)
        elif format == "jsonl":
            for record in records:
                print(_line(record), file=file)
        elif format == "json":
            _array(records, file)
        else:
            rows = [_row(record) for record in records]
            output.table(COLUMNS, rows, "no records", file)
    return 0


def matching(
    found: Loaded, *, limit: int | None = None, **query: Any
) -> Iterator[tuple[Record, int]]:
    """The matching records of every file of the ledger with the file's number, oldest first."""
    wanted = Query(**query, limit=limit, newest_first=limit is not None)
    streams = []
    for lane, reader in enumerate(home.readers(found)):
        rows = reader.rows(wanted)
        streams.append(_placed(rows if limit is None else reversed(list(rows)), lane))
    merged: Iterator[Placed] = heapq.merge(*streams, key=lambda placed: placed[0])
    if limit is not None:
        merged = iter(deque(merged, limit))
    for _, row, lane in merged:
        yield record_of(row.hash, row.entry), lane


def _placed(rows: Iterable[Row], lane: int) -> Iterator[Placed]:
    """The rows of a file in their order, each at its time or that of an earlier one if later: a
    decision after an approval carries the time it was asked for.
    """
    latest = 0
    for row in rows:
        latest = max(latest, row.at)
        yield latest, row, lane


def _follow(
    found: Loaded, query: dict[str, Any], limit: int | None, format: str, file: TextIO
) -> None:
    """Print the last records, then each new one, until interrupted."""
    ends: dict[int, int] = {}
    for record, lane in list(matching(found, limit=limit if limit is not None else ROWS, **query)):
        print(_line(record) if format == "jsonl" else _text(record), file=file, flush=True)
        ends[lane] = record.seq + 1
    for lane, reader in enumerate(home.readers(found)):
        ends.setdefault(lane, reader.size)
    while True:
        for lane, reader in enumerate(home.readers(found)):
            for row in reader.rows(Query(**query, start=ends.get(lane, 0))):
                record = record_of(row.hash, row.entry)
                print(_line(record) if format == "jsonl" else _text(record), file=file, flush=True)
                ends[lane] = row.seq + 1
        time.sleep(FOLLOW_SECONDS)


@contextmanager
def _writer(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yield file


def plain(record: Record) -> dict[str, Any]:
    """A record as JSON output has it: its place, its hashes and its body."""
    try:
        fields = record.fields
    except msgspec.DecodeError as error:
        raise LedgerError(f"record {record.seq} cannot be read: {error}") from None
    return {
        "seq": record.seq,
        "time": output.moment(fields.get("at", 0)),
        "kind": record.kind,
        "session": record.session,
        "hash": record.hash,
        "prev": record.prev,
        **fields,
    }


def _line(record: Record) -> str:
    return msgspec.json.encode(plain(record)).decode()


def _array(records: Iterator[Record], file: TextIO) -> None:
    file.write("[")
    for index, record in enumerate(records):
        file.write(",\n " if index else "\n ")
        file.write(_line(record))
    file.write("\n]\n")


def _row(record: Record) -> tuple[str, ...]:
    fields = plain(record)
    actor = fields.get("actor", "")
    if isinstance(actor, dict):
        actor = actor.get("agent") or actor.get("principal", "")
    what = " ".join(filter(None, (fields.get("type", ""), fields.get("target", ""))))
    return (
        fields["time"],
        record.kind,
        str(actor),
        what or str(fields.get("event") or fields.get("action", "")),
        str(
            fields.get("verdict")
            or fields.get("status")
            or fields.get("state")
            or fields.get("outcome", "")
        ),
        str(fields.get("rule", "")),
        record.session,
        str(record.seq),
    )


def _text(record: Record) -> str:
    return "  ".join(output.clean(cell or "-") for cell in _row(record))
