"""Decisions beside their outcomes."""

from aegis.ledger.audit import audit
from aegis.ledger.entry import Query


def test_decisions_stand_beside_their_outcomes(ledger, bodies):
    decision, outcome = bodies
    for number in range(12):
        verdict = "block" if number % 4 == 0 else "allow"
        body = decision(number, "s", verdict=verdict)
        seq = ledger.journal.append("decision", "s", body).seq
        if number % 4 == 0:
            ledger.journal.append("outcome", "s", outcome(number, seq, status="refused"))
        elif number % 4 == 1:
            ledger.journal.append("outcome", "s", outcome(number, seq))
    ledger.journal.flush()

    def found(**query):
        lines = audit(ledger.store, Query(**query))
        return [(line.decision.fields["action"], line.status) for line in lines]

    assert len(found()) == 12
    assert found(verdict="block") == [("a-0", "refused"), ("a-4", "refused"), ("a-8", "refused")]
    assert found(status="performed", limit=2) == [("a-1", "performed"), ("a-5", "performed")]
    assert found(status="open", newest_first=True, limit=2) == [("a-11", "open"), ("a-10", "open")]
    assert found(limit=0) == found(limit=0, status="open") == found(agent="nobody") == []
    line = next(audit(ledger.store, Query(action="a-4")))
    assert line.outcome is not None
    assert line.outcome.fields["decision"] == line.decision.seq
