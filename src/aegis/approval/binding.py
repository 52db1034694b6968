"""What an approval is bound to, and when it may be used.

An approval covers one exact action: its digest is over actor, tool, target, params and policy
version. It is used once, expires, and is never answered by the one who asked. Where a policy asks
for several people, each is a vote; one refusal is enough to deny.
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

SKEW = 300_000_000
"""How far in the future a request may have been filed, in microseconds: clocks are set back by
seconds as they are kept in time; by more, nobody knows how old a request is."""

ONCE, TASK, ALWAYS = "once", "task", "always"
SCOPES = (ONCE, TASK, ALWAYS)
"""What an approval is given for: this action once; this action as often as its task needs it; this
action once, and a rule for it is proposed (which permits nothing before somebody puts it into the
policy)."""

APPROVERS = "approvers:"
"""How the obligation of a decision begins that asks for several people."""

DEFINITION = "definition:"
"""How the label begins that carries the hash of a tool's definition."""

_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=repr)


class Vote(msgspec.Struct, frozen=True):
    """One person's approval, given at a time (microseconds since the Unix epoch)."""

    by: str
    at: int = 0
    channel: str = ""
    comment: str = ""


class Request(msgspec.Struct, frozen=True):
    """One pending or answered approval, as stored and shown.

    Times are microseconds since the Unix epoch. `summary` is what a person reads: redacted
    params; `exact` says that nothing had to be redacted. `needed` people have to agree, `votes`
    of them have. `covers` is the digest of what an approval for the whole task would cover, empty
    where there is no task. `aliases` are the names of the one who asked. `used` is the action
    that used the approval up.
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
    environment: str = ""
    task: str = ""
    covers: str = ""
    needed: int = 1
    votes: tuple[Vote, ...] = ()
    aliases: tuple[str, ...] = ()
    scope: str = ONCE
    escalates: int = 0
    used: str = ""
    exact: bool = False


def digest(action: Action, policy: str) -> str:
    """SHA-256 (hex) of everything an approval covers.

    The action's id and time are left out on purpose: the same request made again is the same
    thing to approve.
    """
    return _hash("aegis/approval/2", *_who(action), *_what(action), action.params, policy)


def task_digest(action: Action, policy: str) -> str:
    """SHA-256 (hex) of what an approval for a whole task covers; empty where there is no task.

    It is the same action, arguments included, as often as the task needs it. Arguments that may
    differ would let one approved message carry any other.
    """
    if not action.task:
        return ""
    return _hash(
        "aegis/approval/task/1", *_who(action), *_what(action), action.params, action.task, policy
    )


def _who(action: Action) -> list[Any]:
    actor = action.actor
    return [[actor.principal, actor.agent, actor.tenant, actor.chain]]


def _what(action: Action) -> list[Any]:
    definition = sorted(label for label in action.labels if label.startswith(DEFINITION))
    return [action.protocol, action.type, action.target, action.environment, definition]


def _hash(*parts: Any) -> str:
    return sha256(_encoder.encode(parts)).hexdigest()


def identifier(action: str, digest: str) -> str:
    """The id of the approval for one run of an action: short enough to type."""
    return "ap_" + sha256(f"{action}\n{digest}".encode()).hexdigest()[:16]


def approvers_of(obligations: tuple[str, ...]) -> int:
    """How many people a decision with these obligations asks for; at least 1."""
    asked = [text.removeprefix(APPROVERS) for text in obligations if text.startswith(APPROVERS)]
    return max([1, *(int(number) for number in asked if number.isdecimal())])


def refusal(request: Request, by: str, now: int) -> str:
    """Why `by` may not answer this request now; empty where they may."""
    if request.state != PENDING:
        who = f" by `{request.by}`" if request.by else ""
        return f"approval `{request.id}` is already {request.state}{who}"
    if not current(request, now):
        return f"approval `{request.id}` has expired; the action has to be requested again"
    if not by.strip():
        return "an answer needs a name: who gives it"
    asked = {_folded(name) for name in (request.principal, request.agent, *request.aliases)}
    if _folded(by) in asked:
        return f"`{by}` asked for this action and cannot approve it; another person has to"
    return ""


def answered(request: Request, vote: Vote, approve: bool, scope: str = ONCE) -> Request:
    """The request after one person's answer: denied, approved, or still waiting for others.

    A person who approved already changes nothing by approving again.
    """
    replace = msgspec.structs.replace
    if not approve:
        return replace(
            request,
            state=DENIED,
            by=vote.by,
            comment=vote.comment,
            channel=vote.channel,
            answered=vote.at,
        )
    if any(_folded(vote.by) == _folded(earlier.by) for earlier in request.votes):
        return request
    votes = (*request.votes, vote)
    # a scope wider than this one action needs the word of everybody
    wide = scope if not request.votes or request.scope == scope else ONCE
    if len(votes) < request.needed:
        return replace(request, votes=votes, scope=wide)
    return replace(
        request,
        state=APPROVED,
        votes=votes,
        scope=wide,
        by=", ".join(each.by for each in votes),
        comment="; ".join(each.comment for each in votes if each.comment),
        channel=vote.channel,
        answered=vote.at,
    )


def _folded(name: str) -> str:
    return name.strip().casefold()


def state_at(request: Request, now: int) -> str:
    """The state as of a time: pending turns into expired by itself, and so does an approval
    that was given but not used before its expiry.
    """
    if request.state in (PENDING, APPROVED) and not current(request, now):
        return EXPIRED
    return request.state


def current(request: Request, now: int) -> bool:
    """Whether a request is neither past its time nor, because the clock was set back, from a time
    to come: how old it is can then not be told.
    """
    return request.created - SKEW <= now < request.expires
