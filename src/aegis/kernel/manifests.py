"""The manifests of tasks that were started while Aegis runs (see `tasks`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .follow import manifest_of

if TYPE_CHECKING:
    from ..session.manifest import Manifest
    from .state import StateStore, Task


class Tasks:
    """The manifests of the started tasks; every process of the home sees a change at once."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._epoch = -1
        self._manifests: dict[str, Manifest] = {}

    def manifest(self, task: str) -> Manifest | None:
        """The manifest of a started task."""
        epoch = self._state.epoch()
        if epoch != self._epoch:
            self._manifests = {task.name: started(task) for task in self._state.tasks()}
            self._epoch = epoch
        return self._manifests.get(task)


def started(task: Task) -> Manifest:
    """The manifest of a task; that of an ended one has expired."""
    made = manifest_of(task.name, task.manifest)
    return msgspec.structs.replace(made, expires=task.ended) if task.ended else made
