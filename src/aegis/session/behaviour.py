"""What a session does over time: patterns of actions that are harmless one by one.

Each rule fires once for each time its pattern is completed, and starts over: three deletes are one
alert, six are two. Scores of the alerts inside the window add up; the sum is what a kill switch
looks at. An alert leaves the sum when the window has passed it: no session is shut for ever.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND = 1_000_000
"""A second in microseconds, the unit of all times here."""

WINDOW = 1_800 * SECOND
"""How long an alert, and a step of a pattern, counts: half an hour."""

FAN_OUT, FAN_OUT_WINDOW = 10, 60 * SECOND
"""Different targets within a minute that no single task needs."""

ESCALATIONS, ESCALATION_WINDOW = 3, 300 * SECOND
"""Actions within five minutes that a person had to look at, or that approve something."""

DELETES = 3
"""Deletes in a row, with nothing else between."""

EXTERNALS = 2
"""Calls to the outside after a secret was read."""

ALERTS_MAX = 64
"""Most alerts kept; by then every sensible kill switch has fired."""

SCORES: Mapping[str, int] = MappingProxyType(
    {
        "exfiltration": 40,
        "privilege_escalation": 35,
        "credential_abuse": 35,
        "destructive_sequence": 25,
        "fan_out": 20,
        "repeated_escalation": 15,
        "repeated_call": 15,
        "ping_pong": 15,
    }
)
"""The rules and what one alert of each adds. Whoever reads a secret and sends something out twice
is over 80."""

_SECRET = frozenset(
    """secret secrets credential credentials password passwords passwd token tokens key keys
    private env pem keychain vault""".split()  # noqa: SIM905
)
_PIPELINE = (
    ".github/",
    "workflow",
    ".gitlab-ci",
    "jenkinsfile",
    ".circleci",
    "azure-pipelines",
    "buildkite",
)
_PIPELINE_WORDS = frozenset(("workflow", "workflows", "pipeline", "pipelines", "ci", "jenkinsfile"))
_SHIPS = frozenset(("push", "deploy", "release", "publish"))


class Event(msgspec.Struct, frozen=True, gc=False):
    """One action as the rules see it. `call` tells equal calls from different ones."""

    at: int
    capability: str
    external: bool = False
    secret: bool = False
    pipeline: bool = False
    ships: bool = False
    escalates: bool = False
    target: int = 0
    call: int = 0


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A rule that fired, what it adds to the score, and when (microseconds)."""

    rule: str
    score: int
    at: int


class Behaviour(msgspec.Struct, frozen=True):
    """What the rules remember of one session."""

    secret_at: int = 0
    sent: bool = False
    externals: int = 0
    pipeline_at: int = 0
    deletes: int = 0
    targets: tuple[tuple[int, int], ...] = ()
    escalations: tuple[int, ...] = ()
    alerts: tuple[Alert, ...] = ()


FRESH = Behaviour()


def event_of(words: frozenset[str], target: str, capability: str, external: bool, at: int) -> Event:
    """An action as the rules see it, from the words of its name and target and its target."""
    place = target.lower()
    pipeline = not _PIPELINE_WORDS.isdisjoint(words) or any(part in place for part in _PIPELINE)
    return Event(
        at,
        capability,
        external,
        capability == "read" and not _SECRET.isdisjoint(words),
        pipeline and capability not in ("read", ""),
        capability == "deploy" or not _SHIPS.isdisjoint(words),
        capability == "approve",
        hash(place) if place else 0,
    )


def step(
    state: Behaviour,
    event: Event,
    scores: Mapping[str, int] = SCORES,
    window: int = WINDOW,
) -> tuple[Behaviour, tuple[str, ...]]:
    """The state after an action, and the rules it made fire."""
    now = event.at
    fired: list[str] = []
    secret_at, sent, externals = _leaks(state, event, window, fired)
    pipeline_at = state.pipeline_at
    if pipeline_at and now - pipeline_at <= window and event.ships:
        fired.append("privilege_escalation")
        pipeline_at = 0
    if event.pipeline:
        pipeline_at = now
    deletes = state.deletes + 1 if event.capability == "delete" else 0
    if deletes >= DELETES:
        fired.append("destructive_sequence")
        deletes = 0
    targets = _targets(state.targets, event)
    if len(targets) >= FAN_OUT:
        fired.append("fan_out")
        targets = ()
    escalations = state.escalations
    if event.escalates:
        escalations = (*(t for t in escalations if now - t <= ESCALATION_WINDOW), now)
        if len(escalations) >= ESCALATIONS:
            fired.append("repeated_escalation")
            escalations = ()
    alerts = alerted(state.alerts, fired, now, scores, window)
    return Behaviour(
        secret_at, sent, externals, pipeline_at, deletes, targets, escalations, alerts
    ), tuple(fired)


def alerted(
    alerts: tuple[Alert, ...],
    fired: list[str],
    now: int,
    scores: Mapping[str, int] = SCORES,
    window: int = WINDOW,
) -> tuple[Alert, ...]:
    """The alerts that still count, with those of the rules that fired. A score of 0 switches a rule
    off.
    """
    if not alerts and not fired:
        return alerts
    new = (Alert(rule, scores[rule], now) for rule in fired if scores[rule])
    return (*(a for a in alerts if now - a.at <= window), *new)[-ALERTS_MAX:]


def score(state: Behaviour, now: int, window: int = WINDOW) -> int:
    """The sum of what still counts."""
    return sum(alert.score for alert in state.alerts if now - alert.at <= window)


def _leaks(state: Behaviour, event: Event, window: int, fired: list[str]) -> tuple[int, bool, int]:
    """The rules about secrets: read, then sent out once; read, then used outside repeatedly."""
    secret_at, sent, externals = state.secret_at, state.sent, state.externals
    if secret_at and event.at - secret_at > window:
        secret_at, sent, externals = 0, False, 0
    if secret_at and event.external:
        if not sent and event.capability in ("write", "execute", "deploy"):
            fired.append("exfiltration")
            sent = True
        externals += 1
        if externals == EXTERNALS:
            fired.append("credential_abuse")
    if event.secret:
        return event.at, False, 0
    return secret_at, sent, externals


def _targets(known: tuple[tuple[int, int], ...], event: Event) -> tuple[tuple[int, int], ...]:
    if not event.target:
        return known
    since = event.at - FAN_OUT_WINDOW
    return (
        *((target, at) for target, at in known if at >= since and target != event.target),
        (event.target, event.at),
    )
