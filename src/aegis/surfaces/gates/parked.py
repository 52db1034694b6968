"""Actions that wait for a person, found again when the identical one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...approval import digest
from ...kernel.state import ACTION

if TYPE_CHECKING:
    from ...kernel.runtime import Runtime
    from ...model import Action


class ParkedRuns:
    """The parked runs of one protocol."""

    def __init__(self, runtime: Runtime, protocol: str) -> None:
        self._runtime = runtime
        self._protocol = protocol
        self._held: dict[str, str] = {}
        self._seen: tuple[int, str] = (-1, "")

    def held(self, action: Action) -> str:
        """The parked run of the identical action by the same actor; empty where there is none."""
        state, version = self._runtime.state, self._runtime.rules.policy.version
        seen = state.epoch(), version
        if seen != self._seen:
            stored = [(run.id, ACTION.decode(run.action)) for run in state.runs()]
            self._held = {
                digest(parked, version): id
                for id, parked in stored
                if parked.protocol == self._protocol
            }
            self._seen = seen
        return self._held.get(digest(action, version), "") if self._held else ""
