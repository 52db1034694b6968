"""Exports: what goes into a bundle, and what an exporter refuses to sign."""

import io

import pytest

from aegis.builtin.stores.sqlite import SqliteStore
from aegis.ledger.bundle import consistency, export, inclusion
from aegis.ledger.checkpoint import Checkpoint, Identity, Signer
from aegis.ledger.entry import Query
from aegis.ledger.merkle import consistent, root_from_path
from aegis.ledger.report import report
from aegis.ledger.verify import verify
from aegis.model import LedgerError


def test_scopes(ledger, bodies):
    decision, _ = bodies
    ledger.fill(30, sessions=("s-1", "s-2", "a b"))
    at = decision(10).at
    for scope, name, count in (
        ({}, "full", 30),
        ({"session": "a b"}, "session", 10),
        ({"since": at}, "range", 20),
        ({"until": at}, "range", 10),
        ({"since": at, "until": at + 5}, "range", 5),
        ({"session": "s-1", "since": at}, "session", 6),
        ({"since": 0}, "full", 30),
    ):
        found = verify(ledger.bundle(**scope), ledger.signer.identity.public)
        assert (found.faults, found.scope, found.entries, found.size) == ([], name, count, 30)
        assert found.pinned


def test_a_bundle_can_be_read_by_people(memory):
    memory.fill(1)
    lines = memory.bundle().decode().split("\n")
    assert lines[0] == "aegis-bundle/1"
    assert '"scope":"full"' in lines[1]
    assert lines[5] == memory.signer.identity.name
    assert lines[6] == "1"
    assert lines[12].startswith("aegis/1 0 decision s-1 0000")
    assert lines[13].startswith('{"action":"a-0"')


def test_nothing_to_export(ledger):
    with pytest.raises(LedgerError, match="no records to export"):
        ledger.bundle()
    ledger.fill(3)
    with pytest.raises(LedgerError, match="session `nobody` has no records"):
        ledger.bundle(session="nobody")
    with pytest.raises(LedgerError, match="no records to export"):
        ledger.bundle(since=2**60)


def test_partial_bundles_are_bounded(memory, monkeypatch):
    import aegis.ledger.bundle as module

    memory.fill(12)
    monkeypatch.setattr(module, "PROOFS_MAX", 10)
    with pytest.raises(LedgerError, match="11 records need too many proofs"):
        memory.bundle(since=1_700_000_000_000_001)
    assert verify(memory.bundle()).ok


def test_an_altered_ledger_is_not_signed(memory):
    memory.fill(5)
    memory.journal.checkpoint()
    rows = memory.store._rows
    kept = rows[2]
    rows[2] = kept._replace(entry=kept.entry.replace(b"allow", b"block"))
    with pytest.raises(LedgerError, match="record 2 was changed"):
        memory.bundle()
    rows[2] = kept._replace(hash=b"x" * 32)
    with pytest.raises(LedgerError, match="not the one that was signed"):
        memory.bundle()
    rows[2] = kept
    with pytest.raises(LedgerError, match="no valid signature"):
        export(memory.store, Signer.generate(), io.BytesIO(), created=0)


def test_export_by_another_process_while_it_is_written(sqlite):
    sqlite.fill(10)
    sqlite.journal.flush("written")
    reader = SqliteStore(sqlite.store.path)
    out = io.BytesIO()
    done = export(reader, sqlite.signer, out, created=1)
    sqlite.fill(5)
    assert (done.count, done.scope) == (10, "full")
    assert verify(out.getvalue(), fingerprint=done.fingerprint).ok


def test_proofs(ledger):
    ledger.fill(13)
    notes = []
    for _ in range(2):
        said = Checkpoint.parse(ledger.signer.identity.open(ledger.journal.checkpoint()))
        notes.append(said)
        ledger.fill(8)
    old, new = notes
    assert (old.size, new.size) == (13, 21)
    ledger.journal.flush()
    path = consistency(ledger.store, 13, 21)
    assert consistent(13, 21, old.root, new.root, path)
    row = next(ledger.store.rows(Query(start=6, stop=7)))
    assert root_from_path(row.hash, 6, 21, inclusion(ledger.store, 6, 21)) == new.root
    with pytest.raises(LedgerError, match="no proof for record 99"):
        inclusion(ledger.store, 99, 21)
    with pytest.raises(LedgerError, match="no proof from size 3 to size 100"):
        consistency(ledger.store, 3, 100)


def test_identities():
    signer = Signer.generate()
    text = str(signer.identity)
    assert Identity.parse(text).public == signer.identity.public
    for wrong in ("", "a+b", text.replace("+", "-"), text[:-2], "x" + text, text + "="):
        with pytest.raises(LedgerError):
            Identity.parse(wrong)
    with pytest.raises(LedgerError, match="not an Ed25519"):
        Identity(b"short")


def test_notes():
    signer = Signer.generate()
    note = signer.sign("some text\nmore\n")
    assert signer.identity.open(note) == "some text\nmore\n"
    for wrong in (note.replace("more", "less"), "nothing", Signer.generate().sign("x\n"), ""):
        with pytest.raises(LedgerError):
            signer.identity.open(wrong)
    with pytest.raises(LedgerError, match="end in a newline"):
        signer.sign("no newline")
    for wrong in ("", "a\n1\n", "a\n01\nAAAA\n", "a\n1\n!\n"):
        with pytest.raises(LedgerError, match="malformed checkpoint"):
            Checkpoint.parse(wrong)


EVIL = "<script>alert(1)</script> | `x` [a](http://b)\n# h"


@pytest.fixture
def told(memory, bodies):
    decision, outcome = bodies
    seq = memory.journal.append("decision", EVIL, decision(1, EVIL, type=EVIL, rule="reads")).seq
    memory.journal.append("outcome", EVIL, outcome(1, seq, error=EVIL, status="failed"))
    memory.journal.append("decision", "s", decision(2, "s", verdict="block", reasons=("why",)))
    memory.journal.append("decision", "s", decision(3, "s", params="x" * 300_000))
    return memory.bundle()


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_reports(told, memory, form):
    text = report(told, form, memory.signer.identity.public)
    for part in ("allow 2, block 1", "failed 1", "decision 3, outcome 1", "verified",
                 "the trusted key", memory.signer.identity.fingerprint, "2023-11-14 22:13:20",
                 "why", "crm"):  # fmt: skip
        assert part in text
    assert "NOT VERIFIED" not in text
    assert "<script>" not in text
    assert "](http" not in text or form == "html"
    assert "NOT checked" in report(told, form)


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_reports_over_damaged_bundles_say_so(told, form, tmp_path):
    path = tmp_path / "bundle"
    path.write_bytes(told.replace(b'"block"', b'"allow"'))
    text = report(path, form)
    assert "NOT VERIFIED" in text
    assert "hash-mismatch" in text
    assert "NOT VERIFIED" in report(b"nonsense", form)


def test_reports_are_bounded(told, monkeypatch):
    import aegis.ledger.report as module

    monkeypatch.setattr(module, "ROWS_MAX", 2)
    assert "2 further records" in report(told)
    assert "2 further records" in report(told, "html")
    with pytest.raises(LedgerError, match="unknown report form `pdf`"):
        report(told, "pdf")
