"""Patterns over time fire once per occurrence, and fade."""

import pytest

from aegis.session.behaviour import (
    ALERTS_MAX,
    FRESH,
    SCORES,
    SECOND,
    WINDOW,
    Event,
    alerted,
    event_of,
    score,
    step,
)
from aegis.session.loops import WINDOW as LOOP_WINDOW
from aegis.session.loops import call_of, turn

START = 1_800_000_000 * SECOND
READ = Event(START, "read")
SECRET = Event(START, "read", secret=True)
SEND = Event(START, "write", external=True)
FETCH = Event(START, "read", external=True)
DELETE = Event(START, "delete")
WORKFLOW = Event(START, "write", pipeline=True)
DEPLOY = Event(START, "deploy", ships=True)
REVIEWED = Event(START, "write", escalates=True)


def at(event, seconds):
    return Event(
        START + int(seconds * SECOND),
        event.capability,
        event.external,
        event.secret,
        event.pipeline,
        event.ships,
        event.escalates,
        event.target,
    )


def played(*events, every=1.0):
    state, fired = FRESH, []
    for index, event in enumerate(events):
        state, rules = step(state, at(event, index * every))
        fired += rules
    return state, fired


@pytest.mark.parametrize(
    ("events", "fired"),
    [
        ([SECRET, SEND], ["exfiltration"]),
        ([SEND, SECRET], []),
        ([SECRET, READ, READ, SEND], ["exfiltration"]),
        ([SECRET, SEND, SEND], ["exfiltration", "credential_abuse"]),
        ([SECRET, SEND, SEND, SEND, SEND], ["exfiltration", "credential_abuse"]),
        ([SECRET, FETCH, FETCH], ["credential_abuse"]),
        ([SECRET, SEND, SECRET, SEND], ["exfiltration", "exfiltration"]),
        ([WORKFLOW, DEPLOY], ["privilege_escalation"]),
        ([DEPLOY, WORKFLOW], []),
        ([WORKFLOW, DEPLOY, DEPLOY], ["privilege_escalation"]),
        ([DELETE] * 2, []),
        ([DELETE] * 3, ["destructive_sequence"]),
        ([DELETE, DELETE, READ, DELETE], []),
        ([DELETE] * 6, ["destructive_sequence"] * 2),
        ([REVIEWED] * 3, ["repeated_escalation"]),
        ([Event(0, "read", target=n) for n in range(1, 11)], ["fan_out"]),
        ([Event(0, "read", target=1)] * 30, []),
    ],
)
def test_patterns(events, fired):
    assert played(*events)[1] == fired


def test_patterns_that_are_spread_out_do_not_fire():
    assert played(SECRET, SEND, every=WINDOW / SECOND + 1)[1] == []
    assert played(*[REVIEWED] * 3, every=200)[1] == []
    assert played(*[Event(0, "read", target=n) for n in range(1, 30)], every=10)[1] == []


def test_the_score_adds_up_and_fades():
    state, _ = played(SECRET, SEND, SEND, *[DELETE] * 3)
    now = START + 10 * SECOND
    assert score(state, now) == 40 + 35 + 25
    assert score(state, now + WINDOW + SECOND) == 0


def test_scores_can_be_changed_and_rules_switched_off():
    scores = {**SCORES, "exfiltration": 0, "destructive_sequence": 90}
    state, _ = step(step(FRESH, SECRET)[0], SEND, scores)
    assert score(state, START) == 0
    for event in [DELETE] * 3:
        state, _ = step(state, event, scores)
    assert score(state, START) == 90


def test_alerts_are_bounded():
    alerts = ()
    for index in range(ALERTS_MAX * 2):
        alerts = alerted(alerts, ["fan_out"], START + index)
    assert len(alerts) == ALERTS_MAX


@pytest.mark.parametrize(
    ("words", "target", "capability", "external", "expected"),
    [
        ({"read", "file", "env"}, "/srv/.env", "read", False, "secret"),
        ({"get", "secret"}, "", "read", False, "secret"),
        ({"write", "file"}, "repo/.github/workflows/ci.yml", "write", False, "pipeline"),
        ({"read", "file"}, "repo/.github/workflows/ci.yml", "read", False, ""),
        ({"git", "push"}, "", "deploy", True, "ships"),
        ({"keyboard"}, "", "read", False, ""),
    ],
)
def test_events(words, target, capability, external, expected):
    event = event_of(frozenset(words), target, capability, external, START)
    marks = {name for name in ("secret", "pipeline", "ships") if getattr(event, name)}
    assert marks == ({expected} if expected else set())


def looped(calls, every=1.0):
    recent, fired = (), []
    for index, call in enumerate(calls):
        recent, rule = turn(recent, call, START + int(index * every * SECOND))
        fired.append(rule)
    return [rule for rule in fired if rule]


def test_loops():
    assert looped([1] * 4) == []
    assert looped([1] * 5) == ["repeated_call"]
    assert looped([1] * 10) == ["repeated_call"] * 2
    assert looped([1, 2] * 3) == ["ping_pong"]
    assert looped([1, 2, 3] * 5) == []
    assert looped([1, 1, 2, 1, 1, 2]) == []
    assert looped([1] * 8, every=LOOP_WINDOW / SECOND / 3) == []


def test_calls_are_the_same_only_with_the_same_arguments():
    assert call_of("read", "a", {"page": 1, "x": 2}) == call_of("read", "a", {"x": 2, "page": 1})
    assert call_of("read", "a", {"page": 1}) != call_of("read", "a", {"page": 2})
    assert call_of("read", "a", {}) != call_of("read", "b", {})
    assert call_of("read", "a", {"x": {1, 2}, "y": object}) is not None
