"""The bodies of ledger records: decisions, outcomes, approvals, administrative acts.

Fields are declared in the byte order of their names, so that one value has one encoding. Which
of the four a body is stands in the header of its entry (see `entry`), not in the body. Times are
microseconds since the Unix epoch. A body never holds a secret: params, results and texts pass
the redactor before they get here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..model import NO_USAGE, Actor, Coverage, Finding, Near, Resource, Usage


class DecisionBody(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An action was decided. `approval` names the approval that let it through, if one did."""

    action: str
    actor: Actor
    advice: str = ""
    approval: str = ""
    at: int = 0
    capability: str = ""
    coverage: tuple[Coverage, ...] = ()
    description: str = ""
    environment: str = ""
    findings: tuple[Finding, ...] = ()
    justification: str = ""
    labels: tuple[str, ...] = ()
    near: tuple[Near, ...] = ()
    obligations: tuple[str, ...] = ()
    params: Any = None
    parent: str = ""
    policy: str = ""
    protocol: str = ""
    reasons: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()
    risk: str = ""
    rule: str = ""
    target: str = ""
    task: str = ""
    type: str = ""
    verdict: str = ""


class OutcomeBody(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of an action; `decision` is the index of its decision record."""

    action: str
    at: int = 0
    code: str = ""
    coverage: tuple[Coverage, ...] = ()
    decision: int = -1
    error: str = ""
    findings: tuple[Finding, ...] = ()
    result: Any = None
    status: str = ""
    usage: Usage = NO_USAGE


class ApprovalBody(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An approval was requested or answered: `state` is requested, approved, denied, expired or
    consumed; `digest` binds it to the exact action.
    """

    action: str
    actor: Actor
    approval: str = ""
    at: int = 0
    by: str = ""
    channel: str = ""
    comment: str = ""
    digest: str = ""
    expires: int = 0
    policy: str = ""
    rule: str = ""
    state: str = ""
    type: str = ""


class AdminBody(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A privileged act: `event` such as `key.create`, `agent.kill`, `policy.reload`."""

    actor: str
    at: int = 0
    details: Any = None
    event: str = ""
    ip: str = ""
    outcome: str = ""
    user_agent: str = ""


Body = DecisionBody | OutcomeBody | ApprovalBody | AdminBody

KINDS: dict[str, type[Body]] = {
    "decision": DecisionBody,
    "outcome": OutcomeBody,
    "approval": ApprovalBody,
    "admin": AdminBody,
}
"""The kinds of record, as entry headers name them."""

DURABILITY = ("buffered", "written", "synced")
"""How far an append must have got before it is acknowledged: queued in this process; handed to
the operating system (survives a crash of the process); on the disk (survives a power cut)."""
