"""Every way to damage a bundle is refused and named; both shipped verifiers agree."""

import base64
import importlib.util
import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from aegis.ledger.checkpoint import Checkpoint, Signer
from aegis.ledger.merkle import Tree, leaf_hash
from aegis.ledger.verify import verify
from aegis.ledger.walk import FAULTS, FAULTS_MAX

TOOL = Path(__file__).resolve().parents[2] / "tools" / "aegis_verify.py"
ENDS = (5, 11)
"""Lines before the checkpoint, and before the records."""


def load_tool():
    spec = importlib.util.spec_from_file_location("aegis_verify", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


STAND_ALONE = load_tool()


def codes(data, **options):
    """The faults, as both verifiers name them."""
    report = verify(data, **options)
    other = STAND_ALONE.verify(data, **options)
    assert [tuple(fault) for fault in report.faults] == [tuple(fault) for fault in other.faults]
    assert report.ok == (not report.faults)
    assert all(fault.code in FAULTS for fault in report.faults)
    return [fault.code for fault in report.faults]


def split(data):
    """The notes and the records of a bundle."""
    lines = data.split(b"\n")
    rest = lines[ENDS[1] : -1]
    return lines[: ENDS[1]], [rest[at : at + 3] for at in range(0, len(rest), 3)]


def joined(notes, records):
    return b"\n".join([*notes, *(line for record in records for line in record), b""])


def edited(data, change):
    notes, records = split(data)
    changed = change(records)
    return joined(notes, records if changed is None else changed)


def rehash(records):
    """Every stated hash and every link made to fit again."""
    heads = {}
    for record in records:
        words = record[1].split(b" ")
        words[4] = heads.get(words[3], b"0" * 64)
        record[1] = b" ".join(words)
        digest = leaf_hash(record[1] + b"\n" + record[2]).hex().encode()
        record[0] = b" ".join([b"=", digest, *record[0].split(b" ")[2:]])
        heads[words[3]] = digest
    return records


def resigned(data, signer, created=1):
    """The bundle signed again, by another key, over whatever its records are now."""
    notes, records = split(data)
    said = json.loads(notes[1])
    tree = Tree()
    for record in records:
        tree.append(leaf_hash(record[1] + b"\n" + record[2]))
    checkpoint = Checkpoint(signer.identity.name, tree.size, tree.root())
    root = checkpoint.text.split("\n")[2]
    key = str(signer.identity).split("+", 2)[2]
    said["key"] = base64.b64encode(base64.b64decode(key)[1:]).decode()
    said.update(origin=signer.identity.name, created=created)
    said["lanes"][0].update(origin=signer.identity.name, root=root)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    statement = signer.sign(f"aegis-bundle/1\n{text}\n") + "\n" + signer.sign(checkpoint.text)
    return statement.encode() + b"\n" + joined([], records)


@pytest.fixture
def full(memory):
    memory.fill(9, sessions=("s-1", "s-2", "", "a b"))
    return memory.bundle()


@pytest.fixture
def part(memory):
    memory.fill(20, sessions=("s-1", "s-2", "s-3"))
    return memory.bundle(session="s-2")


def test_sound_bundles_verify(memory, full):
    key = memory.signer.identity
    assert codes(full) == []
    assert codes(full, trusted_key=key.public) == []
    assert codes(full, fingerprint=key.fingerprint) == []
    report = verify(full, key.public)
    assert (report.entries, report.size, report.scope, report.sessions) == (9, 9, "full", 4)
    assert report.pinned
    assert "WARNING" not in str(report)
    assert "WARNING" in str(verify(full))
    assert key.fingerprint in str(verify(full))


def drop(*indices):
    return lambda records: [r for at, r in enumerate(records) if at not in indices]


def flip(index, line):
    def change(records):
        text = bytearray(records[index][line])
        text[-3] ^= 1
        records[index][line] = bytes(text)

    return change


def swap(one, other):
    def change(records):
        records[one], records[other] = records[other], records[one]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop(0), ["head-truncated"]),
        (drop(0, 1, 2), ["head-truncated"]),
        (drop(4), ["record-missing"]),
        (drop(3, 4, 6), ["record-missing", "record-missing"]),
        (drop(8), ["tail-truncated"]),
        (drop(5, 6, 7, 8), ["tail-truncated"]),
        (drop(0, 4, 8), ["head-truncated", "record-missing", "tail-truncated"]),
        (drop(*range(9)), ["empty"]),
        (swap(3, 4), ["reordered"]),
        (swap(2, 7), ["reordered"] * 5),
        (lambda records: records[:5] + records[4:], ["reordered"]),
        (lambda records: records[::-1], ["reordered"] * 8),
        (flip(4, 2), ["hash-mismatch"]),
        (flip(4, 1), ["hash-mismatch"]),
        (flip(4, 0), ["hash-mismatch"]),
        (flip(0, 2), ["hash-mismatch"]),
        (flip(8, 2), ["hash-mismatch"]),
    ],
)
def test_damage_to_a_full_bundle(full, change, expected):
    assert codes(edited(full, change)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop(0), ["head-truncated"]),
        (drop(3), ["record-missing"]),
        (drop(6), ["tail-truncated"]),
        (drop(5, 6), ["tail-truncated"]),
        (swap(2, 3), ["reordered"]),
        (flip(2, 2), ["hash-mismatch"]),
        (flip(2, 0), ["bad-proof"]),
        (drop(*range(7)), ["empty"]),
    ],
)
def test_damage_to_a_session_bundle(part, change, expected):
    assert codes(part) == []
    assert codes(edited(part, change)) == expected


