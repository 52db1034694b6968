"""Lanes: exported and verified as one, missed when they are gone, recovered when they are free."""

import io
import os
import subprocess
import sys

import pytest

from aegis.builtin.stores.memory import MemoryStore
from aegis.builtin.stores.sqlite import SqliteStore
from aegis.builtin.stores.sqlite_lanes import verify_lanes
from aegis.kernel.journal import Journal
from aegis.kernel.lanes import lane_paths, lanes, open_lane, recover_lanes, roll_path
from aegis.ledger.bundle import Lane, Scope, export_lanes
from aegis.ledger.checkpoint import Checkpoint, Signer
from aegis.ledger.entry import Query
from aegis.ledger.keys import load_signer
from aegis.ledger.merkle import EMPTY_ROOT
from aegis.ledger.report import report
from aegis.ledger.verify import verify
from aegis.model import LedgerError

AT = 1_700_000_000_000_000


class Ledger:
    """Three journals of one key."""

    def __init__(self, count=3):
        self.signer = Signer.generate()
        self.journals = [Journal(MemoryStore(), self.signer.lane(n)) for n in range(count)]

    def lanes(self):
        for journal in self.journals:
            journal.flush("written")
        return [Lane(journal.store, self.signer.lane(n)) for n, journal in enumerate(self.journals)]

    def bundle(self, lanes=None, **scope):
        out = io.BytesIO()
        export_lanes(lanes or self.lanes(), out, Scope(**scope), created=AT)
        return out.getvalue()

    def close(self):
        for journal in self.journals:
            journal.close()


@pytest.fixture
def ledger(bodies):
    decision, _ = bodies
    made = Ledger()
    for number in range(9):
        session = "shared" if number < 6 else "alone"
        made.journals[number % 3].append("decision", session, decision(number, session))
    made.journals[0].append("decision", "zero", decision(9, "zero"))
    yield made
    made.close()


def sections(data):
    """The statement, and the text of each lane."""
    *head, rest = data.split(b"\n\n", 2)
    starts = [at + 1 for at in range(-1, len(rest)) if begins(rest, at)]
    parts = [rest[a:b] for a, b in zip(starts, [*starts[1:], len(rest)], strict=True)]
    return b"\n\n".join(head) + b"\n\n", parts


def begins(text, at):
    """Whether a checkpoint begins behind this place."""
    line = text[at + 1 :].partition(b"\n")[0]
    return text[max(at, 0) : at + 1] in (b"", b"\n") and line[:6] == b"aegis/" and b" " not in line


def codes(data, **options):
    return [fault.code for fault in verify(data, **options).faults]


def test_all_lanes_are_one_bundle(ledger):
    data = ledger.bundle()
    found = verify(data, ledger.signer.identity.public)
    assert (found.faults, found.lanes, found.entries, found.size) == ([], 3, 10, 10)
    assert (found.scope, found.pinned, found.origin) == ("full", True, ledger.signer.identity.name)
    assert "10 records of a ledger of 10 (full) in 3 lanes" in str(found)
    assert len(sections(data)[1]) == 3


def test_a_session_and_a_span_over_all_lanes(ledger, bodies):
    decision, _ = bodies
    for scope, name, count in (
        ({"session": "shared"}, "session", 6),
        ({"session": "zero"}, "session", 1),
        ({"since": decision(3).at, "until": decision(5).at}, "range", 2),
    ):
        data = ledger.bundle(**scope)
        found = verify(data)
        assert (found.faults, found.scope, found.entries) == ([], name, count)
        # a lane without a record of the session is part of the statement, too
        assert found.lanes == len(sections(data)[1]) == 3
    with pytest.raises(LedgerError, match="session `nobody` has no records"):
        ledger.bundle(session="nobody")


def test_lanes_that_are_gone_are_named(ledger):
    head, parts = sections(ledger.bundle())
    name = ledger.signer.identity.name
    for gone in range(3):
        left = b"".join(part for number, part in enumerate(parts) if number != gone)
        (fault,) = verify(head + left).faults
        lane = name if gone == 0 else f"{name}/{gone}"
        assert (fault.code, fault.lane) == ("lane-missing", lane)
        assert lane in str(verify(head + left))
    assert codes(head + parts[1]) == ["lane-missing"] * 2
    assert codes(head) == ["lane-missing"] * 3


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (0, 0, 1, 2), (0, 1, 2, 2), (2, 1, 0)])
def test_lanes_out_of_order_are_refused(ledger, order):
    head, parts = sections(ledger.bundle())
    assert codes(head + b"".join(parts[number] for number in order))


