"""Sequence rules of the policy, over the calls of one session.

A call counts from its decision on, so that two at once see each other; one that was refused, or
waits for a person, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...kernel.plans import PlanRuler, as_decision

if TYPE_CHECKING:
    from ...kernel.runtime import Runtime
    from ...model import Action, Decision
    from .session import Session


class Sequences:
    """The sequence rules in force."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ruler: tuple[Any, PlanRuler] | None = None

    def begun(self, session: Session, action: Action) -> Decision | None:
        """Count a call; what the sequences say that it completes."""
        policy = self._runtime.rules.policy
        if self._ruler is None or self._ruler[0] is not policy:
            self._ruler = (policy, PlanRuler(policy))
        ruler = self._ruler[1]
        if not ruler.sequences:
            return None
        broken = ruler.at(session.history, (), action)
        session.history.append(action)
        return as_decision(broken)

    def dropped(self, session: Session, action: Action) -> None:
        """A call was not performed."""
        if action in session.history:
            session.history.remove(action)
