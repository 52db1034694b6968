"""What sinks hear: one event for each action that came to its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model import Outcome
    from ..plugin.contracts import Sink

log = logging.getLogger("aegis")

FINDINGS_MAX = 20
"""Most findings named in one event."""


def event_of(outcome: Outcome, redact: Callable[[Any], Any]) -> dict[str, Any]:
    """The event of an outcome (see `plugin.contracts.Sink`)."""
    action, decision = outcome.action, outcome.decision
    actor = action.actor
    return {
        "action": action.id,
        "time": action.time,
        "type": redact(action.type),
        "target": redact(action.target),
        "protocol": action.protocol,
        "agent": actor.agent,
        "principal": actor.principal,
        "tenant": actor.tenant,
        "session": actor.session,
        "verdict": decision.verdict.word,
        "risk": decision.risk.name.lower(),
        "rule": decision.rule,
        "policy": decision.policy,
        "status": outcome.status,
        "code": outcome.code,
        "reason": redact(outcome.reason),
        "record": outcome.receipt.seq if outcome.receipt is not None else -1,
        "findings": [f"{f.category}/{f.rule}" for f in outcome.findings[:FINDINGS_MAX]],
    }


def tell(sinks: Sequence[Sink], outcome: Outcome, redact: Callable[[Any], Any]) -> None:
    """Give every sink the event. A sink that raises is logged and changes nothing."""
    event = event_of(outcome, redact)
    for sink in sinks:
        try:
            sink.emit(event)
        except Exception as error:
            log.warning("sink `%s` failed: %s", sink.name, error)
