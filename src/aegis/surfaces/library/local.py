"""Decisions made in this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...approval import APPROVED, digest, identifier, state_at
from ...flow import Ask
from ...kernel.effective import Effective, Tightened, register_agent
from ...kernel.known import stranger
from ...model import Verdict
from . import events
from .refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...approval import Request
    from ...flow import Rules, View
    from ...flow.rules import Decider
    from ...kernel.runtime import Runtime
    from ...kernel.state import Agent
    from ...model import Action, Decision, Outcome
    from .home import Home


class Local:
    """Governs on a home of this process; with `policy`, by that policy instead of the home's."""

    def __init__(self, home: Home, policy: Decider | None = None, session: str = "") -> None:
        self.home = home
        self._policy = None if policy is None else Effective(policy, home.runtime.state)
        self._session = session
        self._shared: Rules | None = None
        self._own: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """The kernel's runtime, under the rules as they stand."""
        self.home.look()
        shared = self.home.runtime
        if self._policy is None and not self._session:
            return shared
        own = self._own
        if own is None or self._shared is not shared.rules:
            self._shared, self._own = shared.rules, self._runtime(self._policy)
            own = self._own
        return own

    def govern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View,
        *,
        dry: bool = False,
        tighten: Decision | None = None,
    ) -> Outcome:
        """Take an action along the path on this thread."""
        outcome = self._tightened(tighten).govern(action, perform, view, dry=dry)
        if not dry:
            events.ended(outcome)
        return outcome

    async def agovern(
        self,
        action: Action,
        perform: Callable[[Action], Any],
        view: View,
        *,
        dry: bool = False,
        tighten: Decision | None = None,
    ) -> Outcome:
        """Take an action along the path on an event loop."""
        outcome = await self._tightened(tighten).agovern(action, perform, view, dry=dry)
        if not dry:
            events.ended(outcome)
        return outcome

    def branch(self, policy: Decider | None, session: str) -> Local:
        """The same home, with a policy and a session of its own."""
        return Local(self.home, policy, session)

    def register(self, agent: Agent) -> None:
        """Keep an agent and its lists. Raises PolicyError, CallerError."""
        register_agent(self.home.runtime, agent)

    def kill(self, name: str, *, by: str, reason: str = "") -> None:
        """Switch an agent off, in every process on this home."""
        warning = stranger(self.home.runtime, name)
        self.home.runtime.kill(name, by=by, reason=reason)
        if warning:
            events.log.warning("%s", warning)

    def revive(self, name: str, *, by: str) -> None:
        """Switch an agent on again."""
        self.home.runtime.revive(name, by=by)

    def file(self, action: Action) -> str:
        """File an approval for an action, as its flow would; its id.

        Raises BlockedError where the action is refused anyway.
        """
        runtime = self.runtime
        outcome = runtime.govern(action, _nothing, dry=True)
        if outcome.decision.verdict is Verdict.BLOCK:
            raise refusal(outcome)
        bound = digest(outcome.action, outcome.decision.policy)
        now = time.time_ns() // 1000
        for given in runtime.state.approvals(APPROVED, bound):
            if state_at(given, now) == APPROVED:
                return given.id
        name = identifier(outcome.action.id, bound)
        details = {"approval": name, "type": action.type, "agent": action.actor.agent}
        runtime.admin("approval.create", by=action.actor.agent or "local", details=details)
        runtime.desk.file(Ask(name, outcome.action, outcome.decision, bound, outcome.findings))
        return name

    def wait(self, id: str, seconds: float) -> bool | None:
        """Whether a person approved (which uses the approval up); None where nobody answered."""
        answer = self.home.runtime.desk.wait(id, seconds)
        return None if answer is None else answer.state == APPROVED

    def answer(self, id: str, approve: bool, *, by: str, comment: str = "") -> Request:
        """Answer an approval. Raises CallerError."""
        return self.home.runtime.answer(id, approve, by=by, comment=comment, channel="library")

    def records(self, agent: str, limit: int) -> Sequence[dict[str, Any]]:
        """The newest decisions about an agent's actions, oldest first."""
        return self.home.records(agent, limit)

    def close(self) -> None:
        """Write everything out and release the files; for every branch of the home."""
        self.home.close()

    def _tightened(self, decision: Decision | None) -> Runtime:
        runtime = self.runtime
        if decision is None:
            return runtime
        return self._runtime(Tightened(runtime.rules.policy, decision))

    def _runtime(self, policy: Decider | None) -> Runtime:
        """A runtime on the parts of the home, under its rules or this policy."""
        shared = self.home.runtime
        return shared.under(policy or shared.rules.policy, self._session)


def _nothing(_: Action) -> None:
    """A dry run performs nothing."""


__all__ = ["Local"]
