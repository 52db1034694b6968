"""The wall clock is set forwards and back: nothing is good for longer, and nothing twice."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine

from aegis import TicketGate
from aegis.builtin.stores.state import SqliteState
from aegis.kernel.build import open_runtime
from aegis.kernel.config import parse
from aegis.kernel.lease import lent
from aegis.kernel.tickets import own_key
from aegis.model import Action, Actor, CallerError, TicketError

NOON = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
CALL = Action("refund", "orders", {"order": 17}, actor=Actor("mary", "support"))
BOT = Actor("key_1", "bot", "s")


def at(**later):
    """The wall clock so much later than noon, and going on from there."""
    return time_machine.travel(NOON + dt.timedelta(**later), tick=True)


def opened(home, **sections):
    return open_runtime(parse({"home": str(home), "guardrails": {}, **sections}, "test.yaml"))


@pytest.fixture
def desk(tmp_path):
    policy = {"rules": [{"name": "ask", "match": {"type": "*"}, "approval": "approve"}]}
    with at():
        made = opened(tmp_path / "home", policy=policy, approvals={"wait_seconds": 0})
    yield made
    made.close()


def ask(runtime, done, task=""):
    action = Action("deploy", "site", {"n": 1}, actor=BOT, task=task)
    return runtime.govern(action, lambda _: done.append(1))


def test_an_approval_given_while_the_clock_was_ahead_is_not_good_until_then(desk):
    done = []
    with at(days=365):
        held = ask(desk, done)
        desk.answer(held.approval, True, by="ann")
    with at():
        assert ask(desk, done).status != "performed"
    assert done == []


def test_a_request_from_a_time_to_come_is_not_answered(desk):
    with at(hours=3):
        held = ask(desk, [])
    with at(), pytest.raises(CallerError, match="expired"):
        desk.answer(held.approval, True, by="ann")


def test_a_clock_that_is_set_back_makes_no_approval_good_for_longer(desk):
    done = []
    with at():
        held = ask(desk, done)
        desk.answer(held.approval, True, by="ann")
    with at(hours=-5):
        assert ask(desk, done).status != "performed"
    with at(minutes=-2):  # as clocks are kept in time
        assert ask(desk, done).status == "performed"
    assert done == [1]


def test_an_approval_for_a_task_ends_with_the_clock_too(desk):
    done = []
    with at(days=365):
        held = ask(desk, done, "t")
        desk.answer(held.approval, True, by="ann", scope="task")
        assert ask(desk, done, "t").status == "performed"
        assert ask(desk, done, "t").status == "performed"
    with at():
        assert ask(desk, done, "t").status != "performed"
    assert done == [1, 1]


def test_a_ticket_is_good_for_one_call_whatever_the_clock_did(tmp_path):
    policy = {"rules": [{"name": "rest", "match": {"type": "*"}, "approval": "auto"}]}
    grants = [{"match": {"type": "*"}, "broker": "ticket", "headers": {"t": "{ticket}"}}]
    credentials = {"brokers": {"ticket": {}}, "grants": grants}
    tickets = []
    with at():
        issuer = opened(tmp_path / "issuer", policy=policy, credentials=credentials)
        for _ in range(2):
            assert issuer.govern(CALL, lambda _: tickets.append(lent().headers["t"])).ok
        gate = TicketGate(own_key(tmp_path / "issuer"), tmp_path / "nonces.db")
        gate.verify(tickets[0], "refund", {"order": 17}, agent="support")
    with at(hours=2):
        assert issuer.govern(CALL, lambda _: tickets.append(lent().headers["t"])).ok
        gate.verify(tickets[2], "refund", {"order": 17}, agent="support")
    with at(seconds=5), pytest.raises(TicketError) as caught:
        gate.verify(tickets[0], "refund", {"order": 17}, agent="support")
    assert caught.value.code == "used"
    with at(days=1):
        assert issuer.govern(CALL, lambda _: tickets.append(lent().headers["t"])).ok
        gate.verify(tickets[3], "refund", {"order": 17}, agent="support")
    gate.close()
    issuer.close()


def test_what_one_channel_forgot_says_nothing_of_another(tmp_path):
    store = SqliteState(tmp_path / "state.db")
    assert store.first_use("slack", "n", 1, 100)
    assert store.first_use("slack", "m", 500, 600)
    assert not store.first_use("slack", "n", 2, 100)
    assert not store.first_use("slack", "never seen, but from that time", 2, 90)
    assert store.first_use("discord", "n", 2, 100)
    assert store.first_use("slack", "later", 2, 101)
    store.close()


def test_limits_are_not_opened_by_a_clock_that_jumps(tmp_path):
    policy = {"rules": [{"name": "rest", "match": {"type": "*"}, "approval": "auto"}]}
    with at():
        runtime = opened(tmp_path / "home", policy=policy, limits={"requests_per_minute": 5})

    def admitted(count):
        return sum(runtime.govern(CALL, lambda _: None).ok for _ in range(count))

    with at():
        assert admitted(9) == 5
    with at(days=-1):
        assert admitted(9) == 0
    with at(days=1):  # however far: never more than a minute's worth
        assert admitted(9) == 5
    runtime.close()
