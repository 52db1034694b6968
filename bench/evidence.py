"""The rows that keep evidence: governing a call, verifying a ledger, durable appends."""

from __future__ import annotations

import asyncio
import io
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from measure import Timed
from rows import NOON, action, body

from aegis.builtin.stores.sqlite import SqliteStore
from aegis.kernel.journal import Journal
from aegis.ledger.bundle import export
from aegis.ledger.keys import load_signer
from aegis.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aegis.kernel.runtime import Runtime
    from aegis.ledger.entry import Row

GOVERNED_BURST = 2_000
"""Calls governed between two waits for the store. Half of what its queue holds, so that the row
measures what a call costs and not how long a full queue blocks."""

VERIFIED = 2_000
"""Records in the ledger that is verified."""

WRITERS = 16


def govern(runtime: Runtime) -> Timed:
    """Governing one tool call: decide, two chained records, a performance that does nothing."""
    return Timed(
        "govern(action, perform)",
        {"govern": runtime.govern, "action": action(), "perform": lambda _: None},
        burst=GOVERNED_BURST,
        after=runtime.journal.flush,
    )


def verified(home: Path) -> Timed:
    """Verifying an exported ledger, per record."""
    home.mkdir()
    signer = load_signer(home)
    store = SqliteStore(home / "verify.db")
    journal = Journal(store, signer)
    for number in range(VERIFIED):
        journal.append("decision", f"session-{number % 20}", body())
    journal.flush()
    bundle = io.BytesIO()
    export(store, signer, bundle, created=NOON)
    journal.close()
    data = bundle.getvalue()
    report = verify(data)
    if not report.ok:
        raise SystemExit(f"the exported ledger does not verify: {report.faults}")
    return Timed("verify(data)", {"verify": verify, "data": data}, each=VERIFIED)


class Appended(NamedTuple):
    """A run of durable appends: records and fsyncs per second, and the disk's own rate."""

    per_second: float
    syncs_per_second: float
    disk_per_second: float


def appended(home: Path, seconds: float) -> Appended:
    """Appends by WRITERS tasks that each wait for the disk before they go on."""
    store = CountedStore(home / "append.db")
    journal = Journal(store, load_signer(home))
    begun = time.perf_counter()
    count = asyncio.run(_append(journal, seconds))
    took = time.perf_counter() - begun
    journal.close()
    return Appended(count / took, store.syncs / took, _disk(home, min(seconds, 1.0)))


class CountedStore(SqliteStore):
    """The store as it is, counting how often it waits for the disk."""

    syncs = 0

    def write(self, rows: Sequence[Row], sync: bool) -> None:
        """Append the rows."""
        self.syncs += sync
        super().write(rows, sync)


async def _append(journal: Journal, seconds: float) -> int:
    ends = time.perf_counter() + seconds

    async def write(number: int) -> int:
        count = 0
        while time.perf_counter() < ends:
            receipt = journal.append("decision", f"session-{number}", body(), "synced")
            await journal.wait_async(receipt.seq, "synced")
            count += 1
        return count

    return sum(await asyncio.gather(*(write(number) for number in range(WRITERS))))


def _disk(home: Path, seconds: float) -> float:
    """How many 4 KiB appends with fdatasync this disk takes in a second."""
    block, count = bytes(4096), 0
    with (home / "disk.bin").open("wb", buffering=0) as file:
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    return count / seconds
