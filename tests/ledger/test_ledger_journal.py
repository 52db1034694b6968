"""The journal: order, durability, waiting, recovery."""

import asyncio
import threading
import time

import pytest

from aegis.kernel import journal as journal_module
from aegis.kernel import pace as pace_module
from aegis.kernel.journal import Journal
from aegis.ledger.checkpoint import Checkpoint
from aegis.ledger.entry import ZERO, Query
from aegis.ledger.merkle import EMPTY_ROOT, Tree
from aegis.ledger.record import AdminBody, ApprovalBody
from aegis.ledger.verify import verify
from aegis.model import Actor, LedgerError


def test_records_chain_by_session(ledger):
    receipts = ledger.fill(7, sessions=("s-1", "s-2"))
    records = list(ledger.journal.records())
    assert [record.seq for record in records] == list(range(7))
    assert [record.hash for record in records] == [receipt.hash for receipt in receipts]
    assert [record.prev for record in records[:2]] == [ZERO, ZERO]
    for before, after in zip(records, records[2:], strict=False):
        assert after.prev == before.hash
        assert after.session == before.session
    assert records[3].decode().action == "a-3"
    assert ledger.journal.size == 7


def test_the_root_is_that_of_the_entries(ledger):
    assert ledger.journal.root() == EMPTY_ROOT
    with pytest.raises(LedgerError, match="empty"):
        ledger.journal.checkpoint()
    tree = Tree()
    for count in (1, 2, 5):
        for receipt in ledger.fill(count):
            tree.append(bytes.fromhex(receipt.hash))
        assert ledger.journal.root() == tree.root()
        note = ledger.journal.checkpoint()
        said = Checkpoint.parse(ledger.signer.identity.open(note))
        assert (said.size, said.root) == (tree.size, tree.root())
        assert ledger.journal.checkpoint() == note


def test_filters(ledger, bodies):
    decision, outcome = bodies
    journal = ledger.journal
    for number in range(40):
        session = f"s-{number % 4}"
        verdict = "block" if number % 10 == 0 else "allow"
        seq = journal.append(
            "decision", session, decision(number, session, verdict=verdict, rule="r", risk="low")
        ).seq
        journal.append("outcome", session, outcome(number, seq))
    journal.append("admin", "", AdminBody("alice", at=1, event="key.create"))
    journal.append("approval", "s-1", ApprovalBody("a-1", Actor(), state="denied", type="read"))

    def seqs(**query):
        return [record.seq for record in journal.records(Query(**query))]

    assert seqs(kind="decision", verdict="block") == [0, 20, 40, 60]
    assert seqs(kind="admin") == [80] == seqs(agent="alice") == seqs(type="key.create")
    assert seqs(status="denied") == [81]
    assert seqs(action="a-3") == [6, 7]
    assert seqs(session="s-2", limit=3) == [4, 5, 12]
    assert seqs(session="s-2", limit=3, newest_first=True) == [77, 76, 69]
    assert seqs(session="") == [80]
    assert seqs(start=78, stop=80) == [78, 79]
    assert seqs(since=decision(38).at, until=decision(39).at) == [76, 77]
    found = seqs(agent="agent-7", tenant="acme", target="crm", rule="r", risk="low", stop=4)
    assert found == [0, 2]
    assert seqs(limit=0) == []
    assert [record.seq for record in journal.tail(3)] == [79, 80, 81]
    assert ledger.store.size == 82


def test_reads_page_through_everything(ledger):
    ledger.fill(700)
    assert len(list(ledger.journal.records())) == 700
    newest = [r.seq for r in ledger.journal.records(Query(newest_first=True, limit=600))]
    assert newest == list(range(699, 99, -1))


def test_it_goes_on_after_a_restart(ledger):
    first = ledger.fill(5, sessions=("s-1", "s-2"))
    note = ledger.journal.checkpoint()
    ledger.fill(2)
    ledger.journal.close()
    ledger.journal.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.fill(1)
    ledger.journal = Journal(ledger.store, ledger.signer)
    assert ledger.journal.size == 7
    receipt = ledger.fill(1, sessions=("s-2",))[0]
    assert receipt.seq == 7
    record = ledger.journal.tail(1)[0]
    assert record.prev == first[3].hash
    assert verify(ledger.bundle(), checkpoint=note.encode()).ok


def test_sessions_that_were_forgotten_go_on(ledger, monkeypatch):
    monkeypatch.setattr(journal_module, "HEADS_MAX", 3)
    sessions = [f"s-{number}" for number in range(11)]
    for _ in range(4):
        ledger.fill(11, sessions=sessions)
        ledger.journal.flush("written")
    assert verify(ledger.bundle()).ok
    assert verify(ledger.bundle(session="s-4")).entries == 4


@pytest.mark.parametrize("durability", ["buffered", "written", "synced"])
def test_waiting(ledger, durability, bodies):
    decision, _ = bodies
    receipt = ledger.journal.append("decision", "s", decision(1), durability)
    ledger.journal.wait(receipt.seq, durability)
    if durability != "buffered":
        assert ledger.journal.stored == 1
    with pytest.raises(LedgerError, match="no entry 5"):
        ledger.journal.wait(5, "synced")
    with pytest.raises(LedgerError, match="unknown durability `eventually`"):
        ledger.journal.wait(0, "eventually")


