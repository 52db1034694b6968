"""The stores' own promises: one writer, no partial batch, no silent change."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from aegis.builtin.stores.memory import MemoryStore
from aegis.builtin.stores.sqlite import SIZES, SqliteStore
from aegis.builtin.stores.sqlite_reader import SqliteReader, verify_store
from aegis.kernel.journal import Journal
from aegis.ledger.checkpoint import Sealed, Signer
from aegis.ledger.entry import Query, Row
from aegis.ledger.merkle import leaf_hash
from aegis.ledger.record import AdminBody
from aegis.model import LedgerError
from aegis.plugin.contracts import LedgerStore


def rows(start, stop):
    made = []
    for seq in range(start, stop):
        entry = b'aegis/1 %d admin - %b\n{"actor":"me"}' % (seq, b"0" * 64)
        made.append(Row(seq, 0, leaf_hash(entry), entry))
    return made


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ledger.db")
    assert isinstance(made, LedgerStore)
    made.open("me")
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    """A closed ledger of 30 entries in a file."""
    path = tmp_path / "ledger.db"
    journal = Journal(SqliteStore(path), Signer.generate())
    for number in range(30):
        journal.append("admin", f"s-{number % 3}", AdminBody("me", at=number, event="test"))
        if number == 10:
            journal.checkpoint()
    journal.close()
    return path


def test_batches_of_every_size(store):
    size = 0
    for count in (0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 100, 256, 300, 600):
        store.write(rows(size, size + count), sync=count % 2 == 0)
        size += count
        assert store.size == size
    found = list(store.rows(Query()))
    assert found == rows(0, size)
    assert list(store.hashes(3, 90)) == [row.hash for row in found[3:90]]
    assert max(SIZES) * 4 < 32_766


def test_a_batch_is_stored_whole_or_not_at_all(store):
    store.write(rows(0, 5), sync=True)
    with pytest.raises(LedgerError):
        store.write(rows(3, 30), sync=True)
    assert store.size == 5
    store.write(rows(5, 7), sync=True)
    assert store.size == 7


def test_checkpoints_are_kept(store):
    made = [Sealed(size, f"note {size}", b"p" * 32, 0, size) for size in (1, 5, 9)]
    for sealed in made:
        store.seal(sealed, {f"s-{number}": (sealed.size, b"h" * 32) for number in range(90)}, True)
    store.seal(Sealed(9, "again", b"", 0, 0), {"s-3": (10, b"i" * 32)}, False)
    assert len(store.heads(90)) == 90
    assert store.heads(89) is None
    assert store.heads(90)["s-3"] == store.head("s-3") == b"i" * 32
    assert store.head("s-4") == b"h" * 32
    assert store.head("nobody") is None
    assert [sealed.size for sealed in store.sealed()][:3] == [1, 5, 9]
    made = list(store.sealed())
    assert list(store.sealed(newest=True)) == made[-1:]


def test_a_closed_store_refuses_to_write(store):
    store.close()
    store.close()
    with pytest.raises(LedgerError, match="closed"):
        store.write(rows(0, 1), sync=False)
    store.open("me")
    store.write(rows(0, 1), sync=False)
    with pytest.raises(LedgerError, match="already"):
        store.open("me")
    store.close()
    with pytest.raises(LedgerError, match=r"signed with the key|belongs to"):
        store.open("somebody else")
    store.open("me")


def test_memory_is_bounded():
    store = MemoryStore(entries=3)
    store.open("me")
    store.write(rows(0, 3), sync=False)
    with pytest.raises(LedgerError, match="full at 3 entries"):
        store.write(rows(3, 4), sync=False)
    assert store.size == 3
    small = MemoryStore(room=50)
    small.open("me")
    with pytest.raises(LedgerError, match="full at 0 entries"):
        small.write(rows(0, 1), sync=False)


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    first = SqliteStore(path)
    first.open("me")
    with pytest.raises(LedgerError, match=r"written by another process \(pid \d+\)"):
        SqliteStore(path).open("me")
    code = (
        "import sys\nfrom aegis.builtin.stores.sqlite import SqliteStore\n"
        "SqliteStore(sys.argv[1]).open('me')\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=environment,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "a ledger has one writer" in done.stderr
    first.close()
    second = SqliteStore(path)
    second.open("me")
    second.close()


def test_readers_see_what_is_written_meanwhile(tmp_path):
    path = tmp_path / "ledger.db"
    writer, reader = SqliteStore(path), SqliteStore(path)
    writer.open("me")
    seen = []

    def read():
        while len(seen) < 20:
            found = [row.seq for row in reader.rows(Query())]
            assert found == list(range(len(found)))
            seen.append(len(found))

    thread = threading.Thread(target=read)
    thread.start()
    size = 0
    while thread.is_alive() and size < 20_000:
        writer.write(rows(size, size + 50), sync=False)
        size += 50
    thread.join()
    assert seen == sorted(seen)
    assert reader.size == size
    writer.close()


def test_the_file_is_private(path):
    assert path.stat().st_mode & 0o077 == 0


def test_nobody_sees_a_file_that_is_half_made(tmp_path):
    done, seen = threading.Event(), set()

    def look():
        while not done.is_set():
            newest = max(tmp_path.glob("*.db"), default=tmp_path / "none", key=lambda p: p.name)
            try:
                seen.add(SqliteReader(newest).size)
            except LedgerError as error:
                seen.add(str(error))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(30):
            store = SqliteStore(tmp_path / f"{number:02}.db")
            store.open("me")
            store.close()
    finally:
        done.set()
        reader.join()
    assert seen == {0}


def test_a_new_file_takes_nothing_from_the_log_of_one_that_is_gone(tmp_path):
    path = tmp_path / "ledger.db"
    old = SqliteStore(path)
    old.open("me")
    old.write(rows(0, 5), sync=True)
    log = (tmp_path / "ledger.db-wal").read_bytes()
    old.close()
    path.unlink()
    (tmp_path / "ledger.db-wal").write_bytes(log)
    new = SqliteStore(path)
    new.open("somebody else")
    assert (new.identity, new.size) == ("somebody else", 0)
    new.close()


def test_what_is_no_ledger(tmp_path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="not a ledger of Aegis"):
        SqliteStore(path).open("me")
    with pytest.raises(LedgerError, match="not a ledger of Aegis"):
        verify_store(path)
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        SqliteStore(path).open("me")
    with pytest.raises(LedgerError, match="does not exist"):
        verify_store(tmp_path / "none.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"`.*file/ledger.db`"):
        SqliteStore(tmp_path / "file" / "ledger.db").open("me")


def test_a_layout_of_the_future_is_refused(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LedgerError, match="has layout 9"):
        SqliteStore(path).open("me")


def test_entries_cannot_be_changed_by_accident(path):
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        connection.execute("DELETE FROM entry WHERE seq = 3")
    with pytest.raises(sqlite3.IntegrityError, match="never change"):
        connection.execute("UPDATE entry SET at = 7")
    connection.close()


FLIP = "UPDATE entry SET entry = CAST(replace(CAST(entry AS TEXT), 'test', 'tEst') AS BLOB)"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM entry WHERE seq = 0", ["head-truncated"]),
        ("DELETE FROM entry WHERE seq IN (4, 9)", ["record-missing", "record-missing"]),
        ("DELETE FROM entry WHERE seq > 20", ["tail-truncated"]),
        (f"{FLIP} WHERE seq = 7", ["hash-mismatch"]),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 7", ["hash-mismatch"]),
        ("UPDATE entry SET at = 5 WHERE seq = 7", ["index-mismatch"]),
        ("UPDATE head SET hash = zeroblob(32) WHERE session = 's-1'", ["index-mismatch"]),
        ("UPDATE head SET seq = seq - 3 WHERE session = 's-1'", ["index-mismatch"]),
        ("DELETE FROM head WHERE session = 's-1'", ["index-mismatch"]),
        ("INSERT INTO head VALUES ('s-9', 0, 1, zeroblob(32))", ["index-mismatch"]),
        ("UPDATE checkpoint SET note = replace(note, '11', '10') WHERE size = 11",
         ["bad-signature"]),
        ("UPDATE checkpoint SET note = 'x' WHERE size = 11", ["malformed"]),
        ("DELETE FROM entry", ["empty"]),
    ],
)  # fmt: skip
def test_what_gets_around_the_triggers_is_found(path, statement, expected):
    assert verify_store(path).ok
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER entry_kept; DROP TRIGGER entry_fixed")
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert [fault.code for fault in verify_store(path).faults] == expected


def test_a_ledger_rewritten_from_the_start_is_found(path, tmp_path):
    public = SqliteStore(path).identity
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER entry_kept; DROP TRIGGER entry_fixed")
    connection.execute("DELETE FROM entry")
    forged = Journal(MemoryStore(), Signer.generate())
    for number in range(30):
        forged.append("admin", "s", AdminBody("me", at=number, event="nothing happened"))
    forged.flush()
    marks = ",".join("?" * 4)
    connection.executemany(f"INSERT INTO entry VALUES ({marks})", list(forged.store.rows(Query())))
    connection.commit()
    connection.close()
    codes = [fault.code for fault in verify_store(path).faults]
    assert codes[0] == "rehashed"
    assert public
    forged.close()


def test_entries_after_the_last_checkpoint_are_counted(tmp_path):
    path = tmp_path / "ledger.db"
    journal = Journal(SqliteStore(path), Signer.generate())
    journal.append("admin", "s", AdminBody("me"))
    journal.checkpoint()
    journal.append("admin", "s", AdminBody("me"))
    journal.flush()
    report = verify_store(path)
    assert (report.ok, report.unsealed, report.entries) == (True, 1, 2)
    journal.close()
    assert verify_store(path).unsealed == 0


def test_a_full_disk_stops_the_journal_and_loses_nothing(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    journal = Journal(store, Signer.generate())
    kept = [journal.append("admin", "s", AdminBody("me", at=number)) for number in range(20)]
    journal.flush()
    # SQLite's own limit answers as a full disk does (SQLITE_FULL)
    store._writer.execute("PRAGMA max_page_count = 20")
    big = AdminBody("me", details="x" * 200_000)
    lost = journal.append("admin", "s", big, "synced")
    with pytest.raises(LedgerError, match="disk is full"):
        journal.wait(lost.seq, "synced")
    with pytest.raises(LedgerError, match="disk is full"):
        journal.append("admin", "s", AdminBody("me"))
    assert [record.hash for record in journal.records()] == [receipt.hash for receipt in kept]
    journal.reopen()
    again = journal.append("admin", "s", big, "synced")
    journal.wait(again.seq, "synced")
    assert again.seq == lost.seq
    journal.close()
    report = verify_store(store.path)
    assert (report.ok, report.entries) == (True, 21)
