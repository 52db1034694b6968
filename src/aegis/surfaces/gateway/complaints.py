"""What goes wrong with every request at once is logged now and then, not once per request."""

from __future__ import annotations

import logging
import time

REPEAT_SECONDS = 10.0
"""How often the same kind of complaint is logged: a full disk fails every request."""

KINDS_MAX = 64
"""Kinds of complaint remembered; then all are forgotten, and logged once more each."""

log = logging.getLogger("aegis.gateway")


class Complaints:
    """A log of errors that repeats itself seldom. For one event loop."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[float, int]] = {}

    def say(self, kind: str, detail: object) -> None:
        """Log an error, unless one of its kind was logged within REPEAT_SECONDS."""
        now = time.monotonic()
        last, unsaid = self._kinds.get(kind, (0.0, 0))
        if last and now - last < REPEAT_SECONDS:
            self._kinds[kind] = (last, unsaid + 1)
            return
        if len(self._kinds) >= KINDS_MAX:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        more = f" ({unsaid} more of its kind meanwhile)" if unsaid else ""
        log.error("%s: %s%s", kind, detail, more)


COMPLAINTS = Complaints()
"""The complaints of this process."""
