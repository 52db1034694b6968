"""The statements of a session on the one path: judged, run, and the server left as PostgreSQL
would leave it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ....kernel.effective import tightened
from ....model import AegisError, UpstreamError, Verdict
from . import wire
from .inbox import Gone
from .refusing import MEANING, MEANING_LABEL, cut, refusal
from .rows import Answer
from .statements import SqlView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ....approval import Request
    from ....kernel.runtime import Runtime
    from ....model import Action, Decision, Outcome
    from .answers import Answers
    from .ends import Ends
    from .rows import Event

NO_PORTAL = "refused by aegis"
"""Name of a portal that is never there: asking for it fails the server's transaction."""

log = logging.getLogger("aegis.gate")


class Governed:
    """One statement after the other. `begun` says whether the server got the one under way."""

    def __init__(self, ends: Ends, answers: Answers) -> None:
        self.begun = False
        self._ends = ends
        self._answers = answers
        self._under_way: Action | None = None
        self._waits_for = ""

    async def govern(
        self, action: Action, events: Callable[[Action], AsyncIterator[Event]]
    ) -> Outcome:
        """Take a statement along the path; its answer goes to the client as it is judged."""
        self._under_way, self.begun = action, False
        self._answers.begin()
        view = SqlView(Answer(self._cut))
        try:
            return await self._runtime_for(action).agovern(
                action, events, view, stream=True, emit=self._ends.pass_on
            )
        finally:
            self._under_way, self._waits_for = None, ""

    async def foreseen(self, action: Action) -> Decision:
        """What would be decided about a statement that is only prepared."""
        runtime = self._runtime_for(action)
        outcome = await runtime.agovern(action, _never, SqlView(), dry=True)
        if outcome.decision.verdict is Verdict.BLOCK:
            # the refusal is a fact, and facts are on record
            outcome = await runtime.agovern(action, _never, SqlView())
            self._ends.tell(refusal(outcome))
        return outcome.decision

    async def concluded(self, outcome: Outcome) -> bool:
        """Tell what became of a statement that was not performed, and leave the server as failed
        as PostgreSQL would be; whether all is well.
        """
        answers = self._answers
        if outcome.status == "performed":
            return not answers.failed
        if isinstance(outcome.error, UpstreamError | wire.ProtocolError | Gone):
            raise outcome.error
        if outcome.error is not None:
            log.error("action %s: %r", outcome.action.id, outcome.error)
        if outcome.status == "failed":
            text = str(outcome.error) if isinstance(outcome.error, ValueError) else "it failed"
            self._ends.tell(wire.failure("ERROR", "58000", text))
        elif not answers.cut:
            self._ends.tell(refusal(outcome))
        if self.begun and not answers.ended:
            await answers.rest()
        await self.fail()
        return False

    async def fail(self) -> None:
        """Make the server fail what is open there. Nothing is, outside of a transaction."""
        ends = self._ends
        if ends.upstream.status == b"I" and not ends.dirty:
            return
        self._answers.ready, ends.dirty = False, True
        ends.upstream.send(wire.execute(NO_PORTAL) + wire.FLUSH)
        await self._answers.until(b"E")

    async def cancel(self) -> None:
        """Cancel what is under way: at the server, or the wait for a person."""
        if self._waits_for:
            self._ends.runtime.desk.release(self._waits_for)
        elif self.begun and self._under_way is not None:
            await self._ends.upstream.cancel()

    def filed(self, request: Request) -> None:
        """A person is asked about an action: it may be the statement under way."""
        if self._under_way is None or self._under_way.id != request.action:
            return
        if self._ends.settings.review == "refuse":
            self._ends.runtime.desk.release(request.id)
        else:
            self._waits_for = request.id

    def _cut(self, decision: Decision) -> bytes:
        self._answers.cut = True
        assert self._under_way is not None
        return cut(decision, self._under_way)

    def _runtime_for(self, action: Action) -> Runtime:
        runtime = self._ends.runtime
        return tightened(runtime, MEANING) if MEANING_LABEL in action.labels else runtime


def _never(decided: Action) -> Any:
    raise AegisError(f"action {decided.id} is not to be performed")