def test_faults_name_the_lane(ledger):
    head, parts = sections(ledger.bundle())
    name = f"{ledger.signer.identity.name}/1"
    changed = parts[1].replace(b"allow", b"block", 1)
    (fault,) = verify(head + parts[0] + changed + parts[2]).faults
    assert (fault.code, fault.seq, fault.lane) == ("hash-mismatch", 0, name)
    assert f"hash-mismatch: lane {name}: record 0" in str(verify(head + changed))
    lines = parts[1].split(b"\n")
    cut = b"\n".join(lines[:-4]) + b"\n"
    (fault,) = verify(head + parts[0] + cut + parts[2]).faults
    assert (fault.code, fault.lane) == ("tail-truncated", name)


def test_sections_of_another_export_are_refused(ledger, bodies):
    decision, _ = bodies
    old, before = sections(ledger.bundle())
    ledger.journals[1].append("decision", "late", decision(20, "late"))
    new, after = sections(ledger.bundle())
    assert codes(new + after[0] + before[1] + after[2]) == ["malformed"]
    assert codes(old + before[0] + after[1] + before[2]) == ["malformed"]
    assert codes(new + b"".join(after)) == []


def test_a_kept_checkpoint_of_each_lane(ledger):
    data = ledger.bundle()
    for journal in ledger.journals:
        assert codes(data, checkpoint=journal.checkpoint().encode()) == []
    signer = ledger.signer.lane(3)
    note = signer.sign(Checkpoint(signer.identity.name, 0, EMPTY_ROOT).text).encode()
    # somebody kept a checkpoint of a lane this ledger claims never to have had
    assert codes(data, checkpoint=note) == ["lane-missing"]


def test_an_empty_lane_and_one_that_was_lost(ledger):
    signer = ledger.signer
    empty = Lane(MemoryStore(), signer.lane(3))
    assert codes(ledger.bundle([*ledger.lanes(), empty])) == []
    lost = Lane(None, signer.lane(1))
    first, _, third = ledger.lanes()
    (fault,) = verify(ledger.bundle([first, lost, third])).faults
    assert (fault.code, fault.lane) == ("lane-missing", signer.lane(1).identity.name)
    with pytest.raises(LedgerError, match="no records to export"):
        ledger.bundle([lost, empty])


def test_a_report_merges_the_lanes_by_time(ledger):
    text = report(ledger.bundle())
    numbers = [line.split(" ")[1] for line in text.splitlines() if line.startswith("| ")]
    shown = [number for number in numbers if ":" in number]
    assert shown == ["0:0", "1:0", "2:0", "0:1", "1:1", "2:1", "0:2", "1:2", "2:2", "0:3"]
    assert "lane-missing" in report(sections(ledger.bundle())[0], "html")


def test_every_changed_byte_of_two_lanes_is_refused(bodies):
    decision, _ = bodies
    ledger = Ledger(2)
    ledger.journals[0].append("decision", "s", decision(1, "s"))
    ledger.journals[1].append("decision", "s", decision(2, "s"))
    data = ledger.bundle()
    ledger.close()
    assert verify(data).ok
    variants = {}
    for at in range(len(data)):
        for other in {data[at] ^ 1, 0x20, 0x0A} - {data[at]}:
            variants[at, other] = data[:at] + bytes([other]) + data[at + 1 :]
        variants[at, "inserted"] = data[:at] + b" " + data[at:]
        variants[at, "cut"] = data[:at]
        if data[at : at + 1] != data[at + 1 : at + 2]:
            variants[at, "deleted"] = data[:at] + data[at + 1 :]
    assert [change for change, changed in variants.items() if verify(changed).ok] == []


# --- on disk -----------------------------------------------------------------------------


def opened(home):
    return open_lane(home, home / "ledger.db", SqliteStore)


def test_lanes_are_taken_up_again_and_enrolled(tmp_path):
    first, second = opened(tmp_path), opened(tmp_path)
    second.close()
    third = opened(tmp_path)
    names = [path.name for path in lane_paths(tmp_path / "ledger.db")]
    assert names == ["ledger.db", "ledger.1.db"]
    first.close()
    third.close()
    opened(tmp_path).close()
    assert roll_path(tmp_path / "ledger.db").read_text().split("\n")[1] == "2"


