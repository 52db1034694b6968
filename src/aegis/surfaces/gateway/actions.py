"""Remote actions: a program elsewhere asks, performs itself, and reports what came of it.

    POST /v1/aegis/actions               {"action": {...}}   may it happen?
    POST /v1/aegis/actions/{id}/outcome  {"token", "result" | "error"}
    POST /v1/aegis/agents                {"name", "allow", "block", "review"}
    POST /v1/aegis/agents/{name}/status  {"status": "paused" | "active"}

The server runs the one flow. Where it reaches the performance it answers `go` and waits; the
report is what the performance returns, and goes through the output guards like any other. An
action nobody reports in time is recorded as unknown, and never repeated.

Handlers take the runtime, the authenticated principal and the body, and return a status and a
JSON body. They know nothing of ASGI.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from ...approval.ticket import TOKEN_MAX
from ...flow import PLAIN
from ...kernel.effective import FUNCTION, MONITORED, NO_AGENT, register_agent, tightened
from ...kernel.keys import OPERATOR
from ...kernel.state import ACTIVE, PAUSED, Agent
from ...kernel.tickets import presenting
from ...model import (
    PROTOCOLS,
    Action,
    ActionError,
    Actor,
    CallerError,
    Decision,
    Outcome,
    Prepared,
    Principal,
    RiskLevel,
    Verdict,
)
from .chat import complain
from .errors import shareable
from .wire import WireError, decode, encode

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ...kernel.runtime import Runtime

OPEN_MAX = 4_096
"""Most actions under way at once on this server; each holds a task and its params."""

OPEN_SECONDS_MAX = 3_600.0
"""Longest a program may take to perform and report: an hour."""

OPEN_SECONDS = 300.0
"""How long it may take where it does not say."""

LABELS = frozenset((FUNCTION, MONITORED, NO_AGENT))
"""Labels that programs may send; each can only make a decision stricter, or names the action's
kind."""

Answer = tuple[int, bytes]
Name = Annotated[str, msgspec.Meta(max_length=1_024)]
Line = Annotated[str, msgspec.Meta(max_length=4_096)]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """An action as it comes over the wire. What it would do to the world is judged here."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    target: Line = ""
    params: dict[str, Any] = {}
    description: Line = ""
    protocol: str = "python"
    agent: Annotated[str, msgspec.Meta(max_length=200)] = ""
    chain: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    session: Annotated[str, msgspec.Meta(max_length=200)] = ""
    task: Line = ""
    justification: Line = ""
    labels: Annotated[tuple[Name, ...], msgspec.Meta(max_length=16)] = ()
    parent: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Opinion(msgspec.Struct, forbid_unknown_fields=True):
    """A decision of the program's own; it can only make the server's stricter."""

    verdict: str
    risk: str = "high"
    rule: Name = ""
    reasons: Annotated[tuple[Line, ...], msgspec.Meta(max_length=16)] = ()
    advice: Line = ""


