"""What an approval is bound to, and when it may be used.

An approval covers one exact action: its digest is over actor, tool, target, params and policy
version. It is used once, expires, and is never answered by the one who asked.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from ..model import Action

PENDING, APPROVED, DENIED, EXPIRED, CONSUMED = (
    "pending",
    "approved",
    "denied",
    "expired",
    "consumed",
)

TTL_SECONDS = 1800
"""How long a request waits for a person before it counts as denied."""

_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=repr)


class Request(msgspec.Struct, frozen=True):
    """One pending or answered approval, as stored and shown.

    Times are microseconds since the Unix epoch. `summary` is what a person reads: type, target,
    redacted params, reasons.
    """

    id: str
    digest: str
    action: str
    type: str = ""
    target: str = ""
    protocol: str = ""
    principal: str = ""
    agent: str = ""
    session: str = ""
    tenant: str = ""
    policy: str = ""
    rule: str = ""
    risk: str = ""
    summary: Any = None
    reasons: tuple[str, ...] = ()
    state: str = PENDING
    created: int = 0
    expires: int = 0
    by: str = ""
    channel: str = ""
    comment: str = ""
    answered: int = 0
    run: str = ""


def digest(action: Action, policy: str) -> str:
    """SHA-256 (hex) of everything an approval covers.

    The action's id and time are left out on purpose: the same request made again is the same
    thing to approve.
    """
    actor = action.actor
    return sha256(
        _encoder.encode(
            [
                "aegis/approval/1",
                [actor.principal, actor.agent, actor.tenant],
                action.protocol,
                action.type,
                action.target,
                action.params,
                action.environment,
                policy,
            ]
        )
    ).hexdigest()


def identifier(action: str, digest: str) -> str:
    """The id of the approval for one run of an action: short enough to type."""
    return "ap_" + sha256(f"{action}\n{digest}".encode()).hexdigest()[:16]


def refusal(request: Request, by: str, now: int) -> str:
    """Why `by` may not answer this request now; empty where they may."""
    if request.state != PENDING:
        return f"approval `{request.id}` is already {request.state}"
    if now >= request.expires:
        return f"approval `{request.id}` has expired; the action has to be requested again"
    if by and by in (request.principal, request.agent):
        return f"`{by}` asked for this action and cannot approve it; another person has to"
    return ""


def state_at(request: Request, now: int) -> str:
    """The state as of a time: pending turns into expired by itself, and so does an approval
    that was given but not used before its expiry.
    """
    if request.state in (PENDING, APPROVED) and now >= request.expires:
        return EXPIRED
    return request.state