def test_a_lane_that_is_gone_is_not_made_again(tmp_path, bodies):
    decision, _ = bodies
    journals = [opened(tmp_path) for _ in range(3)]
    for number, journal in enumerate(journals):
        journal.append("decision", "s", decision(number, "s"))
    for journal in journals:
        journal.close()
    for name in ("ledger.1.db", "ledger.2.db"):
        (tmp_path / name).unlink()
        first, second = opened(tmp_path), opened(tmp_path)
        first.close()
        second.close()
        assert not (tmp_path / name).exists()
        base = tmp_path / "ledger.db"
        faults = {path.name: [f.code for f in found.faults] for path, found in verify_lanes(base)}
        assert faults[name] == ["lane-missing"]
        out = io.BytesIO()
        export_lanes(lanes(tmp_path, base, SqliteStore), out, created=AT)
        assert "lane-missing" in codes(out.getvalue())


def test_a_ledger_whose_only_lane_is_gone_does_not_begin_anew(tmp_path, bodies):
    decision, _ = bodies
    base = tmp_path / "ledger.db"
    journal = opened(tmp_path)
    journal.append("decision", "s", decision(1, "s"))
    journal.close()
    base.write_bytes(b"")
    with pytest.raises(LedgerError, match="is empty, and was a lane"):
        opened(tmp_path)
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    journal = opened(tmp_path)
    journal.append("decision", "s", decision(2, "s"))
    journal.close()
    assert [path.name for path in lane_paths(base)] == ["ledger.1.db"]
    faults = [[(f.code, f.lane) for f in found.faults] for _, found in verify_lanes(base)]
    name = load_signer(tmp_path).identity.name
    assert faults == [[("lane-missing", name)], []]
    out = io.BytesIO()
    export_lanes(lanes(tmp_path, base, SqliteStore), out, created=AT)
    assert codes(out.getvalue()) == ["lane-missing"]


def test_a_roll_that_was_changed_is_refused(tmp_path):
    opened(tmp_path).close()
    roll = roll_path(tmp_path / "ledger.db")
    roll.write_text(roll.read_text().replace("\n1\n", "\n2\n"))
    with pytest.raises(LedgerError, match="not what was signed"):
        opened(tmp_path)
    # whoever moves all files of a ledger away starts a new one
    for path in (*tmp_path.glob("ledger*.db*"), roll):
        path.unlink()
    opened(tmp_path).close()
    assert all(found.faults[0].code == "empty" for _, found in verify_lanes(tmp_path / "ledger.db"))


def test_a_lane_of_another_key_is_refused(tmp_path):
    opened(tmp_path).close()
    Journal(SqliteStore(tmp_path / "ledger.1.db"), Signer.generate()).close()
    found = [[f.code for f in found.faults] for _, found in verify_lanes(tmp_path / "ledger.db")]
    assert found == [["empty"], ["empty", "wrong-key"]]


CRASH = """
import os, sys
from pathlib import Path
sys.path[:] = sys.argv[2].split(":")
from aegis.builtin.stores.sqlite import SqliteStore
from aegis.kernel.lanes import open_lane
from aegis.ledger.record import DecisionBody
from aegis.model import Actor
home = Path(sys.argv[1])
journal = open_lane(home, home / "ledger.db", SqliteStore)
receipt = journal.append("decision", "s", DecisionBody("a-" + sys.argv[3], Actor(), verdict="allow"))
journal.wait(receipt.seq, "written")
print("begun", flush=True)
sys.stdin.read()
"""  # noqa: E501


def test_one_restart_recovers_every_lane_that_dead_processes_left(tmp_path):
    running = []
    for number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", CRASH, str(tmp_path), os.pathsep.join(sys.path), str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "begun\n"
        running.append(process)
    for process in running[:2]:
        process.kill()
        process.communicate()
    base = tmp_path / "ledger.db"
    journal = opened(tmp_path)
    assert journal.recover(AT)
    assert recover_lanes(tmp_path, base, SqliteStore, AT) == 1
    assert recover_lanes(tmp_path, base, SqliteStore, AT) == 0
    journal.close()
    running[2].kill()
    running[2].communicate()
    assert recover_lanes(tmp_path, base, SqliteStore, AT) == 1
    for path in lane_paths(base):
        kinds = [row.entry.split(b" ")[2] for row in SqliteStore(path).rows(Query())]
        assert kinds == [b"decision", b"outcome"]
    out = io.BytesIO()
    export_lanes(lanes(tmp_path, base, SqliteStore), out, created=AT)
    assert codes(out.getvalue(), trusted_key=load_signer(tmp_path).identity.public) == []


def test_a_damaged_lane_does_not_keep_others_from_being_recovered(tmp_path, bodies, caplog):
    decision, _ = bodies
    journals = [opened(tmp_path) for _ in range(2)]
    for journal in journals:
        journal.append("decision", "s", decision(1, "s"))
        journal.close()
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 1000)
    assert recover_lanes(tmp_path, tmp_path / "ledger.db", SqliteStore, AT) == 1
    assert "was not recovered" in caplog.text