class Begin(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/aegis/actions`. `seconds` is how long performing may take; `ticket`
    is what permits the call, where it came with one.
    """

    action: Asked
    dry: bool = False
    tighten: Opinion | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=OPEN_SECONDS_MAX)] = OPEN_SECONDS
    ticket: Annotated[str, msgspec.Meta(max_length=TOKEN_MAX)] = ""


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """What a performance raised."""

    type: Name
    message: Line = ""


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/aegis/actions/{id}/outcome`."""

    token: Name
    result: Any = None
    error: Failure | None = None


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/aegis/agents`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    owner: Name = ""
    allow: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)] = ()
    block: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)] = ()
    review: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1_000)] = ()


class Status(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/aegis/agents/{name}/status`."""

    status: str
    reason: Line = ""


Body = TypeVar("Body")
_BEGIN, _REPORT = Prepared(Begin), Prepared(Report)
_REGISTRATION, _STATUS = Prepared(Registration), Prepared(Status)


class RemoteFailure(Exception):
    """The performance failed where it happened."""


class Refused(Exception):
    """A request that cannot be served, with the status to say so."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, encode({"error": {"code": code, "message": message}}))


class _Open:
    """One action that a program is performing."""

    def __init__(self, principal: str) -> None:
        loop = asyncio.get_running_loop()
        self.principal = principal
        self.token = secrets.token_urlsafe(24)
        self.go: asyncio.Future[Action] = loop.create_future()
        self.reported: asyncio.Future[Any] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[Outcome] | None = None

    async def perform(self, action: Action) -> Any:
        """Let the program perform, and wait for its report."""
        self.go.set_result(action)
        return await self.reported


class Actions:
    """The remote actions of one server."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._begun = 0

    async def begin(self, runtime: Runtime, principal: Principal, body: bytes) -> Answer:
        """May it happen? Answers at the latest when nobody approved in time."""
        return await _answered(self._begin(runtime, principal, body))

    async def outcome(self, runtime: Runtime, principal: Principal, id: str, body: bytes) -> Answer:
        """What came of it; answers with the result as it may be used."""
        return await _answered(self._outcome(runtime, principal, id, body))

    async def register(self, runtime: Runtime, principal: Principal, body: bytes) -> Answer:
        """Register an agent; lists from programs only narrow what the policy permits."""
        return await _answered(_register(runtime, principal, body))

    async def status(
        self, runtime: Runtime, principal: Principal, name: str, body: bytes
    ) -> Answer:
        """Switch an agent off, or (as an operator) on again."""
        return await _answered(_status(runtime, principal, name, body))

    async def close(self) -> None:
        """Give up what is under way; it is recorded as unknown."""
        tasks = [entry.task for entry in self._open.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._open.clear()

    async def _begin(self, runtime: Runtime, principal: Principal, body: bytes) -> Answer:
        asked = _read(body, _BEGIN)
        action = _action(asked.action, principal)
        if asked.tighten is not None:
            runtime = tightened(runtime, _opinion(asked.tighten))
        if asked.dry:
            with presenting(asked.ticket):
                told = await runtime.agovern(action, _nothing, PLAIN, dry=True)
            return 200, encode(_said(told))
        if self._begun >= OPEN_MAX:
            raise Refused(503, "busy", f"{OPEN_MAX} actions are under way; try again later")
        entry = _Open(principal.id)
        self._begun += 1
        with presenting(asked.ticket):
            task = asyncio.create_task(runtime.agovern(action, entry.perform, PLAIN))
        entry.task = task
        task.add_done_callback(self._ended)
        try:
            either: set[asyncio.Future[Any]] = {task, entry.go}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not entry.go.done():
            return 200, encode(_said(task.result()))
        decided = entry.go.result()
        self._open[decided.id] = entry
        entry.timer = asyncio.get_running_loop().call_later(asked.seconds, task.cancel)
        task.add_done_callback(lambda _: self._open.pop(decided.id, None))
        answer: dict[str, Any] = {"go": True, "id": decided.id, "token": entry.token}
        if decided.params != asked.action.params:
            answer["params"] = decided.params
        return 200, encode(answer)

    async def _outcome(
        self, runtime: Runtime, principal: Principal, id: str, body: bytes
    ) -> Answer:
        report = _read(body, _REPORT)
        entry = self._open.get(id)
        if entry is None or entry.principal != principal.id or entry.task is None:
            raise Refused(
                404,
                "not_open",
                f"no action `{id[:100]}` is under way: it was reported already, or took too long "
                "and is recorded as unknown",
            )
        if not secrets.compare_digest(report.token.encode(), entry.token.encode()):
            raise Refused(403, "wrong_token", "the token is not the one this action was given")
        if entry.reported.done():
            raise Refused(409, "reported", f"action `{id}` was reported already")
        if entry.timer is not None:
            entry.timer.cancel()
        if report.error is None:
            entry.reported.set_result(report.result)
        else:
            failure = f"{report.error.type}: {report.error.message}"
            entry.reported.set_exception(RemoteFailure(failure))
        # the flow goes on to its record even where the reporter does not wait for the answer
        ended = await asyncio.shield(entry.task)
        said = _said(ended)
        if ended.status == "performed" and ended.result is not report.result:
            said["result"] = ended.result
        return 200, encode(said)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._begun -= 1
        if not task.cancelled():
            task.exception()  # looked at, so that the loop does not complain about it later


async def _answered(work: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return await work
    except Refused as refused:
        return refused.answer
    except WireError as error:
        return Refused(400, "malformed", str(error)).answer
    except (ActionError, CallerError) as error:
        return Refused(400, "unusable", str(error)).answer


async def _register(runtime: Runtime, principal: Principal, body: bytes) -> Answer:
    asked = _read(body, _REGISTRATION)
    if principal.agent and principal.agent != asked.name:
        raise Refused(403, "other_agent", f"this key belongs to agent `{principal.agent}`")
    register_agent(
        runtime,
        Agent(
            asked.name,
            asked.owner,
            allow=asked.allow,
            block=asked.block,
            review=asked.review,
            by=principal.id or "anonymous",
        ),
    )
    return 200, encode({"name": asked.name, "registered": True})


async def _status(runtime: Runtime, principal: Principal, name: str, body: bytes) -> Answer:
    asked = _read(body, _STATUS)
    if asked.status == PAUSED:
        if principal.agent and principal.agent != name:
            raise Refused(403, "other_agent", f"this key belongs to agent `{principal.agent}`")
        runtime.kill(name, by=principal.id, reason=asked.reason)
    elif asked.status == ACTIVE:
        if OPERATOR not in principal.roles:
            raise Refused(
                403,
                "not_operator",
                f"switching an agent on needs the role `{OPERATOR}`; or run `aegis revive` on the "
                "server",
            )
        runtime.revive(name, by=principal.id)
    else:
        raise Refused(400, "unusable", f"`status` is `{PAUSED}` or `{ACTIVE}`")
    return 200, encode({"name": name, "status": asked.status})


def _read(body: bytes, kind: Prepared[Body]) -> Body:
    try:
        return kind.convert(decode(body))
    except msgspec.ValidationError as error:
        raise Refused(400, "malformed", f"the body is not what is expected: {error}") from None


def _action(asked: Asked, principal: Principal) -> Action:
    if asked.protocol not in PROTOCOLS:
        raise Refused(400, "unusable", f"`protocol` is one of {', '.join(PROTOCOLS)}")
    if principal.agent and asked.agent not in ("", principal.agent):
        raise Refused(403, "other_agent", f"this key belongs to agent `{principal.agent}`")
    session = f"{principal.id or 'anonymous'}/{asked.session}" if asked.session else ""
    agent = asked.agent or principal.agent
    return Action(
        asked.type,
        asked.target,
        asked.params,
        asked.description,
        asked.protocol,
        Actor(principal.id, agent, session, principal.tenant, asked.chain),
        task=asked.task,
        justification=asked.justification,
        parent=asked.parent,
        labels=tuple(label for label in asked.labels if label in LABELS),
    )


def _opinion(opinion: Opinion) -> Decision:
    try:
        verdict = Verdict.parse(opinion.verdict)
        risk = RiskLevel[opinion.risk.upper()]
    except (ValueError, KeyError) as error:
        raise Refused(400, "unusable", f"`tighten` is no decision: {error}") from None
    rule = f"client:{opinion.rule or 'policy'}"
    return Decision(verdict, risk, rule, "", opinion.reasons, advice=opinion.advice)


def _said(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it is answered; never the params, never another's result."""
    complain(outcome)
    decision = shareable(outcome.decision)
    return {
        "go": False,
        "id": outcome.action.id,
        "status": outcome.status,
        "code": outcome.code,
        "approval": outcome.approval,
        "retry_after": outcome.retry_after,
        "findings": outcome.findings,
        "record": outcome.receipt,
        "decision": {
            "verdict": decision.verdict.word,
            "risk": decision.risk.name.lower(),
            "rule": decision.rule,
            "policy": decision.policy,
            "reasons": decision.reasons,
            "advice": decision.advice,
            "obligations": decision.obligations,
        },
    }


def _nothing(_: Action) -> None:
    """A dry run performs nothing."""
