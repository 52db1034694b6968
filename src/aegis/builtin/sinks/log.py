"""Writes one structured line per action to the process log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("aegis.actions")


class LogSink:
    """The event as the fields of a log entry: info for what happened, warning for what did not."""

    name = "log"

    def emit(self, event: Mapping[str, Any]) -> None:
        """Write the entry."""
        level = logging.INFO if event["status"] == "performed" else logging.WARNING
        if _log.isEnabledFor(level):
            _log.log(
                level,
                "%s %s %s",
                event["verdict"],
                event["type"],
                event["status"],
                extra={"event": dict(event)},
            )
