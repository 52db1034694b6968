"""A credential on the path, with a fault at every effect in turn: it always ends, and without one
nothing is performed.
"""

from __future__ import annotations

import pytest

from aegis.flow import (
    PLAIN,
    Admission,
    Admit,
    Append,
    Lent,
    Mint,
    Perform,
    Performed,
    Revoke,
    Rules,
    Settle,
    Settled,
    run,
)
from aegis.flow.drive import drive_sync
from aegis.model import Action, Decision, Receipt, RiskLevel, Verdict

EFFECTS = 7
"""The number of the last effect, from 0: Admit, decision, Mint, its record, Perform, Revoke,
Settle, outcome."""


class Allows:
    version = "v"

    def decide(self, action, **_):
        return Decision(Verdict.ALLOW, RiskLevel.LOW, "r", "v")


class Always:
    def find(self, action):
        return "grant"


class World:
    """Answers every effect, but for one that fails with a fault."""

    def __init__(self, at, fault):
        self.at, self.fault, self.seen = at, fault, []

    def __call__(self, effect):
        kind = type(effect)
        self.seen.append(kind)
        if len(self.seen) - 1 == self.at:
            raise self.fault
        if kind is Append:
            return Receipt(len(self.seen), "")
        if kind is Perform:
            assert effect.lease == "lease"
        return {
            Admit: Admission(),
            Mint: Lent("lease", {"scope": "s"}, 1),
            Perform: Performed("done"),
            Revoke: None,
            Settle: Settled(),
        }[kind]

    def answered(self, kind):
        return any(seen is kind and at != self.at for at, seen in enumerate(self.seen))


KINDS = (Admit, Append, Mint, Perform, Revoke, Settle)


def drive(world):
    port = dict.fromkeys(KINDS, world)
    flow = run(Action("read", "db", id="a"), Rules(Allows(), grants=Always()), PLAIN)
    return drive_sync(flow, port, None, port)


def test_the_ordinary_course():
    world = World(-1, None)
    assert drive(world).ok
    assert world.seen == [Admit, Append, Mint, Append, Perform, Revoke, Settle, Append]


@pytest.mark.parametrize("at", range(EFFECTS + 1))
@pytest.mark.parametrize("fault", [RuntimeError("broken"), KeyboardInterrupt()], ids=str)
def test_a_fault_anywhere_leaves_no_credential_and_no_performance_without_one(at, fault):
    world = World(at, fault)
    try:
        outcome = drive(world)
    except KeyboardInterrupt:
        outcome = None
    if world.answered(Mint):
        assert Revoke in world.seen
        assert world.seen.index(Revoke) > world.seen.index(Mint)
    if Perform in world.seen:
        assert world.seen[: world.seen.index(Perform)] == [Admit, Append, Mint, Append]
        assert world.at > 3
    if at in (2, 3) and outcome is not None:
        assert outcome.status == "failed"
    assert world.seen[-1] is Append or at == EFFECTS


def test_without_grants_nothing_is_asked():
    world = World(-1, None)
    port = dict.fromkeys(
        KINDS, lambda effect: Performed(1) if type(effect) is Perform else world(effect)
    )
    flow = run(Action("read", "db", id="a"), Rules(Allows()), PLAIN)
    assert drive_sync(flow, port, None, port).ok
    assert Mint not in world.seen
    assert Revoke not in world.seen
