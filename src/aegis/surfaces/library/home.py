"""The home folder of this process: one runtime on it, its configuration watched for changes."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...kernel import discover
from ...kernel.build import open_runtime, reload
from ...kernel.lanes import lane_paths
from ...kernel.reload import Watch
from ...ledger.entry import Query, record_of
from ...model import shown
from .approvals import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...approval import Request
    from ...kernel.config import Loaded

log = logging.getLogger("aegis")

LOOK_SECONDS = 0.2
"""How often the files of the configuration are looked at, by the calls themselves: one `stat`
each, and no thread in the host's process."""


class Home:
    """One opened configuration. `load` reads it anew. Raises what `open_runtime` raises."""

    def __init__(self, loaded: Loaded, load: Callable[[], Loaded]) -> None:
        self.runtime = open_runtime(loaded, asker=ask)
        self.runtime.desk.watchers.append(self._filed)
        self.pid = os.getpid()
        self._watch = Watch(loaded, load, self._apply, _report)
        self._looked = time.monotonic()
        self._looking = threading.Lock()

    def look(self) -> None:
        """Take a changed configuration, at most every LOOK_SECONDS; a broken one is not taken."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        if self._looking.acquire(blocking=False):
            try:
                self._watch.check()
                self._looked = time.monotonic()
            finally:
                self._looking.release()

    def records(self, agent: str, limit: int) -> list[dict[str, Any]]:
        """The newest decisions about an agent's actions, of every process on this home, oldest
        first.
        """
        query = Query(kind="decision", agent=agent, newest_first=True, limit=limit)
        settings = self.runtime.settings
        self.runtime.journal.flush("written")
        found: list[dict[str, Any]] = []
        with ExitStack() as stack:
            stores = [self.runtime.journal.store]
            if settings.ledger.store != "memory":
                make = discover.load("store", settings.ledger.store)
                stores = [
                    make(path) for path in lane_paths(Path(settings.home) / settings.ledger.path)
                ]
                for store in stores:
                    stack.callback(store.close)
            for store in stores:
                found += [record_of(row.hash, row.entry).fields for row in store.rows(query)]
        return sorted(found, key=lambda body: int(body.get("at", 0)))[-limit:]

    def close(self) -> None:
        """Write everything out and release the files."""
        self.runtime.close()

    def _filed(self, request: Request) -> None:
        """Say what the call waits for, where nobody else is told: it would look as if it hung."""
        settings = self.runtime.desk.settings
        if not settings.channels and settings.wait_seconds:
            log.warning(
                "%s waits for a person; answer with `aegis approve %s` or `aegis deny %s`",
                shown(f"`{request.type}`"),
                request.id,
                request.id,
            )

    def _apply(self, loaded: Loaded) -> None:
        reload(self.runtime, loaded)


def _report(message: str, problem: bool) -> None:
    log.log(logging.WARNING if problem else logging.INFO, "%s", message)
