"""Ledgers for the tests of this folder: real journals over real stores."""

import io

import pytest

from aegis.builtin.stores.memory import MemoryStore
from aegis.builtin.stores.sqlite import SqliteStore
from aegis.kernel.journal import Journal
from aegis.ledger.bundle import Scope, export
from aegis.ledger.checkpoint import Signer
from aegis.ledger.record import DecisionBody, OutcomeBody
from aegis.model import Actor

AT = 1_700_000_000_000_000


def decision(number, session="s-1", **members):
    members = {"verdict": "allow", "at": AT + number, "type": "read", "target": "crm", **members}
    return DecisionBody(
        action=f"a-{number}", actor=Actor("user", "agent-7", session, "acme"), **members
    )


def outcome(number, seq, **members):
    members = {"status": "performed", "at": AT + number, **members}
    return OutcomeBody(action=f"a-{number}", decision=seq, **members)


class Ledger:
    """A journal and what tests do with one."""

    def __init__(self, store, signer):
        self.store = store
        self.signer = signer
        self.journal = Journal(store, signer)

    def fill(self, count, sessions=("s-1",), **members):
        receipts = []
        for number in range(count):
            session = sessions[number % len(sessions)]
            body = decision(number, session, **members)
            receipts.append(self.journal.append("decision", session, body))
        return receipts

    def bundle(self, **scope):
        self.journal.flush()
        out = io.BytesIO()
        export(self.store, self.signer, out, Scope(**scope), created=AT)
        return out.getvalue()


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ledger.db")
    made = Ledger(store, Signer.generate())
    yield made
    made.journal.close()


@pytest.fixture
def memory():
    made = Ledger(MemoryStore(), Signer.generate())
    yield made
    made.journal.close()


@pytest.fixture
def sqlite(tmp_path):
    made = Ledger(SqliteStore(tmp_path / "ledger.db"), Signer.generate())
    yield made
    made.journal.close()


@pytest.fixture
def bodies():
    """The makers of record bodies, for tests that append themselves."""
    return decision, outcome
