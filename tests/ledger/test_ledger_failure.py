"""What the journal does when its store fails, hangs or was damaged, and when processes end."""

import asyncio
import os
import threading

import pytest

from aegis.builtin.stores.memory import MemoryStore
from aegis.builtin.stores.sqlite import SqliteStore
from aegis.builtin.stores.sqlite_reader import verify_store
from aegis.kernel import committer as committer_module
from aegis.kernel.journal import Journal
from aegis.ledger.checkpoint import Signer
from aegis.model import LedgerError


class FailingStore(MemoryStore):
    """A disk that fails, hangs, or works, as a test says."""

    def __init__(self):
        super().__init__()
        self.failing = False
        self.gate = threading.Event()
        self.gate.set()
        self.syncs = []

    def write(self, rows, sync):
        self.gate.wait(10)
        if self.failing:
            raise LedgerError("no space left on device")
        self.syncs.append((len(rows), sync))
        super().write(rows, sync)


@pytest.fixture
def failing():
    store = FailingStore()
    journal = Journal(store, Signer.generate())
    yield journal
    store.gate.set()
    try:
        journal.close()
    except LedgerError:
        store.close()


def test_a_sync_is_asked_of_the_store_only_where_needed(failing, bodies):
    decision, _ = bodies
    store = failing.store
    failing.wait(failing.append("decision", "s", decision(1), "written").seq, "written")
    assert store.syncs == [(1, False)]
    failing.wait(0, "synced")
    assert store.syncs == [(1, False), (0, True)]
    failing.wait(failing.append("decision", "s", decision(1), "synced").seq, "synced")
    assert store.syncs[-1] == (1, True)


def test_cancelled_waits_and_closed_loops_harm_nobody(failing, bodies):
    decision, _ = bodies
    failing.store.gate.clear()

    async def impatient():
        receipt = failing.append("decision", "s", decision(1), "synced")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(failing.wait_async(receipt.seq, "synced"), 0.02)

    asyncio.run(impatient())
    with pytest.raises(LedgerError, match=r"not stored within 0\.02 s"):
        failing.wait(0, "written", timeout=0.02)
    failing.store.gate.set()
    failing.wait(0, "synced")


def test_a_full_queue_holds_back_and_then_refuses(failing, bodies, monkeypatch):
    decision, _ = bodies
    monkeypatch.setattr(committer_module, "QUEUE_ENTRIES", 10)
    monkeypatch.setattr(committer_module, "STALL_SECONDS", 0.1)
    failing.store.gate.clear()
    for number in range(10):
        failing.append("decision", "s", decision(number))
    with pytest.raises(LedgerError, match="queue of 10 entries did not move"):
        failing.append("decision", "s", decision(11))
    monkeypatch.setattr(committer_module, "STALL_SECONDS", 10)
    threading.Timer(0.1, failing.store.gate.set).start()
    assert failing.append("decision", "s", decision(12)).seq == 10
    assert len(list(failing.records())) == 11


def test_a_failing_store_stops_the_journal(failing, bodies):
    decision, _ = bodies
    good = failing.append("decision", "s", decision(1), "synced")
    failing.wait(good.seq, "synced")
    failing.store.failing = True
    bad = failing.append("decision", "s", decision(2), "written")
    with pytest.raises(LedgerError, match="no space left on device"):
        failing.wait(bad.seq, "written")
    with pytest.raises(LedgerError, match=r"no space left on device.*reopened"):
        failing.append("decision", "s", decision(3))
    with pytest.raises(LedgerError, match="no space left"):
        asyncio.run(failing.wait_async(bad.seq, "written"))
    assert not failing.healthy
    assert [record.seq for record in failing.records()] == [good.seq]

    failing.store.failing = False
    failing.reopen()
    failing.reopen()
    assert failing.healthy
    again = failing.append("decision", "s", decision(4), "synced")
    failing.wait(again.seq, "synced")
    assert again.seq == bad.seq
    assert failing.tail(1)[0].prev == good.hash


def test_a_waiter_learns_of_the_failure_while_it_waits(failing, bodies):
    decision, _ = bodies
    failing.store.gate.clear()
    failing.store.failing = True
    receipt = failing.append("decision", "s", decision(1), "synced")
    threading.Timer(0.05, failing.store.gate.set).start()

    async def waiting():
        with pytest.raises(LedgerError, match="no space left"):
            await failing.wait_async(receipt.seq, "synced")

    asyncio.run(waiting())
    with pytest.raises(LedgerError, match="1 entries were not stored"):
        failing.close()


def test_a_damaged_end_is_not_continued(memory):
    memory.fill(3)
    memory.journal.checkpoint()
    memory.fill(2)
    memory.journal.flush()
    memory.journal._committer.poison("test")
    memory.store.close()
    rows = memory.store._rows
    kept = rows.copy()
    for damage in (
        lambda: rows.pop(3),
        lambda: rows.__setitem__(3, rows[3]._replace(entry=rows[3].entry + b" ")),
        lambda: rows.__delitem__(slice(2, None)),
    ):
        damage()
        with pytest.raises(LedgerError, match="damaged"):
            Journal(memory.store, memory.signer)
        rows[:] = kept
    sealed = memory.store._sealed[-1]
    memory.store._sealed[-1] = type(sealed)(3, sealed.note, b"x" * 64, 0, 0)
    with pytest.raises(LedgerError, match="last checkpoint"):
        Journal(memory.store, memory.signer)
    memory.store._sealed[-1] = type(sealed)(3, sealed.note, b"x" * 32, 0, 0)
    with pytest.raises(LedgerError, match="1 peaks"):
        Journal(memory.store, memory.signer)
    memory.store._sealed[-1] = sealed
    memory.journal = Journal(memory.store, memory.signer)
    assert memory.journal.size == 5


def test_a_forked_child_cannot_write(sqlite):
    sqlite.fill(3)
    sqlite.journal.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sqlite.fill(1)
            os.write(writing, b"appended")
        except LedgerError as error:
            os.write(writing, str(error).encode())
        try:
            sqlite.store.open(str(sqlite.signer.identity))
            os.write(writing, b"opened")
        except LedgerError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reading, 2000)
    assert b"forked" in said
    assert b"a ledger has one writer" in said
    os.close(reading)
    os.close(writing)
    sqlite.fill(2)
    assert sqlite.journal.checkpoint()
    assert verify_store(sqlite.store.path).ok


def test_a_process_that_does_not_close_loses_nothing(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from aegis.builtin.stores.sqlite import SqliteStore\n"
        "from aegis.kernel.journal import Journal\n"
        "from aegis.ledger.keys import load_signer\n"
        "from aegis.ledger.record import AdminBody\n"
        "journal = Journal(SqliteStore(sys.argv[1] + '/ledger.db'), load_signer(sys.argv[1]))\n"
        "for number in range(5000): journal.append('admin', 's', AdminBody('me', at=number))\n"
    )
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=env, timeout=60)
    store = SqliteStore(tmp_path / "ledger.db")
    assert store.size == 5000
    report = verify_store(store.path)
    assert report.ok
    assert report.unsealed == 0
