"""A journal whose store fails is brought back; one that fails again and again is not well."""

import time
from types import SimpleNamespace

import pytest

from aegis.builtin.stores.memory import MemoryStore
from aegis.kernel import mender
from aegis.kernel.journal import Journal
from aegis.kernel.mender import AGAIN_SECONDS, STEADY_SECONDS, Mender
from aegis.ledger.checkpoint import Signer
from aegis.ledger.record import AdminBody
from aegis.model import LedgerError


class Cramped(MemoryStore):
    """A store with room for small entries alone."""

    def write(self, rows, sync):
        if any(len(row[3]) > 1_000 for row in rows):
            raise LedgerError("no room")
        super().write(rows, sync)


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    clocks = SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns)
    monkeypatch.setattr(mender, "time", clocks)
    return now


@pytest.fixture
def mended():
    journal = Journal(Cramped(), Signer.generate())
    yield Mender(journal)
    journal.close()


def fail(mended):
    receipt = mended.journal.append("admin", "s", AdminBody("me", details="x" * 2_000, event="big"))
    with pytest.raises(LedgerError):
        mended.journal.wait(receipt.seq, "written")
    assert not mended.steady


def test_one_failure_is_over_once_the_store_works(mended, clock):
    assert mended.steady
    fail(mended)
    assert mended.mend()
    assert mended.steady


def test_a_store_that_fails_again_has_to_prove_itself(mended, clock):
    fail(mended)
    assert mended.mend()
    clock[0] += AGAIN_SECONDS / 2
    fail(mended)
    assert mended.mend()
    assert mended.journal.healthy
    assert not mended.steady
    clock[0] += STEADY_SECONDS
    assert mended.steady


def test_failures_far_apart_are_single_ones(mended, clock):
    for _ in range(3):
        fail(mended)
        assert mended.mend()
        assert mended.steady
        clock[0] += AGAIN_SECONDS
