"""A process that is killed while it appends: what it was told is stored, is stored."""

import os
import random
import subprocess
import sys

import pytest

from aegis.builtin.stores.sqlite import SqliteStore
from aegis.builtin.stores.sqlite_reader import verify_store
from aegis.kernel.journal import Journal
from aegis.ledger.entry import Query
from aegis.ledger.keys import load_signer

CHILD = """
import os, sys, threading
from aegis.builtin.stores.sqlite import SqliteStore
from aegis.kernel.journal import Journal
from aegis.ledger.keys import load_signer
from aegis.ledger.record import DecisionBody
from aegis.model import Actor
folder, level = sys.argv[1:]
journal = Journal(SqliteStore(folder + "/ledger.db"), load_signer(folder))
told = threading.Lock()
def work(worker):
    number = 0
    while True:
        number += 1
        body = DecisionBody(f"a-{worker}-{number}", Actor(), verdict="block", at=number)
        receipt = journal.append("decision", f"s-{worker}", body, level)
        if number % 3 == 0:
            journal.append("decision", f"s-{worker}", body)
        journal.wait(receipt.seq, level)
        line = f"{receipt.seq} {receipt.hash}\\n".encode()
        with told:
            # a full pipe may take a part of a line
            while line:
                line = line[os.write(1, line):]
for worker in range(4):
    threading.Thread(target=work, args=(worker,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("level", ["written", "synced"])
def test_nothing_acknowledged_is_lost(tmp_path, level):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    acknowledged = {}
    pace = random.Random(level)
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), level],
            stdout=subprocess.PIPE, env=env, text=True,
        )  # fmt: skip
        lines = [child.stdout.readline() for _ in range(pace.randint(1, 400))]
        child.kill()
        rest, _ = child.communicate(timeout=30)
        # a line that was cut off by the kill was not received
        lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        assert all(lines)
        for line in lines:
            seq, digest = line.split()
            assert acknowledged.setdefault(int(seq), digest) == digest
    path = tmp_path / "ledger.db"
    stored = {row.seq: row.hash.hex() for row in SqliteStore(path).rows(Query())}
    assert acknowledged.items() <= stored.items()
    assert verify_store(path).ok
    journal = Journal(SqliteStore(path), load_signer(tmp_path))
    assert journal.size == len(stored)
    journal.checkpoint()
    journal.close()
    report = verify_store(path, load_signer(tmp_path).identity.public)
    assert (report.ok, report.unsealed, report.pinned) == (True, 0, True)