def test_many_threads(ledger, bodies):
    decision, _ = bodies
    found = []

    def work(worker):
        for number in range(40):
            level = ("buffered", "written", "synced")[number % 3]
            body = decision(number, f"s-{worker}")
            receipt = ledger.journal.append("decision", f"s-{worker}", body, level)
            ledger.journal.wait(receipt.seq, level)
            found.append(receipt)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashes = {record.seq: record.hash for record in ledger.journal.records()}
    assert hashes == {receipt.seq: receipt.hash for receipt in found}
    assert len(hashes) == 320
    report = verify(ledger.bundle())
    assert report.ok
    assert report.sessions == 8


def test_many_event_loops(ledger, bodies):
    decision, _ = bodies

    async def one(session, number):
        receipt = ledger.journal.append("decision", session, decision(number, session), "synced")
        await ledger.journal.wait_async(receipt.seq, "synced")
        await ledger.journal.wait_async(receipt.seq, "buffered")
        assert ledger.journal.stored > receipt.seq

    async def main(session):
        await asyncio.gather(*(one(session, number) for number in range(50)))

    threads = [threading.Thread(target=asyncio.run, args=(main(f"s-{n}"),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.journal.stored == 150
    assert verify(ledger.bundle()).ok


def test_a_record_that_cannot_be_placed_changes_nothing(memory, bodies):
    decision, _ = bodies
    with pytest.raises(LedgerError, match="unknown kind of record `rumour`"):
        memory.journal.append("rumour", "s", decision(1))
    with pytest.raises(LedgerError, match="session name"):
        memory.journal.append("decision", "x" * 2000, decision(1))
    assert memory.fill(1)[0].seq == 0
    assert verify(memory.bundle()).ok


def test_odd_bodies_reach_the_store(ledger, bodies):
    decision, _ = bodies
    for number, value in enumerate([{None: 1}, "\ud800", {"x": "y" * 300_000}, object()]):
        body = decision(number, type="odd \ud800" if number == 1 else "odd", params=value)
        ledger.journal.append("decision", "\udfff", body, "written")
    ledger.journal.flush()
    assert len(list(ledger.journal.records(Query(type="odd")))) == 3
    assert verify(ledger.bundle()).ok


def test_checkpoints_come_by_count_and_by_time(memory, monkeypatch):
    monkeypatch.setattr(pace_module, "SEAL_ENTRIES", 10)
    memory.fill(25)
    memory.journal.flush()
    deadline = time.monotonic() + 5
    while not memory.store._sealed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [sealed.size for sealed in memory.store.sealed()]
    before = len(memory.store._sealed)
    monkeypatch.setattr(pace_module, "SEAL_SECONDS", 0.05)
    memory.fill(1)
    while len(memory.store._sealed) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert next(memory.store.sealed(newest=True)).size == 26


def test_recovery_records_what_is_not_known(ledger, bodies):
    decision, outcome = bodies
    journal = ledger.journal
    wanted = []
    for number in range(6):
        members = [
            {"verdict": "allow"},
            {"verdict": "sanitize"},
            {"verdict": "review"},
            {"verdict": "review", "approval": "ap-1"},
            {"verdict": "block"},
            {"verdict": "allow", "params": {None: 1}},
        ][number]
        wanted.append(journal.append("decision", "s", decision(number, "s", **members)).seq)
    journal.append("outcome", "s", outcome(0, wanted[0]))
    assert journal.open_decisions() == []
    journal.close()

    ledger.journal = journal = Journal(ledger.store, ledger.signer)
    journal.append("decision", "s", decision(99, "s"))
    found = [record.seq for record in journal.open_decisions()]
    assert found == [wanted[1], wanted[3], wanted[5]]
    receipts = journal.recover(at=7)
    assert journal.recover(at=8) == []
    records = list(journal.records(Query(status="unknown")))
    assert [r.seq for r in records] == [receipt.seq for receipt in receipts]
    assert [r.fields["decision"] for r in records] == found
    assert {r.session for r in records} == {"s"}
    # one still waits, and a restart reads from there on, not from the beginning
    journal.close()
    assert next(ledger.store.sealed(newest=True)).low == 7
    ledger.journal = Journal(ledger.store, ledger.signer)
    assert [r.fields["action"] for r in ledger.journal.open_decisions()] == ["a-99"]


def test_recovery_of_more_than_fits_in_memory(ledger, monkeypatch):
    import aegis.ledger.unsettled as unsettled

    monkeypatch.setattr(unsettled, "OPEN_MAX", 4)
    ledger.fill(11)
    ledger.journal.close()
    ledger.journal = Journal(ledger.store, ledger.signer)
    total = 0
    while receipts := ledger.journal.recover(at=1):
        total += len(receipts)
    assert total == 11
