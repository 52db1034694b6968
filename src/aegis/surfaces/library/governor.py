"""Where decisions are made: in this process, or on a server. Both have the same door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...approval import Request
    from ...flow import View
    from ...flow.rules import Decider
    from ...kernel.state import Agent
    from ...model import Action, Decision, Outcome


class Governor(Protocol):
    """Governs the calls of one process. `tighten` is a decision of the caller's own that can
    only make the policy's stricter; `dry` stops after the decision, and records nothing.
    """

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
        ...

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
        ...

    def branch(self, policy: Decider | None, session: str) -> Governor:
        """The same with a policy and a session of its own."""
        ...

    def register(self, agent: Agent) -> None:
        """Keep an agent and its lists."""
        ...

    def kill(self, name: str, *, by: str, reason: str = "") -> None:
        """Switch an agent off."""
        ...

    def revive(self, name: str, *, by: str) -> None:
        """Switch an agent on again."""
        ...

    def file(self, action: Action) -> str:
        """File an approval for an action; its id."""
        ...

    def wait(self, id: str, seconds: float) -> bool | None:
        """Whether a person approved; None where nobody answered in time."""
        ...

    def answer(self, id: str, approve: bool, *, by: str, comment: str = "") -> Request:
        """Answer an approval."""
        ...

    def records(self, agent: str, limit: int) -> Sequence[dict[str, Any]]:
        """The newest decisions about an agent's actions, oldest first."""
        ...

    def close(self) -> None:
        """Write everything out."""
        ...
