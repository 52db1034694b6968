"""The approve stage: the run waits for a person.

Request and answer are records of their own. What the person is bound to is a digest of the exact
action and policy version; an answer is used once (the desk sees to that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..approval import digest, identifier
from ..ledger.record import ApprovalBody
from ..model import Verdict
from .decide import broken, restated
from .effects import Answer, Append, Ask

if TYPE_CHECKING:
    from collections.abc import Generator

    from .course import Course
    from .effects import Effect


def approve(course: Course) -> Generator[Effect, Any, None]:
    """Ask a person. Afterwards the decision allows, or blocks with its reason and code."""
    action, decision = course.action, course.decision
    bound = digest(action, decision.policy)
    name = identifier(action.id, bound)
    course.approval = name
    try:
        yield _record(course, bound, "requested")
        answer: Answer = yield Ask(name, action, decision, bound, course.findings)
        yield _record(course, bound, answer.state, answer)
    except Exception as error:
        course.decision = broken(f"no approval could be obtained: {error}", course.rules)
        course.code = "error"
        return
    if answer.state == "approved":
        course.decision = restated(decision, Verdict.ALLOW, f"approved by `{answer.by}`", "")
    elif answer.state == "denied":
        reason = f"denied by `{answer.by}`" + (f": {answer.comment}" if answer.comment else "")
        course.decision = restated(decision, Verdict.BLOCK, reason, "ask them why, or do less")
        course.code = "denied"
    else:
        course.decision = restated(
            decision,
            Verdict.BLOCK,
            "no person approved this in time",
            f"request it again, and have somebody run `aegis approve {name}`",
        )
        course.code = "expired"


def _record(course: Course, bound: str, state: str, answer: Answer | None = None) -> Append:
    action, decision = course.action, course.decision
    return Append(
        "approval",
        action.actor.session,
        ApprovalBody(
            action=action.id,
            actor=action.actor,
            approval=course.approval,
            at=answer.at if answer else action.time,
            by=answer.by if answer else "",
            channel=answer.channel if answer else "",
            comment=course.rules.redact(answer.comment) if answer else "",
            digest=bound,
            policy=decision.policy,
            rule=decision.rule,
            state=state,
            type=action.type,
        ),
        "synced",
    )
