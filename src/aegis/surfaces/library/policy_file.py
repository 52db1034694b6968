"""A policy file of its own for some calls, read again when it changes."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from ...kernel.reload import stamp
from ...model import PolicyError
from ...policy import Policy
from . import process

if TYPE_CHECKING:
    from pathlib import Path

    from .governor import Governor

log = logging.getLogger("aegis")

LOOK_SECONDS = 0.2
"""How often the file is looked at: one `stat`."""


class PolicyFile:
    """The governor of calls that one policy file decides. A changed file that is broken is not
    taken; the old policy stays. Raises PolicyError where the first one is unusable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._policy = Policy.from_yaml(self._path)
        self._stamp = stamp([str(self._path)])
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._base: Governor | None = None
        self._branch: Governor | None = None

    def governor(self) -> Governor:
        """The governor of this process under the file's policy."""
        base = process.current()
        self._look()
        branch = self._branch
        if branch is None or self._base is not base:
            with self._lock:
                branch = base.branch(self._policy, "")
                self._base, self._branch = base, branch
        return branch

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        now = stamp([str(self._path)])
        if now == self._stamp:
            return
        try:
            policy = Policy.from_yaml(self._path)
        except PolicyError as error:
            log.warning("the changed policy is not taken, the old one stays: %s", error)
        else:
            with self._lock:
                self._policy, self._base = policy, None
        self._stamp = now