def test_damage_to_a_range_bundle(memory, bodies):
    memory.fill(20, sessions=("s-1", "s-2", "s-3"))
    decision, _ = bodies
    span = memory.bundle(since=decision(5).at, until=decision(15).at)
    assert codes(span) == []
    report = verify(span)
    assert (report.scope, report.entries, report.size) == ("range", 10, 20)
    assert codes(edited(span, drop(0))) == ["head-truncated"]
    assert codes(edited(span, drop(4))) == ["record-missing"]
    assert codes(edited(span, drop(9))) == ["tail-truncated"]
    assert codes(edited(span, swap(4, 5))) == ["reordered"]


def test_a_broken_chain_is_found_behind_sound_hashes(full):
    def relink(records):
        words = records[4][1].split(b" ")
        words[4] = b"1" * 64
        records[4][1] = b" ".join(words)
        digest = leaf_hash(records[4][1] + b"\n" + records[4][2]).hex()
        records[4][0] = b"= " + digest.encode()

    assert "chain-broken" in codes(edited(full, relink))


def test_rehashing_everything_does_not_help(full, part):
    def rewrite(records):
        records[4][2] = records[4][2].replace(b"allow", b"block")
        rehash(records)

    assert codes(edited(full, rewrite)) == ["rehashed"]
    assert "bad-proof" in codes(edited(part, rewrite))


def test_signing_again_with_another_key(memory, full):
    trusted = memory.signer.identity
    notes, records = split(full)
    records[4][2] = records[4][2].replace(b"allow", b"block")
    forged = resigned(joined(notes, rehash(records)), Signer.generate())
    assert codes(forged) == []
    assert "WARNING" in str(verify(forged))
    assert codes(forged, trusted_key=trusted.public) == ["wrong-key"]
    assert codes(forged, fingerprint=trusted.fingerprint) == ["wrong-key"]


def test_notes_of_another_key_or_tree(full, memory):
    other = Signer.generate()
    notes, records = split(full)
    text = "\n".join(line.decode() for line in notes[5:8]) + "\n"
    foreign = other.sign(text).encode().split(b"\n")
    assert "bad-signature" in codes(joined([*notes[:5], *foreign], records))
    smaller = memory.signer.sign(Checkpoint(memory.signer.identity.name, 3, b"r" * 32).text)
    assert codes(joined([*notes[:5], *smaller.encode().split(b"\n")], records)) == ["malformed"]


def test_a_kept_checkpoint_shows_a_rollback(memory):
    memory.fill(9)
    early = memory.journal.checkpoint().encode()
    bundle = memory.bundle()
    memory.fill(4)
    late = memory.journal.checkpoint().encode()
    assert codes(memory.bundle(), checkpoint=early) == []
    assert codes(bundle, checkpoint=late) == ["tail-truncated"]
    forged = memory.signer.sign(Checkpoint(memory.signer.identity.name, 5, b"r" * 32).text)
    assert codes(bundle, checkpoint=forged.encode()) == ["rehashed"]
    assert codes(bundle, checkpoint=b"nonsense") == ["malformed"]
    assert "bad-signature" in codes(bundle, checkpoint=early.replace(b"9", b"8", 1))


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n\n", b"aegis-bundle/1\n", b"\xff" * 9])
def test_what_is_no_bundle(data):
    assert codes(data) == ["malformed" if data else "empty"]


def test_a_bundle_may_not_go_on(full):
    assert "malformed" in codes(full + b"\n")
    assert "malformed" in codes(full + b"= ")
    assert "malformed" in codes(full.rstrip(b"\n"))
    assert "malformed" in codes(full.replace(b"\n", b"\r\n"))


def test_a_foreign_record_in_a_session_bundle(memory, part):
    foreign = split(memory.bundle(session="s-1"))[1][1]
    assert "malformed" in codes(edited(part, lambda records: records.insert(2, foreign)))


def test_verification_stops_after_many_faults(memory):
    memory.fill(400)
    notes, records = split(memory.bundle())
    for record in records:
        record[2] = record[2].replace(b"allow", b"block")
    assert len(codes(joined(notes, records))) == FAULTS_MAX
    assert len(codes(joined(notes, split(memory.bundle())[1][::2]))) <= FAULTS_MAX


@pytest.mark.parametrize("scope", ["full", "session", "range"])
def test_every_changed_byte_is_refused(memory, scope, bodies):
    decision, outcome = bodies
    memory.journal.append("decision", "s", decision(1, "s", params={"q": "ü"}))
    memory.journal.append("decision", "", decision(2, ""))
    memory.journal.append("outcome", "s", outcome(3, 0))
    scopes = {"full": {}, "session": {"session": "s"}, "range": {"since": decision(2).at}}
    data = memory.bundle(**scopes[scope])
    assert verify(data).ok
    assert verify(data).scope == scope
    accepted = []
    for at in range(len(data)):
        byte = data[at]
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0x20, 0x0A} - {byte}:
            changed = data[:at] + bytes([other]) + data[at + 1 :]
            if verify(changed).ok:
                accepted.append((at, byte, other))
        if verify(data[:at] + data[at + 1 :]).ok and data[at : at + 1] != data[at + 1 : at + 2]:
            accepted.append((at, "deleted"))
        if verify(data[:at] + b" " + data[at:]).ok:
            accepted.append((at, "inserted"))
        if verify(data[:at]).ok:
            accepted.append((at, "cut"))
    assert accepted == []


def test_the_hash_is_that_of_the_specification(full):
    stated, header, body = split(full)[1][0]
    assert stated == b"= " + sha256(b"\x00" + header + b"\n" + body).hexdigest().encode()
    assert header == b"aegis/1 0 decision s-1 " + b"0" * 64
