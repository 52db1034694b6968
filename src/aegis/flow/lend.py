"""Credentials of single actions: obtained once the decision is on record, given back at the end.

The record says what was lent and never the secret. Whatever fails here keeps the action from being
performed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ledger.record import AdminBody
from ..model import AegisError, CallerError
from .effects import Append, Lent, Mint, Revoke

if TYPE_CHECKING:
    from collections.abc import Generator

    from .course import Course
    from .effects import Effect

    Step = Generator[Effect, Any, None]


def lend(course: Course) -> Step:
    """Obtain what the action is granted; afterwards `course.lease` is what it is performed with."""
    grant = course.rules.grants.find(course.action)
    if grant is None:
        return
    try:
        lent: Lent = yield Mint(course.action, grant, course.decision.policy)
    except Exception as error:
        yield _unminted(course, grant, error)
        raise
    course.lease = lent.lease
    yield Append(
        "admin",
        course.action.actor.session,
        AdminBody(
            actor="aegis",
            at=lent.at,
            details=course.rules.redact(lent.provenance),
            event="credential.mint",
            outcome="ok",
        ),
        "synced",
    )


def _unminted(course: Course, grant: Any, error: Exception) -> Append:
    """The record of a credential that did not come. Where the service was asked and its answer is
    lost, it may have made one all the same.
    """
    action = course.action
    reason = str(error) if isinstance(error, AegisError) else type(error).__name__
    details = {"action": action.id, "broker": getattr(grant, "broker", ""), "reason": reason}
    return Append(
        "admin",
        action.actor.session,
        AdminBody(
            actor="aegis",
            at=action.time,
            details=course.rules.redact(details),
            event="credential.mint",
            outcome="failed" if isinstance(error, CallerError) else "unknown",
        ),
        "synced",
    )


def give_back(course: Course) -> Step:
    """Whatever became of the action, it does not keep its credential."""
    try:
        yield Revoke(course.lease)
    except Exception as error:
        course.error = course.error or error
    course.lease = None
